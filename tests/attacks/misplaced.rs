//! Each type of token, sent wherever another type is expected.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use super::places::{Scene, assert_refused, store_calls, use_up};
use test_kit::app::{API_KEY, ORIGIN, REDIRECT, TestApp, answer};
use test_kit::redis_server::RedisServer;
use test_kit::requests::{
    OTHER_SECRET, SECRET, all_tokens, plain, plain_with, session, ticket, token_of, verify_email, with_key,
};
use test_kit::smith::part;

/// A key that leaves the keyring.
const OLD: &str = "old:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE";

/// The key that replaces it.
const NEW: &str = "new:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";

#[tokio::test]
async fn no_token_works_as_another_type_and_offering_it_changes_nothing() {
    let scene = Scene::start().await;
    let id = &scene.tokens.attempt.id;
    for (name, token) in scene.tokens.each() {
        assert_refused(&scene.app, id, name, token, |wants| wants != name).await;
    }
    // Signing out with a token of another type signs no one out.
    for (_, token) in scene.tokens.each().into_iter().filter(|(name, _)| *name != "renewal") {
        let out = scene.app.script(SECRET).request(Method::DELETE, "/v1/session");
        answer(out.json(&json!({ "renewal_token": token }))).await.expect(204);
        let cookie = format!("linkgate-session={token}; linkgate-client={SECRET}");
        let out = scene.app.browser().request(Method::DELETE, "/v1/session").header("Origin", ORIGIN);
        answer(out.header("Cookie", cookie)).await.expect(204);
    }
    scene.assert_untouched().await;
}

#[tokio::test]
async fn a_token_counts_in_its_own_place_of_a_request_only() {
    let scene = Scene::start().await;
    let (app, tokens) = (&scene.app, &scene.tokens);
    let path = format!("/v1/attempts/{}", tokens.attempt.id);
    let token = &tokens.attempt.token;
    let read = || app.script(SECRET).get(&path);
    for request in [
        read(),
        read().header(
            "Cookie",
            format!("attempt_token={token}; linkgate-session={token}; Authorization={token}"),
        ),
        read().header("X-Attempt-Token", token),
        read().header("Authorization", token),
        read().header("Authorization", format!("Basic {token}")),
        read().header("Authorization", format!("DPoP {token}")),
        read().header("Authorization", format!("Bearer={token}")),
        read().header("Authorization", format!("Bearer {token}, Bearer {token}")),
        read().header("Proxy-Authorization", format!("Bearer {token}")),
        read().bearer_auth(token).bearer_auth(token),
        app.script(SECRET).get(&format!("{path}?access_token={token}")),
        app.script(SECRET).get(&format!("{path}?attempt_token={token}")),
        read().json(&json!({ "attempt_token": token })),
    ] {
        answer(request).await.expect_problem(401, "attempt_token_invalid");
    }
    for (name, token) in tokens.each() {
        // As a client's secret.
        let by_header = app.browser().get("/v1/session").header("Linkgate-Client", token);
        answer(by_header).await.expect_problem(400, "invalid_request");
        let jar = format!("linkgate-client={token}; linkgate-session={}", tokens.renewal);
        answer(app.browser().get("/v1/session").header("Cookie", jar))
            .await
            .expect_problem(401, "session_required");
        // As a confirmation, and as a relay code.
        let confirm = app.script(SECRET).decide_json(&format!("/v/{}", tokens.link), "approve", token).await;
        assert_eq!(confirm.status.as_u16(), 400, "{name}: {}", confirm.raw);
        let code = app.script(SECRET).post(&format!("{path}/code")).bearer_auth(&tokens.attempt.token);
        answer(code.json(&json!({ "code": token }))).await.expect_problem(400, "invalid_request");
        // Only the renewal token renews a session.
        let query = app.script(SECRET).post(&format!("/v1/session/token?renewal_token={token}"));
        answer(query).await.expect_problem(401, "session_required");
        let by_bearer = app.script(SECRET).post("/v1/session/token").bearer_auth(token);
        answer(by_bearer).await.expect_problem(401, "session_required");
        let get = app.script(SECRET).get("/v1/session").bearer_auth(token);
        answer(get).await.expect_problem(401, "session_required");
    }
    assert_eq!(tokens.attempt.status().await.body["code_tries_left"], 5);
    use_up(app, tokens).await;
}

#[tokio::test]
async fn the_tokens_of_another_deployment_with_the_same_key_are_refused() {
    let (scene, other) = (Scene::start().await, TestApp::start().await);
    let foreign = all_tokens(&other).await;
    for (name, token) in foreign.each() {
        for id in [&scene.tokens.attempt.id, &foreign.attempt.id] {
            let what = format!("{name} of another deployment");
            assert_refused(&scene.app, id, &what, token, |_| true).await;
        }
    }
    scene.assert_untouched().await;
    use_up(&other, &foreign).await;
}

#[tokio::test]
async fn a_session_token_for_another_audience_is_none_of_ours() {
    let scene = Scene::start().await;
    let other =
        [("LINKGATE_PUBLIC_URL", &*scene.app.url), ("LINKGATE_AUDIENCE", "https://other.example.com")];
    let other = TestApp::with(&other).await;
    let foreign = all_tokens_behind(&other, &scene.app).await;
    let (_, token) = foreign.iter().find(|(name, _)| *name == "session").unwrap();
    assert_eq!(part(token, 1)["iss"], scene.app.url, "all but the audience is the same");
    scene.refuses("session", "another audience", token).await;
    scene.assert_untouched().await;
}

