//! The options of back ends with an API key: tickets, undelivered links, subjects, lifetimes, end users.

use chrono::TimeDelta;
use serde_json::{Value, json};

use test_kit::app::{API_KEY, Answer, Client, REDIRECT, TestApp, answer};

const FAR: &str = "198.51.100.9";
const NEAR: &str = "203.0.113.99";

fn with(options: Value) -> Value {
    let mut body =
        json!({ "email_address": "ann@example.com", "purpose": "sign_in", "redirect_url": REDIRECT });
    body.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    body
}

fn back_end(app: &TestApp) -> Client {
    app.browser_at("192.0.2.1")
}

async fn redeem_ticket(app: &TestApp, ticket: &str) -> Answer {
    let request = back_end(app).post("/v1/tickets/redeem").bearer_auth(API_KEY);
    answer(request.json(&json!({ "ticket": ticket }))).await
}

/// Approves in the end user's network; returns the opener's ticket.
async fn approved_ticket(app: &TestApp) -> (test_kit::app::Attempt, Answer, String) {
    let options = json!({ "ticket": true, "client": { "ip": "203.0.113.7" } });
    let attempt = back_end(app).start_with_key(with(options)).await;
    let done = app.browser_at(NEAR).press(&app.link("ann@example.com"), "approve").await;
    let ticket = done.redirected("__linkgate_ticket").unwrap();
    (attempt, done, ticket)
}

#[tokio::test]
async fn a_ticket_is_redeemed_once() {
    let app = TestApp::start().await;
    let (attempt, done, ticket) = approved_ticket(&app).await;
    let session = redeem_ticket(&app, &ticket).await;
    assert_eq!(session.expect(200).body["object"], "session");
    assert_eq!(session.body["id"].as_str(), done.redirected("__linkgate_session").as_deref());
    assert_eq!(session.body["user"]["email_address"], "ann@example.com");
    assert!(session.body["renewal_token"].is_null() && session.body["client_id"].is_null());
    assert!(session.set_cookie("linkgate-session").is_none(), "a back end keeps no cookies");
    let claims = app.claims(&session.text("session_token"), "at+jwt").await;
    assert_eq!(claims["sid"], session.body["id"]);
    assert_eq!(claims["sub"], session.body["user"]["id"]);

    redeem_ticket(&app, &ticket).await.expect_problem(410, "ticket_invalid");
    // The ticket signs in the redirected opener, so the requester gets no session.
    assert_eq!(attempt.status().await.body["signed_in"], "opener");
    attempt.redeem().await.expect_problem(409, "signed_in_elsewhere");
}

