//! Each type of token, offered wherever another one is wanted.

use reqwest::Method;
use serde_json::{Value, json};

use chrono::TimeDelta;

use super::kit::{
    AllTokens, SECRET, all_tokens, assert_not_echoed, plain, plain_with, session, ticket, token_of,
    verify_email, with_key,
};
use crate::support::app::{API_KEY, Answer, Client, TestApp, answer};

/// A place for a token: which type belongs there, and what any other gets.
struct Place {
    wants: &'static str,
    status: u16,
    code: &'static str,
}

const fn place(wants: &'static str, status: u16, code: &'static str) -> Place {
    Place { wants, status, code }
}

/// Offers a token in every place there is, with the client secret that all tokens belong to.
pub(crate) async fn offer_everywhere(
    app: &TestApp,
    id: &str,
    token: &str,
) -> Vec<(&'static str, u16, &'static str, Answer)> {
    let script = app.script(SECRET);
    let mut answers = Vec::new();
    let mut add =
        |place: &Place, answer: Answer| answers.push((place.wants, place.status, place.code, answer));

    let attempt = place("attempt", 401, "attempt_token_invalid");
    let of_attempt = |method: Method, path: &str| {
        script.request(method, &format!("/v1/attempts/{id}{path}")).bearer_auth(token)
    };
    add(&attempt, answer(of_attempt(Method::GET, "")).await);
    add(&attempt, answer(of_attempt(Method::POST, "/code").json(&json!({ "code": "000000" }))).await);
    add(&attempt, answer(of_attempt(Method::POST, "/redeem")).await);
    add(&attempt, answer(of_attempt(Method::POST, "/resend")).await);

    let link = place("link", 400, "link_malformed");
    let path = format!("/v/{token}");
    add(&link, script.describe(&path).await);
    let decision = json!({ "decision": "approve", "confirmation": "none" });
    add(&link, answer(script.post(&path).json(&decision)).await);
    add(&link, answer(script.post(&format!("{path}/reissue")).header("Accept", "application/json")).await);

    let ticket = place("ticket", 410, "ticket_invalid");
    add(&ticket, answer(with_key(script.post("/v1/tickets/redeem")).json(&json!({ "ticket": token }))).await);

    let renewal = place("renewal", 401, "session_required");
    add(&renewal, answer(script.post("/v1/session/token").json(&json!({ "renewal_token": token }))).await);
    let cookie = format!("linkgate-session={token}; linkgate-client={SECRET}");
    let by_cookie =
        |method: Method, path: &str| app.browser().request(method, path).header("Cookie", &cookie);
    add(&renewal, answer(by_cookie(Method::GET, "/v1/session")).await);
    add(&renewal, answer(by_cookie(Method::POST, "/v1/session/token").header("Origin", &app.url)).await);
    let by_cookie = by_cookie(Method::POST, "/v1/attempts").header("Origin", &app.url);
    add(
        &renewal,
        answer(by_cookie.json(&plain_with(
            &json!({ "purpose": "verify_email", "email_address": "by-cookie@example.com" }),
        )))
        .await,
    );

    let session = place("session", 401, "session_required");
    for purpose in ["verify_email", "sign_in"] {
        let body = plain_with(&json!({ "purpose": purpose, "email_address": "by-token@example.com" }));
        add(&session, answer(script.post("/v1/attempts").bearer_auth(token).json(&body)).await);
    }

    // No token is an API key.
    let key = place("key", 401, "api_key_invalid");
    add(
        &key,
        answer(script.post("/v1/tickets/redeem").bearer_auth(token).json(&json!({ "ticket": token }))).await,
    );
    answers
}

/// Asserts that a token is refused everywhere, or everywhere but in its own places.
pub(crate) async fn assert_refused(app: &TestApp, id: &str, name: &str, token: &str, at_home: Option<&str>) {
    for (wants, status, code, answer) in offer_everywhere(app, id, token).await {
        if at_home == Some(wants) {
            continue;
        }
        assert_eq!(answer.status.as_u16(), status, "{name} as {wants}: {}", answer.raw);
        answer.expect_problem(status, code);
        if token.len() > 20 {
            assert_not_echoed(&answer, token);
        }
    }
}

