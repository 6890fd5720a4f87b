//! Sizes and times.

use std::time::{Duration, Instant};

use serde_json::json;

use test_kit::app::{TestApp, answer};
use test_kit::requests::{SECRET, assert_untouched, plain, raw, start_raw};

const MAX: usize = 16 * 1024;

const PATIENCE: Duration = Duration::from_secs(5);

/// A start that is this long.
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
    raw(&app, chunked("/v1/attempts", &padded(MAX + 1), 1000), PATIENCE)
        .await
        .expect_problem(413, "payload_too_large");
    raw(&app, chunked("/v1/attempts", &padded(MAX + 1), MAX + 1), PATIENCE)
        .await
        .expect_problem(413, "payload_too_large");
    for path in ["/v1/tickets/redeem", "/v1/session/token", "/v/e30.e30.AAAA"] {
        let request = client
            .post(path)
            .header("Content-Type", "application/json")
            .bearer_auth("x")
            .body(padded(MAX + 1));
        answer(request).await.expect_problem(413, "payload_too_large");
        raw(&app, chunked(path, &padded(MAX + 1), 4096), PATIENCE)
            .await
            .expect_problem(413, "payload_too_large");
    }
    assert_untouched(&app).await;
    answer(start_raw(&client, padded(MAX))).await.expect(201);
    raw(&app, chunked("/v1/attempts", &padded(MAX), 1000), PATIENCE).await.expect(201);
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
        raw(&app, request, PATIENCE).await.expect_problem(413, "payload_too_large");
        assert!(begun.elapsed() < Duration::from_secs(2), "{line}");
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn lengths_that_contradict_each_other_never_become_two_requests() {
    let app = TestApp::start().await;
    let smuggled = "GET /v1/session HTTP/1.1\r\nHost: x\r\n\r\n";
    let heads = [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: 5, 5",
        "Content-Length: -1",
        "Content-Length: x",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Content-Length : 5",
    ];
    for head in heads {
        let request = format!(
            "POST /v1/attempts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}\r\n\r\n0\r\n\r\n{smuggled}"
        );
        let answer = raw(&app, request, PATIENCE).await;
        assert!(answer.status.is_client_error(), "{head}: {}", answer.status);
        assert_ne!(answer.status.as_u16(), 401, "{head}: the smuggled request was answered");
    }
    for body in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-1\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n{}\r\n",
        "2\r\n{}XX0\r\n\r\n",
    ] {
        let request = format!(
            "POST /v1/attempts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
        );
        let answer = raw(&app, request, PATIENCE).await;
        assert!(answer.status.is_client_error(), "{body:?}: {}", answer.status);
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn headers_of_more_than_16_kib_in_all_are_refused() {
    let app = TestApp::start().await;
    let client = app.browser();
    answer(client.get("/v1/session").header("X-Large", "x".repeat(MAX)))
        .await
        .expect_problem(413, "payload_too_large");
    answer(client.get("/v1/session").header("Cookie", format!("a={}", "x".repeat(MAX))))
        .await
        .expect_problem(413, "payload_too_large");
    answer(client.get("/v1/session").header("Authorization", format!("Bearer {}", "x".repeat(MAX))))
        .await
        .expect_problem(413, "payload_too_large");
    answer(client.get(&format!("/v/{}", "x".repeat(MAX)))).await.expect_problem(413, "payload_too_large");
    answer(client.get(&format!("/v1/session?{}", "x".repeat(MAX))))
        .await
        .expect_problem(413, "payload_too_large");
    let mut many = client.post("/v1/attempts").json(&plain());
    for number in 0..60 {
        many = many.header(format!("X-Piece-{number}"), "x".repeat(300));
    }
    answer(many).await.expect_problem(413, "payload_too_large");
    assert_untouched(&app).await;
    answer(client.get("/v1/session").header("X-Large", "x".repeat(15 * 1024)))
        .await
        .expect_problem(401, "session_required");
}

#[tokio::test]
async fn headers_that_the_framework_gives_up_on_end_the_connection_and_nothing_runs() {
    let app = TestApp::start().await;
    // Past 128 KiB, or 96 headers, actix answers by itself, without a document: no route, no guard has been asked.
    let large = format!("GET /v1/session HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(200 * 1024));
    let many = format!("GET /v1/session HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: b\r\n".repeat(200));
    for request in [large, many] {
        assert!(raw(&app, request, PATIENCE).await.status.is_client_error());
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

/// The only test that waits: the limit is ten seconds.
#[tokio::test]
async fn a_body_that_does_not_arrive_within_ten_seconds_is_given_up() {
    let app = TestApp::start().await;
    let request = "POST /v1/attempts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"email_address\":";
    let begun = Instant::now();
    let answer = raw(&app, request, Duration::from_secs(15)).await;
    let took = begun.elapsed();
    answer.expect_problem(400, "invalid_request");
    assert!(answer.text("detail").contains("10 seconds"), "{}", answer.raw);
    assert!((Duration::from_secs(9)..Duration::from_secs(13)).contains(&took), "{took:?}");
    assert_untouched(&app).await;
}
