//! Every error, with planted texts wherever a request has room for one.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use super::flows::{Begun, begin, decide, open, sign_in};
use super::world::{World, random};
use test_kit::smtp::Mode;

fn plant(world: &mut World, what: &str) -> String {
    let text = format!("planted-{}", random());
    world.garden.plant(what, &text);
    text
}

/// Requests that are malformed or not allowed.
pub(crate) async fn of_requests(world: &mut World) {
    let client = world.browser(0, "203.0.115.80");
    let twin = world.browser(1, "203.0.115.80");
    let t = plant(world, "a bad input");
    let start = || client.post("/v1/attempts").header("Content-Type", "application/json");
    for body in [
        format!("{{\"email_address\":\"{t}\",\"purpose\":\"sign_in\"}}"),
        format!("{{\"email_address\":\"{t} <a@b.example>\",\"purpose\":\"sign_in\"}}"),
        format!("{{\"{t}\":1,\"email_address\":\"a@example.com\",\"purpose\":\"sign_in\"}}"),
        format!("{{\"email_address\":\"a@example.com\",\"purpose\":\"{t}\"}}"),
        format!("{{\"email_address\":\"{t}"),
        t.clone(),
        format!("[\"{t}\"]"),
        format!("{{\"email_address\":[\"{t}\"],\"purpose\":\"sign_in\"}}"),
        format!(
            "{{\"email_address\":\"a@example.com\",\"purpose\":\"sign_in\",\"redirect_url\":\"https://{t}.example/\"}}"
        ),
        format!("{{\"email_address\":\"a@example.com\",\"purpose\":\"sign_in\",\"sub\":\"{t}\"}}"),
    ] {
        let refused = world.ask(start().body(body)).await;
        assert!(refused.status.is_client_error(), "{}", refused.raw);
    }
    let long = format!("{t}{}", "x".repeat(17_000));
    world.ask(start().body(long)).await.expect_problem(413, "payload_too_large");
    world
        .ask(client.post("/v1/attempts").body(t.clone()))
        .await
        .expect_problem(415, "unsupported_media_type");
    let typed = client.post("/v1/attempts").header("Content-Type", format!("text/{t}")).body(t.clone());
    world.ask(typed).await.expect_problem(415, "unsupported_media_type");
    let origin = start().header("Origin", format!("https://{}.example", t.to_lowercase())).body("{}");
    world.ask(origin).await.expect_problem(403, "origin_not_allowed");
    world.ask(start().bearer_auth(&t).body(sign_in("a@example.com").to_string())).await.expect(401);
    let basic =
        start().header("Authorization", format!("Basic {t}")).body(sign_in("a@example.com").to_string());
    world.ask(basic).await.expect_problem(401, "api_key_invalid");
    let sign_up = json!({ "email_address": format!("{t}@mailbox.example"), "purpose": "sign_up" });
    world.ask(twin.post("/v1/attempts").json(&sign_up)).await.expect_problem(403, "purpose_disabled");
    for (name, value) in [
        ("Linkgate-Client", format!("{t}!")),
        ("Idempotency-Key", format!("{t}\t{t}")),
        ("Cookie", format!("linkgate-client={t}; linkgate-session={t}")),
        ("X-Forwarded-For", format!("{t}, 203.0.115.81, unknown, {t}")),
        ("X-Request-Id", format!("{t} {t}")),
        ("Forwarded", format!("for={t};host={t}")),
        ("User-Agent", t.clone()),
        ("Accept-Language", t.clone()),
        ("Prefer", format!("wait={t}")),
        ("Range", t.clone()),
        ("If-None-Match", format!("\"{t}\"")),
        ("Content-Encoding", t.clone()),
    ] {
        world
            .ask(client.get("/v1/session").header(name, &value))
            .await
            .expect(if name == "Linkgate-Client" { 400 } else { 401 });
        let attempt =
            client.get(&format!("/v1/attempts/{t}?wait=1&{t}={t}")).header(name, &value).bearer_auth(&t);
        world.ask(attempt).await.expect_problem(401, "attempt_token_invalid");
    }
    for path in [format!("/{t}?{t}={t}"), format!("/v1/{t}"), format!("/problems/{t}"), format!("/v/{t}/{t}")]
    {
        world.ask(client.get(&path)).await.expect_problem(404, "not_found");
    }
    let method = Method::from_bytes(format!("X{}", t.to_uppercase().replace('_', "-")).as_bytes()).unwrap();
    world.ask(client.request(method, "/v1/session")).await.expect_problem(405, "method_not_allowed");
    for body in [json!({ "renewal_token": t }), json!({ "renewal_token": format!("{t}.{t}.{t}") })] {
        world.ask(client.post("/v1/session/token").json(&body)).await.expect_problem(401, "session_required");
    }
    let key = world.api_key.clone();
    let ticket = client.post("/v1/tickets/redeem").bearer_auth(&key).json(&json!({ "ticket": t }));
    world.ask(ticket).await.expect_problem(410, "ticket_invalid");
    raw(world, &t).await;
}

