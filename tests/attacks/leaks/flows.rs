//! Every flow, with planted personal data.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::world::{REDIRECT, World};
use test_kit::app::{Answer, Client};

/// A pending attempt.
pub(crate) struct Begun {
    pub(crate) client: Client,
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Begun {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, &format!("/v1/attempts/{}{path}", self.id)).bearer_auth(&self.token)
    }
}

/// Starts an attempt, and registers the secrets in the answer.
pub(crate) async fn begin(world: &mut World, client: &Client, body: Value, key: Option<&str>) -> Begun {
    let mut request =
        client.post("/v1/attempts").header("Referer", "https://app.example.com/planted-referer-2207");
    if let Some(key) = key {
        request = request.bearer_auth(key);
    } else {
        let idempotency = super::world::random();
        world.garden.plant("an idempotency key", &idempotency);
        request = request.header("Idempotency-Key", idempotency);
    }
    world.garden.plant("a referrer", "planted-referer-2207");
    let started = world.ask(request.json(&body)).await;
    started.expect(201);
    if let Some(cookie) = started.set_cookie("linkgate-client") {
        world.garden.plant("a client's cookie", value(&cookie));
    }
    let token = started.text("attempt_token");
    world.garden.plant_token("an attempt token", &token);
    Begun { client: client.clone(), id: started.text("id"), token }
}

/// The value of a cookie.
fn value(cookie: &str) -> &str {
    cookie.split(['=', ';']).nth(1).unwrap()
}

pub(crate) fn sign_in(email: &str) -> Value {
    json!({ "email_address": email, "purpose": "sign_in", "redirect_url": REDIRECT })
}

/// Opens the page of a link, and registers its confirmation and its cookie.
pub(crate) async fn open(world: &mut World, client: &Client, path: &str) -> String {
    let page = world.ask(client.get(path).header("Accept", "text/html")).await;
    page.expect_page(200);
    if let Some(cookie) = page.set_cookie("linkgate-client") {
        world.garden.plant("a client's cookie", value(&cookie));
    }
    let confirmation = page.confirmation();
    world.garden.plant("a confirmation", &confirmation);
    confirmation
}

/// Sends a decision, as the page does.
pub(crate) async fn decide(
    world: &mut World,
    client: &Client,
    path: &str,
    decision: &str,
    id: &str,
) -> Answer {
    let form = [("decision", decision), ("confirmation", id)];
    let own = client.post(path).header("Sec-Fetch-Site", "same-origin").header("Accept", "text/html");
    let done = world.ask(own.form(&form)).await;
    if let Some(cookie) = done.set_cookie("linkgate-session") {
        world.garden.plant_token("a renewal token, in its cookie", value(&cookie));
    }
    done
}

/// Redeems, and registers the session.
pub(crate) async fn redeem(world: &mut World, attempt: &Begun) -> Answer {
    let redeemed = world.ask(attempt.request(Method::POST, "/redeem")).await;
    redeemed.expect(200);
    for (member, what) in [
        ("session_token", "a session token"),
        ("renewal_token", "a renewal token"),
        ("email_proof", "an email proof"),
    ] {
        if let Some(token) = redeemed.body[member].as_str() {
            world.garden.plant_token(what, token);
        }
    }
    if let Some(cookie) = redeemed.set_cookie("linkgate-session") {
        world.garden.plant_token("a renewal token, in its cookie", value(&cookie));
    }
    redeemed
}

