//! Sessions, from a verified attempt to their end, by cookie and by header.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use test_kit::app::{Answer, Attempt, Client, ORIGIN, TestApp, answer};

const SECRET: &str = "requester-secret-0123456789";
const OTHER: &str = "another-secret-0123456789ab";

/// A verified attempt of this client.
async fn verified(app: &TestApp, client: &Client, email: &str) -> Attempt {
    let attempt = client.sign_in(email).await;
    client.press(&app.link(email), "approve").await.expect(303);
    attempt
}

/// The same for a client without cookies, which gets no session by the redirect.
async fn verified_by_script(app: &TestApp, email: &str) -> Attempt {
    let script = app.script(SECRET);
    let attempt = script.sign_in(email).await;
    let link = app.link(email);
    script.decide_json(&link, "approve", &script.describe(&link).await.confirmation()).await.expect(200);
    attempt
}

async fn current(client: &Client) -> Answer {
    answer(client.get("/v1/session")).await
}

async fn token(client: &Client) -> Answer {
    answer(client.post("/v1/session/token")).await
}

async fn renew(client: &Client, renewal: &Value) -> Answer {
    answer(client.post("/v1/session/token").json(&json!({ "renewal_token": renewal }))).await
}

async fn sign_out(client: &Client) -> Answer {
    answer(client.request(Method::DELETE, "/v1/session").header("Origin", ORIGIN)).await
}

/// The attributes of a cookie, without its name and value.
fn attributes(cookie: &str) -> Vec<&str> {
    let mut attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
    attributes.sort_unstable();
    attributes
}

#[tokio::test]
async fn a_browser_is_given_cookies_that_scripts_cannot_read() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
    let started = answer(browser.post("/v1/attempts").json(&body)).await;
    let client = started.set_cookie("linkgate-client").unwrap();
    assert_eq!(attributes(&client), ["HttpOnly", "Max-Age=34560000", "Path=/", "SameSite=Lax"]);
    let secret = client.split(['=', ';']).nth(1).unwrap();
    assert!(secret.len() >= 22, "128 bits at least");
    let again = answer(browser.post("/v1/attempts").json(&body)).await;
    assert!(again.set_cookie("linkgate-client").is_none(), "it stays the same client");

    let attempt = verified(&app, &browser, "ann@example.com").await;
    let redeemed = attempt.redeem().await;
    let session = redeemed.expect(200).set_cookie("linkgate-session").unwrap();
    assert_eq!(attributes(&session), ["HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Lax"]);
    assert!(redeemed.body["renewal_token"].is_null(), "what the cookie holds is in no body");
    assert_eq!(redeemed.body["object"], "session");
    assert_eq!(redeemed.body["expires_in"], 300);
    assert_eq!(redeemed.body["expires_at"], "2026-12-22T12:00:00Z");
    assert!(redeemed.text("client_id").starts_with("client_"));
    let user = redeemed.body["user"]["id"].as_str().unwrap();
    assert!(user.starts_with("user_") && user.len() == 69, "{user}");
}

#[tokio::test]
async fn a_public_url_on_https_makes_cookies_secure_and_of_this_host_alone() {
    let app = TestApp::with(&[("LINKGATE_PUBLIC_URL", "https://login.example.com")]).await;
    let browser = app.browser();
    let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
    let started = answer(browser.post("/v1/attempts").json(&body)).await;
    assert_eq!(started.header("strict-transport-security"), "max-age=63072000");
    let client = started.expect(201).set_cookie("__Host-linkgate-client").unwrap();
    assert_eq!(attributes(&client), ["HttpOnly", "Max-Age=34560000", "Path=/", "SameSite=Lax", "Secure"]);

    // The cookie jar does not send Secure cookies over http, so the test sets the header.
    let link = app.link("ann@example.com").replacen("https://login.example.com", "", 1);
    let cookie = client.split(';').next().unwrap();
    let page = answer(browser.get(&link).header("Cookie", cookie).header("Accept", "text/html")).await;
    page.shows(&["<script>"]);
    let form = [("decision", "approve"), ("confirmation", &page.confirmation())];
    let done = answer(
        browser
            .post(&link)
            .header("Cookie", cookie)
            .header("Origin", "https://login.example.com")
            .form(&form),
    )
    .await;
    let session = done.expect_page(200).set_cookie("__Host-linkgate-session").unwrap();
    assert_eq!(attributes(&session), ["HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Lax", "Secure"]);

    let both = format!("{cookie}; {}", session.split(';').next().unwrap());
    answer(browser.get("/v1/session").header("Cookie", &both)).await.expect(200);
    // A neighbouring host could have planted a cookie without the prefix.
    let planted = both.replace("__Host-", "");
    answer(browser.get("/v1/session").header("Cookie", planted))
        .await
        .expect_problem(401, "session_required");
}

