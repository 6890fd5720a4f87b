//! Waiting for the result: long-poll, server-sent events, and their limits.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;

use test_kit::app::{Attempt, TestApp, answer};
use test_kit::waiting::AT_ONCE;

const FAR: &str = "198.51.100.9";

/// A stream of server-sent events.
struct Events {
    response: reqwest::Response,
    text: String,
}

impl Events {
    async fn of(attempt: &Attempt) -> Self {
        let response = attempt.request(Method::GET, "/events").send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, text: String::new() }
    }

    /// The next `status` event; `None` when the stream has ended. Comments are passed over.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if block.starts_with(':') {
                    continue;
                }
                let data = block.strip_prefix("event: status\ndata: ").unwrap_or_else(|| panic!("{block}"));
                return Some(serde_json::from_str(data).unwrap());
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }
}

async fn ann(app: &TestApp) -> Attempt {
    app.browser().sign_in("ann@example.com").await
}

#[tokio::test]
async fn the_requester_is_told_of_each_change_at_once() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let link = app.link("ann@example.com");
    let phone = app.browser_at(FAR);
    let (told, code) = app.told(&attempt, "pending", async { phone.press(&link, "approve").await }).await;
    assert_eq!(told.body["status"], "awaiting_code");
    let (told, _) =
        app.told(&attempt, "awaiting_code", async { attempt.enter_code(&code.relay_code()).await }).await;
    assert_eq!(told.body["status"], "verified");
    app.waiters(0).await;
}

