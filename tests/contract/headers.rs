//! The headers of every response, and request headers that must not be trusted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;

use super::routes::{ROUTES, filled};
use test_kit::app::{Answer, Client, ORIGIN, REDIRECT, TestApp, answer};
use test_kit::requests::{SECRET, assert_not_echoed, plain, plain_with, token_of};

/// The headers of every response.
#[track_caller]
fn assert_hardened(answer: &Answer, https: bool, may_be_cached: bool) {
    let header = |name: &str| answer.header(name);
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("x-robots-tag"), "noindex");
    assert_eq!(header("strict-transport-security").contains("max-age="), https, "HSTS goes with https only");
    assert!(!answer.headers.contains_key("server") && !answer.headers.contains_key("x-powered-by"));
    assert!(
        header("content-security-policy").starts_with("default-src 'none'"),
        "{}",
        header("content-security-policy")
    );
    assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
    assert!(!header("x-request-id").is_empty());
    let cached = header("cache-control");
    if may_be_cached {
        assert!(cached == "public, max-age=300" || cached == "max-age=300", "{cached}");
    } else {
        assert_eq!(cached, "no-store");
    }
    for (name, value) in &answer.headers {
        assert_eq!(
            answer.headers.get_all(name).iter().filter(|other| *other == value).count(),
            1,
            "{name} stands there once"
        );
    }
}

/// Every kind of response: each route with each method, and unknown ones.
async fn each_answer(app: &TestApp, client: &Client) -> Vec<(String, Answer, bool)> {
    let mut answers = Vec::new();
    for (path, _) in ROUTES {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
            for accept in ["text/html", "application/json"] {
                let request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), &filled(path));
                let answer = answer(request.header("Accept", accept)).await;
                let document = answer.status == 200 && !path.starts_with("/v");
                answers.push((format!("{method} {path}"), answer, document));
            }
        }
    }
    let attempt = app.script(SECRET).start(plain()).await;
    answers.push(("attempt".to_owned(), attempt.status().await, false));
    answers.push(("not found".to_owned(), answer(client.get("/nothing")).await, false));
    answers.push((
        "too large".to_owned(),
        answer(client.post("/v1/attempts").body(vec![0; 20_000])).await,
        false,
    ));
    let origin = client.get("/v1/session").header("Origin", "https://evil.example");
    answers.push(("foreign".to_owned(), answer(origin).await, false));
    answers.push(("preflight".to_owned(), client.preflight("/v1/attempts", ORIGIN, "POST", "").await, false));
    attempt.cancel().await.expect(204);
    answers.push(("no content".to_owned(), attempt.cancel().await, false));
    answers
}

#[tokio::test]
async fn every_answer_is_hardened() {
    let app = TestApp::start().await;
    for (what, answer, document) in each_answer(&app, &app.browser()).await {
        println!("{what}: {}", answer.status);
        assert_hardened(&answer, false, document);
    }
}

#[tokio::test]
async fn behind_https_every_answer_says_so_and_cookies_belong_to_the_host_alone() {
    let app = TestApp::with(&[("LINKGATE_PUBLIC_URL", "https://signin.example.com")]).await;
    let browser = app.browser();
    for (what, answer, document) in each_answer(&app, &browser).await {
        println!("{what}: {}", answer.status);
        assert_hardened(&answer, true, document);
    }
    let started = answer(
        browser.post("/v1/attempts").json(&plain_with(&json!({ "email_address": "bob@example.com" }))),
    )
    .await;
    let cookie = started.expect(201).header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-linkgate-client="), "{cookie}");
    for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=34560000"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{attribute} in {cookie}");
    }
    assert!(!cookie.contains("Domain"));
    let page = browser.open(&format!("/v/{}", token_of(&app.link("bob@example.com")))).await;
    assert_hardened(page.expect(200), true, false);
}

fn inside<'p>(page: &'p str, open: &str, close: &str) -> Vec<&'p str> {
    page.split(open).skip(1).map(|rest| rest.split(close).next().unwrap()).collect()
}

/// Asserts that a page runs only its own inline scripts, and loads no foreign resource.
#[track_caller]
fn assert_closed(page: &Answer, form_action: &str) {
    let policy = page.header("content-security-policy");
    let directives: Vec<(&str, &str)> = policy.split("; ").map(|d| d.split_once(' ').unwrap()).collect();
    let of = |name: &str| directives.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    assert_eq!(of("default-src"), Some("'none'"));
    assert_eq!(of("base-uri"), Some("'none'"));
    assert_eq!(of("frame-ancestors"), Some("'none'"));
    assert_eq!(of("form-action"), Some(form_action), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http:"), "{policy}");
    let hash = |text: &str| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        format!("'sha256-{}'", STANDARD.encode(digest))
    };
    let styles: Vec<String> = inside(&page.raw, "<style>", "</style>").into_iter().map(hash).collect();
    assert_eq!(styles, [of("style-src").unwrap()], "the one style");
    let scripts: Vec<String> = inside(&page.raw, "<script>", "</script>").into_iter().map(hash).collect();
    assert_eq!(
        scripts.iter().map(String::as_str).collect::<Vec<_>>(),
        of("script-src").into_iter().collect::<Vec<_>>(),
        "the one script"
    );
    for forbidden in [
        "<script ",
        "<link ",
        "<img",
        "<iframe",
        "<object",
        "<embed",
        "@import",
        "url(",
        " style=",
        " onclick",
        " onload",
        "javascript:",
        "<base",
    ] {
        assert!(!page.raw.contains(forbidden), "{forbidden} in {}", page.raw);
    }
}

