//! A relay that rejects, defers, is silent or unreachable.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};

use test_kit::app::{API_KEY, Answer, Client, REDIRECT, TestApp, answer};
use test_kit::smtp::Mode;

const STARTED: &str = "linkgate_attempts_started_total{purpose=\"sign_in\"}";

fn ann() -> Value {
    json!({ "email_address": "ann@example.com", "purpose": "sign_in", "redirect_url": REDIRECT })
}

async fn start(client: &Client) -> Answer {
    answer(client.post("/v1/attempts").header("Idempotency-Key", "key-1").json(&ann())).await
}

async fn start_with_key(client: &Client) -> Answer {
    let request = client.post("/v1/attempts").bearer_auth(API_KEY).header("Idempotency-Key", "key-1");
    answer(request.json(&ann())).await
}

#[tokio::test]
async fn a_rejected_recipient_is_told_to_back_ends_alone() {
    let app = TestApp::start().await;
    app.smtp.set_mode(Mode::RejectRecipient);
    let browser = app.browser();
    let rejected = start(&browser).await;
    rejected.expect(201);
    app.smtp.set_mode(Mode::Accept);
    let accepted = answer(browser.post("/v1/attempts").json(&ann())).await;
    let members = |answer: &Answer| answer.body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&rejected), members(accepted.expect(201)), "nobody can probe for mailboxes");
    for member in ["status", "created_at", "expires_at", "resend_after", "cross_device", "email_address"] {
        assert_eq!(rejected.body[member], accepted.body[member], "{member}");
    }
    let path = format!("/v1/attempts/{}", rejected.text("id"));
    let status = answer(browser.get(&path).bearer_auth(rejected.text("attempt_token"))).await;
    assert_eq!(status.expect(200).body["status"], "pending");
}

#[tokio::test]
async fn a_back_ends_rejected_attempt_is_none() {
    let app = TestApp::start().await;
    app.smtp.set_mode(Mode::RejectRecipient);
    let back_end = app.script("requester-secret-0123456789");
    start_with_key(&back_end).await.expect_problem(422, "mail_rejected");
    assert_eq!(app.metric(STARTED).await, 0.0);
    // If the attempt remained, the same start would return it and send no mail.
    app.smtp.set_mode(Mode::Accept);
    start_with_key(&back_end).await.expect(201);
    assert_eq!(app.links("ann@example.com").len(), 1);
}

#[tokio::test]
async fn a_rejected_resend_fails_a_back_ends_attempt_and_no_browsers() {
    let app = TestApp::start().await;
    let by_browser = app.browser().sign_in("ann@example.com").await;
    let by_key = app.script("requester-secret-0123456789").start_with_key(ann()).await;
    app.advance(TimeDelta::seconds(30));
    app.smtp.set_mode(Mode::RejectRecipient);
    assert_eq!(by_browser.resend().await.expect(200).body["status"], "pending");
    let (told, resent) = app.told(&by_key, "pending", async { by_key.resend().await }).await;
    resent.expect_problem(422, "mail_rejected");
    assert_eq!(told.body["status"], "failed");
    assert_eq!(told.body["failure"], "mail_rejected");
    assert_eq!(by_browser.status().await.body["status"], "pending");
}

#[tokio::test]
async fn a_relay_that_defers_or_is_gone_leaves_no_attempt() {
    let app = TestApp::start().await;
    let browser = app.browser();
    app.smtp.set_mode(Mode::Defer);
    start(&browser).await.expect_problem(503, "mail_unavailable");
    start_with_key(&browser).await.expect_problem(503, "mail_unavailable");
    app.smtp.set_mode(Mode::HangUpInData);
    start(&browser).await.expect_problem(503, "mail_unavailable");
    assert_eq!(app.metric(STARTED).await, 0.0);
    app.smtp.set_mode(Mode::Accept);
    start(&browser).await.expect(201);
    assert_eq!(app.links("ann@example.com").len(), 1);

    app.smtp.stop();
    let gone = answer(browser.post("/v1/attempts").json(&ann())).await;
    gone.expect_problem(503, "mail_unavailable");
    assert_eq!(app.metric(STARTED).await, 1.0);
}

#[tokio::test]
async fn starts_at_the_same_time_all_learn_that_the_mail_was_not_sent() {
    let app = TestApp::start().await;
    app.smtp.set_mode(Mode::Defer);
    let script = app.script("requester-secret-0123456789");
    let answers = futures_util::future::join_all((0..4).map(|_| start(&script))).await;
    for answer in &answers {
        answer.expect_problem(503, "mail_unavailable");
    }
}

#[tokio::test]
async fn when_a_resend_fails_the_older_link_still_works() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let before = attempt.status().await.body;
    app.advance(TimeDelta::seconds(30));
    app.smtp.set_mode(Mode::Defer);
    attempt.resend().await.expect_problem(503, "mail_unavailable");
    assert_eq!(attempt.status().await.body, before, "as if nothing had been");
    attempt.client.describe(&link).await.expect(200);
    // The next attempt need not wait another 30 s.
    app.smtp.set_mode(Mode::Accept);
    attempt.resend().await.expect(200);
    attempt.client.describe(&link).await.expect_problem(410, "link_superseded");
    attempt.client.press(&app.link("ann@example.com"), "approve").await.expect(303);
}

#[tokio::test]
async fn a_page_that_could_not_send_a_new_link_offers_to_try_again() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    app.advance(TimeDelta::minutes(11));
    app.smtp.set_mode(Mode::Defer);
    let failed = attempt.client.reissue(&link).await;
    failed.expect_page(503).shows(&["could not be sent", "Send me a new link"]);
    assert!(failed.header("retry-after").parse::<u64>().unwrap() > 0);
    app.smtp.set_mode(Mode::Accept);
    attempt.client.reissue(&link).await.expect_page(200);
    assert_eq!(app.links("ann@example.com").len(), 2);
}

#[tokio::test]
async fn a_silent_relay_is_given_up_within_ten_seconds() {
    let app = TestApp::start().await;
    let waiting = app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    app.advance(TimeDelta::seconds(30));
    app.smtp.set_mode(Mode::Silent);
    app.smtp.cut_connections();
    let begun = Instant::now();
    let (browser, back_end) = (app.browser(), app.script("requester-secret-0123456789"));
    let (by_browser, by_key, resent) =
        tokio::join!(start(&browser), start_with_key(&back_end), waiting.resend());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    for answer in [by_browser, by_key, resent] {
        answer.expect_problem(503, "mail_unavailable");
    }
    assert_eq!(app.metric(STARTED).await, 1.0, "no attempt is left");
    waiting.client.press(&link, "approve").await.expect(303);
    waiting.redeem().await.expect(200);
    app.smtp.set_mode(Mode::Accept);
    app.smtp.cut_connections();
    start(&browser).await.expect(201);
    assert_eq!(app.links("ann@example.com").len(), 2);
}
