//! Content types, missing bodies, and forms. For the content of JSON bodies see `tests/attacks/json.rs`.

use reqwest::Method;
use serde_json::json;

use test_kit::app::{Client, TestApp, answer};
use test_kit::requests::{SECRET, assert_not_echoed, assert_untouched, plain, start_raw, with_key};

/// Routes that take JSON, with a valid body for each.
fn json_routes() -> Vec<(Method, &'static str, serde_json::Value)> {
    vec![
        (Method::POST, "/v1/attempts", plain()),
        (Method::POST, "/v1/tickets/redeem", json!({ "ticket": "a-ticket-that-is-none" })),
        (Method::POST, "/v1/session/token", json!({ "renewal_token": "a-renewal-that-is-none" })),
        (Method::DELETE, "/v1/session", json!({ "renewal_token": "a-renewal-that-is-none" })),
        (Method::POST, "/v/e30.e30.AAAA", json!({ "decision": "approve", "confirmation": "none" })),
    ]
}

fn send(
    client: &Client,
    method: &Method,
    path: &str,
    body: impl Into<reqwest::Body>,
) -> reqwest::RequestBuilder {
    with_key(client.request(method.clone(), path)).header("Content-Type", "application/json").body(body)
}

#[tokio::test]
async fn a_body_that_must_be_there_is_missed() {
    let app = TestApp::start().await;
    let client = app.script(SECRET);
    for path in ["/v1/attempts", "/v1/tickets/redeem", "/v/e30.e30.AAAA"] {
        answer(with_key(client.post(path))).await.expect_problem(415, "unsupported_media_type");
        answer(send(&client, &Method::POST, path, "")).await.expect_problem(400, "invalid_request");
    }
    // Where the body is optional, an empty one counts as absent.
    answer(send(&client, &Method::POST, "/v1/session/token", ""))
        .await
        .expect_problem(401, "session_required");
    answer(client.post("/v1/session/token")).await.expect_problem(401, "session_required");
    assert_untouched(&app).await;
}

#[tokio::test]
async fn an_escaped_name_that_stands_once_is_the_name() {
    let app = TestApp::start().await;
    let body = r#"{"\u0065mail_address":"ann@example.com","purpose":"\u0073ign_in"}"#;
    answer(start_raw(&app.script(SECRET), body)).await.expect(201);
}

#[tokio::test]
async fn other_content_types_and_charsets_are_refused() {
    let app = TestApp::start().await;
    let client = app.script(SECRET);
    let refused = [
        "text/plain",
        "text/json",
        "application/jsonx",
        "application/json-patch+json",
        "application/problem+json",
        "application/*",
        "*/*",
        "json",
        "",
        ";",
        "multipart/form-data; boundary=x",
        "application/json, text/plain",
        "application/json; charset=iso-8859-1",
        "application/json; charset=utf-16",
        "application/json; charset=utf-7",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json; boundary=x",
        "application/x-json",
        "application /json",
        "application/json\u{a0}",
    ];
    for (method, path, good) in json_routes() {
        // All of them on the start of an attempt, the first on each other route.
        let count = if path == "/v1/attempts" { refused.len() } else { 1 };
        for content_type in &refused[..count] {
            let request =
                with_key(client.request(method.clone(), path)).header("Content-Type", *content_type);
            let answer = answer(request.body(good.to_string())).await;
            assert_eq!(answer.status.as_u16(), 415, "{method} {path} {content_type:?}: {}", answer.raw);
            answer.expect_problem(415, "unsupported_media_type");
        }
    }
    // A form on a route for JSON, which a foreign page could send without a preflight.
    for path in ["/v1/attempts", "/v1/tickets/redeem", "/v1/session/token"] {
        let form =
            with_key(client.post(path)).form(&[("email_address", "ann@example.com"), ("purpose", "sign_in")]);
        answer(form).await.expect_problem(415, "unsupported_media_type");
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn the_ways_to_say_json_in_utf_8_are_all_taken() {
    let app = TestApp::start().await;
    let types = [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json; charset=\"UTF-8\"",
        "application/json ;",
    ];
    for (at, content_type) in types.into_iter().enumerate() {
        let body =
            json!({ "email_address": format!("ann{at}@example.com"), "purpose": "sign_in" }).to_string();
        let request = app.script(SECRET).post("/v1/attempts").header("Content-Type", content_type);
        answer(request.header("Content-Encoding", "identity").body(body)).await.expect(201);
    }
}

#[tokio::test]
async fn a_form_on_a_link_is_read_as_strictly_as_an_object() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let attempt = browser.sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let confirmation = browser.describe(&link).await.confirmation();
    let bodies = [
        String::new(),
        "decision=approve".to_owned(),
        format!("confirmation={confirmation}"),
        format!("decision=approve&decision=deny&confirmation={confirmation}"),
        format!("decision=approve&confirmation={confirmation}&confirmation=x"),
        format!("decision=approve&confirmation={confirmation}&more=1"),
        format!("decision=Approve&confirmation={confirmation}"),
        format!("decision=&confirmation={confirmation}"),
        format!("decision[]=approve&confirmation={confirmation}"),
        format!("{{\"decision\":\"approve\",\"confirmation\":\"{confirmation}\"}}"),
        format!("decision=approve;confirmation={confirmation}"),
    ];
    for body in bodies {
        let request = browser
            .post(&link)
            .header("Origin", &app.url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body.clone());
        let answer = answer(request).await;
        assert_eq!(answer.status.as_u16(), 400, "{body}: {}", answer.raw);
        answer.expect_problem(400, "invalid_request");
        assert_not_echoed(&answer, &confirmation);
    }
    for wrong in
        ["", "x", &confirmation[1..], &confirmation.to_ascii_uppercase(), &format!("{confirmation}A")]
    {
        let answer = browser.decide_json(&link, "approve", wrong).await;
        answer.expect_problem(400, "invalid_request");
    }
    assert_eq!(attempt.status().await.body["status"], "pending");
    browser.decide(&link, "approve", &confirmation).await.expect(303);
}