#[tokio::test]
async fn of_ten_redemptions_at_once_one_succeeds() {
    let app = TestApp::start().await;
    let (_, _, ticket) = approved_ticket(&app).await;
    let answers = futures_util::future::join_all((0..10).map(|_| redeem_ticket(&app, &ticket))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn a_ticket_lives_for_a_minute() {
    let app = TestApp::start().await;
    let (_, _, ticket) = approved_ticket(&app).await;
    app.advance(TimeDelta::seconds(60));
    redeem_ticket(&app, &ticket).await.expect_problem(410, "ticket_invalid");

    let app = TestApp::start().await;
    let (_, _, ticket) = approved_ticket(&app).await;
    app.advance(TimeDelta::seconds(59));
    redeem_ticket(&app, &ticket).await.expect(200);
}

#[tokio::test]
async fn a_ticket_needs_an_api_key() {
    let app = TestApp::start().await;
    let (_, _, ticket) = approved_ticket(&app).await;
    let redeem = || back_end(&app).post("/v1/tickets/redeem").json(&json!({ "ticket": ticket }));
    answer(redeem()).await.expect_problem(401, "api_key_invalid");
    answer(redeem().bearer_auth("wrong-api-key-0123456789")).await.expect_problem(401, "api_key_invalid");
    redeem_ticket(&app, &ticket).await.expect(200);
    redeem_ticket(&app, "nonsense").await.expect_problem(410, "ticket_invalid");
}

#[tokio::test]
async fn the_page_of_a_link_with_a_ticket_says_where_one_is_signed_in() {
    let app = TestApp::start().await;
    let options = json!({ "ticket": true, "client": { "ip": "203.0.113.7" } });
    back_end(&app).start_with_key(with(options)).await;
    let page = app.browser_at(NEAR).open(&app.link("ann@example.com")).await;
    page.expect_page(200)
        .shows(&["Yes, sign in", "You will be signed in here"])
        .hides(&["not here", "value=\"here\""]);
}

#[tokio::test]
async fn a_relay_code_leads_to_no_ticket() {
    let app = TestApp::start().await;
    let attempt = back_end(&app).start_with_key(with(json!({ "ticket": true }))).await;
    let opener = app.browser_at(FAR);
    let code = opener.press(&app.link("ann@example.com"), "approve").await;
    assert!(!code.raw.contains("__linkgate_ticket"));
    attempt.enter_code(&code.relay_code()).await.expect(200);
    assert_eq!(attempt.status().await.body["signed_in"], "requester");
    attempt.redeem().await.expect(200);
}

#[tokio::test]
async fn the_same_client_gets_a_ticket_and_both_are_signed_in() {
    let app = TestApp::start().await;
    let script = app.script("requester-secret-0123456789");
    let attempt = script.start_with_key(with(json!({ "ticket": true }))).await;
    let link = app.link("ann@example.com");
    let done = script.decide_json(&link, "approve", &script.describe(&link).await.confirmation()).await;
    assert_eq!(done.expect(200).body["signed_in"], "both");
    let url = url::Url::parse(&done.text("redirect_url")).unwrap();
    let (_, ticket) = url.query_pairs().find(|(name, _)| name == "__linkgate_ticket").unwrap();
    let by_ticket = redeem_ticket(&app, &ticket).await;
    assert_eq!(by_ticket.expect(200).body["id"], attempt.redeem().await.expect(200).body["id"]);
}

#[tokio::test]
async fn tickets_are_for_those_who_asked_for_them() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let done = attempt.client.press(&app.link("ann@example.com"), "approve").await;
    assert!(done.redirected("__linkgate_ticket").is_none());
    let nowhere = json!({ "email_address": "ann@example.com", "purpose": "sign_in", "ticket": true });
    let refused = answer(back_end(&app).post("/v1/attempts").bearer_auth(API_KEY).json(&nowhere)).await;
    refused.expect_problem(400, "invalid_request");
}

#[tokio::test]
async fn an_undelivered_link_is_in_the_answer_and_in_no_mail() {
    let app = TestApp::start().await;
    let attempt = back_end(&app).start_with_key(with(json!({ "deliver": false }))).await;
    let link = attempt.started["link"].as_str().unwrap().to_owned();
    assert!(link.starts_with(&format!("{}/v/", app.url)));
    assert_eq!(app.smtp.received_count(), 0);
    let done = app.browser_at(FAR).press(&link, "here").await;
    assert_eq!(done.redirected("__linkgate_status").as_deref(), Some("verified"));

    let delivered = back_end(&app).start_with_key(with(json!({}))).await;
    assert!(delivered.started["link"].is_null(), "a mailed link is in the mail alone");
}

#[tokio::test]
async fn a_back_end_names_the_subject() {
    let app = TestApp::start().await;
    let attempt = back_end(&app).start_with_key(with(json!({ "sub": "customer-4711" }))).await;
    let code = app.browser_at(FAR).press(&app.link("ann@example.com"), "approve").await.relay_code();
    attempt.enter_code(&code).await.expect(200);
    let session = attempt.redeem().await;
    assert_eq!(session.expect(200).body["user"]["id"], "customer-4711");
    let claims = app.claims(&session.text("session_token"), "at+jwt").await;
    assert_eq!(claims["sub"], "customer-4711");
    assert!(session.body["renewal_token"].is_null(), "without a client secret there is nobody to renew it");
    assert!(session.set_cookie("linkgate-session").is_none());
}

#[tokio::test]
async fn a_back_end_sets_how_long_the_link_works() {
    let app = TestApp::start().await;
    let attempt = back_end(&app).start_with_key(with(json!({ "expires_in": 60 }))).await;
    assert_eq!(attempt.started["expires_at"], "2026-11-22T12:01:00Z");
    let link = app.link("ann@example.com");
    app.advance(TimeDelta::seconds(59));
    app.browser().describe(&link).await.expect(200);
    app.advance(TimeDelta::seconds(1));
    app.browser().describe(&link).await.expect_problem(410, "link_expired");
    assert_eq!(attempt.status().await.body["status"], "expired");
    app.advance(TimeDelta::seconds(300));
    attempt.status().await.expect_problem(401, "attempt_token_invalid");

    let attempt = back_end(&app).start_with_key(with(json!({ "expires_in": 3600 }))).await;
    app.advance(TimeDelta::seconds(3599));
    assert_eq!(attempt.status().await.expect(200).body["status"], "pending");
    app.browser().describe(&app.link("ann@example.com")).await.expect(200);
    for seconds in [0, 59, 3601] {
        let body = with(json!({ "expires_in": seconds }));
        let refused = answer(back_end(&app).post("/v1/attempts").bearer_auth(API_KEY).json(&body)).await;
        refused.expect_problem(400, "invalid_request");
    }
}

#[tokio::test]
async fn the_end_users_address_decides_who_is_in_the_same_network() {
    let app = TestApp::start().await;
    let attempt = back_end(&app).start_with_key(with(json!({ "client": { "ip": "203.0.113.7" } }))).await;
    let link = app.link("ann@example.com");
    assert_eq!(app.browser_at(NEAR).describe(&link).await.body["opener"], "same_network");
    assert_eq!(app.browser_at(FAR).describe(&link).await.body["opener"], "other_network");
    assert_eq!(
        app.browser_at("192.0.2.2").describe(&link).await.body["opener"],
        "other_network",
        "the back end's own"
    );
    app.browser_at(NEAR).press(&link, "approve").await.expect(303);
    attempt.redeem().await.expect(200);

    // Without the end user's IP address, no opener is in the same network.
    back_end(&app).start_with_key(with(json!({}))).await;
    let link = app.link("ann@example.com");
    assert_eq!(app.browser_at("192.0.2.1").describe(&link).await.body["opener"], "other_network");
}

#[tokio::test]
async fn the_end_users_browser_is_what_the_page_and_the_mail_show() {
    let app = TestApp::start().await;
    let safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15";
    back_end(&app)
        .start_with_key(with(json!({ "client": { "ip": "203.0.113.7", "user_agent": safari } })))
        .await;
    let link = app.link("ann@example.com");
    assert_eq!(app.browser_at(NEAR).describe(&link).await.body["requested_from"], "Safari on macOS");
    app.browser_at(NEAR).open(&link).await.shows(&["Safari on macOS"]).hides(&["Firefox"]);
    assert!(String::from_utf8_lossy(&app.smtp.received()[0].message).contains("Safari on macOS"));

    // The back end's own user agent is not the end user's.
    back_end(&app).start_with_key(with(json!({}))).await;
    let link = app.link("ann@example.com");
    assert_eq!(app.browser_at(NEAR).describe(&link).await.body["requested_from"], Value::Null);
    app.browser_at(NEAR).open(&link).await.shows(&["An unknown browser"]);
}

#[tokio::test]
async fn what_is_for_back_ends_needs_an_api_key() {
    let app = TestApp::start().await;
    for options in [
        json!({ "sub": "x" }),
        json!({ "client": { "ip": "203.0.113.7" } }),
        json!({ "cross_device": "approve" }),
        json!({ "deliver": false }),
        json!({ "deliver": true }),
        json!({ "ticket": true }),
        json!({ "expires_in": 60 }),
    ] {
        let body = with(options);
        answer(app.browser().post("/v1/attempts").json(&body)).await.expect_problem(401, "api_key_invalid");
        let wrong = app.browser().post("/v1/attempts").bearer_auth("wrong-api-key-0123456789").json(&body);
        answer(wrong).await.expect_problem(401, "api_key_invalid");
    }
    assert_eq!(app.smtp.received_count(), 0);
}
