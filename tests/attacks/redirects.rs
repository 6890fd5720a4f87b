//! Openers are redirected only to URLs that the list allows at that time.

use serde_json::{Value, json};

use test_kit::app::RING_SECRET;
use test_kit::app::{API_KEY, Answer, REDIRECT, TestApp, answer};
use test_kit::redis_server::RedisServer;
use test_kit::requests::{OTHER_SECRET, SECRET, token_of};
use test_kit::smith::{Smith, part, with};

const NEAR: &str = "203.0.113.99";
const FAR: &str = "198.51.100.9";

#[track_caller]
fn leads_not_to(answer: &Answer, host: &str) {
    assert_eq!(answer.header("location"), "", "{:?}", answer.headers);
    for name in ["refresh", "link", "content-location", "content-security-policy"] {
        assert!(!answer.header(name).contains(host), "{name}: {}", answer.header(name));
    }
    assert!(!answer.raw.contains(host), "{}", answer.raw);
    assert!(answer.status != 302 && answer.status != 303 && answer.status != 307, "{}", answer.status);
}

#[tokio::test]
async fn a_redirect_is_checked_again_when_the_list_has_changed_in_between() {
    let redis = RedisServer::start();
    let store = redis.url();
    let first = TestApp::with(&[("LINKGATE_STORE_URL", &store)]).await;
    let settings = [
        ("LINKGATE_STORE_URL", store.as_str()),
        ("LINKGATE_PUBLIC_URL", &first.url),
        ("LINKGATE_REDIRECT_URLS", "https://new.example.com/done"),
    ];
    let later = TestApp::with(&settings).await;
    let same = TestApp::with(&settings[..2]).await;
    let start = |ticket: bool, email: &str| {
        json!({
            "email_address": email, "purpose": "sign_in", "redirect_url": REDIRECT, "ticket": ticket,
            "deliver": false, "cross_device": "adaptive", "client": { "ip": "203.0.113.7" },
        })
    };
    let mut count = 0;
    for (opener, decision) in
        [("same", "approve"), (NEAR, "approve"), (NEAR, "here"), (FAR, "here"), (FAR, "deny"), (NEAR, "deny")]
    {
        for (server, listed) in [(&later, false), (&same, true)] {
            for ticket in [false, true] {
                count += 1;
                let own = format!("linkgate-client={SECRET}");
                let email = format!("ann{count}@example.com");
                let request =
                    first.browser().post("/v1/attempts").bearer_auth(API_KEY).header("Cookie", &own);
                let attempt = answer(request.json(&start(ticket, &email))).await;
                let path = format!("/v/{}", token_of(&attempt.expect(201).text("link")));
                let (person, jar) = if opener == "same" {
                    (first.browser(), own)
                } else {
                    (first.browser_at(opener), format!("linkgate-client={OTHER_SECRET}"))
                };
                let at = |request: reqwest::RequestBuilder| request.header("Cookie", &jar);
                let page =
                    answer(at(person.get(&format!("{}{path}", server.url))).header("Accept", "text/html"))
                        .await;
                let form = [("decision", decision), ("confirmation", &page.expect(200).confirmation())];
                let post = at(person.post(&format!("{}{path}", server.url))).header("Origin", &first.url);
                let done = answer(post.header("Accept", "text/html").form(&form)).await;
                let what = format!("{opener} {decision}, listed: {listed}");
                if listed {
                    assert!(
                        page.header("content-security-policy").contains("https://app.example.com"),
                        "{what}"
                    );
                    let location = done.expect(303).header("location").to_owned();
                    assert!(
                        location.starts_with(&format!("{REDIRECT}?__linkgate_status=")),
                        "{what}: {location}"
                    );
                } else {
                    leads_not_to(&page, "app.example.com");
                    leads_not_to(done.expect_page(200), "app.example.com");
                    leads_not_to(&done, "new.example.com");
                }
            }
        }
    }
    // As JSON, and after the link has ended.
    let attempt = first.browser().start_with_key(start(false, "bob@example.com")).await;
    let path = format!("{}/v/{}", later.url, token_of(attempt.started["link"].as_str().unwrap()));
    let person = first.browser_at(NEAR);
    let confirmation = person.open(&path).await.confirmation();
    let jar = |request: reqwest::RequestBuilder| {
        request.header("Cookie", format!("linkgate-client={}", "q".repeat(32)))
    };
    let own =
        answer(jar(first.browser_at(NEAR).get(&path)).header("Accept", "text/html")).await.confirmation();
    let body = json!({ "decision": "approve", "confirmation": own });
    let data = answer(jar(first.browser_at(NEAR).post(&path)).json(&body)).await;
    assert_eq!(data.expect(200).body["redirect_url"], Value::Null);
    for late in [person.open(&path).await, person.decide(&path, "approve", &confirmation).await] {
        leads_not_to(&late, "app.example.com");
    }
    let reissue = person.post(&format!("{path}/reissue")).header("Accept", "application/json");
    answer(reissue).await.expect_problem(422, "redirect_url_not_allowed");
    assert_eq!(later.smtp.received_count(), 0);
}