#[tokio::test]
async fn the_tokens_of_another_key_are_refused_whether_its_id_is_known_or_not() {
    let scene = Scene::start().await;
    for key in [
        "test:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE",
        "other:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE",
    ] {
        let settings = [("LINKGATE_KEYS", key), ("LINKGATE_PUBLIC_URL", &scene.app.url)];
        let other = TestApp::with(&settings).await;
        for (name, token) in all_tokens_behind(&other, &scene.app).await {
            assert_refused(&scene.app, &scene.tokens.attempt.id, name, &token, |_| true).await;
        }
    }
    scene.assert_untouched().await;
}

/// Tokens of a server whose public URL is another server's. Its links are opened at the server itself.
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
async fn what_a_retired_key_signed_is_refused_once_the_key_has_left_the_ring() {
    let redis = RedisServer::start();
    let store = redis.url();
    let first = TestApp::with(&[("LINKGATE_KEYS", OLD), ("LINKGATE_STORE_URL", &store)]).await;
    let tokens = all_tokens(&first).await;
    let replica = async |keys: &str| {
        let settings =
            [("LINKGATE_KEYS", keys), ("LINKGATE_PUBLIC_URL", &first.url), ("LINKGATE_STORE_URL", &store)];
        TestApp::with(&settings).await
    };
    let without = replica(NEW).await;
    let before = store_calls(&without).await;
    for (name, token) in tokens.each() {
        let what = format!("{name} of a retired key");
        assert_refused(&without, &tokens.attempt.id, &what, token, |_| true).await;
    }
    assert!((store_calls(&without).await - before).abs() < 0.5, "the store was not asked");
    let published = answer(without.browser().get("/.well-known/jwks.json")).await;
    assert!(!published.raw.contains("old"), "nor do applications take it: {}", published.raw);
    // While the old key is in the keyring, behind the new one, all of the tokens are valid.
    use_up(&replica(&format!("{NEW},{OLD}")).await, &tokens).await;
}

#[tokio::test]
async fn a_link_that_verifies_an_address_signs_nobody_in() {
    let app = TestApp::start().await;
    let script = app.script(SECRET);
    for (opener, decision) in [
        (script.clone(), "approve"),
        (script.clone(), "here"),
        (app.script_at(OTHER_SECRET, "203.0.113.99"), "approve"),
        (app.script_at(OTHER_SECRET, "203.0.113.99"), "here"),
    ] {
        let options = json!({
            "purpose": "verify_email", "sub": "customer-1", "redirect_url": REDIRECT, "deliver": false,
            "ticket": true, "client": { "ip": "203.0.113.7" },
        });
        let attempt = script.start_with_key(plain_with(&options)).await;
        let link = attempt.started["link"].as_str().unwrap();
        let done = opener.decide_json(link, decision, &opener.describe(link).await.confirmation()).await;
        if done.status == 400 {
            assert_eq!(decision, "here", "{}", done.raw);
            let confirmation = script.describe(link).await.confirmation();
            script.decide_json(link, "approve", &confirmation).await.expect(200);
        } else {
            assert_eq!(
                done.expect(200).text("redirect_url"),
                format!("{REDIRECT}?__linkgate_status=verified")
            );
            for member in ["signed_in", "session_id", "session"] {
                assert!(done.body[member].is_null(), "{member}: {}", done.raw);
            }
            assert!(done.set_cookie("linkgate-session").is_none());
        }
        let proof = attempt.redeem().await;
        assert_eq!(proof.expect(200).body["object"], "email_proof");
        for member in ["session_token", "renewal_token", "id"] {
            assert!(proof.body[member].is_null(), "{member}: {}", proof.raw);
        }
        assert!(proof.set_cookie("linkgate-session").is_none());
        // Nor can it be reissued for sign-in: after its end, it starts no new attempt.
        app.advance(TimeDelta::minutes(16));
        let reissue = opener.post(&format!("{link}/reissue")).header("Accept", "application/json");
        answer(reissue).await.expect_problem(410, "link_expired");
    }
    assert_eq!(app.smtp.received_count(), 0);
}

#[tokio::test]
async fn a_browser_that_verifies_an_address_stays_who_it_was() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let body = json!({ "purpose": "verify_email", "sub": "customer-1", "deliver": false, "client": { "ip": "203.0.113.7" } });
    for opener in [browser.clone(), app.browser_at("203.0.113.99")] {
        for decision in ["approve", "here"] {
            browser.get("/v1/session").send().await.unwrap();
            let attempt = browser.start_with_key(plain_with(&body)).await;
            let link = attempt.started["link"].as_str().unwrap();
            let pressed = opener.press(link, decision).await;
            assert!(pressed.set_cookie("linkgate-session").is_none(), "{}", pressed.raw);
            answer(opener.get("/v1/session")).await.expect_problem(401, "session_required");
        }
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
async fn an_api_key_is_no_token() {
    let app = TestApp::start().await;
    let attempt = app.script(SECRET).start(plain()).await;
    let read = app.browser().get(&format!("/v1/attempts/{}", attempt.id)).bearer_auth(API_KEY);
    answer(read).await.expect_problem(401, "attempt_token_invalid");
    let redeem = app.script(SECRET).post(&format!("/v1/attempts/{}/redeem", attempt.id)).bearer_auth(API_KEY);
    answer(redeem).await.expect_problem(401, "attempt_token_invalid");
    verify_email(&app).await;
}
