//! Expired links, and "Send me a new link".

use chrono::TimeDelta;
use serde_json::json;

use test_kit::app::{Attempt, TestApp, answer};

const FAR: &str = "198.51.100.9";
const LATER: TimeDelta = TimeDelta::seconds(31);

async fn ann(app: &TestApp) -> Attempt {
    app.browser().sign_in("ann@example.com").await
}

#[tokio::test]
async fn whoever_waits_is_told_at_once_that_the_attempt_has_expired() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    assert_eq!(attempt.started["created_at"], "2026-11-22T12:00:00Z");
    assert_eq!(attempt.started["expires_at"], "2026-11-22T12:10:00Z");
    assert_eq!(attempt.started["resend_after"], "2026-11-22T12:00:30Z");
    app.advance(TimeDelta::seconds(599));
    assert_eq!(attempt.status().await.body["status"], "pending", "a second before");
    let (told, ()) = app.told(&attempt, "pending", async { app.advance(TimeDelta::seconds(1)) }).await;
    assert_eq!(told.expect(200).body["status"], "expired");
    assert_eq!(told.header("retry-after"), "");
    assert!(told.body["session_id"].is_null() && told.body["failure"].is_null());

    attempt.resend().await.expect_problem(409, "attempt_over");
    attempt.cancel().await.expect_problem(409, "attempt_over");
    attempt.enter_code("123456").await.expect_problem(409, "attempt_over");
    attempt.redeem().await.expect_problem(409, "attempt_not_verified");
}

#[tokio::test]
async fn an_attempt_that_waits_for_a_code_expires_too() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let code = app.browser_at(FAR).press(&app.link("ann@example.com"), "approve").await.relay_code();
    let (told, ()) = app.told(&attempt, "awaiting_code", async { app.advance(TimeDelta::minutes(10)) }).await;
    assert_eq!(told.body["status"], "expired");
    attempt.enter_code(&code).await.expect_problem(409, "attempt_over");
}

#[tokio::test]
async fn the_attempt_token_ends_five_minutes_after_the_link() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    app.advance(TimeDelta::seconds(15 * 60 - 1));
    assert_eq!(attempt.status().await.expect(200).body["status"], "expired");
    app.advance(TimeDelta::seconds(1));
    attempt.status().await.expect_problem(401, "attempt_token_invalid");
}

#[tokio::test]
async fn a_verified_attempt_stays_verified_when_its_link_ends() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    attempt.client.press(&app.link("ann@example.com"), "approve").await.expect(303);
    app.advance(TimeDelta::minutes(12));
    assert_eq!(attempt.status().await.body["status"], "verified");
    attempt.redeem().await.expect(200);
}

#[tokio::test]
async fn an_expired_link_says_so_and_offers_a_new_one() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let link = app.link("ann@example.com");
    let page = attempt.client.open(&link).await;
    app.advance(TimeDelta::minutes(10));
    let path = link.strip_prefix(&app.url).unwrap();
    let gone = attempt.client.open(&link).await;
    gone.expect_page(410).shows(&["This link has expired", "Send me a new link", "method=\"post\""]);
    gone.shows(&[&format!("action=\"{path}/reissue\""), "Continue to Example", "__linkgate_status=expired"]);
    gone.hides(&["name=\"confirmation\"", "<script>"]);
    attempt.client.describe(&link).await.expect_problem(410, "link_expired");

    let late = attempt.client.decide(&link, "approve", &page.confirmation()).await;
    assert_eq!(late.redirected("__linkgate_status").as_deref(), Some("expired"));
    assert!(late.set_cookie("linkgate-session").is_none());
    attempt
        .client
        .decide_json(&link, "approve", &page.confirmation())
        .await
        .expect_problem(410, "link_expired");
    assert_eq!(attempt.status().await.body["status"], "expired");
}

#[tokio::test]
async fn without_a_redirect_url_a_late_confirmation_gets_the_page() {
    let app = TestApp::start().await;
    let browser = app.browser();
    browser.start(json!({ "email_address": "ann@example.com", "purpose": "sign_in" })).await;
    let link = app.link("ann@example.com");
    let page = browser.open(&link).await;
    app.advance(TimeDelta::minutes(10));
    let late = browser.decide(&link, "approve", &page.confirmation()).await;
    late.expect_page(410).shows(&["This link has expired", "Send me a new link"]).hides(&["Continue to"]);
}

#[tokio::test]
async fn a_new_link_for_an_expired_one_belongs_to_whoever_asked_for_it() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let old = app.link("ann@example.com");
    app.advance(TimeDelta::minutes(11));
    // The phone on which the mail is read, a new client.
    let phone = app.browser_at(FAR);
    phone.open(&old).await.expect_page(410);
    phone.reissue(&old).await.expect_page(200).shows(&["Check your mail", "ann@example.com"]);
    let links = app.links("ann@example.com");
    assert_eq!(links.len(), 2);

    assert_eq!(phone.describe(&links[1]).await.expect(200).body["confirm"], "automatic");
    // The browser that started the first attempt is another client, in another network.
    assert_eq!(attempt.client.describe(&links[1]).await.body["opener"], "other_network");
    let done = phone.press(&links[1], "approve").await;
    let session = done.redirected("__linkgate_session").unwrap();
    assert_eq!(answer(phone.get("/v1/session")).await.expect(200).text("id"), session);
    assert_eq!(attempt.status().await.body["status"], "expired", "the old attempt stays over");
    attempt.redeem().await.expect_problem(409, "attempt_not_verified");
    phone.describe(&old).await.expect_problem(410, "link_expired");
}