/// URLs that are not listed, but look like listed ones.
fn unlisted() -> Vec<String> {
    let cases: Value = serde_json::from_str(include_str!("../cases/redirect_urls.json")).unwrap();
    let rejected = cases["reject"].as_array().unwrap().iter().filter_map(Value::as_str);
    // The case file is for another list, which contains `/cb`.
    let mut all: Vec<String> = rejected.map(|url| url.replace("/cb", "/done")).collect();
    all.extend(
        [
            "https://evil.example/",
            "https://evil.example/done",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://app.example.com/done?next=https://evil.example",
            "https://app.example.com/done#x",
            "https://app.example.com/done/",
            "https://app.example.com/p",
            "https://app.example.com/p/../admin",
            "https://app.example.com/p/%2e%2e/admin",
            "https://app.example.com/p/..%2fadmin",
            "https://app.example.com/p/..;/admin",
            "https://app.example.com/p/\\..\\admin",
            "https://app.example.com:443/done",
            "https://app.example.com./done",
            "https://app.example.com@evil.example/done",
            "https://APP.example.com/done",
            "http://app.example.com/done",
            "",
        ]
        .map(str::to_owned),
    );
    all
}

#[tokio::test]
async fn a_link_that_says_another_url_leads_there_no_more_than_if_it_said_none() {
    let app = TestApp::start().await;
    let smith = Smith::new(RING_SECRET, &app.url);
    let browser = app.browser();
    let attempt = browser.sign_in("ann@example.com").await;
    let token = token_of(&app.link("ann@example.com"));
    let mut tried = 0;
    for url in unlisted() {
        // Signed with the right key, as if the URL had once been listed.
        let forged = smith.with_claims(&token, &with(&part(&token, 1), &json!({ "ru": url })).to_string());
        if forged.len() > 8000 {
            continue;
        }
        let (path, host) =
            (format!("/v/{forged}"), if url.len() > 12 { url.as_str() } else { "evil.example" });
        let page = browser.open(&path).await;
        leads_not_to(page.expect_page(200), host);
        let policy = page.header("content-security-policy");
        assert!(policy.contains("form-action 'self';"), "{url:?}: {policy}");
        let stranger = app.browser_at(NEAR);
        for who in [&stranger, &app.browser_at(FAR)] {
            leads_not_to(&who.open(&path).await, host);
        }
        let confirmation = page.confirmation();
        let wrong = browser.decide(&path, "approve", &confirmation[1..]).await;
        leads_not_to(wrong.expect_page(400), host);
        tried += 1;
    }
    assert!(tried > 40, "{tried}");
    // After confirming, the opener ends on our page.
    let forged = smith
        .with_claims(&token, &with(&part(&token, 1), &json!({ "ru": "https://evil.example/x" })).to_string());
    let path = format!("/v/{forged}");
    let done = browser.press(&path, "approve").await;
    leads_not_to(done.expect_page(200), "evil.example");
    leads_not_to(browser.open(&path).await.expect_page(410), "evil.example");
    attempt.redeem().await.expect(200);
    // The smith's links to listed URLs do redirect.
    browser.sign_in("ann@example.com").await;
    let token = token_of(&app.link("ann@example.com"));
    let claims = with(&part(&token, 1), &json!({ "ru": "https://app.example.com/p/x" })).to_string();
    let done = browser.press(&format!("/v/{}", smith.with_claims(&token, &claims)), "approve").await;
    assert!(
        done.expect(303)
            .header("location")
            .starts_with("https://app.example.com/p/x?__linkgate_status=verified")
    );
}

#[tokio::test]
async fn no_start_takes_a_url_that_is_not_listed() {
    let app = TestApp::start().await;
    let browser = app.browser();
    for url in unlisted() {
        let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in", "redirect_url": url });
        let refused = answer(browser.post("/v1/attempts").json(&body)).await;
        refused.expect_problem(422, "redirect_url_not_allowed");
        if url.len() > 12 {
            assert!(!refused.raw.contains(&url), "{}", refused.raw);
        }
    }
    assert_eq!(app.smtp.received_count(), 0);
    browser.sign_in("ann@example.com").await;
    assert_eq!(app.smtp.received_count(), 1);
}

#[tokio::test]
async fn nothing_in_the_request_that_opens_a_link_says_where_it_leads() {
    let app = TestApp::start().await;
    let evil = "https://evil.example/x";
    for parameter in ["redirect_url", "redirect_uri", "next", "url", "ru", "return_to", "continue"] {
        let browser = app.browser();
        browser.sign_in("ann@example.com").await;
        let link = app.link("ann@example.com");
        let asked = format!("{link}?{parameter}={evil}");
        let page = browser.open(&asked).await;
        assert!(!page.expect(200).raw.contains("evil.example"), "{}", page.raw);
        let confirmation = page.confirmation();
        let form = [("decision", "approve"), ("confirmation", &*confirmation), (parameter, evil)];
        let more = answer(browser.post(&link).header("Origin", &app.url).form(&form)).await;
        more.expect_problem(400, "invalid_request");
        let done = browser
            .post(&asked)
            .header("Origin", &app.url)
            .header("Referer", evil)
            .header("X-Forwarded-Host", "evil.example")
            .form(&[("decision", "approve"), ("confirmation", &confirmation)]);
        let location = answer(done).await.expect(303).header("location").to_owned();
        assert!(location.starts_with(&format!("{REDIRECT}?__linkgate_status=verified")), "{location}");
        assert!(!location.contains("evil"), "{location}");
    }
}
