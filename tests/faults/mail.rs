//! A relay that is down, silent or hangs up: 503 within 10 s, no attempt is left, and an older link goes on working.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;

use crate::redis_server::RedisServer;
use crate::support::app::{TestApp, answer};
use crate::support::smtp::Mode;

/// How a relay fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Down,
    Is(Mode),
}

async fn leaves_nothing_half_done(fault: Fault) {
    let redis = RedisServer::start();
    let app = TestApp::with(&[("LINKGATE_STORE_URL", &redis.url())]).await;
    let browser = app.browser();
    let attempt = browser.sign_in("ann@example.com").await;
    let older = app.link("ann@example.com");
    app.advance(TimeDelta::seconds(31));
    match fault {
        Fault::Down => app.smtp.stop(),
        Fault::Is(mode) => app.smtp.set_mode(mode),
    }
    let begun = Instant::now();
    let start = browser
        .post("/v1/attempts")
        .json(&json!({ "email_address": "bob@example.com", "purpose": "sign_in" }));
    let keyed = browser.post("/v1/attempts").header("Idempotency-Key", "k1");
    let keyed = keyed.json(&json!({ "email_address": "cy@example.com", "purpose": "sign_in" }));
    let (resent, started, keyed) = tokio::join!(attempt.resend(), answer(start), answer(keyed));
    println!("{fault:?}: told after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(11), "{:?}", begun.elapsed());
    for told in [resent, started, keyed] {
        told.expect_problem(503, "mail_unavailable");
    }
    let attempts: Vec<String> = redis.command(&["KEYS", "lg:a:*"]);
    assert_eq!(attempts.len(), 1, "only the one that was mailed before: {attempts:?}");
    assert_eq!(attempt.status().await.body["status"], "pending");
    browser.press(&older, "approve").await.expect(303);
    if fault != Fault::Down {
        app.smtp.set_mode(Mode::Accept);
        let again = browser.post("/v1/attempts").header("Idempotency-Key", "k1");
        answer(again.json(&json!({ "email_address": "cy@example.com", "purpose": "sign_in" })))
            .await
            .expect(201);
        browser.sign_in("bob@example.com").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_down_leaves_nothing_half_done() {
    leaves_nothing_half_done(Fault::Down).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_silent_leaves_nothing_half_done() {
    leaves_nothing_half_done(Fault::Is(Mode::Silent)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_hangs_up_in_the_message_leaves_nothing_half_done() {
    leaves_nothing_half_done(Fault::Is(Mode::HangUpInData)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_defers_leaves_nothing_half_done() {
    leaves_nothing_half_done(Fault::Is(Mode::Defer)).await;
}
