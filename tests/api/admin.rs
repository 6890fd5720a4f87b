//! The routes for operators: reading and ending attempts.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;

use test_kit::app::{API_KEY, Answer, Attempt, TestApp, answer};

async fn ask(app: &TestApp, method: Method, path: &str) -> Answer {
    answer(app.browser().request(method, &format!("/v1/admin/{path}")).bearer_auth(API_KEY)).await
}

async fn report(app: &TestApp, attempt: &Attempt) -> Answer {
    let report = ask(app, Method::GET, &format!("attempts/{}", attempt.id)).await;
    assert_eq!(report.expect(200).body["object"], "attempt_report");
    assert!(!report.raw.contains("example.com") && report.text("hint").len() > 20, "{}", report.raw);
    report
}

#[tokio::test]
async fn a_report_tells_when_an_attempt_was_started_and_mailed_again() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let first = report(&app, &attempt).await.body;
    assert_eq!((&first["status"], &first["started_by"]), (&json!("pending"), &json!("client")));
    assert_eq!((&first["created_at"], &first["resent"]), (&first["last_link_at"], &json!(false)));
    app.advance(TimeDelta::seconds(45));
    attempt.resend().await.expect(200);
    let second = report(&app, &attempt).await.body;
    assert_eq!((&second["resent"], &second["last_link_at"]), (&json!(true), &json!("2026-11-22T12:00:45Z")));
    assert_eq!(second["created_at"], first["created_at"]);
    app.advance(TimeDelta::minutes(10));
    assert_eq!(report(&app, &attempt).await.body["status"], "expired");
    let own =
        app.browser().start_with_key(json!({ "email_address": "a@example.com", "purpose": "sign_in" })).await;
    assert_eq!(report(&app, &own).await.body["started_by"], "back_end");
}

#[tokio::test]
async fn a_report_tells_how_an_attempt_was_confirmed() {
    let app = TestApp::start().await;
    let near = app.browser();
    let far = app.browser_at("198.51.100.1");
    let confirmed = async |email: &str| {
        let attempt = near.sign_in(email).await;
        (attempt, app.link(email))
    };

    let (attempt, link) = confirmed("same@example.com").await;
    near.press(&link, "approve").await.expect(303);
    let body = report(&app, &attempt).await.body;
    assert_eq!((&body["confirmed_by"], &body["signed_in"]), (&json!("same_client"), &json!("both")));

    let (attempt, link) = confirmed("approved@example.com").await;
    app.browser().press(&link, "approve").await.expect(303);
    let body = report(&app, &attempt).await.body;
    assert_eq!((&body["confirmed_by"], &body["signed_in"]), (&json!("approval"), &json!("requester")));

    let (attempt, link) = confirmed("code@example.com").await;
    let shown = far.press(&link, "approve").await;
    assert_eq!(report(&app, &attempt).await.body["status"], "awaiting_code");
    attempt.enter_code(&shown.relay_code()).await.expect(200);
    let body = report(&app, &attempt).await.body;
    assert_eq!((&body["confirmed_by"], &body["signed_in"]), (&json!("relay_code"), &json!("requester")));
}

#[tokio::test]
async fn a_report_tells_why_an_attempt_ended() {
    let app = TestApp::start().await;
    let client = app.browser();
    let canceled = client.sign_in("a@example.com").await;
    canceled.cancel().await.expect(204);
    assert_eq!(report(&app, &canceled).await.body["status"], "canceled");

    let failed = client.sign_in("b@example.com").await;
    app.browser_at("198.51.100.1").press(&app.link("b@example.com"), "approve").await.expect(200);
    for _ in 0..5 {
        failed.enter_code("000000").await;
    }
    let body = report(&app, &failed).await.body;
    assert_eq!((&body["failure"], &body["code_tries_left"]), (&json!("too_many_codes"), &json!(0)));

    let denied = client.sign_in("c@example.com").await;
    app.browser().press(&app.link("c@example.com"), "deny").await.expect(303);
    assert_eq!(report(&app, &denied).await.body["status"], "denied");
}

#[tokio::test]
async fn an_operator_ends_an_attempt_and_whoever_waits_is_told() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let path = format!("attempts/{}", attempt.id);
    ask(&app, Method::DELETE, &path).await.expect(204);
    ask(&app, Method::DELETE, &path).await.expect(204);
    assert_eq!(attempt.status().await.body["status"], "canceled");
    let opened = app.browser().describe(&app.link("ann@example.com")).await;
    opened.expect_problem(410, "link_canceled");

    let over = app.browser().sign_in("bob@example.com").await;
    over.client.press(&app.link("bob@example.com"), "approve").await.expect(303);
    ask(&app, Method::DELETE, &format!("attempts/{}", over.id)).await.expect_problem(409, "attempt_over");
}

#[tokio::test]
async fn an_operator_ends_a_session() {
    let app = TestApp::start().await;
    let client = app.browser();
    let attempt = client.sign_in("ann@example.com").await;
    client.press(&app.link("ann@example.com"), "approve").await.expect(303);
    let session = attempt.redeem().await.expect(200).text("id");
    answer(client.get("/v1/session")).await.expect(200);
    ask(&app, Method::DELETE, &format!("sessions/{session}")).await.expect(204);
    answer(client.get("/v1/session")).await.expect_problem(401, "session_required");
    attempt.redeem().await.expect_problem(409, "attempt_over");
    ask(&app, Method::DELETE, "sessions/sess_1").await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn only_an_api_key_opens_the_view_of_operators() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let paths = [
        (Method::GET, format!("/v1/admin/attempts/{}", attempt.id)),
        (Method::DELETE, format!("/v1/admin/attempts/{}", attempt.id)),
        (Method::DELETE, "/v1/admin/sessions/sess_00000000000000000000000000000000".to_owned()),
    ];
    for (method, path) in paths {
        for token in [None, Some(attempt.token.as_str()), Some("a-wrong-api-key")] {
            let mut request = app.browser().request(method.clone(), &path);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            answer(request).await.expect_problem(401, "api_key_invalid");
        }
    }
    attempt.status().await.expect(200);
    let unknown = ask(&app, Method::GET, "attempts/att_00000000000000000000000000000000").await;
    unknown.expect_problem(404, "attempt_not_found");
    ask(&app, Method::DELETE, "attempts/nonsense").await.expect_problem(404, "attempt_not_found");
}
