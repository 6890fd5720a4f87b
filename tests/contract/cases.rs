//! The shared lists of addresses and redirect URLs, over HTTP.

use serde_json::{Value, json};

use test_kit::app::{TestApp, answer};
use test_kit::requests::{SECRET, assert_not_echoed, assert_untouched, plain_with};

fn read(file: &str) -> Value {
    serde_json::from_str(file).unwrap()
}

fn addresses() -> Value {
    read(include_str!("../cases/email_addresses.json"))
}

fn redirects() -> Value {
    read(include_str!("../cases/redirect_urls.json"))
}

fn list(cases: &Value) -> Vec<String> {
    cases.as_array().unwrap().iter().filter_map(|case| case.as_str().map(str::to_owned)).collect()
}

/// A server with the allow-list of the case file.
async fn app_with_list() -> TestApp {
    let allowed = &redirects()["allow_list"];
    let entries = [list(&allowed["exact"]), list(&allowed["prefix"])].concat();
    TestApp::with(&[("LINKGATE_REDIRECT_URLS", &entries.join(","))]).await
}

#[tokio::test]
async fn every_address_to_accept_gets_the_mail_in_its_canonical_form_and_comes_back_as_typed() {
    let app = TestApp::start().await;
    let script = app.script(SECRET);
    for case in addresses()["accept"].as_array().unwrap() {
        let (typed, canonical) = (case["in"].as_str().unwrap(), case["canonical"].as_str().unwrap());
        let before = app.smtp.received_count();
        let attempt = script.start(plain_with(&json!({ "email_address": typed }))).await;
        assert_eq!(attempt.started["email_address"], typed, "as typed");
        let mails = app.smtp.received();
        assert_eq!(mails.len(), before + 1);
        assert_eq!(mails[before].rcpt_to, [canonical], "{typed:?}");
        assert_eq!(attempt.status().await.body["email_address"], typed);
        let link = app.link(canonical);
        assert!(
            link.is_ascii() && !link.contains(canonical.split('@').next().unwrap_or("never-empty"))
                || canonical.len() < 16
        );
        let described = script.describe(&link).await;
        assert_eq!(described.expect(200).body["email_address"], canonical);
        script.decide_json(&link, "approve", &described.confirmation()).await.expect(200);
        assert_eq!(attempt.redeem().await.expect(200).body["user"]["email_address"], canonical);
    }
}

#[tokio::test]
async fn every_address_to_reject_is_refused_and_never_echoed() {
    let app = TestApp::start().await;
    for typed in list(&addresses()["reject"]) {
        for authorized in [false, true] {
            let request = app.script(SECRET).post("/v1/attempts");
            let request = if authorized { test_kit::requests::with_key(request) } else { request };
            let answer = answer(request.json(&plain_with(&json!({ "email_address": typed })))).await;
            assert_eq!(answer.status.as_u16(), 422, "{typed:?}: {}", answer.raw);
            answer.expect_problem(422, "invalid_email_address");
            assert_not_echoed(&answer, &typed);
        }
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn every_redirect_url_to_accept_is_where_the_opener_ends() {
    let app = app_with_list().await;
    let browser = app.browser();
    for (at, url) in list(&redirects()["accept"]).into_iter().enumerate() {
        let email = format!("ann{at}@example.com");
        browser.start(plain_with(&json!({ "email_address": email, "redirect_url": url }))).await;
        let redirect = browser.press(&app.link(&email), "approve").await;
        let location = redirect.expect(303).header("location");
        assert!(location.starts_with(&url), "{location}");
        assert_eq!(redirect.redirected("__linkgate_status").as_deref(), Some("verified"));
    }
}

#[tokio::test]
async fn every_redirect_url_to_reject_is_refused_and_never_echoed() {
    let app = app_with_list().await;
    for url in list(&redirects()["reject"]) {
        let answer = answer(
            app.script(SECRET).post("/v1/attempts").json(&plain_with(&json!({ "redirect_url": url }))),
        )
        .await;
        assert_eq!(answer.status.as_u16(), 422, "{url:?}: {}", answer.raw);
        answer.expect_problem(422, "redirect_url_not_allowed");
        if url.len() > 8 {
            assert_not_echoed(&answer, &url);
        }
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn a_list_of_redirect_urls_is_no_redirect_url_and_null_is_none() {
    let app = app_with_list().await;
    let mut seen = (false, false);
    for case in redirects()["reject"].as_array().unwrap().iter().filter(|case| !case.is_string()) {
        let answer =
            answer(app.browser().post("/v1/attempts").json(&plain_with(&json!({ "redirect_url": case }))))
                .await;
        if case.is_null() {
            answer.expect(201);
            let done = app.browser().press(&app.link("ann@example.com"), "approve").await;
            assert_eq!(done.expect(200).header("location"), "", "the opener ends on a page");
            seen.1 = true;
        } else {
            answer.expect_problem(400, "invalid_request");
            assert_untouched(&app).await;
            seen.0 = true;
        }
    }
    assert_eq!(seen, (true, true), "the case file has both");
}
