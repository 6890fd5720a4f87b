//! Every word in Redis, in its traffic and in the logs, tried as a token or a secret on every route.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::json;

use super::flows::{Begun, begin, by_back_end, decide, in_one_client, open, redeem, sign_in};
use super::world::{REDIRECT, World};
use test_kit::app::{Answer, Client, answer};

/// The things that an attacker would like to have; all of them exist.
struct Prey {
    /// Verified, and not yet redeemed.
    verified: Begun,
    /// Mailed, and not yet opened.
    pending: Begun,
    /// An unspent ticket.
    ticket: String,
    /// A session that has not ended, in its browser.
    session: Begun,
}

async fn prey(world: &mut World) -> Prey {
    let mut all = Vec::new();
    for name in ["planted.heidi", "planted.ivan", "planted.judy"] {
        let to = world.address(&format!("{name}@mailbox-leak.example"));
        let client = world.script(0, "203.0.120.90");
        let attempt = begin(world, &client, sign_in(&to), None).await;
        let link = world.link(&to);
        if name != "planted.ivan" {
            let confirmation = open(world, &client, &link).await;
            decide(world, &client, &link, "approve", &confirmation).await.expect(303);
        }
        all.push(attempt);
    }
    let [verified, pending, session] = all.try_into().unwrap_or_else(|_| panic!("three"));
    redeem(world, &session).await;

    let key = world.api_key.clone();
    let person = world.browser(1, "203.0.121.91");
    let body = json!({
        "email_address": "planted.kim@mailbox-leak.example", "purpose": "sign_in", "redirect_url": REDIRECT,
        "deliver": false, "ticket": true, "cross_device": "approve",
    });
    let started = world.ask(person.post("/v1/attempts").bearer_auth(&key).json(&body)).await;
    let link = started.expect(201).text("link");
    let path = link[link.find("/v/").unwrap()..].to_owned();
    let confirmation = open(world, &person, &path).await;
    let done = decide(world, &person, &path, "approve", &confirmation).await;
    Prey { verified, pending, ticket: done.redirected("__linkgate_ticket").unwrap(), session }
}

/// Every word in these texts that could be a token or a secret, and ids with their prefixes of the API.
fn words(places: &[super::search::Place]) -> Vec<String> {
    let mut words = BTreeSet::new();
    for (_, bytes) in places {
        let text = String::from_utf8_lossy(bytes);
        let part = |c: char| c.is_ascii_alphanumeric() || "._-~+/=".contains(c);
        for word in text.split(|c| !part(c)).flat_map(|word| word.split(['='])) {
            if (6..=512).contains(&word.len()) {
                words.insert(word.trim_matches('.').to_owned());
            }
        }
    }
    let ids: Vec<String> = words.iter().filter(|word| word.len() == 32).cloned().collect();
    for id in ids {
        words.extend(["att_", "sess_", "client_", "user_"].map(|prefix| format!("{prefix}{id}")));
    }
    words.into_iter().filter(|word| word.len() >= 6).collect()
}

