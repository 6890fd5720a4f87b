//! A consume whose reply was lost has happened: the same press succeeds again, others are refused.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;

use crate::interpreter::{Interpreter, Says};
use crate::people::{FAR, NEAR, client, confirm, insist, path_of, start_by_key, try_answer};
use test_kit::app::{Attempt, TestApp};
use test_kit::fleet::Replica;
use test_kit::redis_server::RedisServer;

/// A replica whose store can lose replies.
struct Bench {
    redis: RedisServer,
    hop: Interpreter,
    replica: Replica,
}

impl Bench {
    async fn start() -> Self {
        let redis = RedisServer::start();
        let hop = Interpreter::start(redis.port());
        let store = format!("redis://127.0.0.1:{}", hop.port());
        let replica = Replica::start(&[("LINKGATE_STORE_URL", &store)]);
        replica.until_probe("/readyz", 200).await;
        // Load the scripts into the server first: an unknown one is not run.
        let (requester, opener) = (client(&replica.url(), NEAR), client(&replica.url(), FAR));
        let (attempt, link) = start_by_key(&requester, "warm@example.com", json!({})).await;
        attempt.enter_code(&confirm(&opener, &link).await.relay_code()).await.expect(200);
        let (attempt, link) = start_by_key(&requester, "up@example.com", json!({})).await;
        confirm(&requester, &link).await.expect(200);
        attempt.redeem().await.expect(200);
        attempt.cancel().await.expect_problem(409, "attempt_over");
        Self { redis, hop, replica }
    }

    /// Sends a request whose script runs and whose reply is lost.
    async fn with_lost_reply(&self, request: reqwest::RequestBuilder) {
        self.with_lost_reply_after(0, request).await;
    }

    /// The same after this many scripts whose replies arrive.
    async fn with_lost_reply_after(&self, before: usize, request: reqwest::RequestBuilder) {
        self.hop.set(Says::NotHowAScriptEnds(before));
        let begun = Instant::now();
        let answer = try_answer(request).await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
        self.hop.set(Says::Itself);
        // Where a step may be repeated, the store retries automatically; else the caller gets 503.
        if !answer.status.is_success() {
            answer.expect_bad_luck();
        }
    }
}

fn state(bench: &Bench, attempt: &Attempt) -> String {
    bench.redis.command(&["HGET", &format!("lg:a:{}", &attempt.id[4..]), "s"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_to_a_consume_costs_nothing_but_another_press() {
    let bench = Bench::start().await;
    let url = bench.replica.url();
    for round in 0..3 {
        let (requester, opener, other) = (client(&url, NEAR), client(&url, NEAR), client(&url, NEAR));
        let (attempt, link) = start_by_key(&requester, &format!("ann{round}@example.com"), json!({})).await;
        let path = path_of(&link);
        let (press, press_of_other) =
            (opener.describe(&path).await.confirmation(), other.describe(&path).await.confirmation());
        let decide = || opener.post(&path).json(&json!({ "decision": "approve", "confirmation": press }));
        bench.with_lost_reply(decide()).await;
        assert_eq!(state(&bench, &attempt), "v", "or else this test shows nothing");

        let others =
            || other.post(&path).json(&json!({ "decision": "approve", "confirmation": press_of_other }));
        insist("the other", others).await.expect_problem(410, "link_already_used");
        for _ in 0..3 {
            assert_eq!(insist("again", decide).await.expect(200).body["signed_in"], "requester");
        }
        insist("the other", others).await.expect_problem(410, "link_already_used");
        let session = insist("redeem", || attempt.request(Method::POST, "/redeem")).await;
        bench.with_lost_reply(attempt.request(Method::POST, "/redeem")).await;
        let again = insist("redeem", || attempt.request(Method::POST, "/redeem")).await;
        assert_eq!(session.expect(200).body["id"], again.expect(200).body["id"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_to_codes_denials_and_cancels_are_made_good_by_repeating() {
    let bench = Bench::start().await;
    let url = bench.replica.url();
    let (requester, opener) = (client(&url, NEAR), client(&url, FAR));

    let (attempt, link) = start_by_key(&requester, "code@example.com", json!({})).await;
    let code = confirm(&opener, &link).await.relay_code();
    let enter = || attempt.request(Method::POST, "/code").json(&json!({ "code": code }));
    // The attempt is read first.
    bench.with_lost_reply_after(1, enter()).await;
    assert_eq!(state(&bench, &attempt), "v");
    assert_eq!(insist("code", enter).await.expect(200).body["status"], "verified");

    let (attempt, link) = start_by_key(&requester, "deny@example.com", json!({})).await;
    let press = opener.describe(&path_of(&link)).await.confirmation();
    let deny = || opener.post(&path_of(&link)).json(&json!({ "decision": "deny", "confirmation": press }));
    bench.with_lost_reply(deny()).await;
    assert_eq!(state(&bench, &attempt), "d");
    assert_eq!(insist("deny", deny).await.expect(200).body["status"], "denied");

    let (attempt, _) = start_by_key(&requester, "cancel@example.com", json!({})).await;
    bench.with_lost_reply(attempt.request(Method::DELETE, "")).await;
    assert_eq!(state(&bench, &attempt), "x");
    insist("cancel", || attempt.request(Method::DELETE, "")).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_whose_reply_was_lost_puts_the_older_link_back() {
    let redis = RedisServer::start();
    let hop = Interpreter::start(redis.port());
    let store = format!("redis://127.0.0.1:{}", hop.port());
    let app = TestApp::with(&[("LINKGATE_STORE_URL", &store)]).await;
    let browser = app.browser();
    // Load the scripts into the server first.
    let warm = browser.sign_in("warm@example.com").await;
    let attempt = browser.sign_in("ann@example.com").await;
    app.advance(TimeDelta::seconds(31));
    warm.resend().await.expect(200);
    let key = format!("lg:a:{}", &attempt.id[4..]);
    let nonce = || -> String { redis.command(&["HGET", &key, "n"]) };
    let before = nonce();
    // The attempt is read first.
    hop.set(Says::NotHowAScriptEnds(1));
    let resending = tokio::spawn({
        let request = attempt.request(Method::POST, "/resend");
        async move { try_answer(request).await.unwrap() }
    });
    let begun = Instant::now();
    while nonce() == before {
        assert!(begun.elapsed() < Duration::from_secs(5), "or else this test shows nothing");
    }
    resending.await.unwrap().expect_bad_luck();
    hop.set(Says::Itself);
    let begun = Instant::now();
    while nonce() != before {
        assert!(begun.elapsed() < Duration::from_secs(5), "never put back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("the older link works again {:?} after the store answers again", begun.elapsed());
    assert_eq!(app.links("ann@example.com").len(), 1, "no other mail has gone out");
    attempt.resend().await.expect(200);
    browser.press(&app.link("ann@example.com"), "approve").await.expect(303);
}