#[tokio::test]
async fn pressing_for_a_new_link_twice_sends_one_mail() {
    let app = TestApp::start().await;
    ann(&app).await;
    let old = app.link("ann@example.com");
    app.advance(TimeDelta::minutes(11));
    let phone = app.browser_at(FAR);
    let (first, second) = tokio::join!(phone.reissue(&old), phone.reissue(&old));
    first.expect_page(200);
    second.expect_page(200);
    assert_eq!(app.links("ann@example.com").len(), 2);
}

#[tokio::test]
async fn a_new_link_for_a_superseded_one_belongs_to_the_same_attempt() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    app.advance(LATER);
    attempt.resend().await.expect(200);
    let first = app.links("ann@example.com")[0].clone();
    let phone = app.browser_at(FAR);
    phone.open(&first).await.expect_page(410).shows(&["There is a newer link", "Send me a new link"]);

    let soon = phone.reissue(&first).await;
    assert_eq!(soon.expect_page(429).header("retry-after"), "30");
    soon.shows(&["A link was sent just now"]);
    assert_eq!(app.links("ann@example.com").len(), 2);

    app.advance(LATER);
    phone.reissue(&first).await.expect_page(200).shows(&["Check your mail"]);
    let links = app.links("ann@example.com");
    assert_eq!(links.len(), 3);
    phone.describe(&links[1]).await.expect_problem(410, "link_superseded");
    // The browser that has waited all the time redeems.
    assert_eq!(phone.describe(&links[2]).await.body["confirm"], "relay_code");
    let code = phone.press(&links[2], "approve").await.relay_code();
    attempt.enter_code(&code).await.expect(200);
    attempt.redeem().await.expect(200);
}

#[tokio::test]
async fn a_new_link_for_one_that_still_works_replaces_it() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let old = app.link("ann@example.com");
    attempt.client.reissue(&old).await.expect_page(429);
    app.advance(LATER);
    attempt.client.reissue(&old).await.expect_page(200);
    attempt.client.describe(&old).await.expect_problem(410, "link_superseded");
    attempt.client.press(&app.link("ann@example.com"), "approve").await.expect(303);
    assert_eq!(attempt.status().await.body["status"], "verified");
}

#[tokio::test]
async fn a_used_link_offers_a_new_attempt() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let old = app.link("ann@example.com");
    attempt.client.press(&old, "approve").await.expect(303);
    let stranger = app.browser_at(FAR);
    stranger.open(&old).await.expect_page(410).shows(&["already been used", "Send me a new link"]);
    stranger.reissue(&old).await.expect_page(200);
    let new = app.link("ann@example.com");
    assert_ne!(new, old);
    let done = stranger.press(&new, "approve").await;
    let session = done.redirected("__linkgate_session").unwrap();
    assert_ne!(attempt.status().await.text("session_id"), session, "a session of its own");
}

#[tokio::test]
async fn an_application_with_pages_of_its_own_asks_for_a_new_link_by_json() {
    let app = TestApp::start().await;
    ann(&app).await;
    let old = app.link("ann@example.com");
    app.advance(TimeDelta::minutes(11));
    let script = app.script_at("opener-secret-0123456789ab", FAR);
    let reissue = script.post(&format!("{old}/reissue")).header("Accept", "application/json");
    let reissued = answer(reissue).await;
    assert_eq!(
        reissued.expect(200).body,
        json!({ "object": "reissue", "email_address": "ann@example.com", "expires_at": "2026-11-22T12:21:00Z" })
    );
    assert_eq!(script.describe(&app.link("ann@example.com")).await.body["confirm"], "automatic");
}

#[tokio::test]
async fn a_foreign_page_cannot_ask_for_a_new_link() {
    let app = TestApp::start().await;
    ann(&app).await;
    let old = app.link("ann@example.com");
    app.advance(TimeDelta::minutes(11));
    let post = |name, value| {
        app.browser().post(&format!("{old}/reissue")).header("Accept", "text/html").header(name, value)
    };
    answer(post("Origin", "https://evil.example")).await.expect(403);
    answer(post("Sec-Fetch-Site", "cross-site")).await.expect(403);
    answer(app.browser().post(&format!("{old}/reissue"))).await.expect(403);
    assert_eq!(app.links("ann@example.com").len(), 1);
}

#[tokio::test]
async fn whoever_was_denied_gets_no_new_link_either() {
    let app = TestApp::start().await;
    let attempt = ann(&app).await;
    let link = app.link("ann@example.com");
    app.browser_at(FAR).press(&link, "deny").await.expect(303);
    attempt.client.reissue(&link).await.expect_page(429).shows(&["Too many requests"]);
    assert_eq!(app.links("ann@example.com").len(), 1);
    app.browser_at(FAR).reissue(&link).await.expect_page(200);
}