/// A browser starts at home; the link is opened elsewhere, a wrong code and the right one are entered; then every use of
/// the session.
pub(crate) async fn across_devices(world: &mut World) {
    let to = world.address("Planted.Ann+Tag7@Mailbox-Leak.example");
    let browser = world.browser(0, "203.0.113.77");
    let attempt = begin(world, &browser, sign_in("Planted.Ann+Tag7@Mailbox-Leak.example"), None).await;
    let link = world.link(&to);
    let other = world.browser(1, "198.51.100.177");
    world.ask(other.request(Method::HEAD, &link)).await.expect(200);
    world.ask(other.get(&link).header("Accept", "application/json")).await.expect(200);
    let confirmation = open(world, &other, &link).await;
    let shown = decide(world, &other, &link, "approve", &confirmation).await;
    let code = shown.relay_code();
    let wrong = format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000);
    world.garden.plant("a relay code", &code);
    world.garden.plant("a wrong code", &wrong);
    let enter = |code: &str| attempt.request(Method::POST, "/code").json(&json!({ "code": code }));
    world.ask(enter(&wrong)).await.expect_problem(422, "code_incorrect");
    let waiting = attempt.request(Method::GET, "?wait=20&seen=awaiting_code");
    let (told, entered) =
        tokio::join!(async { waiting.send().await.unwrap().text().await.unwrap() }, async {
            enter(&code).send().await.unwrap().status()
        },);
    assert!(told.contains("\"verified\"") && entered == 200, "{told}");
    let events = world.ask(attempt.request(Method::GET, "/events")).await;
    assert!(events.raw.contains("event: status"), "{}", events.raw);
    redeem(world, &attempt).await;
    world.ask(browser.get("/v1/session")).await.expect(200);
    let renewed = world.ask(browser.post("/v1/session/token").header("Origin", test_kit::app::ORIGIN)).await;
    world.garden.plant_token("a session token", &renewed.expect(200).text("session_token"));
    let out = browser.request(Method::DELETE, "/v1/session").header("Origin", test_kit::app::ORIGIN);
    world.ask(out).await.expect(204);
    world.snapshot();
    for path in
        ["/docs", "/openapi.yaml", "/problems", "/problems/link_expired", "/client.js", "/relay-code.js"]
    {
        world.ask(browser.get(path)).await.expect(200);
    }
    world.ask(browser.get("/compat.js")).await.expect(200);
    world.ask(browser.get("/.well-known/jwks.json")).await.expect(200);
}

/// A script with its own secret, over IPv6, opens its own link; then verifies another address.
pub(crate) async fn in_one_client(world: &mut World) {
    let to = world.address("planted.bob@bücher-leak.example");
    let script = world.script(1, "2001:db8:77:7700::7777");
    let attempt = begin(world, &script, sign_in("planted.bob@bücher-leak.example"), None).await;
    let link = world.link(&to);
    let described = world.ask(script.get(&link).header("Accept", "application/json")).await;
    let confirmation = described.expect(200).confirmation();
    world.garden.plant("a confirmation", &confirmation);
    let decision = json!({ "decision": "approve", "confirmation": confirmation });
    let done = world.ask(script.post(&link).json(&decision)).await;
    assert_eq!(done.expect(200).body["signed_in"], "both");
    for member in ["session_token", "renewal_token"] {
        world.garden.plant_token(member, done.body["session"][member].as_str().unwrap());
    }
    // The same press again, and one of another client.
    world.ask(script.post(&link).json(&decision)).await.expect(200);
    let session = redeem(world, &attempt).await;
    let renewal = json!({ "renewal_token": session.text("renewal_token") });
    let renewed = world.ask(script.post("/v1/session/token").json(&renewal)).await;
    let token = renewed.expect(200).text("session_token");
    world.garden.plant_token("a session token", &token);

    let new = world.address("planted.new-address@mailbox-leak.example");
    let body = json!({ "email_address": new, "purpose": "verify_email" });
    let proof = begin(world, &script, body, Some(&token)).await;
    let link = world.link(&new);
    let confirmation = open(world, &script, &link).await;
    decide(world, &script, &link, "approve", &confirmation).await.expect(200);
    redeem(world, &proof).await;
    world.ask(script.request(Method::DELETE, "/v1/session").json(&renewal)).await.expect(204);
    world.snapshot();
}

