//! The rate limits on mails: by address, network, client and in all.

use chrono::TimeDelta;
use serde_json::{Value, json};

use test_kit::app::{API_KEY, Answer, Client, TestApp, answer};
use test_kit::smtp::Mode;

const ADDRESS: (&str, &str) = ("LINKGATE_MAILS_PER_ADDRESS", "1/30s,5/15m");
const NETWORK: (&str, &str) = ("LINKGATE_MAILS_PER_NETWORK", "30/15m");
const CLIENT: (&str, &str) = ("LINKGATE_MAILS_PER_CLIENT", "10/15m");

async fn start(client: &Client, email: &str) -> Answer {
    answer(client.post("/v1/attempts").json(&json!({ "email_address": email, "purpose": "sign_in" }))).await
}

/// Asserts a 429 with this `Retry-After`.
#[track_caller]
fn refused_for(refused: &Answer, seconds: u64) {
    refused.expect_problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), seconds.to_string());
}

async fn limited(app: &TestApp, limit: &str) -> u64 {
    let mark = format!("linkgate_limited_total{{limit=\"{limit}\"}} ");
    let metrics = app.metrics().await;
    metrics.lines().find_map(|line| line.strip_prefix(&mark)?.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn an_address_gets_one_mail_in_30_seconds_whoever_asks() {
    let app = TestApp::with(&[ADDRESS]).await;
    start(&app.browser(), "ann@example.com").await.expect(201);
    app.advance(TimeDelta::seconds(1));
    refused_for(&start(&app.browser_at("198.51.100.1"), "ANN@example.com").await, 29);
    let by_key = json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
    refused_for(&answer(app.browser().post("/v1/attempts").bearer_auth(API_KEY).json(&by_key)).await, 29);
    start(&app.browser(), "bob@example.com").await.expect(201);
    app.advance(TimeDelta::seconds(29));
    start(&app.browser(), "ann@example.com").await.expect(201);
    assert_eq!(app.links("ann@example.com").len(), 2);
    assert_eq!(limited(&app, "address").await, 2);
}

#[tokio::test]
async fn an_address_gets_five_mails_in_15_minutes_in_a_window_that_slides() {
    let app = TestApp::with(&[ADDRESS]).await;
    for _ in 0..5 {
        start(&app.browser(), "ann@example.com").await.expect(201);
        app.advance(TimeDelta::minutes(1));
    }
    refused_for(&start(&app.browser(), "ann@example.com").await, 600);
    app.advance(TimeDelta::minutes(10));
    start(&app.browser(), "ann@example.com").await.expect(201);
    app.advance(TimeDelta::seconds(30));
    refused_for(&start(&app.browser(), "ann@example.com").await, 30);
}

#[tokio::test]
async fn a_network_asks_for_thirty_mails_in_15_minutes() {
    let app = TestApp::with(&[NETWORK]).await;
    for number in 0..30 {
        let client = app.browser_at(&format!("203.0.113.{number}"));
        start(&client, &format!("u{number}@example.com")).await.expect(201);
    }
    refused_for(&start(&app.browser(), "ann@example.com").await, 900);
    start(&app.browser_at("198.51.100.1"), "ann@example.com").await.expect(201);
    // A back end sends the IP addresses of its users.
    let body =
        |client: Value| json!({ "email_address": "bob@example.com", "purpose": "sign_in", "client": client });
    let by_key = async |client| {
        answer(app.browser().post("/v1/attempts").bearer_auth(API_KEY).json(&body(client))).await
    };
    by_key(json!({})).await.expect(201);
    by_key(json!({ "ip": "192.0.2.1" })).await.expect(201);
    refused_for(&by_key(json!({ "ip": "203.0.113.200" })).await, 900);
}

#[tokio::test]
async fn a_client_asks_for_ten_mails_in_15_minutes_wherever_it_is() {
    let app = TestApp::with(&[CLIENT]).await;
    let client = app.browser();
    for number in 0..10 {
        start(&client, &format!("u{number}@example.com")).await.expect(201);
    }
    refused_for(&start(&client.moved_to("198.51.100.1"), "ann@example.com").await, 900);
    start(&app.browser(), "ann@example.com").await.expect(201);
    let script = app.script("a-client-secret-of-my-own");
    for number in 0..10 {
        start(&script, &format!("s{number}@example.com")).await.expect(201);
    }
    refused_for(&start(&script, "ann@example.com").await, 900);
    // A back end starts attempts for many people.
    script.start_with_key(json!({ "email_address": "ann@example.com", "purpose": "sign_in" })).await;
}

#[tokio::test]
async fn all_mails_together_are_limited() {
    let app = TestApp::with(&[("LINKGATE_MAILS_PER_MINUTE", "3")]).await;
    for number in 0..3 {
        let client = app.browser_at(&format!("198.51.{number}.1"));
        start(&client, &format!("u{number}@example.com")).await.expect(201);
    }
    refused_for(&start(&app.browser(), "ann@example.com").await, 60);
    app.advance(TimeDelta::seconds(60));
    start(&app.browser(), "ann@example.com").await.expect(201);
}

#[tokio::test]
async fn the_refusal_is_the_same_whatever_is_known_of_the_address() {
    let app = TestApp::with(&[ADDRESS, ("LINKGATE_MAILS_PER_MINUTE", "600")]).await;
    let owner = app.browser();
    let attempt = owner.sign_in("ann@example.com").await;
    owner.press(&app.link("ann@example.com"), "approve").await.expect(303);
    attempt.redeem().await.expect(200);
    start(&app.browser(), "nobody@example.com").await.expect(201);
    let stranger = app.browser();
    let mut answers = Vec::new();
    for email in ["ann@example.com", "nobody@example.com"] {
        let mut refused = start(&stranger, email).await;
        refused_for(&refused, 30);
        refused.body["request_id"] = Value::Null;
        answers.push(refused.body);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn who_spends_the_mails_of_an_address_keeps_no_client_out_that_has_verified_it() {
    let app = TestApp::with(&[ADDRESS, NETWORK, CLIENT]).await;
    let owner = app.browser();
    let attempt = owner.sign_in("ann@example.com").await;
    owner.press(&app.link("ann@example.com"), "approve").await.expect(303);
    attempt.redeem().await.expect(200);
    answer(owner.request(reqwest::Method::DELETE, "/v1/session").header("Origin", &app.url))
        .await
        .expect(204);
    app.advance(TimeDelta::minutes(20));

    // An attacker in the same network uses up the limits.
    for _ in 0..5 {
        start(&app.browser(), "ann@example.com").await.expect(201);
        app.advance(TimeDelta::seconds(30));
    }
    for number in 0..25 {
        start(&app.browser(), &format!("u{number}@example.com")).await.expect(201);
    }
    refused_for(&start(&app.browser(), "ann@example.com").await, 750);
    // Her client has its own limits, of the same size.
    let attempt = owner.sign_in("ann@example.com").await;
    refused_for(&start(&owner, "ann@example.com").await, 30);
    app.advance(TimeDelta::seconds(30));
    attempt.resend().await.expect(200);
    // For an address that it has not verified, it is like any other client.
    refused_for(&start(&owner, "bob@example.com").await, 720);
    owner.press(&app.link("ann@example.com"), "approve").await.expect(303);
    attempt.redeem().await.expect(200);
}

#[tokio::test]
async fn the_mark_of_a_verified_address_is_worth_nothing_to_another_client() {
    let app = TestApp::with(&[ADDRESS]).await;
    let owner = app.browser();
    owner.sign_in("ann@example.com").await;
    let pressed = owner.press(&app.link("ann@example.com"), "approve").await;
    let mark = pressed.set_cookie("linkgate-verified").unwrap();
    assert!(mark.contains("HttpOnly") && mark.contains("SameSite=Lax"), "{mark}");
    let value = mark.split(';').next().unwrap().to_owned();
    let thief = app.script("a-client-secret-of-my-own");
    for cookie in [value.as_str(), "linkgate-verified=", "linkgate-verified=AAAAAAAAAAAAAAAAAAAAAA.x"] {
        let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
        let refused = answer(thief.post("/v1/attempts").header("Cookie", cookie).json(&body)).await;
        refused.expect_problem(429, "rate_limited");
    }
}

#[tokio::test]
async fn a_client_that_has_verified_ten_addresses_still_proves_the_last_eight() {
    let app = TestApp::with(&[ADDRESS]).await;
    let owner = app.browser();
    let email = |number: usize| format!("u{number}@example.com");
    for number in 0..10 {
        owner.sign_in(&email(number)).await;
        owner.press(&app.link(&email(number)), "approve").await.expect(303);
    }
    for number in 0..10 {
        let again = start(&owner, &email(number)).await;
        assert_eq!(again.status, if number < 2 { 429 } else { 201 }, "{number}");
    }
}

#[tokio::test]
async fn a_resend_and_a_new_link_count_like_a_start() {
    let app = TestApp::with(&[ADDRESS]).await;
    let client = app.browser();
    let attempt = client.sign_in("ann@example.com").await;
    attempt.resend().await.expect_problem(429, "resend_too_soon");
    for _ in 0..3 {
        app.advance(TimeDelta::seconds(30));
        attempt.resend().await.expect(200);
    }
    let superseded = app.links("ann@example.com").remove(0);
    app.advance(TimeDelta::seconds(30));
    client.reissue(&superseded).await.expect(200);
    app.advance(TimeDelta::seconds(30));
    refused_for(&attempt.resend().await, 750);
    client.reissue(&superseded).await.expect_page(429).shows(&["Too many requests"]);
    // The newest link still works.
    client.press(&app.link("ann@example.com"), "approve").await.expect(303);
    assert_eq!(app.links("ann@example.com").len(), 5);
}

#[tokio::test]
async fn a_repeated_start_gets_its_attempt_although_the_mails_are_spent() {
    let app = TestApp::with(&[ADDRESS, NETWORK]).await;
    let client = app.script("a-client-secret-of-my-own");
    let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
    let repeat = async |key: &str| {
        answer(client.post("/v1/attempts").header("Idempotency-Key", key).json(&body)).await
    };
    let first = repeat("one").await.expect(201).text("id");
    for _ in 0..40 {
        assert_eq!(repeat("one").await.expect(201).text("id"), first);
    }
    refused_for(&repeat("two").await, 30);
    // The repetitions did not count for the network.
    start(&client, "bob@example.com").await.expect(201);
    assert_eq!(app.links("ann@example.com").len(), 1);
}

#[tokio::test]
async fn a_mail_that_the_relay_does_not_take_costs_no_permit_and_a_refusal_costs_no_other() {
    let app = TestApp::with(&[ADDRESS, ("LINKGATE_MAILS_PER_CLIENT", "2/15m")]).await;
    let client = app.browser();
    app.smtp.set_mode(Mode::Defer);
    start(&client, "ann@example.com").await.expect_problem(503, "mail_unavailable");
    app.smtp.set_mode(Mode::Accept);
    start(&client, "ann@example.com").await.expect(201);
    for _ in 0..3 {
        refused_for(&start(&client, "ann@example.com").await, 30);
    }
    start(&client, "bob@example.com").await.expect(201);
    refused_for(&start(&client, "cy@example.com").await, 900);
}

#[tokio::test]
async fn a_link_that_is_handed_out_needs_no_permit() {
    let app =
        TestApp::with(&[("LINKGATE_MAILS_PER_ADDRESS", "1/1h"), ("LINKGATE_MAILS_PER_MINUTE", "1")]).await;
    for _ in 0..3 {
        let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in", "deliver": false });
        app.browser().start_with_key(body).await;
    }
    start(&app.browser(), "ann@example.com").await.expect(201);
}

#[tokio::test]
async fn sixty_requests_at_once_take_what_there_is_and_no_more() {
    let app = TestApp::with(&[NETWORK]).await;
    let starts = (0..60).map(|number| {
        let client = app.browser();
        async move { start(&client, &format!("u{number}@example.com")).await.status.as_u16() }
    });
    let statuses = futures_util::future::join_all(starts).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 30, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 30, "{statuses:?}");
}
