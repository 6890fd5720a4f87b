//! Domains that get mails, and domains that do not.

use serde_json::json;

use test_kit::app::{API_KEY, Answer, TestApp, answer};

async fn start(app: &TestApp, email: &str) -> Answer {
    let body = json!({ "email_address": email, "purpose": "sign_in" });
    answer(app.browser().post("/v1/attempts").json(&body)).await
}

#[tokio::test]
async fn addresses_of_blocked_domains_get_no_mail() {
    let app =
        TestApp::with(&[("LINKGATE_BLOCKED_DOMAINS", "example.org,*.example.org,bücher.example")]).await;
    for email in ["a@example.org", "a@EXAMPLE.org", "a@sub.example.org", "a@xn--bcher-kva.example"] {
        let refused = start(&app, email).await;
        refused.expect_problem(422, "invalid_email_address");
        assert!(refused.text("detail").contains("domain") && !refused.raw.contains("example.org"));
    }
    let body = json!({ "email_address": "a@example.org", "purpose": "sign_in" });
    let by_key = answer(app.browser().post("/v1/attempts").bearer_auth(API_KEY).json(&body)).await;
    by_key.expect_problem(422, "invalid_email_address");
    assert!(app.smtp.received().is_empty());
    start(&app, "a@example.com").await.expect(201);
}

#[tokio::test]
async fn only_addresses_of_allowed_domains_get_mail() {
    let app = TestApp::with(&[("LINKGATE_ALLOWED_DOMAINS", "example.com")]).await;
    start(&app, "a@example.com").await.expect(201);
    for email in ["a@sub.example.com", "a@example.com.example.net", "a@notexample.com"] {
        start(&app, email).await.expect_problem(422, "invalid_email_address");
    }
    assert_eq!(app.smtp.received().len(), 1);
}

#[tokio::test]
async fn an_old_link_brings_no_mail_to_a_domain_that_was_blocked_since() {
    let before = TestApp::start().await;
    before.browser().sign_in("a@example.org").await;
    let path = before.link("a@example.org").replace(&before.url, "");
    let reissue = async |blocked: &str| {
        let settings = [("LINKGATE_PUBLIC_URL", before.url.as_str()), ("LINKGATE_BLOCKED_DOMAINS", blocked)];
        let after = TestApp::with(&settings).await;
        let request = after.browser().post(&format!("{path}/reissue")).header("Origin", &before.url);
        (answer(request.header("Accept", "text/html")).await, after.smtp.received().len())
    };
    let (taken, mails) = reissue("example.net").await;
    assert_eq!((taken.status.as_u16(), mails), (200, 1), "{}", taken.raw);
    let (refused, mails) = reissue("example.org").await;
    assert_eq!((refused.status.as_u16(), mails), (422, 0), "{}", refused.raw);
}