#[tokio::test]
async fn a_status_that_is_news_is_told_without_waiting() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let begun = Instant::now();
    assert_eq!(attempt.wait("awaiting_code").await.body["status"], "pending");
    attempt.client.press(&app.link("ann@example.com"), "approve").await.expect(303);
    assert_eq!(attempt.wait("pending").await.body["status"], "verified");
    // What is over never changes: there is nothing to wait for.
    assert_eq!(attempt.wait("verified").await.body["status"], "verified");
    assert!(begun.elapsed() < AT_ONCE * 2, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_wait_ends_unchanged_when_its_time_is_over() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let by_query = attempt.request(Method::GET, "?wait=1");
    let by_preference = attempt.request(Method::GET, "").header("Prefer", "respond-async, wait=1");
    for request in [by_query, by_preference] {
        let begun = Instant::now();
        let unchanged = answer(request).await;
        assert_eq!(unchanged.expect(200).body["status"], "pending");
        assert_eq!(unchanged.header("retry-after"), "1");
        assert!((1.0..3.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_preference_to_wait_is_woken_like_any_other() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let waiting = answer(attempt.request(Method::GET, "").header("Prefer", "wait=20"));
    let acting = async {
        app.waiters(1).await;
        attempt.cancel().await.expect(204);
        Instant::now()
    };
    let (told, done) = tokio::join!(waiting, acting);
    assert_eq!(told.body["status"], "canceled");
    assert!(done.elapsed() < AT_ONCE);
}

#[tokio::test]
async fn the_page_of_a_listed_origin_may_read_what_it_waited_for() {
    let app = TestApp::with(&[("LINKGATE_ALLOWED_ORIGINS", "https://app.example.com")]).await;
    let attempt = ann(&app).await;
    let waiting = attempt.request(Method::GET, "?wait=20").header("Origin", "https://app.example.com");
    let acting = async {
        app.waiters(1).await;
        attempt.cancel().await.expect(204);
    };
    let (told, ()) = tokio::join!(answer(waiting), acting);
    assert_eq!(told.expect(200).body["status"], "canceled");
    assert_eq!(told.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(told.header("access-control-allow-credentials"), "true");
}

#[tokio::test]
async fn a_poll_without_wait_is_answered_at_once_and_says_when_to_come_back() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let begun = Instant::now();
    let status = attempt.status().await;
    assert!(begun.elapsed() < AT_ONCE);
    assert_eq!(status.header("retry-after"), "1");
    for (query, known) in [("?wait=0", 200), ("?wait=soon", 400), ("?seen=nonsense", 400), ("?other=1", 400)]
    {
        answer(attempt.request(Method::GET, query)).await.expect(known);
    }
}

#[tokio::test]
async fn events_tell_each_status_until_the_attempt_is_over() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let link = app.link("ann@example.com");
    let mut events = Events::of(&attempt).await;
    let first = events.next().await.unwrap();
    assert_eq!(first, attempt.status().await.body, "the same as a poll");
    assert_eq!(first["status"], "pending");
    app.waiters(1).await;
    let begun = Instant::now();
    let code = app.browser_at(FAR).press(&link, "approve").await.relay_code();
    assert_eq!(events.next().await.unwrap()["status"], "awaiting_code");
    app.waiters(1).await;
    attempt.enter_code(&code).await.expect(200);
    let last = events.next().await.unwrap();
    assert!(begun.elapsed() < AT_ONCE * 3, "{:?}", begun.elapsed());
    assert_eq!(last["status"], "verified");
    assert_eq!(last["signed_in"], "requester");
    assert_eq!(events.next().await, None, "the stream ends");

    let mut late = Events::of(&attempt).await;
    assert_eq!(late.next().await.unwrap()["status"], "verified");
    assert_eq!(late.next().await, None);
}

#[tokio::test]
async fn events_tell_of_expiry() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let mut events = Events::of(&attempt).await;
    assert_eq!(events.next().await.unwrap()["status"], "pending");
    app.waiters(1).await;
    app.advance(chrono::TimeDelta::minutes(10));
    assert_eq!(events.next().await.unwrap()["status"], "expired");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn events_need_the_attempt_token() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let path = format!("/v1/attempts/{}/events", attempt.id);
    answer(attempt.client.get(&path)).await.expect_problem(401, "attempt_token_invalid");
}

#[tokio::test]
async fn the_ninth_request_of_a_client_that_waits_is_answered_at_once() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let other = app.browser().sign_in("bob@example.com").await;
    let eight = join_all((0..8).map(|_| attempt.wait("pending")));
    let acting = async {
        app.waiters(8).await;
        let begun = Instant::now();
        let ninth = attempt.wait("pending").await;
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
        assert_eq!(ninth.expect(200).body["status"], "pending");
        assert_eq!(ninth.header("retry-after"), "1");

        let mut events = Events::of(&attempt).await;
        assert_eq!(events.next().await.unwrap()["status"], "pending");
        assert_eq!(events.next().await, None, "no room for a stream either");
        assert!(events.text.len() < 1000 && begun.elapsed() < AT_ONCE * 2, "{:?}", begun.elapsed());

        // Nor by asking for another attempt.
        let third = attempt.client.sign_in("cy@example.com").await;
        assert_eq!(third.wait("pending").await.expect(200).header("retry-after"), "1");
        assert!(begun.elapsed() < AT_ONCE * 4, "{:?}", begun.elapsed());

        // Another client has room of its own.
        let (told, ()) = tokio::join!(other.wait("pending"), async {
            app.waiters(9).await;
            other.cancel().await.expect(204);
        });
        assert_eq!(told.body["status"], "canceled");
        app.waiters(8).await;
        attempt.client.press(&app.link("ann@example.com"), "approve").await.expect(303);
    };
    let (told, ()) = tokio::join!(eight, acting);
    assert!(told.iter().all(|answer| answer.body["status"] == "verified"));
    app.waiters(0).await;
}

#[tokio::test]
async fn who_hangs_up_leaves_its_place() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let waiting = join_all((0..8).map(|_| attempt.wait("pending")));
    tokio::select! {
        _ = waiting => panic!("nothing happened"),
        () = app.waiters(8) => {}
    }
    app.waiters(0).await;
    let (told, _) = app.told(&attempt, "pending", async { attempt.cancel().await }).await;
    assert_eq!(told.body["status"], "canceled");
}

#[tokio::test]
async fn no_answer_on_status_carries_a_session() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    attempt.client.press(&app.link("ann@example.com"), "approve").await.expect(303);
    let mut events = Events::of(&attempt).await;
    let event = events.next().await.unwrap();
    for status in [attempt.status().await, attempt.wait("pending").await] {
        assert!(status.headers.get("set-cookie").is_none());
        assert_eq!(status.body, event);
        let members: Vec<&str> = status.body.as_object().unwrap().keys().map(String::as_str).collect();
        let mut wanted = vec![
            "object",
            "id",
            "status",
            "purpose",
            "email_address",
            "expires_at",
            "resend_after",
            "verified_at",
            "verified_from_same_client",
            "signed_in",
            "session_id",
            "code_tries_left",
        ];
        wanted.sort_unstable();
        assert_eq!(members, wanted);
        assert!(!status.raw.contains("eyJ"), "no token of any kind");
    }
}