/// What must not have changed.
pub(crate) async fn assert_unchanged(app: &TestApp, tokens: &AllTokens, mails: usize) {
    assert_eq!(app.smtp.received_count(), mails, "no mail");
    let status = tokens.attempt.status().await;
    assert_eq!(status.expect(200).body["status"], "pending");
    assert_eq!(status.body["code_tries_left"], 5);
}

/// Uses each token where it belongs: they are all good.
async fn use_up(app: &TestApp, tokens: &AllTokens) {
    let script: Client = app.script(SECRET);
    let path = format!("/v/{}", tokens.link);
    let confirmation = script.describe(&path).await.confirmation();
    script.decide_json(&path, "approve", &confirmation).await.expect(200);
    tokens.attempt.redeem().await.expect(200);
    answer(with_key(script.post("/v1/tickets/redeem")).json(&json!({ "ticket": tokens.ticket })))
        .await
        .expect(200);
    answer(script.post("/v1/session/token").json(&json!({ "renewal_token": tokens.renewal })))
        .await
        .expect(200);
    let body = json!({ "purpose": "verify_email", "email_address": "new@example.com" });
    answer(script.post("/v1/attempts").bearer_auth(&tokens.session).json(&body)).await.expect(201);
}

#[tokio::test]
async fn no_token_works_as_another_type_and_offering_it_changes_nothing() {
    let app = TestApp::start().await;
    let tokens = all_tokens(&app).await;
    let mut mails = app.smtp.received_count();
    for (name, token) in tokens.each() {
        assert_refused(&app, &tokens.attempt.id, name, token, Some(name)).await;
        // At home, these two start attempts, as they should.
        if name == "renewal" || name == "session" {
            mails = app.smtp.received_count();
        }
        assert_unchanged(&app, &tokens, mails).await;
    }
    // Signing out with a token that is no renewal token signs nobody out.
    for (name, token) in tokens.each() {
        if name != "renewal" {
            let out = app
                .script(SECRET)
                .request(Method::DELETE, "/v1/session")
                .json(&json!({ "renewal_token": token }));
            answer(out).await.expect(204);
        }
    }
    answer(app.script(SECRET).post("/v1/session/token").json(&json!({ "renewal_token": tokens.renewal })))
        .await
        .expect(200);
}

#[tokio::test]
async fn each_token_works_where_it_belongs() {
    let app = TestApp::start().await;
    let tokens = all_tokens(&app).await;
    use_up(&app, &tokens).await;
}

#[tokio::test]
async fn the_tokens_of_another_deployment_with_the_same_key_are_refused() {
    let (app, other) = (TestApp::start().await, TestApp::start().await);
    let tokens = all_tokens(&app).await;
    let foreign = all_tokens(&other).await;
    let mails = app.smtp.received_count();
    for (name, token) in foreign.each() {
        for id in [&tokens.attempt.id, &foreign.attempt.id] {
            assert_refused(&app, id, name, token, None).await;
        }
    }
    assert_unchanged(&app, &tokens, mails).await;
    use_up(&app, &tokens).await;
    use_up(&other, &foreign).await;
}

#[tokio::test]
async fn the_tokens_of_another_key_are_refused_whether_its_id_is_known_or_not() {
    let app = TestApp::start().await;
    let tokens = all_tokens(&app).await;
    let mails = app.smtp.received_count();
    for key in [
        "test:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE",
        "other:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE",
    ] {
        let other = TestApp::with(&[("LINKGATE_KEYS", key), ("LINKGATE_PUBLIC_URL", &app.url)]).await;
        let foreign = all_tokens_behind(&other, &app).await;
        for (name, token) in foreign {
            assert_refused(&app, &tokens.attempt.id, name, &token, None).await;
        }
    }
    assert_unchanged(&app, &tokens, mails).await;
}

/// Tokens of a server whose public URL is another server's: its links are opened at itself.
async fn all_tokens_behind(server: &TestApp, public: &TestApp) -> Vec<(&'static str, String)> {
    let script = server.script(SECRET);
    let here = |link: &str| link.replace(&public.url, "");
    let attempt = script.start(plain()).await;
    let link = server.link("ann@example.com");
    let confirmation = script.describe(&here(&link)).await.confirmation();
    script.decide_json(&here(&link), "approve", &confirmation).await.expect(200);
    let redeemed = attempt.redeem().await;
    redeemed.expect(200);
    vec![
        ("link", token_of(&link)),
        ("attempt", attempt.token.clone()),
        ("renewal", redeemed.text("renewal_token")),
        ("session", redeemed.text("session_token")),
    ]
}

