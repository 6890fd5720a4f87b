//! Real responses against the schemas of `openapi.yaml`: every required field is present, none is unknown, and each has
//! its type.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use super::schema::{check, document};
use test_kit::app::{Answer, Attempt, REDIRECT, TestApp, answer};
use test_kit::requests::{OTHER_SECRET, SECRET, plain, plain_with, session, ticket, verify_email, with_key};
use test_kit::smtp::Mode;

/// Asserts that a response matches the schema with this name.
#[track_caller]
fn assert_is(answer: &Answer, name: &str) {
    assert_value_is(&answer.body, name);
}

#[track_caller]
fn assert_value_is(value: &Value, name: &str) {
    let document = document();
    let schema = &document["components"]["schemas"][name];
    assert!(schema.is_object(), "{name}");
    check(&document, schema, value, name).unwrap_or_else(|error| panic!("{error}\n{value:#}"));
}

/// Reads the attempt and asserts its status.
async fn assert_status(attempt: &Attempt, status: &str) -> Answer {
    let answer = attempt.status().await;
    assert_eq!(answer.expect(200).body["status"], status);
    assert_is(&answer, "Attempt");
    let over = !matches!(status, "pending" | "awaiting_code");
    assert_eq!(answer.header("retry-after"), if over { "" } else { "1" });
    answer
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_started_attempt_with_and_without_its_link() {
    let app = TestApp::start().await;
    let started = answer(app.browser().post("/v1/attempts").json(&plain())).await;
    assert_is(started.expect(201), "StartedAttempt");
    assert!(started.body.get("link").is_none(), "only when deliver is false");
    let handed_out =
        answer(with_key(app.browser().post("/v1/attempts")).json(&plain_with(&json!({ "deliver": false }))))
            .await;
    assert_is(handed_out.expect(201), "StartedAttempt");
    assert!(handed_out.text("link").starts_with(&app.url));
    let repeat = || app.script(SECRET).post("/v1/attempts").header("Idempotency-Key", "once").json(&plain());
    assert_is(answer(repeat()).await.expect(201), "StartedAttempt");
    app.advance(TimeDelta::seconds(1));
    let repeated = answer(repeat()).await;
    assert_is(repeated.expect(201), "StartedAttempt");
    let path = format!("/v1/attempts/{}", repeated.text("id"));
    answer(app.browser().request(Method::DELETE, &path).bearer_auth(repeated.text("attempt_token")))
        .await
        .expect(204);
    assert_is(answer(repeat()).await.expect(201), "StartedAttempt");
}

#[tokio::test]
async fn an_attempt_in_each_status() {
    let app = TestApp::start().await;
    let script = app.script(SECRET);
    let start = async |email: &str| script.start(plain_with(&json!({ "email_address": email }))).await;
    let phone = app.browser_at("198.51.100.9");

    let attempt = start("a@example.com").await;
    assert_status(&attempt, "pending").await;
    let page = phone.press(&app.link("a@example.com"), "approve").await;
    assert_status(&attempt, "awaiting_code").await;
    let wrong = attempt.enter_code(if page.relay_code() == "000000" { "000001" } else { "000000" }).await;
    assert_is(wrong.expect_problem(422, "code_incorrect"), "Problem");
    assert_is(attempt.enter_code(&page.relay_code()).await.expect(200), "Attempt");
    assert_status(&attempt, "verified").await;

    let denied = start("b@example.com").await;
    phone.press(&app.link("b@example.com"), "deny").await.expect(200);
    assert_status(&denied, "denied").await;
    let canceled = start("c@example.com").await;
    canceled.cancel().await.expect(204);
    assert_status(&canceled, "canceled").await;

    let failed = start("d@example.com").await;
    let code = phone.press(&app.link("d@example.com"), "approve").await.relay_code();
    for _ in 0..5 {
        failed.enter_code(if code == "000000" { "000001" } else { "000000" }).await;
    }
    assert_eq!(assert_status(&failed, "failed").await.body["failure"], "too_many_codes");

    let expired = start("e@example.com").await;
    app.advance(TimeDelta::seconds(30));
    assert_is(expired.resend().await.expect(200), "Attempt");
    app.advance(TimeDelta::minutes(10));
    assert_status(&expired, "expired").await;
}

#[tokio::test]
async fn an_attempt_whose_mail_was_rejected_or_whose_state_was_lost() {
    let app = TestApp::start().await;
    let rejected = app.browser().start_with_key(plain()).await;
    app.advance(TimeDelta::seconds(30));
    app.smtp.set_mode(Mode::RejectRecipient);
    assert_is(rejected.resend().await.expect_problem(422, "mail_rejected"), "Problem");
    assert_eq!(assert_status(&rejected, "failed").await.body["failure"], "mail_rejected");

    // A replica with another store does not know the attempt, as after a flush.
    let flushed = TestApp::with(&[("LINKGATE_PUBLIC_URL", &app.url)]).await;
    let path = format!("/v1/attempts/{}", rejected.id);
    let lost = answer(flushed.browser().get(&path).bearer_auth(&rejected.token)).await;
    assert_eq!(lost.expect(200).body["failure"], "state_lost");
    assert_is(&lost, "Attempt");
}

#[tokio::test]
async fn an_event_carries_the_attempt() {
    let app = TestApp::start().await;
    let attempt = app.script(SECRET).start(plain()).await;
    attempt.cancel().await.expect(204);
    let stream = answer(attempt.request(Method::GET, "/events")).await;
    assert_eq!(stream.expect(200).header("content-type"), "text/event-stream");
    let data =
        stream.raw.strip_prefix("event: status\ndata: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
    assert_value_is(&serde_json::from_str(data).unwrap(), "Attempt");
}

#[tokio::test]
async fn a_session_by_each_way_and_its_token() {
    let app = TestApp::start().await;
    let (renewal, token) = session(&app).await;
    assert_value_is(&claims(&token), "SessionTokenClaims");
    let renewed =
        answer(app.script(SECRET).post("/v1/session/token").json(&json!({ "renewal_token": renewal }))).await;
    assert_is(renewed.expect(200), "Session");
    let from_ticket =
        with_key(app.browser().post("/v1/tickets/redeem")).json(&json!({ "ticket": ticket(&app).await }));
    assert_is(answer(from_ticket).await.expect(200), "Session");

    let browser = app.browser();
    let attempt = browser.sign_in("ann@example.com").await;
    browser.press(&app.link("ann@example.com"), "approve").await.expect(303);
    assert_is(attempt.redeem().await.expect(200), "Session");
    assert_is(answer(browser.get("/v1/session")).await.expect(200), "CurrentSession");
    assert_is(answer(browser.post("/v1/session/token")).await.expect(200), "Session");

    let script = app.script(SECRET);
    let with_renewal = script.start(plain_with(&json!({ "email_address": "cy@example.com" }))).await;
    let link = app.link("cy@example.com");
    script.decide_json(&link, "approve", &script.describe(&link).await.confirmation()).await.expect(200);
    let redeemed = with_renewal.redeem().await;
    assert_is(redeemed.expect(200), "Session");
    assert!(!redeemed.text("renewal_token").is_empty());
}

#[tokio::test]
async fn an_email_proof() {
    let app = TestApp::start().await;
    let proof = verify_email(&app).await;
    assert_is(&proof, "EmailProof");
    assert_value_is(&claims(&proof.text("email_proof")), "EmailProofClaims");
}

#[tokio::test]
async fn a_link_and_what_comes_of_it() {
    let app = TestApp::start().await;
    let script = app.script(SECRET);
    let other = app.script(OTHER_SECRET);
    let start = async |email: &str, more: Value| {
        let mut body = plain_with(&json!({ "email_address": email }));
        body["cross_device"] = more;
        answer(with_key(script.post("/v1/attempts")).json(&body)).await.expect(201);
        app.link(email)
    };
    for (email, policy, decision, status) in [
        ("a@example.com", json!("approve"), "approve", "verified"),
        ("b@example.com", json!("relay_code"), "approve", "awaiting_code"),
        ("c@example.com", Value::Null, "deny", "denied"),
        ("d@example.com", json!("approve"), "here", "verified"),
    ] {
        let link = start(email, policy).await;
        let described = other.describe(&link).await;
        assert_is(described.expect(200), "Link");
        let confirmed = other.decide_json(&link, decision, &described.confirmation()).await;
        assert_is(confirmed.expect(200), "Confirmation");
        assert_eq!(confirmed.body["status"], status);
        assert_eq!(confirmed.body.get("session").is_some(), decision == "here");
    }
    script.start(plain_with(&json!({ "email_address": "e@example.com", "redirect_url": REDIRECT }))).await;
    let link = app.link("e@example.com");
    let confirmation = script.describe(&link).await.confirmation();
    assert_is(script.decide_json(&link, "approve", &confirmation).await.expect(200), "Confirmation");
    let reissue = || script.post(&format!("{link}/reissue")).header("Accept", "application/json");
    assert_is(answer(reissue()).await.expect(200), "Reissue");
}

#[tokio::test]
async fn a_form_is_answered_with_data_when_data_is_asked_for() {
    let app = TestApp::start().await;
    let browser = app.browser();
    browser.sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let confirmation = browser.describe(&link).await.confirmation();
    let send = |accept: &'static str| {
        let form = [("decision", "approve"), ("confirmation", confirmation.as_str())];
        browser.post(&link).header("Origin", &app.url).header("Accept", accept).form(&form)
    };
    assert_is(answer(send("application/json")).await.expect(200), "Confirmation");
    answer(send("text/html,application/json;q=0.9")).await.expect(303);
    answer(send("application/json").header("Sec-Fetch-Site", "cross-site"))
        .await
        .expect_problem(403, "origin_not_allowed");
}

#[tokio::test]
async fn a_browser_that_asks_for_a_new_link_is_the_client_of_the_attempt_to_come() {
    let app = TestApp::start().await;
    app.browser().sign_in("ann@example.com").await;
    let old = app.link("ann@example.com");
    app.advance(TimeDelta::minutes(16));
    let browser = app.browser();
    browser.open(&old).await.expect(410);
    let request =
        browser.post(&format!("{old}/reissue")).header("Origin", &app.url).header("Accept", "text/html");
    answer(request).await.expect(200);
    let described = browser.describe(&app.link("ann@example.com")).await;
    assert_eq!(described.expect(200).body["opener"], "same_client");
}

#[tokio::test]
async fn what_a_code_means() {
    let app = TestApp::start().await;
    assert_is(app.browser().describe("/problems/internal").await.expect(200), "ProblemDescription");
}

#[tokio::test]
async fn a_session_for_several_audiences() {
    let app = TestApp::with(&[("LINKGATE_AUDIENCE", "https://a.example,https://b.example")]).await;
    let (_, token) = session(&app).await;
    assert_value_is(&claims(&token), "SessionTokenClaims");
    assert!(claims(&token)["aud"].is_array());
}

#[tokio::test]
async fn the_key_set_of_either_algorithm() {
    for algorithm in ["EdDSA", "ES256"] {
        let app = TestApp::with(&[("LINKGATE_SESSION_ALG", algorithm)]).await;
        let keys = answer(app.browser().get("/.well-known/jwks.json")).await;
        assert_is(keys.expect(200), "Jwks");
        assert_eq!(keys.body["keys"][0]["alg"], algorithm);
        assert_eq!(keys.header("content-type"), "application/jwk-set+json");
    }
}

#[tokio::test]
async fn problems_with_and_without_a_time_to_wait() {
    let app = TestApp::start().await;
    assert_is(answer(app.browser().get("/nothing")).await.expect_problem(404, "not_found"), "Problem");
    let attempt = app.browser().sign_in("ann@example.com").await;
    let soon = attempt.resend().await;
    assert_is(soon.expect_problem(429, "resend_too_soon"), "Problem");
    assert_eq!(soon.body["retry_after"].to_string(), soon.header("retry-after"));
}
