//! A start that is repeated with its `Idempotency-Key` returns the same attempt and sends no second mail.

use futures_util::future::join_all;
use serde_json::{Value, json};

use test_kit::app::{API_KEY, Answer, Client, REDIRECT, TestApp, answer};

fn body(email: &str) -> Value {
    json!({ "email_address": email, "purpose": "sign_in", "redirect_url": REDIRECT })
}

async fn start(client: &Client, key: &str, body: &Value) -> Answer {
    let answer = answer(client.post("/v1/attempts").header("Idempotency-Key", key).json(body)).await;
    answer.expect(201);
    answer
}

async fn start_with_key(client: &Client, key: &str, body: &Value) -> Answer {
    let request = client.post("/v1/attempts").bearer_auth(API_KEY).header("Idempotency-Key", key).json(body);
    let answer = answer(request).await;
    answer.expect(201);
    answer
}

/// From this length on, the key identifies a client without a cookie.
const UUID: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

#[tokio::test]
async fn a_repeated_start_gets_the_same_attempt_and_sends_one_mail() {
    let app = TestApp::start().await;
    let browser = app.browser();
    // The browser has a client cookie.
    browser.sign_in("other@example.com").await;
    let first = start(&browser, "key-1", &body("ann@example.com")).await;
    let second = start(&browser, "key-1", &body("ann@example.com")).await;
    assert_eq!(first.body["id"], second.body["id"]);
    for member in ["created_at", "expires_at", "resend_after", "status", "email_address", "cross_device"] {
        assert_eq!(first.body[member], second.body[member], "{member}");
    }
    assert_eq!(app.links("ann@example.com").len(), 1);

    // Either token works.
    browser.press(&app.link("ann@example.com"), "approve").await.expect(303);
    for started in [&first, &second] {
        let path = format!("/v1/attempts/{}", first.text("id"));
        let status = answer(browser.get(&path).bearer_auth(started.text("attempt_token"))).await;
        assert_eq!(status.expect(200).body["status"], "verified");
    }
    // A repetition after that returns the ended attempt, and sends no mail.
    assert_eq!(start(&browser, "key-1", &body("ann@example.com")).await.body["status"], "verified");
    assert_eq!(app.links("ann@example.com").len(), 1);
}

#[tokio::test]
async fn a_retry_without_the_cookie_of_the_lost_answer_is_the_same_client() {
    let app = TestApp::start().await;
    let lost = start(&app.browser(), UUID, &body("ann@example.com")).await;
    let browser = app.browser_at("203.0.113.8");
    let retried = start(&browser, UUID, &body("ann@example.com")).await;
    assert_eq!(lost.body["id"], retried.body["id"]);
    assert_eq!(app.links("ann@example.com").len(), 1);
    let link = app.link("ann@example.com");
    browser.open(&link).await.shows(&["<script>"]);
    browser.press(&link, "approve").await.expect(303);
    let redeem = browser.post(&format!("/v1/attempts/{}/redeem", retried.text("id")));
    answer(redeem.bearer_auth(retried.text("attempt_token"))).await.expect(200);
}

#[tokio::test]
async fn starts_at_the_same_time_are_one() {
    let app = TestApp::start().await;
    let clients: Vec<Client> = (0..8).map(|_| app.script("requester-secret-0123456789")).collect();
    let ann = body("ann@example.com");
    let answers = join_all(clients.iter().map(|client| start(client, UUID, &ann))).await;
    assert!(answers.iter().all(|answer| answer.body["id"] == answers[0].body["id"]));
    assert_eq!(app.links("ann@example.com").len(), 1);

    // The same for a browser without a cookie.
    let bob = body("bob@example.com");
    let browsers: Vec<Client> = (0..8).map(|_| app.browser()).collect();
    let answers = join_all(browsers.iter().map(|browser| start(browser, UUID, &bob))).await;
    assert!(answers.iter().all(|answer| answer.body["id"] == answers[0].body["id"]));
    assert_eq!(app.links("bob@example.com").len(), 1);
}