#[tokio::test]
async fn a_key_that_is_still_in_the_ring_is_accepted_and_one_that_has_left_it_is_not() {
    let old = "old:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE";
    let new = "new:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
    let first = TestApp::with(&[("LINKGATE_KEYS", old)]).await;
    let token = first.script(SECRET).start(plain()).await;
    for (keys, code) in [(format!("{new},{old}"), 200), (new.to_owned(), 401)] {
        let replica = TestApp::with(&[("LINKGATE_KEYS", &keys), ("LINKGATE_PUBLIC_URL", &first.url)]).await;
        let path = format!("/v1/attempts/{}", token.id);
        answer(replica.browser().get(&path).bearer_auth(&token.token)).await.expect(code);
    }
}

#[tokio::test]
async fn each_token_dies_at_its_second() {
    let app = TestApp::start().await;
    let script = app.script(SECRET);
    let (renewal, session_token) = session(&app).await;
    let renew = || script.post("/v1/session/token").json(&json!({ "renewal_token": renewal }));
    let by_session = |email: &str| {
        let body: Value = json!({ "purpose": "verify_email", "email_address": email });
        script.post("/v1/attempts").bearer_auth(&session_token).json(&body)
    };
    app.advance(TimeDelta::seconds(299));
    answer(by_session("one@example.com")).await.expect(201);
    app.advance(TimeDelta::seconds(1));
    answer(by_session("two@example.com")).await.expect_problem(401, "session_required");

    let fresh = ticket(&app).await;
    let stale = ticket(&app).await;
    let redeem =
        |ticket: &str| with_key(script.post("/v1/tickets/redeem")).json(&json!({ "ticket": ticket }));
    app.advance(TimeDelta::seconds(59));
    answer(redeem(&fresh)).await.expect(200);
    app.advance(TimeDelta::seconds(1));
    answer(redeem(&stale)).await.expect_problem(410, "ticket_invalid");

    let attempt = script.start(plain()).await;
    let link = app.link("ann@example.com");
    app.advance(TimeDelta::seconds(599));
    let confirmation = script.describe(&link).await.confirmation();
    app.advance(TimeDelta::seconds(1));
    script.describe(&link).await.expect_problem(410, "link_expired");
    script.decide_json(&link, "approve", &confirmation).await.expect_problem(410, "link_expired");
    assert_eq!(attempt.status().await.body["status"], "expired");
    app.advance(TimeDelta::seconds(299));
    attempt.status().await.expect(200);
    app.advance(TimeDelta::seconds(1));
    attempt.status().await.expect_problem(401, "attempt_token_invalid");

    let age = TimeDelta::days(30) - TimeDelta::seconds(300 + 60 + 600 + 300);
    app.advance(age - TimeDelta::seconds(1));
    answer(renew()).await.expect(200);
    app.advance(TimeDelta::seconds(1));
    answer(renew()).await.expect_problem(401, "session_required");
}

#[tokio::test]
async fn a_renewal_token_is_nothing_without_the_secret_of_its_client() {
    let app = TestApp::start().await;
    let (renewal, _) = session(&app).await;
    for client in [app.script(super::kit::OTHER_SECRET), app.browser()] {
        let token = client.post("/v1/session/token").json(&json!({ "renewal_token": renewal }));
        answer(token).await.expect_problem(401, "session_required");
        answer(client.request(Method::DELETE, "/v1/session").json(&json!({ "renewal_token": renewal })))
            .await
            .expect(204);
    }
    answer(app.script(SECRET).post("/v1/session/token").json(&json!({ "renewal_token": renewal })))
        .await
        .expect(200);
}

#[tokio::test]
async fn an_api_key_is_no_token() {
    let app = TestApp::start().await;
    assert_refused_key(&app).await;
    verify_email(&app).await;
}

async fn assert_refused_key(app: &TestApp) {
    let attempt = app.script(SECRET).start(plain()).await;
    let read = app.browser().get(&format!("/v1/attempts/{}", attempt.id)).bearer_auth(API_KEY);
    answer(read).await.expect_problem(401, "attempt_token_invalid");
    let redeem = app.script(SECRET).post(&format!("/v1/attempts/{}/redeem", attempt.id)).bearer_auth(API_KEY);
    answer(redeem).await.expect_problem(401, "attempt_token_invalid");
}
