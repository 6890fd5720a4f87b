//! The limits of bodies. For contradicting lengths, long heads and slow bodies see `tests/attacks`.

use std::time::{Duration, Instant};

use serde_json::json;

use test_kit::app::{TestApp, answer};
use test_kit::requests::{SECRET, assert_untouched, plain, start_raw};
use test_kit::wire::ask_within;

const MAX: usize = 16 * 1024;

const PATIENCE: Duration = Duration::from_secs(5);

/// A start whose body has this length.
fn padded(length: usize) -> Vec<u8> {
    let mut body = plain().to_string().into_bytes();
    body.resize(length, b' ');
    body
}

fn chunked(path: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nLinkgate-Client: {SECRET}\r\n\r\n").into_bytes();
    for chunk in body.chunks(size) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

#[tokio::test]
async fn a_body_of_16_kib_is_taken_and_one_byte_more_is_not() {
    let app = TestApp::start().await;
    let client = app.script(SECRET);
    answer(start_raw(&client, padded(MAX + 1))).await.expect_problem(413, "payload_too_large");
    ask_within(&app, chunked("/v1/attempts", &padded(MAX + 1), 1000), PATIENCE)
        .await
        .expect_problem(413, "payload_too_large");
    ask_within(&app, chunked("/v1/attempts", &padded(MAX + 1), MAX + 1), PATIENCE)
        .await
        .expect_problem(413, "payload_too_large");
    for path in ["/v1/tickets/redeem", "/v1/session/token", "/v/e30.e30.AAAA"] {
        let request = client
            .post(path)
            .header("Content-Type", "application/json")
            .bearer_auth("x")
            .body(padded(MAX + 1));
        answer(request).await.expect_problem(413, "payload_too_large");
        ask_within(&app, chunked(path, &padded(MAX + 1), 4096), PATIENCE)
            .await
            .expect_problem(413, "payload_too_large");
    }
    assert_untouched(&app).await;
    answer(start_raw(&client, padded(MAX))).await.expect(201);
    ask_within(&app, chunked("/v1/attempts", &padded(MAX), 1000), PATIENCE).await.expect(201);
}

#[tokio::test]
async fn an_announced_giant_is_refused_before_it_is_sent_also_where_no_body_is_read() {
    let app = TestApp::start().await;
    for line in [
        "POST /v1/attempts",
        "POST /v1/attempts/att_00000000000000000000000000000000/resend",
        "POST /v1/attempts/x/redeem",
        "POST /v/e30.e30.AAAA/reissue",
        "GET /v1/session",
        "DELETE /v1/attempts/x",
        "POST /nothing",
    ] {
        let request = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n{{"
        );
        let begun = Instant::now();
        ask_within(&app, request, PATIENCE).await.expect_problem(413, "payload_too_large");
        assert!(begun.elapsed() < Duration::from_secs(2), "{line}");
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn long_values_within_a_body_are_problems_of_their_field() {
    let app = TestApp::start().await;
    let client = app.script(SECRET);
    let long = |members| answer(client.post("/v1/attempts").json(&test_kit::requests::plain_with(&members)));
    long(json!({ "email_address": format!("{}@example.com", "a".repeat(15_000)) }))
        .await
        .expect_problem(422, "invalid_email_address");
    long(json!({ "email_address": format!("a@{}com", "a.".repeat(7_000)) }))
        .await
        .expect_problem(422, "invalid_email_address");
    long(json!({ "redirect_url": format!("https://app.example.com/p/{}", "a".repeat(15_000)) }))
        .await
        .expect_problem(422, "redirect_url_not_allowed");
    assert_untouched(&app).await;
}