/// Garbage instead of HTTP, and heads that are too long.
async fn raw(world: &World, t: &str) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for request in [
        format!("GET /v/{t} HTTP/9.9\r\nHost: {t}\r\n\r\n"),
        format!("{t} {t} {t}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{t} {t}: {t}\r\n\r\n"),
        format!("POST /v1/attempts HTTP/1.1\r\nHost: x\r\nContent-Length: {t}\r\n\r\n{t}"),
        format!("POST /v1/attempts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{t}\r\n"),
        format!("GET /{t}\u{1} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", t.repeat(1000)),
    ] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", world.replicas[0].port)).await.unwrap();
        // The server may close the connection before it has read everything.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = vec![0; 4096];
        let reading = tokio::time::timeout(Duration::from_secs(8), stream.read(&mut answer)).await;
        let length = reading.ok().and_then(Result::ok).unwrap_or(0);
        let text = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(!text.contains(t), "{text}");
    }
}

/// Links and tokens of other people, and invalid ones.
pub(crate) async fn of_links(world: &mut World) {
    let to = world.address("planted.erin@mailbox-leak.example");
    let client = world.script(0, "203.0.116.82");
    let attempt = begin(world, &client, sign_in(&to), None).await;
    let link = world.link(&to);
    let other = world.script(1, "203.0.116.83");
    let theirs = Begun { client: other.clone(), id: attempt.id.clone(), token: attempt.token.clone() };
    let unknown = client.get("/v1/attempts/att_00000000000000000000000000000000").bearer_auth(&attempt.token);
    world.ask(unknown).await.expect_problem(404, "attempt_not_found");
    let confirmation = open(world, &client, &link).await;
    // Another client's confirmation, and an invalid one.
    let bad = plant(world, "a bad confirmation");
    for id in [&confirmation, &bad] {
        let decision = json!({ "decision": "approve", "confirmation": id });
        world.ask(other.post(&link).json(&decision)).await.expect_problem(400, "invalid_request");
        decide(world, &other, &link, "approve", id).await.expect_page(400);
    }
    let form = [("decision", bad.as_str()), ("confirmation", &bad)];
    world.ask(client.post(&link).header("Sec-Fetch-Site", "cross-site").form(&form)).await.expect(400);
    let foreign = client.post(&link).header("Origin", "https://evil.example");
    let decision = json!({ "decision": "approve", "confirmation": confirmation });
    world.ask(foreign.json(&decision)).await.expect_problem(403, "origin_not_allowed");
    // The routes for operators, with the key and without.
    let key = world.api_key.clone();
    for path in [format!("/v1/admin/attempts/{}", attempt.id), format!("/v1/admin/sessions/{bad}")] {
        for bearer in [&bad, &key] {
            world.ask(client.get(&path).bearer_auth(bearer)).await;
        }
        world.ask(client.request(Method::DELETE, &path).bearer_auth(&bad)).await;
    }
    let cut = &link[..link.len() - 4];
    for accept in ["text/html", "application/json"] {
        world.ask(client.get(cut).header("Accept", accept)).await.expect(400);
        world.ask(client.get(&format!("/v/{bad}")).header("Accept", accept)).await.expect(400);
    }
    world.codes.insert("link_malformed".to_owned());
    decide(world, &client, &link, "approve", &confirmation).await.expect(303);
    world.ask(theirs.request(Method::POST, "/redeem")).await.expect_problem(403, "client_mismatch");
    world.snapshot();
}