/// Sends a word wherever a token or a secret is expected; returns the answers, each with the name of the route.
async fn offer(thief: &Client, api_key: &str, prey: &Prey, word: &str) -> Vec<(&'static str, Answer)> {
    let own = |request: reqwest::RequestBuilder| request.header("Sec-Fetch-Site", "same-origin");
    let encoded: String = url::form_urlencoded::byte_serialize(word.as_bytes()).collect();
    let decision = json!({ "decision": "approve", "confirmation": word });
    let cookies = format!("linkgate-client={word}; linkgate-session={word}");
    // Shorter than 22 characters of base64url, it cannot be a client secret.
    let secret = |request: reqwest::RequestBuilder| {
        let fits = word.len() >= 22 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if fits { request.header("Linkgate-Client", word) } else { request }
    };
    let attempt = |attempt: &Begun, method: Method, path: &str| {
        let path = format!("/v1/attempts/{}{path}", attempt.id);
        secret(thief.request(method, &path)).bearer_auth(word)
    };
    let body = json!({ "email_address": "thief@example.com", "purpose": "sign_in", "deliver": false });
    let proof = json!({ "email_address": "thief@example.com", "purpose": "verify_email" });
    let doors = [
        ("a link", thief.get(&format!("/v/{encoded}")).header("Accept", "application/json")),
        ("a link's decision", own(thief.post(&format!("/v/{encoded}"))).json(&decision)),
        ("a session's cookie", thief.get("/v1/session").header("Cookie", cookies)),
        ("a renewal", secret(thief.post("/v1/session/token")).json(&json!({ "renewal_token": word }))),
        ("a ticket", thief.post("/v1/tickets/redeem").bearer_auth(api_key).json(&json!({ "ticket": word }))),
        ("an API key", thief.post("/v1/attempts").bearer_auth(word).json(&body)),
        ("a session token", thief.post("/v1/attempts").bearer_auth(word).json(&proof)),
        ("an attempt token", attempt(&prey.verified, Method::POST, "/redeem")),
        ("an attempt token, to look", attempt(&prey.pending, Method::GET, "")),
        ("an attempt token, to cancel", attempt(&prey.pending, Method::DELETE, "")),
    ];
    let mut answers = Vec::new();
    for (door, request) in doors {
        answers.push((door, answer(request).await));
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_redis_and_the_logs_hold_lets_nobody_sign_in() {
    let mut world = World::start().await;
    in_one_client(&mut world).await;
    by_back_end(&mut world).await;
    let prey = prey(&mut world).await;
    let mut places = world.redis_captured();
    places.extend(world.logs());
    let words = words(&places);
    // The confirmation id, the nonces and the ids of the targets are among the words.
    assert!(words.len() > 150, "{} words", words.len());
    assert!(words.contains(&prey.verified.id) && words.iter().any(|word| word.len() == 22));

    let thief = world.browser(1, "203.0.122.92");
    let (thief, api_key, prey_of) = (&thief, world.api_key.clone(), &prey);
    let api_key = &api_key;
    // From another network each time: the limit on refusals must not be what stops the attacker.
    let offered = futures_util::stream::iter(words.iter().enumerate())
        .map(|(number, word)| async move {
            let thief = thief.moved_to(&format!("203.{}.{}.9", 1 + number / 250, number % 250));
            (word, offer(&thief, api_key, prey_of, word).await)
        })
        .buffer_unordered(8);
    let tried: Vec<_> = offered.collect().await;
    for (word, answers) in &tried {
        for (door, answer) in answers {
            let refused = matches!(answer.status.as_u16(), 400 | 401 | 403 | 404 | 410);
            assert!(refused, "{word} opened {door}: {} {}", answer.status, answer.raw);
            assert!(answer.set_cookie("linkgate-session").is_none(), "{word} at {door}");
        }
    }
    println!("{} words tried at {} doors", words.len(), tried[0].1.len());

    // Nothing was redeemed in the meantime.
    let pending = world.ask(prey.pending.request(Method::GET, "")).await;
    assert_eq!(pending.expect(200).body["status"], "pending");
    redeem(&mut world, &prey.verified).await;
    redeem(&mut world, &prey.session).await;
    // Each route accepts the right token or secret.
    let link = world.link("planted.ivan@mailbox-leak.example");
    for (door, key) in [
        ("a link", &link[3..]),
        ("a ticket", &prey.ticket),
        ("an API key", &world.api_key),
        ("an attempt token, to look", &prey.pending.token),
    ] {
        let answers = offer(thief, &world.api_key, &prey, key).await;
        let (_, answer) = answers.iter().find(|(name, _)| *name == door).unwrap();
        assert!(answer.status.is_success(), "{door}: {}", answer.raw);
    }
}
