//! A relay that is down, silent or hangs up: 503 within 10 s, no attempt remains, and an older link keeps working.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;

use test_kit::app::{TestApp, answer};
use test_kit::redis_server::RedisServer;
use test_kit::smtp::Mode;
use test_kit::waiting::until;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_start_whose_client_goes_away_is_driven_to_its_end() {
    let app = TestApp::start().await;
    let client = app.script("a-client-that-goes-away-0");
    app.smtp.set_mode(Mode::Ponder);
    let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
    let start = || client.post("/v1/attempts").header("Idempotency-Key", "k1").json(&body);
    let gone = tokio::spawn(start().send());
    let asked = |command: &String| command.to_ascii_uppercase().starts_with("RCPT");
    until("the relay is asked", || async { app.smtp.commands().iter().any(asked) }).await;
    gone.abort();
    assert!(gone.await.is_err(), "the client was answered before it could go");
    until("the mail is there", || async { app.smtp.received_count() == 1 }).await;
    answer(start()).await.expect(201);
    assert_eq!(app.smtp.received_count(), 1, "the repetition found what was done");
}
