//! Proving an address to add to an account: a proof, and nobody signed in.

use chrono::TimeDelta;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use test_kit::app::{API_KEY, Answer, Attempt, Client, ORIGIN, REDIRECT, TestApp, answer, noon};

const SECRET: &str = "requester-secret-0123456789";

fn new_address() -> Value {
    json!({ "email_address": "new@example.com", "purpose": "verify_email", "redirect_url": REDIRECT })
}

/// A session of ann's, for a client that keeps no cookies.
async fn signed_in(app: &TestApp) -> Answer {
    let script = app.script(SECRET);
    let attempt = script.sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    script.decide_json(&link, "approve", &script.describe(&link).await.confirmation()).await.expect(200);
    attempt.redeem().await
}

async fn started(client: &Client, request: RequestBuilder) -> Attempt {
    let answer = answer(request).await;
    answer.expect(201);
    Attempt {
        client: client.clone(),
        id: answer.text("id"),
        token: answer.text("attempt_token"),
        started: answer.body,
    }
}

#[tokio::test]
async fn a_new_address_needs_a_session() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let start = || browser.post("/v1/attempts").json(&new_address());
    answer(start()).await.expect_problem(401, "session_required");
    answer(start().bearer_auth("a.b.c")).await.expect_problem(401, "session_required");
    answer(start().bearer_auth(API_KEY)).await.expect_problem(401, "session_required");
    let attempt = browser.sign_in("ann@example.com").await;
    answer(start().bearer_auth(&attempt.token)).await.expect_problem(401, "session_required");
    assert!(app.links("new@example.com").is_empty());
}

#[tokio::test]
async fn an_expired_session_token_is_none() {
    let app = TestApp::start().await;
    let token = signed_in(&app).await.text("session_token");
    app.advance(TimeDelta::seconds(299));
    let start = || app.script(SECRET).post("/v1/attempts").bearer_auth(&token).json(&new_address());
    answer(start()).await.expect(201);
    app.advance(TimeDelta::seconds(1));
    answer(start()).await.expect_problem(401, "session_required");
}

#[tokio::test]
async fn a_session_token_leads_to_a_proof_for_its_subject() {
    let app = TestApp::start().await;
    let session = signed_in(&app).await;
    let script = app.script(SECRET);
    let request = script.post("/v1/attempts").bearer_auth(session.text("session_token")).json(&new_address());
    let attempt = started(&script, request).await;
    assert_eq!(attempt.started["purpose"], "verify_email");
    attempt.redeem().await.expect_problem(409, "attempt_not_verified");
    let link = app.link("new@example.com");
    let described = script.describe(&link).await;
    assert_eq!(described.body["confirm"], "automatic");
    let done = script.decide_json(&link, "approve", &described.confirmation()).await;
    assert_eq!(done.expect(200).body["status"], "verified");
    assert_eq!(done.text("redirect_url"), format!("{REDIRECT}?__linkgate_status=verified"));
    for member in ["signed_in", "session_id", "session"] {
        assert!(done.body[member].is_null(), "{member}");
    }

    let status = attempt.status().await;
    assert_eq!(status.body["status"], "verified");
    assert!(status.body["signed_in"].is_null() && status.body["session_id"].is_null());
    assert_eq!(status.body["verified_from_same_client"], true);

    let proof = attempt.redeem().await;
    assert_eq!(proof.expect(200).body["object"], "email_proof");
    assert_eq!(proof.body["email_address"], "new@example.com");
    assert_eq!(proof.body["user"], json!({ "id": session.body["user"]["id"] }));
    assert_eq!(proof.body["expires_in"], 300);
    assert!(proof.body["session_token"].is_null() && proof.body["renewal_token"].is_null());
    assert!(proof.set_cookie("linkgate-session").is_none());
    let claims = app.claims(&proof.text("email_proof"), "email-proof+jwt").await;
    assert_eq!(
        claims,
        json!({
            "iss": app.url, "aud": app.url, "sub": session.body["user"]["id"],
            "email": "new@example.com", "email_verified": true,
            "iat": noon().timestamp(), "exp": noon().timestamp() + 300,
        })
    );
    // Signed with the published key like a session token, but of another type: it opens nothing.
    let misuse = script.post("/v1/attempts").bearer_auth(proof.text("email_proof")).json(&new_address());
    answer(misuse).await.expect_problem(401, "session_required");
}