/// A back end: its own subject, its user's address and browser, a ticket.
pub(crate) async fn by_back_end(world: &mut World) {
    let to = world.address("planted.carol@mailbox-leak.example");
    let key = world.api_key.clone();
    let back_end = world.browser(0, "192.0.2.77");
    world.garden.plant("a subject", "customer-planted-1815");
    world.plant_ip("198.18.77.7");
    world.garden.plant("a browser", "PlantedAgent/77.7");
    let mut body = sign_in(&to);
    for (name, value) in [
        ("sub", json!("customer-planted-1815")),
        (
            "client",
            json!({ "ip": "198.18.77.7", "user_agent": "Mozilla/5.0 (X11) PlantedAgent/77.7 Firefox/140.0" }),
        ),
        ("deliver", json!(false)),
        ("ticket", json!(true)),
        ("cross_device", json!("approve")),
    ] {
        body[name] = value;
    }
    let started = world.ask(back_end.post("/v1/attempts").bearer_auth(&key).json(&body)).await;
    let link = started.expect(201).text("link");
    world.garden.plant_token("an attempt token", &started.text("attempt_token"));
    let path = link[link.find("/v/").unwrap()..].to_owned();
    world.garden.plant_token("a link", &path[3..]);
    let person = world.browser(1, "198.51.100.178");
    let confirmation = open(world, &person, &path).await;
    let done = decide(world, &person, &path, "approve", &confirmation).await;
    let ticket = done.redirected("__linkgate_ticket").unwrap();
    world.garden.plant_token("a ticket", &ticket);
    world.snapshot();
    let redeem = || back_end.post("/v1/tickets/redeem").bearer_auth(&key).json(&json!({ "ticket": ticket }));
    let session = world.ask(redeem()).await;
    world.garden.plant_token("a session token", &session.expect(200).text("session_token"));
    world.ask(redeem()).await.expect_problem(410, "ticket_invalid");
    world.snapshot();
}

/// Attempts that are denied, canceled, signed in elsewhere, superseded and lost.
pub(crate) async fn over_early(world: &mut World) {
    let to = world.address("planted.dave@mailbox-leak.example");
    let browser = world.browser(0, "203.0.114.78");
    let attempt = begin(world, &browser, sign_in(&to), None).await;
    world.ask(attempt.request(Method::POST, "/resend")).await.expect_problem(429, "resend_too_soon");
    let link = world.link(&to);
    let owner = world.browser(1, "198.51.101.79");
    let confirmation = open(world, &owner, &link).await;
    decide(world, &owner, &link, "deny", &confirmation).await.expect(303);
    world.snapshot();
    let again = browser.post("/v1/attempts").json(&sign_in(&to));
    world.ask(again).await.expect_problem(429, "rate_limited");
    world.ask(attempt.request(Method::POST, "/redeem")).await.expect_problem(409, "attempt_not_verified");
    world.forget_permits();

    let attempt = begin(world, &browser, sign_in(&to), None).await;
    let link = world.link(&to);
    world.ask(attempt.request(Method::DELETE, "")).await.expect(204);
    world.ask(attempt.request(Method::POST, "/resend")).await.expect_problem(409, "attempt_over");
    let described = world.ask(browser.get(&link).header("Accept", "application/json")).await;
    described.expect_problem(410, "link_canceled");
    world.forget_permits();

    let attempt = begin(world, &browser, sign_in(&to), None).await;
    let link = world.link(&to);
    let confirmation = open(world, &owner, &link).await;
    decide(world, &owner, &link, "here", &confirmation).await.expect(303);
    world.ask(attempt.request(Method::POST, "/redeem")).await.expect_problem(409, "signed_in_elsewhere");
    let used = world.ask(owner.get(&link).header("Accept", "application/json")).await;
    used.expect_problem(410, "link_already_used");
    world.snapshot();
    world.forget_permits();

    let attempt = begin(world, &browser, sign_in(&to), None).await;
    let old = world.link(&to);
    let key = format!("lg:a:{}", attempt.id.trim_start_matches("att_"));
    world.forget_permits();
    let _: i64 = world.redis.command(&["HSET", &key, "r", "0"]);
    world.ask(attempt.request(Method::POST, "/resend")).await.expect(200);
    world.link(&to);
    let superseded = world.ask(browser.get(&old).header("Accept", "application/json")).await;
    superseded.expect_problem(410, "link_superseded");
    world.ask(browser.get(&old).header("Accept", "text/html")).await.expect_page(410);
    let _: i64 = world.redis.command(&["DEL", &key]);
    let lost = world.ask(browser.get(&old).header("Accept", "application/json")).await;
    lost.expect_problem(410, "link_expired");
    world.forget_permits();
    let reissue = browser.post(&format!("{old}/reissue")).header("Sec-Fetch-Site", "same-origin");
    world.ask(reissue.header("Accept", "text/html")).await.expect_page(200);
    world.link(&to);
    world.snapshot();
}
