//! A request hidden in the body of another is never answered.

use futures_util::future::join_all;
use serde_json::json;

use test_kit::app::TestApp;
use test_kit::requests::{OTHER_SECRET, SECRET, assert_untouched, plain};
use test_kit::wire::{Heard, get, post, say, say_until};

/// The hidden request. Its answer would carry its id.
const HIDDEN: &str =
    "GET /v1/session HTTP/1.1\r\nHost: x\r\nX-Request-Id: hidden\r\nConnection: close\r\n\r\n";

/// A POST with these header lines and this body, and the hidden request behind it.
fn with_hidden(lines: &str, body: &str) -> String {
    format!(
        "POST /v1/attempts HTTP/1.1\r\nHost: x\r\nX-Request-Id: outer\r\nContent-Type: application/json\r\n{lines}\r\n{body}{HIDDEN}"
    )
}

async fn all(app: &TestApp, requests: Vec<String>) -> Vec<(String, Heard)> {
    let saying = requests.into_iter().map(|request| async {
        let heard = say(app, request.clone()).await;
        (request, heard)
    });
    join_all(saying).await
}

#[track_caller]
fn assert_not_answered(request: &str, heard: &Heard) {
    assert!(!heard.ids().contains(&"hidden"), "{request}\n{}", String::from_utf8_lossy(&heard.bytes));
    assert!(heard.answers.len() <= 1, "{request}: {:?}", heard.ids());
    for answer in &heard.answers {
        assert!(answer.status.is_client_error(), "{request}: {}", answer.status);
    }
}

#[tokio::test]
async fn a_request_behind_another_is_answered_after_it_when_both_are_whole() {
    // The other tests of this file search for what is found here.
    let app = TestApp::start().await;
    let body = plain().to_string();
    let lines = format!("Content-Length: {}\r\n", body.len());
    let heard = say(&app, with_hidden(&lines, &body)).await;
    assert_eq!(heard.ids(), ["outer", "hidden"]);
    heard.answers[0].expect(201);
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let heard = say(
        &app,
        with_hidden("Transfer-Encoding: chunked\r\nLinkgate-Client: zzzzzzzzzzzzzzzzzzzzzzzz\r\n", &chunks),
    )
    .await;
    assert_eq!(heard.ids(), ["outer", "hidden"]);
}