#[tokio::test]
async fn a_key_that_may_be_guessed_makes_nobody_somebody_elses_client() {
    let app = TestApp::start().await;
    let attacker = start(&app.browser(), "1", &body("ann@example.com")).await;
    let ann = app.browser_at("203.0.113.8");
    let hers = start(&ann, "1", &body("ann@example.com")).await;
    assert_ne!(attacker.body["id"], hers.body["id"]);
    let again = start(&ann, "1", &body("ann@example.com")).await;
    assert_eq!(hers.body["id"], again.body["id"], "with her cookie she is known");
}

#[tokio::test]
async fn another_body_key_or_client_is_another_attempt() {
    let app = TestApp::start().await;
    let script = app.script("requester-secret-0123456789");
    let same = body("ann@example.com");
    let mut ids = vec![start(&script, "key-1", &same).await.text("id")];
    let typed = body("Ann@example.com");
    let sign_up =
        json!({ "email_address": "ann@example.com", "purpose": "sign_up", "redirect_url": REDIRECT });
    let nowhere = json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
    let german = json!({ "email_address": "ann@example.com", "purpose": "sign_in", "redirect_url": REDIRECT, "locale": "de" });
    for other in [&typed, &sign_up, &nowhere, &german] {
        ids.push(start(&script, "key-1", other).await.text("id"));
    }
    ids.push(start(&script, "key-2", &same).await.text("id"));
    ids.push(start(&app.script("another-secret-0123456789ab"), "key-1", &same).await.text("id"));
    ids.push(start(&app.browser(), "key-1", &same).await.text("id"));
    ids.push(start(&app.browser_at("198.51.100.9"), "key-1", &same).await.text("id"));
    ids.push(start_with_key(&script, "key-1", &same).await.text("id"));
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert_eq!(app.links("ann@example.com").len(), count);
}

#[tokio::test]
async fn starts_without_a_key_are_never_the_same() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let first = browser.sign_in("ann@example.com").await;
    let second = browser.sign_in("ann@example.com").await;
    assert_ne!(first.id, second.id);
    assert_eq!(app.links("ann@example.com").len(), 2);
    // Both links work: they belong to different attempts.
    for link in app.links("ann@example.com") {
        browser.describe(&link).await.expect(200);
    }
}

#[tokio::test]
async fn a_back_end_repeats_its_start_with_all_its_options() {
    let app = TestApp::start().await;
    let back_end = app.browser_at("192.0.2.1");
    let body = |expires_in: u32| {
        json!({
            "email_address": "ann@example.com", "purpose": "sign_in", "redirect_url": REDIRECT, "sub": "customer-1",
            "client": { "ip": "203.0.113.7", "user_agent": "curl/8" }, "ticket": true, "expires_in": expires_in,
        })
    };
    let first = start_with_key(&back_end, "key-1", &body(300)).await;
    let second = start_with_key(&back_end, "key-1", &body(300)).await;
    assert_eq!(first.body["id"], second.body["id"]);
    assert_eq!(app.links("ann@example.com").len(), 1);
    let other = start_with_key(&back_end, "key-1", &body(301)).await;
    assert_ne!(first.body["id"], other.body["id"]);
    assert!(first.set_cookie("linkgate-client").is_none(), "a back end is no client");
}

#[tokio::test]
async fn a_link_that_is_handed_out_is_handed_out_again() {
    let app = TestApp::start().await;
    let back_end = app.browser_at("192.0.2.1");
    let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in", "deliver": false });
    let first = start_with_key(&back_end, "key-1", &body).await;
    let second = start_with_key(&back_end, "key-1", &body).await;
    assert_eq!(first.body["id"], second.body["id"]);
    for started in [&first, &second] {
        back_end.describe(&started.text("link")).await.expect(200);
    }
    assert!(app.links("ann@example.com").is_empty());
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let app = TestApp::start().await;
    for key in [String::new(), "k".repeat(256)] {
        let request =
            app.browser().post("/v1/attempts").header("Idempotency-Key", key).json(&body("ann@example.com"));
        answer(request).await.expect_problem(400, "invalid_request");
    }
    assert!(app.links("ann@example.com").is_empty());
}