#[tokio::test]
async fn redeeming_twice_yields_the_same_session() {
    let app = TestApp::start().await;
    let attempt = verified(&app, &app.browser(), "ann@example.com").await;
    let first = attempt.redeem().await;
    app.advance(TimeDelta::seconds(20));
    let second = attempt.redeem().await;
    for member in ["id", "client_id", "expires_at", "user"] {
        assert_eq!(first.expect(200).body[member], second.expect(200).body[member], "{member}");
    }
    assert_eq!(attempt.status().await.body["session_id"], first.body["id"]);
}

#[tokio::test]
async fn a_client_without_cookies_gets_a_renewal_token() {
    let app = TestApp::start().await;
    let attempt = verified_by_script(&app, "ann@example.com").await;
    let redeemed = attempt.redeem().await;
    let renewal = redeemed.expect(200).body["renewal_token"].clone();
    assert!(redeemed.set_cookie("linkgate-session").is_none());
    let renewed = renew(&attempt.client, &renewal).await;
    assert_eq!(renewed.expect(200).body["object"], "session");
    assert_eq!(renewed.body["id"], redeemed.body["id"]);
    assert_eq!(renewed.body["client_id"], redeemed.body["client_id"]);
    app.claims(&renewed.text("session_token"), "at+jwt").await;
}

#[tokio::test]
async fn nobody_redeems_before_the_attempt_is_verified() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let early = attempt.redeem().await;
    early.expect_problem(409, "attempt_not_verified");
    assert!(early.set_cookie("linkgate-session").is_none());
}

#[tokio::test]
async fn the_attempt_token_alone_redeems_nothing() {
    let app = TestApp::start().await;
    let attempt = verified(&app, &app.browser(), "ann@example.com").await;
    for thief in [app.browser(), app.script(OTHER)] {
        let request = thief.post(&format!("/v1/attempts/{}/redeem", attempt.id)).bearer_auth(&attempt.token);
        let refused = answer(request).await;
        refused.expect_problem(403, "client_mismatch");
        assert!(refused.set_cookie("linkgate-session").is_none());
    }
    attempt.redeem().await.expect(200);
}

#[tokio::test]
async fn an_attempt_token_opens_its_own_attempt_alone() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let (mine, other) = (browser.sign_in("ann@example.com").await, browser.sign_in("ann@example.com").await);
    for path in ["", "/events", "/redeem", "/resend"] {
        let method = if path.is_empty() || path == "/events" { Method::GET } else { Method::POST };
        let request = |token: &str| {
            browser.request(method.clone(), &format!("/v1/attempts/{}{path}", other.id)).bearer_auth(token)
        };
        answer(request(&mine.token)).await.expect_problem(404, "attempt_not_found");
        answer(request("nonsense")).await.expect_problem(401, "attempt_token_invalid");
    }
}

#[tokio::test]
async fn the_session_says_who_is_signed_in_and_until_when() {
    let app = TestApp::start().await;
    let browser = app.browser();
    current(&browser).await.expect_problem(401, "session_required");
    let attempt = verified(&app, &browser, "ann@example.com").await;
    let redeemed = attempt.redeem().await;
    let session = current(&browser).await;
    assert_eq!(
        session.expect(200).body,
        json!({
            "object": "session", "id": redeemed.body["id"], "client_id": redeemed.body["client_id"],
            "user": { "id": redeemed.body["user"]["id"], "email_address": "ann@example.com" },
            "expires_at": "2026-12-22T12:00:00Z",
        })
    );
}

