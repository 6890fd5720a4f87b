//! "This wasn't me", and "Sign in on this device instead".

use chrono::TimeDelta;
use serde_json::{Value, json};

use test_kit::app::{Answer, Client, REDIRECT, TestApp, answer};

const FAR: &str = "198.51.100.9";

fn sign_in(email: &str) -> Value {
    json!({ "email_address": email, "purpose": "sign_in", "redirect_url": REDIRECT })
}

async fn try_start(client: &Client, email: &str) -> Answer {
    answer(client.post("/v1/attempts").json(&sign_in(email))).await
}

#[tokio::test]
async fn this_was_not_me_ends_the_attempt_and_tells_the_requester_at_once() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let owner = app.browser_at(FAR);
    let link = app.link("ann@example.com");
    let page = owner.open(&link).await;
    let deny = async { owner.decide(&link, "deny", &page.confirmation()).await };
    let (told, denied) = app.told(&attempt, "pending", deny).await;
    assert_eq!(denied.redirected("__linkgate_status").as_deref(), Some("denied"));
    assert!(denied.redirected("__linkgate_session").is_none());
    assert_eq!(told.expect(200).body["status"], "denied");
    for member in ["signed_in", "session_id", "verified_at", "verified_from_same_client"] {
        assert!(told.body[member].is_null(), "{member}");
    }

    attempt.redeem().await.expect_problem(409, "attempt_not_verified");
    attempt.resend().await.expect_problem(409, "attempt_over");
    attempt.cancel().await.expect_problem(409, "attempt_over");
    attempt.enter_code("123456").await.expect_problem(409, "attempt_over");
    assert_eq!(app.links("ann@example.com").len(), 1);
    attempt.client.describe(&link).await.expect_problem(410, "link_already_used");
}

#[tokio::test]
async fn the_network_that_asked_sends_no_mail_to_that_address_for_15_minutes() {
    let app = TestApp::start().await;
    app.browser().sign_in("ann@example.com").await;
    app.browser_at(FAR).press(&app.link("ann@example.com"), "deny").await;

    let neighbour = app.browser_at("203.0.113.200");
    let refused = try_start(&neighbour, " Ann@Example.com").await;
    assert_eq!(refused.expect_problem(429, "rate_limited").header("retry-after"), "900");
    assert_eq!(app.links("ann@example.com").len(), 1, "no mail");
    // Others are unaffected: another address, and the owner in another network.
    try_start(&neighbour, "bob@example.com").await.expect(201);
    try_start(&app.browser_at("198.51.100.10"), "ann@example.com").await.expect(201);

    app.advance(TimeDelta::seconds(15 * 60 - 1));
    assert_eq!(
        try_start(&neighbour, "ann@example.com")
            .await
            .expect_problem(429, "rate_limited")
            .header("retry-after"),
        "1"
    );
    app.advance(TimeDelta::seconds(1));
    try_start(&neighbour, "ann@example.com").await.expect(201);
}

#[tokio::test]
async fn a_back_end_is_refused_for_the_network_of_its_denied_user_alone() {
    let app = TestApp::start().await;
    let body = |ip: &str| json!({ "email_address": "ann@example.com", "purpose": "sign_in", "client": { "ip": ip } });
    let back_end = app.script_at("back-end-secret-0123456789", "192.0.2.1");
    back_end.start_with_key(body("203.0.113.7")).await;
    app.browser_at(FAR).press(&app.link("ann@example.com"), "deny").await;
    let key = test_kit::app::API_KEY;
    let again = answer(back_end.post("/v1/attempts").bearer_auth(key).json(&body("203.0.113.8"))).await;
    again.expect_problem(429, "rate_limited");
    back_end.start_with_key(body("198.51.100.7")).await;
}

#[tokio::test]
async fn the_page_after_this_was_not_me_says_that_nobody_was_signed_in() {
    let app = TestApp::start().await;
    app.browser().start(json!({ "email_address": "ann@example.com", "purpose": "sign_in" })).await;
    let owner = app.browser_at(FAR);
    let denied = owner.press(&app.link("ann@example.com"), "deny").await;
    denied.expect_page(200).shows(&["Nobody was signed in"]);
    assert!(denied.set_cookie("linkgate-session").is_none());
}

