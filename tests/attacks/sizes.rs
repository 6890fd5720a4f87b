//! Tokens that are far too long: refused at once and without the store.

use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use serde_json::json;

use super::places::{Scene, store_calls};
use test_kit::app::{TestApp, answer};
use test_kit::requests::{SECRET, with_key};
use test_kit::smith::{encode, parts};
use test_kit::wire::ask_within;

const MIB: usize = 1 << 20;

/// Sends a request eleven times; returns the median time, and the status, which is always the same.
async fn usually(send: impl AsyncFn() -> u16) -> (Duration, u16) {
    let mut times = Vec::new();
    let mut statuses = Vec::new();
    for _ in 0..11 {
        let begun = Instant::now();
        statuses.push(send().await);
        times.push(begun.elapsed());
    }
    times.sort();
    statuses.dedup();
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    (times[5], statuses[0])
}

/// Bodies with a megabyte in the place of a token, and one on a route that takes no token.
fn bodies(app: &TestApp, token: &str) -> Vec<(&'static str, RequestBuilder)> {
    let script = app.script(SECRET);
    vec![
        ("a megabyte for nobody", script.post("/v1/nothing").json(&json!({ "x": token }))),
        ("ticket", with_key(script.post("/v1/tickets/redeem")).json(&json!({ "ticket": token }))),
        ("renewal", script.post("/v1/session/token").json(&json!({ "renewal_token": token }))),
        (
            "sign-out",
            script.request(reqwest::Method::DELETE, "/v1/session").json(&json!({ "renewal_token": token })),
        ),
        (
            "confirmation",
            script.post("/v/e30.e30.AAAA").json(&json!({ "decision": "approve", "confirmation": token })),
        ),
    ]
}

#[tokio::test]
async fn a_megabyte_for_a_token_in_a_body_is_refused_at_once_and_without_the_store() {
    let scene = Scene::start().await;
    let app = &scene.app;
    let before = store_calls(app).await;
    let [header, _, signature] = parts(&scene.tokens.renewal);
    for (how, token) in [
        ("one long part", "A".repeat(MIB)),
        ("a long payload", format!("{header}.{}.{signature}", "A".repeat(MIB))),
        ("dots", ".".repeat(MIB)),
        ("a nest", format!("{}.e30.AAAA", encode("[".repeat(MIB / 2)))),
    ] {
        let mut baseline = None;
        for (place, request) in bodies(app, &token) {
            let (took, status) = usually(async || {
                let answer = answer(request.try_clone().unwrap()).await;
                answer.expect_problem(413, "payload_too_large");
                answer.status.as_u16()
            })
            .await;
            println!("{how}, {place}: {status} in {took:?}");
            let baseline = *baseline.get_or_insert(took);
            // The megabyte's transfer takes the time, not its content. The bound is generous for busy machines.
            assert!(
                took < baseline * 10 + Duration::from_millis(250),
                "{how}, {place}: {took:?}, {baseline:?}"
            );
        }
    }
    assert!((store_calls(app).await - before).abs() < 0.5, "the store was not asked");
    scene.assert_untouched().await;
}

#[tokio::test]
async fn a_megabyte_for_a_token_in_the_path_or_a_header_is_refused_at_once_and_without_the_store() {
    let scene = Scene::start().await;
    let app = &scene.app;
    let before = store_calls(app).await;
    let (id, key) = (&scene.tokens.attempt.id, test_kit::app::API_KEY);
    let long = "A".repeat(MIB);
    let [header, _, signature] = parts(&scene.tokens.link);
    let payload = format!("{header}.{long}.{signature}");
    let (small, _) = usually(async || {
        let request = "GET /v/e30.e30.AAAA HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        ask_within(app, request, Duration::from_secs(20)).await.status.as_u16()
    })
    .await;
    println!("a small token: {small:?}");
    for (place, request) in [
        ("path", format!("GET /v/{payload} HTTP/1.1\r\nHost: x\r\n")),
        (
            "attempt token",
            format!("GET /v1/attempts/{id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {payload}\r\n"),
        ),
        (
            "session token",
            format!(
                "POST /v1/attempts HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nAuthorization: Bearer {payload}\r\n"
            ),
        ),
        (
            "API key",
            format!(
                "POST /v1/tickets/redeem HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nAuthorization: Bearer {key}{long}\r\n"
            ),
        ),
        (
            "cookie",
            format!(
                "GET /v1/session HTTP/1.1\r\nHost: x\r\nCookie: linkgate-client={SECRET}; linkgate-session={payload}\r\n"
            ),
        ),
        (
            "client secret",
            format!("GET /v1/session HTTP/1.1\r\nHost: x\r\nLinkgate-Client: {SECRET}{long}\r\n"),
        ),
    ] {
        let request = format!("{request}\r\n");
        let (took, status) = usually(async || {
            ask_within(app, request.as_str(), Duration::from_secs(20)).await.status.as_u16()
        })
        .await;
        println!("{place}: {status} in {took:?}");
        assert!(matches!(status, 400 | 413 | 414 | 431), "{place}: {status}");
        assert!(took < small * 20 + Duration::from_millis(250), "{place}: {took:?}, {small:?}");
    }
    assert!((store_calls(app).await - before).abs() < 0.5, "the store was not asked");
    scene.assert_untouched().await;
}