#[tokio::test]
async fn one_person_has_one_subject_however_the_address_is_typed() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for typed in ["ann@example.com", " ANN@Example.COM "] {
        let browser = app.browser();
        let attempt = browser.sign_in(typed).await;
        browser.press(&app.link("ann@example.com"), "approve").await.expect(303);
        ids.push(attempt.redeem().await.expect(200).body["user"]["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    let bob = verified(&app, &app.browser(), "bob@example.com").await;
    assert_ne!(bob.redeem().await.body["user"]["id"], ids[0]);

    let salted = TestApp::with(&[("LINKGATE_SUBJECT_SALT", "a-salt-of-our-own")]).await;
    let ann = verified(&salted, &salted.browser(), "ann@example.com").await;
    assert_ne!(ann.redeem().await.body["user"]["id"], ids[0]);
}

#[tokio::test]
async fn signing_out_ends_the_session_everywhere_and_no_other() {
    let app = TestApp::start().await;
    let (browser, other) = (app.browser(), app.browser());
    let attempt = verified(&app, &browser, "ann@example.com").await;
    let stays = verified(&app, &other, "bob@example.com").await;
    attempt.redeem().await.expect(200);
    let copied = app.browser();
    // The redirect and the redemption gave the same session, so a copy of its cookies has ended, too.
    let cookies = browser.cookies();
    answer(copied.get("/v1/session").header("Cookie", &cookies)).await.expect(200);

    let out = sign_out(&browser).await;
    out.expect(204);
    assert!(out.set_cookie("linkgate-session").unwrap().contains("Max-Age=0"));
    current(&browser).await.expect_problem(401, "session_required");
    answer(copied.get("/v1/session").header("Cookie", &cookies))
        .await
        .expect_problem(401, "session_required");
    answer(copied.post("/v1/session/token").header("Cookie", &cookies))
        .await
        .expect_problem(401, "session_required");
    token(&browser).await.expect_problem(401, "session_required");
    attempt.redeem().await.expect_problem(409, "attempt_over");
    sign_out(&browser).await.expect(204);

    current(&other).await.expect(200);
    stays.redeem().await.expect(200);
    // The same person may sign in again.
    verified(&app, &browser, "ann@example.com").await.redeem().await.expect(200);
    current(&browser).await.expect(200);
}

#[tokio::test]
async fn a_client_without_cookies_signs_out_with_its_renewal_token() {
    let app = TestApp::start().await;
    let attempt = verified_by_script(&app, "ann@example.com").await;
    let redeemed = attempt.redeem().await;
    let renewal = redeemed.body["renewal_token"].clone();
    let out = |client: &Client| {
        client.request(Method::DELETE, "/v1/session").json(&json!({ "renewal_token": renewal }))
    };
    // With another client's secret it is nobody's.
    answer(out(&app.script(OTHER))).await.expect(204);
    renew(&attempt.client, &renewal).await.expect(200);
    answer(out(&attempt.client)).await.expect(204);
    renew(&attempt.client, &renewal).await.expect_problem(401, "session_required");
    attempt.redeem().await.expect_problem(409, "attempt_over");
    // A session token of that session proves nothing to us any more.
    let verify = json!({ "email_address": "new@example.com", "purpose": "verify_email" });
    let start = attempt.client.post("/v1/attempts").bearer_auth(redeemed.text("session_token")).json(&verify);
    answer(start).await.expect_problem(401, "session_required");
}

#[tokio::test]
async fn a_foreign_page_signs_nobody_out() {
    let app = TestApp::start().await;
    let browser = app.browser();
    verified(&app, &browser, "ann@example.com").await;
    let request = || browser.request(Method::DELETE, "/v1/session");
    answer(request()).await.expect_problem(403, "origin_not_allowed");
    answer(request().header("Origin", "https://evil.example"))
        .await
        .expect_problem(403, "origin_not_allowed");
    answer(request().header("Sec-Fetch-Site", "cross-site")).await.expect_problem(403, "origin_not_allowed");
    current(&browser).await.expect(200);
    answer(request().header("Sec-Fetch-Site", "same-origin")).await.expect(204);
    current(&browser).await.expect_problem(401, "session_required");
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let app = TestApp::with(&[("LINKGATE_SESSION_MAX_AGE", "2h")]).await;
    let browser = app.browser();
    verified(&app, &browser, "ann@example.com").await.redeem().await.expect(200);
    let cookies = browser.cookies();
    let script = verified_by_script(&app, "bob@example.com").await;
    let renewal = script.redeem().await.body["renewal_token"].clone();
    let read = || app.browser().get("/v1/session").header("Cookie", &cookies);
    app.advance(TimeDelta::seconds(2 * 3600 - 1));
    assert_eq!(answer(read()).await.expect(200).body["expires_at"], "2026-11-22T14:00:00Z");
    renew(&script.client, &renewal).await.expect(200);
    app.advance(TimeDelta::seconds(1));
    answer(read()).await.expect_problem(401, "session_required");
    let token = app.browser().post("/v1/session/token").header("Cookie", &cookies);
    answer(token).await.expect_problem(401, "session_required");
    renew(&script.client, &renewal).await.expect_problem(401, "session_required");
}

#[tokio::test]
async fn renewing_does_not_make_a_session_longer() {
    let app = TestApp::start().await;
    let attempt = verified_by_script(&app, "ann@example.com").await;
    let renewal = attempt.redeem().await.body["renewal_token"].clone();
    app.advance(TimeDelta::days(29));
    let renewed = renew(&attempt.client, &renewal).await;
    assert_eq!(renewed.expect(200).body["expires_at"], "2026-12-22T12:00:00Z");
    assert!(renewed.body["renewal_token"].is_null());
    app.advance(TimeDelta::days(1));
    renew(&attempt.client, &renewal).await.expect_problem(401, "session_required");
}

#[tokio::test]
async fn a_renewal_token_is_of_use_to_its_own_client_alone() {
    let app = TestApp::start().await;
    let attempt = verified_by_script(&app, "ann@example.com").await;
    let renewal = attempt.redeem().await.body["renewal_token"].clone();
    renew(&app.script(OTHER), &renewal).await.expect_problem(401, "session_required");
    renew(&app.browser(), &renewal).await.expect_problem(401, "session_required");
    renew(&attempt.client, &json!(attempt.token)).await.expect_problem(401, "session_required");
    renew(&attempt.client, &renewal).await.expect(200);
}