#[tokio::test]
async fn the_session_cookie_serves_for_pages_of_listed_origins() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let sign_in = browser.sign_in("ann@example.com").await;
    browser.press(&app.link("ann@example.com"), "approve").await.expect(303);
    let subject = sign_in.redeem().await.body["user"]["id"].clone();
    let start = || browser.post("/v1/attempts").json(&new_address());
    answer(start()).await.expect_problem(403, "origin_not_allowed");
    answer(start().header("Origin", "https://evil.example")).await.expect_problem(403, "origin_not_allowed");
    let attempt = started(&browser, start().header("Origin", ORIGIN)).await;

    let done = browser.press(&app.link("new@example.com"), "approve").await;
    assert_eq!(done.redirected("__linkgate_status").as_deref(), Some("verified"));
    assert!(done.redirected("__linkgate_session").is_none());
    assert!(done.set_cookie("linkgate-session").is_none(), "the session stays ann's");
    assert_eq!(attempt.redeem().await.expect(200).body["user"]["id"], subject);
    let current = answer(browser.get("/v1/session")).await;
    assert_eq!(current.body["user"]["email_address"], "ann@example.com");
}

#[tokio::test]
async fn a_back_end_speaks_for_its_subject() {
    let app = TestApp::start().await;
    let back_end = app.browser_at("192.0.2.1");
    let mut body = new_address();
    body["sub"] = "customer-1".into();
    let attempt = back_end.start_with_key(body).await;
    let code = app.browser_at("198.51.100.9").press(&app.link("new@example.com"), "approve").await;
    code.shows(&["confirmation"]).hides(&["on this device instead"]);
    attempt.enter_code(&code.relay_code()).await.expect(200);
    let proof = attempt.redeem().await;
    let claims = app.claims(&proof.expect(200).text("email_proof"), "email-proof+jwt").await;
    assert_eq!(claims["sub"], "customer-1");
}

#[tokio::test]
async fn sign_in_on_this_device_makes_no_sense_for_an_address() {
    let app = TestApp::start().await;
    let session = signed_in(&app).await;
    let script = app.script(SECRET);
    let request = script.post("/v1/attempts").bearer_auth(session.text("session_token")).json(&new_address());
    let attempt = started(&script, request).await;
    let link = app.link("new@example.com");
    for ip in ["203.0.113.99", "198.51.100.9"] {
        let opener = app.browser_at(ip);
        let page = opener.open(&link).await;
        page.expect_page(200).hides(&["on this device instead", "value=\"here\""]);
        assert_eq!(opener.describe(&link).await.body["sign_in_here"], false);
        opener.decide_json(&link, "here", &page.confirmation()).await.expect_problem(400, "invalid_request");
    }
    assert_eq!(attempt.status().await.body["status"], "pending");

    // A neighbour approves: nobody is signed in by that.
    let neighbour = app.browser_at("203.0.113.99");
    let page = neighbour.open(&link).await;
    page.shows(&["Confirm your email address?", "Yes, confirm", "This wasn't me"]);
    let done = neighbour.decide(&link, "approve", &page.confirmation()).await;
    assert_eq!(done.header("location"), format!("{REDIRECT}?__linkgate_status=verified"));
    answer(neighbour.get("/v1/session")).await.expect_problem(401, "session_required");
    assert!(attempt.status().await.body["signed_in"].is_null());
    attempt.redeem().await.expect(200);
}

#[tokio::test]
async fn a_sign_up_is_told_apart_by_its_purpose() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let attempt = browser.start(json!({ "email_address": "ann@example.com", "purpose": "sign_up" })).await;
    assert_eq!(attempt.started["purpose"], "sign_up");
    browser
        .open(&app.link("ann@example.com"))
        .await
        .shows(&["Creating your Example account", "Sign up</button>"]);
    app.browser_at("203.0.113.99").open(&app.link("ann@example.com")).await.shows(&["Yes, sign up"]);
    browser.press(&app.link("ann@example.com"), "approve").await.expect_page(200);
    assert_eq!(attempt.status().await.body["purpose"], "sign_up");
    attempt.redeem().await.expect(200);
}

#[tokio::test]
async fn purposes_can_be_turned_off() {
    let app = TestApp::with(&[("LINKGATE_PURPOSES", "sign_in")]).await;
    for purpose in ["sign_up", "verify_email"] {
        let body = json!({ "email_address": "ann@example.com", "purpose": purpose, "sub": "customer-1" });
        let request = app.browser().post("/v1/attempts").bearer_auth(API_KEY).json(&body);
        answer(request).await.expect_problem(403, "purpose_disabled");
    }
    app.browser().sign_in("ann@example.com").await;
}
