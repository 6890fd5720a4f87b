//! Another mail for the same attempt, and canceling.

use chrono::TimeDelta;
use serde_json::{Value, json};

use test_kit::app::{Attempt, TestApp};

const FAR: &str = "198.51.100.9";

async fn ann(app: &TestApp) -> Attempt {
    app.browser().sign_in("ann@example.com").await
}

#[tokio::test]
async fn the_newest_link_of_an_attempt_is_the_only_one_that_works() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let old = app.link("ann@example.com");
    let page = attempt.client.open(&old).await;
    app.advance(TimeDelta::seconds(30));
    let resent = attempt.resend().await;
    assert_eq!(resent.expect(200).body["status"], "pending");
    assert_eq!(resent.body["id"], attempt.id.as_str());
    assert_eq!(resent.body["expires_at"], "2026-11-22T12:10:30Z");
    assert_eq!(resent.body["resend_after"], "2026-11-22T12:01:00Z");

    attempt
        .client
        .open(&old)
        .await
        .expect_page(410)
        .shows(&["There is a newer link"])
        .hides(&["name=\"confirmation\""]);
    attempt.client.describe(&old).await.expect_problem(410, "link_superseded");
    let late = attempt.client.decide(&old, "approve", &page.confirmation()).await;
    assert_eq!(late.redirected("__linkgate_status").as_deref(), Some("failed"));
    attempt
        .client
        .decide_json(&old, "deny", &page.confirmation())
        .await
        .expect_problem(410, "link_superseded");
    assert_eq!(attempt.status().await.body["status"], "pending");

    let links = app.links("ann@example.com");
    assert_eq!(links.len(), 2);
    attempt.client.press(&links[1], "approve").await.expect(303);
    assert_eq!(attempt.status().await.body["status"], "verified");
}

#[tokio::test]
async fn within_30_seconds_no_other_mail_is_sent() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    assert_eq!(attempt.resend().await.expect_problem(429, "resend_too_soon").header("retry-after"), "30");
    app.advance(TimeDelta::seconds(29));
    assert_eq!(attempt.resend().await.expect_problem(429, "resend_too_soon").header("retry-after"), "1");
    let link = app.link("ann@example.com");
    assert_eq!(app.links("ann@example.com").len(), 1);
    attempt.client.describe(&link).await.expect(200);
    app.advance(TimeDelta::seconds(1));
    attempt.resend().await.expect(200);
    attempt.resend().await.expect_problem(429, "resend_too_soon");
    assert_eq!(app.links("ann@example.com").len(), 2);
}

#[tokio::test]
async fn a_code_shown_for_the_old_link_is_void() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let phone = app.browser_at(FAR);
    let code = phone.press(&app.link("ann@example.com"), "approve").await.relay_code();
    app.advance(TimeDelta::seconds(30));
    let (told, _) = app.told(&attempt, "awaiting_code", async { attempt.resend().await }).await;
    assert_eq!(told.body["status"], "pending", "back to waiting for the link");
    attempt.enter_code(&code).await.expect_problem(422, "code_incorrect");
    let new = phone.press(&app.link("ann@example.com"), "approve").await.relay_code();
    assert_ne!(new, code);
    attempt.enter_code(&code).await.expect_problem(422, "code_incorrect");
    attempt.enter_code(&new).await.expect(200);
}

#[tokio::test]
async fn what_is_over_is_not_mailed_again() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    attempt.client.press(&app.link("ann@example.com"), "approve").await.expect(303);
    app.advance(TimeDelta::seconds(31));
    attempt.resend().await.expect_problem(409, "attempt_over");
    assert_eq!(app.links("ann@example.com").len(), 1);
}