/// A relay that rejects, defers, repeats the address in its replies, hangs up, and is gone.
pub(crate) async fn of_the_relay(world: &mut World) {
    let to = world.address("planted.frank@mailbox-leak.example");
    let key = world.api_key.clone();
    let client = world.browser(0, "203.0.117.84");
    for mode in [Mode::RejectRecipient, Mode::Defer, Mode::HangUpInData, Mode::OneMailOnly] {
        world.smtp.set_mode(mode);
        for _ in 0..2 {
            let browser = world.ask(client.post("/v1/attempts").json(&sign_in(&to))).await;
            world.forget_permits();
            let back_end = world.ask(client.post("/v1/attempts").bearer_auth(&key).json(&sign_in(&to))).await;
            if let Some(token) = browser.body["attempt_token"].as_str() {
                world.garden.plant_token("an attempt token", token);
            }
            if mode == Mode::RejectRecipient {
                browser.expect(201);
                back_end.expect_problem(422, "mail_rejected");
            }
            world.forget_permits();
        }
    }
    world.smtp.set_mode(Mode::Accept);
    world.snapshot();
}

/// A broken key file: the old keyring stays, and the log says so.
pub(crate) async fn of_the_key_file(world: &mut World) {
    let before = std::fs::read_to_string(&world.keys_file).unwrap();
    let bad = plant(world, "a bad key");
    std::fs::write(&world.keys_file, format!("{bad}\nplanted:{bad}\n{before}{before}")).unwrap();
    let refused = "linkgate_keyring_reloads_total{outcome=\"refused\"} 1";
    let begun = Instant::now();
    for replica in &world.replicas {
        while !replica.probe("/metrics").await.1.contains(refused) {
            assert!(begun.elapsed() < Duration::from_secs(30), "the bad key file was never read");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    std::fs::write(&world.keys_file, before).unwrap();
}

/// A store with values of the wrong type, without memory, without permissions, and gone. Its errors quote the commands.
pub(crate) async fn of_the_store(world: &mut World) {
    let to = world.address("planted.grace@mailbox-leak.example");
    let client = world.browser(0, "203.0.118.85");
    world.forget_permits();
    let attempt = begin(world, &client, sign_in(&to), None).await;
    let link = world.link(&to);
    let confirmation = open(world, &client, &link).await;
    let keys: Vec<String> = world.redis.command(&["KEYS", "lg:a:*"]);
    world.snapshot();
    for fault in ["room", "permission", "type", "silence"] {
        match fault {
            "room" => {
                let _: String = world.redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
            }
            "permission" => {
                let _: String = world.redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
                let _: String = world.redis.command(&["ACL", "SETUSER", "default", "-eval", "-evalsha"]);
            }
            "type" => {
                let _: String = world.redis.command(&["ACL", "SETUSER", "default", "+@all"]);
                for key in &keys {
                    let _: String = world.redis.command(&["SET", key, "somebody else's"]);
                }
            }
            _ => world.redis.pause(),
        }
        if fault != "room" {
            // Requests that only read keep waiting, with memory or without.
            world.ask(attempt.request(Method::GET, "/events")).await;
        }
        let met = everything(world, &attempt, &link, &confirmation).await;
        assert!(fault == "type" || met >= 3, "{fault}: {met} answers of 503");
    }
    world.redis.resume();
    for replica in &world.replicas {
        replica.until_probe("/readyz", 200).await;
    }
}

/// Runs each step once; returns how many failed with 503.
async fn everything(world: &mut World, attempt: &Begun, link: &str, confirmation: &str) -> usize {
    let client = attempt.client.clone();
    let decision = json!({ "decision": "approve", "confirmation": confirmation });
    let form = [("decision", "approve"), ("confirmation", confirmation)];
    let own =
        |path: &str| client.post(path).header("Sec-Fetch-Site", "same-origin").header("Accept", "text/html");
    let requests = [
        client.post("/v1/attempts").json(&sign_in("planted.grace@mailbox-leak.example")),
        client.get(link).header("Accept", "text/html"),
        own(link).form(&form),
        client.post(link).header("Sec-Fetch-Site", "same-origin").json(&decision),
        own(&format!("{link}/reissue")),
        attempt.request(Method::GET, ""),
        attempt.request(Method::POST, "/code").json(&json!({ "code": "123456" })),
        attempt.request(Method::POST, "/resend"),
        attempt.request(Method::POST, "/redeem"),
        client.get("/v1/session"),
    ];
    let mut unavailable = 0;
    for request in requests {
        let answer = world.ask(request).await;
        unavailable += usize::from(answer.status == 503);
        if let Some(token) = answer.body["attempt_token"].as_str() {
            world.garden.plant_token("an attempt token", token);
        }
    }
    unavailable
}