#[tokio::test]
async fn this_was_not_me_works_after_the_code_was_shown_and_by_json() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let owner = app.script_at("owner-secret-0123456789abc", FAR);
    let link = app.link("ann@example.com");
    let confirmation = owner.describe(&link).await.confirmation();
    let code = owner.decide_json(&link, "approve", &confirmation).await.relay_code();
    let deny = owner.decide_json(&link, "deny", &confirmation);
    let (told, denied) = app.told(&attempt, "awaiting_code", deny).await;
    assert_eq!(denied.expect(200).body["status"], "denied");
    assert_eq!(denied.text("redirect_url"), format!("{REDIRECT}?__linkgate_status=denied"));
    assert_eq!(told.body["status"], "denied");
    attempt.enter_code(&code).await.expect_problem(409, "attempt_over");
}

#[tokio::test]
async fn sign_in_on_this_device_instead_gives_the_opener_the_session_and_the_requester_none() {
    let app = TestApp::start().await;
    for (email, ip) in [("near@example.com", "203.0.113.99"), ("far@example.com", FAR)] {
        let attempt = app.browser().sign_in(email).await;
        let opener = app.browser_at(ip);
        let link = app.link(email);
        let page = opener.open(&link).await;
        page.shows(&["Sign in on this device instead"]);
        let here = async { opener.decide(&link, "here", &page.confirmation()).await };
        let (told, done) = app.told(&attempt, "pending", here).await;
        let session = done.redirected("__linkgate_session").unwrap();
        assert_eq!(told.body["status"], "verified");
        assert_eq!(told.body["signed_in"], "opener");
        assert_eq!(told.body["verified_from_same_client"], false);
        attempt.redeem().await.expect_problem(409, "signed_in_elsewhere");
        answer(attempt.client.get("/v1/session")).await.expect_problem(401, "session_required");

        let current = answer(opener.get("/v1/session")).await;
        assert_eq!(current.expect(200).text("id"), session);
        let token = answer(opener.post("/v1/session/token")).await;
        let claims = app.claims(&token.expect(200).text("session_token"), "at+jwt").await;
        assert_eq!(claims["xdev"], false, "signed in where the mail was read");
    }
}

#[tokio::test]
async fn an_opener_without_cookies_gets_its_session_in_the_answer() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let opener = app.script_at("opener-secret-0123456789ab", FAR);
    let link = app.link("ann@example.com");
    let here = opener.decide_json(&link, "here", &opener.describe(&link).await.confirmation()).await;
    assert_eq!(here.expect(200).body["signed_in"], "opener");
    let renewal = json!({ "renewal_token": here.body["session"]["renewal_token"] });
    answer(opener.post("/v1/session/token").json(&renewal)).await.expect(200);
    attempt.redeem().await.expect_problem(409, "signed_in_elsewhere");
}

#[tokio::test]
async fn an_opener_that_is_no_client_cannot_be_signed_in_and_is_not_asked_to() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let nobody = app.browser_at(FAR);
    let described = nobody.describe(&link).await;
    assert_eq!(described.expect(200).body["sign_in_here"], false);
    let here = nobody.decide_json(&link, "here", &described.confirmation()).await;
    here.expect_problem(400, "invalid_request");
    assert_eq!(attempt.status().await.body["status"], "pending", "the session is not lost to nobody");
}

#[tokio::test]
async fn the_code_page_still_offers_this_device() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let opener = app.browser_at(FAR);
    let link = app.link("ann@example.com");
    let code = opener.press(&link, "approve").await;
    code.shows(&["Sign in on this device instead", "This wasn't me"]);
    let done = opener.decide(&link, "here", &code.confirmation()).await;
    assert_eq!(done.redirected("__linkgate_status").as_deref(), Some("verified"));
    attempt.enter_code(&code.relay_code()).await.expect_problem(409, "attempt_over");
    assert_eq!(attempt.status().await.body["signed_in"], "opener");
}

#[tokio::test]
async fn this_device_is_not_offered_when_a_setting_turns_it_off() {
    let app = TestApp::with(&[("LINKGATE_OPENER_SESSION", "off")]).await;
    for (email, ip) in [("near@example.com", "203.0.113.99"), ("far@example.com", FAR)] {
        let attempt = app.browser().sign_in(email).await;
        let opener = app.browser_at(ip);
        let link = app.link(email);
        let page = opener.open(&link).await;
        page.expect_page(200).hides(&["on this device instead", "value=\"here\""]);
        assert_eq!(opener.describe(&link).await.body["sign_in_here"], false);
        opener.decide(&link, "here", &page.confirmation()).await.expect_page(400);
        opener.decide_json(&link, "here", &page.confirmation()).await.expect_problem(400, "invalid_request");
        assert_eq!(attempt.status().await.body["status"], "pending");
        answer(opener.get("/v1/session")).await.expect_problem(401, "session_required");
        if ip == FAR {
            opener.decide(&link, "approve", &page.confirmation()).await.hides(&["on this device instead"]);
        }
    }
}