#[tokio::test]
async fn a_resent_link_never_outlives_the_attempt_token() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    app.advance(TimeDelta::minutes(8));
    let resent = attempt.resend().await;
    assert_eq!(resent.expect(200).body["expires_at"], "2026-11-22T12:15:00Z");
    let link = app.link("ann@example.com");
    assert_eq!(attempt.client.describe(&link).await.body["expires_at"], "2026-11-22T12:15:00Z");
    app.advance(TimeDelta::seconds(7 * 60 - 1));
    assert_eq!(attempt.status().await.expect(200).body["status"], "pending");
    attempt.client.describe(&link).await.expect(200);
    app.advance(TimeDelta::seconds(1));
    attempt.status().await.expect_problem(401, "attempt_token_invalid");
    attempt.client.describe(&link).await.expect_problem(410, "link_expired");
}

#[tokio::test]
async fn a_link_reissued_from_a_resent_one_never_outlives_the_attempt_token_either() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    app.advance(TimeDelta::minutes(4));
    attempt.resend().await.expect(200);
    app.advance(TimeDelta::minutes(7));
    attempt.client.reissue(&app.link("ann@example.com")).await.expect_page(200);
    let link = app.link("ann@example.com");
    assert_eq!(attempt.client.describe(&link).await.body["expires_at"], "2026-11-22T12:15:00Z");

    // The last link lives for seconds only; a resend after that has the usual time.
    app.advance(TimeDelta::seconds(3 * 60 + 55));
    attempt.client.reissue(&link).await.expect_page(200);
    let last = app.link("ann@example.com");
    assert_eq!(attempt.client.describe(&last).await.body["expires_at"], "2026-11-22T12:15:00Z");
    app.advance(TimeDelta::seconds(6));
    attempt.client.reissue(&last).await.expect_page(200);
    let new = app.link("ann@example.com");
    assert_eq!(attempt.client.describe(&new).await.body["expires_at"], "2026-11-22T12:25:01Z");
}

#[tokio::test]
async fn a_resent_link_lives_as_long_as_the_first_was_asked_to() {
    for (seconds, ends) in [(60, "2026-11-22T12:01:30Z"), (3600, "2026-11-22T13:00:30Z")] {
        let app = TestApp::start().await;
        let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in", "expires_in": seconds });
        let attempt = app.script("requester-secret-0123456789").start_with_key(body).await;
        app.advance(TimeDelta::seconds(30));
        assert_eq!(attempt.resend().await.expect(200).body["expires_at"], ends);
    }
}

#[tokio::test]
async fn the_requester_cancels_as_often_as_it_likes() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let link = app.link("ann@example.com");
    let page = attempt.client.open(&link).await;
    let (told, canceled) = app.told(&attempt, "pending", async { attempt.cancel().await }).await;
    assert_eq!(canceled.expect(204).raw, "");
    assert_eq!(told.body["status"], "canceled");
    attempt.cancel().await.expect(204);

    attempt.client.open(&link).await.expect_page(410).shows(&["no longer works"]);
    attempt.client.describe(&link).await.expect_problem(410, "link_canceled");
    let late = attempt.client.decide(&link, "approve", &page.confirmation()).await;
    assert_eq!(late.redirected("__linkgate_status").as_deref(), Some("failed"));
    attempt
        .client
        .decide_json(&link, "approve", &page.confirmation())
        .await
        .expect_problem(410, "link_canceled");

    attempt.redeem().await.expect_problem(409, "attempt_not_verified");
    attempt.resend().await.expect_problem(409, "attempt_over");
    attempt.enter_code("123456").await.expect_problem(409, "attempt_over");
    let status = attempt.status().await;
    assert_eq!(status.body["status"], "canceled");
    assert_eq!(status.body["signed_in"], Value::Null);
}

#[tokio::test]
async fn a_verified_attempt_cannot_be_canceled() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    attempt.client.press(&app.link("ann@example.com"), "approve").await.expect(303);
    attempt.cancel().await.expect_problem(409, "attempt_over");
    attempt.redeem().await.expect(200);
}

#[tokio::test]
async fn an_attempt_that_waits_for_a_code_can_be_canceled() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let phone = app.browser_at(FAR);
    let link = app.link("ann@example.com");
    let code = phone.press(&link, "approve").await.relay_code();
    attempt.cancel().await.expect(204);
    attempt.enter_code(&code).await.expect_problem(409, "attempt_over");
    phone.describe(&link).await.expect_problem(410, "link_canceled");
}