#[tokio::test]
async fn pages_run_nothing_but_their_own_style_and_script_and_post_only_where_they_should() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let to_app = format!("'self' {ORIGIN}");
    let link = browser.sign_in("ann@example.com").await;
    let url = app.link("ann@example.com");
    assert_closed(browser.open(&url).await.expect(200), &to_app);
    assert_closed(app.browser().open(&url).await.expect(200), &to_app);
    let phone = app.browser_at("198.51.100.9");
    assert_closed(phone.open(&url).await.expect(200), &to_app);
    assert_closed(phone.press(&url, "approve").await.expect(200), &to_app);
    link.cancel().await.expect(204);
    assert_closed(browser.open(&url).await.expect(410), &to_app);

    browser.start(plain_with(&json!({ "email_address": "bob@example.com" }))).await;
    let url = app.link("bob@example.com");
    assert_closed(browser.open(&url).await.expect(200), "'self'");
    assert_closed(browser.press(&url, "approve").await.expect(200), "'none'");
    assert_closed(browser.open(&url).await.expect(410), "'self'");
    assert_closed(browser.open("/v/none").await.expect(400), "'none'");
    for path in ["/docs", "/problems", "/problems/internal"] {
        assert_closed(browser.open(path).await.expect(200), "'none'");
    }
}

#[tokio::test]
async fn what_people_type_and_send_is_escaped_on_pages() {
    let app = TestApp::with(&[("LINKGATE_APP_NAME", "<b>Tom & Jerry</b>")]).await;
    let evil = "a{{7*7}}'`&b@example.com";
    let body = json!({ "email_address": evil, "deliver": false, "client": { "user_agent": "<script>alert(1)</script>" }, "redirect_url": "https://app.example.com/p/x?y=1&z=2" });
    let attempt = app.script(SECRET).start_with_key(plain_with(&body)).await;
    let page = app.browser().open(attempt.started["link"].as_str().unwrap()).await;
    page.expect(200);
    assert!(!page.raw.contains("<b>Tom") && !page.raw.contains("<script>alert") && !page.raw.contains("a49"));
    assert!(!page.raw.contains("'`&b@"), "escaped");
    assert_closed(&page, &format!("'self' {ORIGIN}"));
}

#[tokio::test]
async fn neither_host_nor_forwarded_headers_change_a_link_a_redirect_or_a_problem() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let evil = [
        ("Host", "evil.example"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Prefix", "/evil.example"),
        ("Forwarded", "host=evil.example;proto=https"),
        ("X-Original-URL", "/evil.example"),
        ("X-Rewrite-URL", "/evil.example"),
        ("X-Host", "evil.example"),
        ("Referer", "https://evil.example/"),
    ];
    let spoil = |mut request: reqwest::RequestBuilder| {
        for (name, value) in evil {
            request = request.header(name, value);
        }
        request
    };
    let body = plain_with(&json!({ "redirect_url": REDIRECT }));
    let started = answer(spoil(browser.post("/v1/attempts")).json(&body)).await;
    assert_not_echoed(started.expect(201), "evil.example");
    assert!(
        !started.header("set-cookie").contains("Domain") && !started.header("set-cookie").contains("Secure")
    );
    let mail = app.smtp.received().pop().unwrap();
    let message = mailparse::parse_mail(&mail.message).unwrap();
    for part in &message.subparts {
        assert!(!part.get_body().unwrap().contains("evil.example"));
    }
    let link = app.link("ann@example.com");
    assert!(link.starts_with(&format!("{}/v/", app.url)), "{link}");
    let page = answer(spoil(browser.get(&link)).header("Accept", "text/html")).await;
    assert_not_echoed(page.expect(200), "evil.example");
    let form = [("decision", "approve"), ("confirmation", &page.confirmation())];
    let foreign = spoil(browser.post(&link)).header("Origin", "http://evil.example").form(&form);
    answer(foreign).await.expect_problem(403, "origin_not_allowed");
    let redirect = answer(spoil(browser.post(&link)).header("Origin", &app.url).form(&form)).await;
    assert!(redirect.expect(303).header("location").starts_with(&format!("{REDIRECT}?")));
    assert_not_echoed(&redirect, "evil.example");
    let gone = answer(spoil(browser.get(&link)).header("Accept", "text/html")).await;
    assert_not_echoed(gone.expect(410), "evil.example");
    let problem = answer(spoil(browser.get("/nothing"))).await;
    problem.expect_problem(404, "not_found");
    assert!(problem.text("type").starts_with(&app.url));
}

#[tokio::test]
async fn a_session_cookie_is_out_of_reach_of_scripts_and_goes_when_signed_out() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let attempt = browser.sign_in("ann@example.com").await;
    let done = browser.press(&app.link("ann@example.com"), "approve").await;
    let redeemed = attempt.redeem().await;
    for answer in [done.expect(303), redeemed.expect(200)] {
        let cookie = answer.header("set-cookie");
        assert!(
            cookie.starts_with("linkgate-session=")
                && cookie.contains("HttpOnly")
                && cookie.contains("SameSite=Lax"),
            "{cookie}"
        );
        let age: i64 = cookie.split("Max-Age=").nth(1).unwrap().split(';').next().unwrap().parse().unwrap();
        assert_eq!(age, TimeDelta::days(30).num_seconds());
    }
    assert!(redeemed.body.get("renewal_token").is_none(), "never in reach of a page");
    let out = answer(browser.request(Method::DELETE, "/v1/session").header("Origin", &app.url)).await;
    assert!(out.expect(204).header("set-cookie").contains("Max-Age=0"));
}