#[tokio::test]
async fn lengths_that_can_be_read_in_two_ways_end_the_connection() {
    let app = TestApp::start().await;
    let length = HIDDEN.len();
    let lines = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked".to_owned(),
        "Transfer-Encoding: chunked\r\nContent-Length: 5".to_owned(),
        format!("Content-Length: 0\r\nContent-Length: {length}"),
        format!("Content-Length: {length}\r\nContent-Length: 0"),
        "Content-Length: 5\r\nContent-Length: 6".to_owned(),
        "Content-Length: 0, 5".to_owned(),
        "Content-Length: 5, 5".to_owned(),
        "Content-Length: -1".to_owned(),
        "Content-Length: +5".to_owned(),
        "Content-Length: x".to_owned(),
        "Content-Length: +0".to_owned(),
        "Content-Length: -0".to_owned(),
        "Content-Length: 0x0".to_owned(),
        "Content-Length: 0 0".to_owned(),
        "Content-Length: 0;".to_owned(),
        "Content-Length: 1e1".to_owned(),
        "Content-Length: 1_0".to_owned(),
        "Content-Length: ".to_owned(),
        "Content-Length: \u{ff10}".to_owned(),
        "Content-Length: 18446744073709551616".to_owned(),
        "Content-Length: 18446744073709551621".to_owned(),
        "Content-Length: 99999999999999999999999999".to_owned(),
        "Content-Length : 0".to_owned(),
        "Content-Length : 5".to_owned(),
        "Content-Length\t: 0".to_owned(),
        "Content-Length\u{b}: 0".to_owned(),
        "Content-\r\n Length: 0".to_owned(),
        "X: y\r\n Content-Length: 0".to_owned(),
        "X: y\rContent-Length: 0".to_owned(),
        "X: y\0\r\nContent-Length: 0".to_owned(),
        "Transfer-Encoding: identity".to_owned(),
        "Transfer-Encoding: chunked, identity".to_owned(),
        "Transfer-Encoding: identity, chunked".to_owned(),
        "Transfer-Encoding: gzip, chunked".to_owned(),
        "Transfer-Encoding: chunked, chunked".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".to_owned(),
        "Transfer-Encoding: chunked;q=1".to_owned(),
        "Transfer-Encoding: \"chunked\"".to_owned(),
        "Transfer-Encoding: xchunked".to_owned(),
        "Transfer-Encoding: chunked\u{b}".to_owned(),
        "Transfer-Encoding: \u{1}chunked".to_owned(),
        "Transfer-Encoding: chunke\u{212a}".to_owned(),
        "Transfer-Encoding : chunked".to_owned(),
        "Transfer-Encoding:\r\n chunked".to_owned(),
        "Transfer-Encoding: \r\nX: chunked".to_owned(),
        " Transfer-Encoding: chunked".to_owned(),
        "Transfer\u{a0}Encoding: chunked\r\nContent-Length: x".to_owned(),
    ];
    let requests = lines.iter().map(|lines| with_hidden(&format!("{lines}\r\n"), "0\r\n\r\n")).collect();
    for (request, heard) in all(&app, requests).await {
        assert_not_answered(&request, &heard);
        assert!(heard.answers.len() == 1 && heard.closed, "{request}");
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn chunks_that_can_be_read_in_two_ways_end_the_connection() {
    let app = TestApp::start().await;
    let bodies = [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-1\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n{}\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "2_\r\n{}\r\n0\r\n\r\n",
        " 2\r\n{}\r\n0\r\n\r\n",
        "2\n{}\n0\n\n",
        "2\r{}\r0\r\r",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "2\r\n{}XX0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "10000000000000002\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "\r\n{}\r\n0\r\n\r\n",
        ";a\r\n{}\r\n0\r\n\r\n",
        "2;a\n\r\n{}\r\n0\r\n\r\n",
        "2;a=\"\r\n\"\r\n{}\r\n0\r\n\r\n",
    ];
    let requests =
        bodies.iter().map(|body| with_hidden("Transfer-Encoding: chunked\r\n", body)).collect::<Vec<_>>();
    for (request, heard) in all(&app, requests).await {
        assert_not_answered(&request, &heard);
        // This length is valid, so the server waits for the rest of the chunk.
        let waits = request.contains("\r\nffffffffffffffff\r\n");
        assert!(heard.answers.len() == 1 || waits, "{request}");
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn a_body_where_none_is_read_is_no_request() {
    let app = TestApp::start().await;
    let length = HIDDEN.len();
    let mut requests = Vec::new();
    for line in [
        "GET /v1/session",
        "HEAD /v1/session",
        "OPTIONS /v1/session",
        "DELETE /v1/attempts/x",
        "TRACE /v1/session",
        "GET /nothing",
        "POST /v1/attempts/x/redeem",
        "PUT /v1/attempts",
        "POST /v/e30.e30.AAAA/reissue",
    ] {
        let head = format!("{line} HTTP/1.1\r\nHost: x\r\nX-Request-Id: outer\r\n");
        requests.push(format!("{head}Content-Length: {length}\r\n\r\n{HIDDEN}"));
        requests.push(format!("{head}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n{HIDDEN}"));
        requests.push(format!("{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n"));
    }
    for (request, heard) in all(&app, requests).await {
        let text = String::from_utf8_lossy(&heard.bytes);
        assert!(text.contains("outer") && !text.contains("hidden"), "{request}\n{text}");
    }
}

#[tokio::test]
async fn what_follows_an_upgrade_or_a_tunnel_that_was_not_granted_is_no_request() {
    let app = TestApp::start().await;
    let requests = [
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "GET /v1/session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/0.9\r\n\r\n",
        "GET /v1/session\r\n\r\n",
        "GET /v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "POST /v1/attempts HTTP/1.0\r\nContent-Type: application/json\r\n\r\n{}",
        "POST /v1/attempts HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    let requests = requests.iter().map(|request| format!("{request}{HIDDEN}")).collect();
    for (request, heard) in all(&app, requests).await {
        assert!(!heard.ids().contains(&"hidden"), "{request}\n{}", String::from_utf8_lossy(&heard.bytes));
        assert!(!heard.answers.iter().any(|answer| answer.status.is_success()), "{request}");
    }
    // An upgrade to HTTP/2 is ignored: the connection stays HTTP/1.1.
    let upgrade = "GET /nothing HTTP/1.1\r\nHost: x\r\nX-Request-Id: outer\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n";
    let heard = say(&app, format!("{upgrade}{HIDDEN}")).await;
    assert_eq!(heard.ids(), ["outer", "hidden"]);
    assert_eq!(heard.answers[0].status, 404);
    assert_untouched(&app).await;
}

#[tokio::test]
async fn a_body_that_is_refused_for_its_length_is_no_request() {
    let app = TestApp::start().await;
    let padding = " ".repeat(20_000);
    let long = format!("Content-Length: {}\r\n", padding.len() + HIDDEN.len());
    let chunks = format!("{:x}\r\n{padding}{HIDDEN}\r\n0\r\n\r\n", padding.len() + HIDDEN.len());
    let requests = vec![
        with_hidden(&long, &padding),
        with_hidden(
            "Transfer-Encoding: chunked\r\n",
            &chunks.replace(HIDDEN, &HIDDEN.replace("hidden", "within")),
        ),
    ];
    for (_, heard) in all(&app, requests).await {
        heard.answers[0].expect_problem(413, "payload_too_large");
        assert!(!heard.ids().contains(&"within"));
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order_each_with_its_own() {
    let app = TestApp::start().await;
    let people = [(SECRET, "ann@example.com"), (OTHER_SECRET, "bob@example.com")];
    let mut attempts = Vec::new();
    for (secret, email) in people {
        attempts
            .push(app.script(secret).start(json!({ "email_address": email, "purpose": "sign_in" })).await);
    }
    let mut sent = String::new();
    let mut wanted = Vec::new();
    for number in 0..60 {
        let (attempt, (secret, email)) = (&attempts[number % 2], people[number % 2]);
        let lines = format!(
            "X-Request-Id: number-{number}\r\nAuthorization: Bearer {}\r\nLinkgate-Client: {secret}\r\n",
            attempt.token
        );
        match number % 6 {
            4 => sent.push_str(&get("/v1/session", &format!("X-Request-Id: number-{number}\r\n"))),
            5 => sent.push_str(&post("/v1/attempts", &format!("X-Request-Id: number-{number}\r\n"), "{}")),
            _ => sent.push_str(&get(&format!("/v1/attempts/{}", attempt.id), &lines)),
        }
        wanted.push(if number % 6 < 4 { Some(email) } else { None });
    }
    let heard = say_until(&app, sent, 60).await;
    assert_eq!(heard.answers.len(), 60);
    for (number, (answer, email)) in heard.answers.iter().zip(wanted).enumerate() {
        assert_eq!(answer.header("x-request-id"), format!("number-{number}"));
        assert_eq!(answer.body["email_address"].as_str(), email, "{number}");
        assert_eq!(answer.status.is_success(), email.is_some(), "{number}");
    }
}
