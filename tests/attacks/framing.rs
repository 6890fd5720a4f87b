//! Our pages in foreign frames, in caches and in `Referer` headers.

use std::net::TcpListener;
use std::sync::Arc;

use linkgate::app::App;
use linkgate::clock::SystemClock;
use linkgate::config::Config;
use serde_json::json;

use test_kit::app::{Answer, Client, ORIGIN, REDIRECT, TestApp, answer};
use test_kit::requests::plain_with;

const NEAR: &str = "203.0.113.99";
const FAR: &str = "198.51.100.9";

/// Asserts that no page may frame this one, and that there is exactly one policy.
#[track_caller]
fn unframed(what: &str, answer: &Answer) {
    let policies: Vec<&str> = answer
        .headers
        .get_all("content-security-policy")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    assert_eq!(policies.len(), 1, "{what}: {policies:?}");
    let ancestors: Vec<&str> =
        policies[0].split("; ").filter(|directive| directive.starts_with("frame-ancestors")).collect();
    assert_eq!(ancestors, ["frame-ancestors 'none'"], "{what}");
    assert!(!answer.headers.contains_key("x-frame-options"), "{what}: an older word could contradict");
}

#[tokio::test]
async fn no_page_can_be_put_into_a_frame() {
    let mut pages: Vec<(String, Answer)> = Vec::new();
    for policy in ["adaptive", "same_client"] {
        let app = TestApp::with(&[("LINKGATE_CROSS_DEVICE", policy)]).await;
        let browser = app.browser();
        let mut see = |what: &str, page: Answer| pages.push((format!("{policy}, {what}"), page));
        browser.sign_in("ann@example.com").await;
        let link = app.link("ann@example.com");
        see("same client", browser.open(&link).await);
        see("near", app.browser_at(NEAR).open(&link).await);
        see("far", app.browser_at(FAR).open(&link).await);
        if policy == "adaptive" {
            see("relay code", app.browser_at(FAR).press(&link, "approve").await);
        }
        see("refused", browser.decide(&link, "approve", "x").await);
        see("redirect", browser.press(&link, "approve").await);
        see("used", browser.open(&link).await);
        see("reissue refused", browser.reissue(&link).await);
        see("malformed", browser.open("/v/x").await);
        browser.start(plain_with(&json!({ "email_address": "bob@example.com" }))).await;
        let link = app.link("bob@example.com");
        see("done", browser.press(&link, "approve").await);
        let origin = browser
            .post(&link)
            .header("Accept", "text/html")
            .form(&[("decision", "approve"), ("confirmation", "")]);
        see("foreign", answer(origin).await);
        for path in [
            "/docs",
            "/problems",
            "/problems/link_expired",
            "/nothing",
            "/v1/session",
            "/openapi.yaml",
            "/.well-known/jwks.json",
        ] {
            see(path, answer(browser.get(path).header("Accept", "text/html")).await);
        }
        see("preflight", browser.preflight("/v1/attempts", ORIGIN, "POST", "").await);
        see("method", answer(browser.request(reqwest::Method::PUT, &link)).await);
        app.advance(chrono::TimeDelta::minutes(11));
        browser.sign_in("eve@example.com").await;
        let expired = app.link("eve@example.com");
        app.advance(chrono::TimeDelta::minutes(11));
        see("expired", browser.open(&expired).await);
        see("reissued", browser.reissue(&expired).await);
    }
    assert_eq!(
        pages.iter().filter(|(_, page)| page.status == 303).count(),
        2,
        "the redirects are among them"
    );
    for (what, page) in &pages {
        unframed(what, page);
    }
    println!("{} pages", pages.len());
}

#[tokio::test]
async fn of_devs_pages_only_the_shown_mail_may_be_framed_and_only_by_its_mailbox() {
    let public = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", public.local_addr().unwrap());
    let vars = [("LINKGATE_PUBLIC_URL".to_owned(), url.clone())].into_iter().collect();
    let config = Config::dev(&vars, "dev:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY").unwrap();
    let handles = App::build(config, Arc::new(SystemClock)).unwrap().listen(public, None, 1).unwrap().spawn();
    let browser = Client::new(&url, NEAR, reqwest::Client::builder(), None);
    browser.start(plain_with(&json!({ "redirect_url": format!("{url}/") }))).await;
    let mails = answer(browser.get("/dev/mailbox").header("Accept", "application/json")).await;
    let id = mails.expect(200).body[0]["id"].as_str().unwrap().to_owned();
    for path in ["/", "/dev/mailbox", &format!("/dev/mailbox/{id}")] {
        unframed(path, answer(browser.get(path).header("Accept", "text/html")).await.expect_page(200));
    }
    let html = answer(browser.get(&format!("/dev/mailbox/{id}/html"))).await;
    let policy = html.expect(200).header("content-security-policy").to_owned();
    assert!(policy.contains("frame-ancestors 'self'") && policy.contains("sandbox"), "{policy}");
    assert!(!policy.contains("allow-scripts") && !policy.contains("script-src"), "{policy}");
    for handle in handles {
        handle.stop(false).await;
    }
}

#[tokio::test]
async fn what_a_link_shows_is_kept_by_no_cache_and_told_to_no_other_site() {
    let app = TestApp::start().await;
    let browser = app.browser();
    browser.sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let far = app.browser_at(FAR);
    let page = far.open(&link).await;
    for answer in [
        page.clone(),
        browser.open(&link).await,
        browser.describe(&link).await,
        far.press(&link, "approve").await,
        browser.press(&link, "approve").await,
        browser.open(&link).await,
    ] {
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(
            ["", &app.url].contains(&answer.header("access-control-allow-origin")),
            "no other origin reads it"
        );
        // A link or form to another site would be found here.
        assert!(
            !answer.raw.contains("src=\"http") && !answer.raw.contains("target=\"_blank\""),
            "{}",
            answer.raw
        );
    }
    assert!(
        page.header("content-security-policy").contains(&format!("form-action 'self' {}", &REDIRECT[..23]))
    );
}
