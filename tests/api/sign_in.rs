//! From a typed address to a session.

use test_kit::app::{TestApp, answer};

#[tokio::test]
async fn a_person_who_opens_the_link_in_the_same_browser_is_signed_in_without_a_click() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let attempt = browser.sign_in("Ann@Example.com").await;
    assert_eq!(attempt.started["email_address"], "Ann@Example.com", "exactly as typed");
    assert_eq!(attempt.started["status"], "pending");

    let link = app.link("ann@example.com");
    let page = browser.open(&link).await;
    page.expect(200);
    assert!(page.raw.contains("<script>"), "the page posts itself");
    let redirect = browser.decide(&link, "approve", &page.confirmation()).await;
    assert_eq!(redirect.redirected("__linkgate_status").as_deref(), Some("verified"));
    let session = redirect.redirected("__linkgate_session").unwrap();

    let status = attempt.status().await;
    assert_eq!(status.body["status"], "verified");
    assert_eq!(status.body["signed_in"], "both");
    assert_eq!(status.body["verified_from_same_client"], true);
    assert_eq!(status.body["session_id"], session.as_str());

    let redeemed = attempt.redeem().await;
    assert_eq!(redeemed.expect(200).text("id"), session);
    let current = answer(browser.get("/v1/session")).await;
    assert_eq!(current.expect(200).body["user"]["email_address"], "ann@example.com");
}

#[tokio::test]
async fn another_device_elsewhere_is_shown_a_code_that_signs_the_waiting_browser_in() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let phone = app.browser_at("198.51.100.9");
    let page = phone.press(&app.link("ann@example.com"), "approve").await;
    let waiting = attempt.wait("pending").await;
    assert_eq!(waiting.body["status"], "awaiting_code");

    let wrong = attempt.enter_code("000000").await;
    assert_eq!(wrong.expect_problem(422, "code_incorrect").body["code_tries_left"], 4);
    let right = attempt.enter_code(&page.relay_code()).await;
    assert_eq!(right.expect(200).body["status"], "verified");
    assert_eq!(right.body["signed_in"], "requester");
    attempt.redeem().await.expect(200);
    answer(phone.get("/v1/session")).await.expect_problem(401, "session_required");
}
