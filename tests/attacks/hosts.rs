//! `Host` and the headers in which proxies pass it on: no response, mail or token is built from them.

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use test_kit::app::{Answer, Client, REDIRECT, TestApp, answer};
use test_kit::requests::{assert_not_echoed, assert_untouched, plain, token_of};
use test_kit::wire::{ask, get, post, say};

/// Untrusted headers about host, scheme, path or method.
const LIES: &[(&str, &str)] = &[
    ("Host", "evil.example"),
    ("Host", "evil.example:444"),
    ("Host", "user:password@evil.example"),
    ("Host", "127.0.0.1"),
    ("Forwarded", "for=198.51.100.66;host=evil.example;proto=https;by=evil.example"),
    ("Forwarded", "host=\"evil.example:444\", host=evil.example"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Host", "evil.example, signin.evil.example"),
    ("X-Forwarded-Server", "evil.example"),
    ("X-Forwarded-By", "evil.example"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Proto", "evil.example"),
    ("X-Forwarded-Protocol", "ssl"),
    ("X-Forwarded-Scheme", "https"),
    ("X-Forwarded-Ssl", "on"),
    ("Front-End-Https", "on"),
    ("X-Url-Scheme", "https"),
    ("X-Forwarded-Port", "444"),
    ("X-Forwarded-Prefix", "//evil.example"),
    ("X-Forwarded-Path", "/evil.example"),
    ("X-Script-Name", "/evil.example"),
    ("X-Host", "evil.example"),
    ("X-Original-Host", "evil.example"),
    ("X-HTTP-Host-Override", "evil.example"),
    ("X-Original-URL", "/v1/session?evil.example"),
    ("X-Rewrite-URL", "/v1/session?evil.example"),
    ("X-Original-URI", "/evil.example"),
    ("X-Override-URL", "/evil.example"),
    ("X-HTTP-DestinationURL", "http://evil.example/"),
    ("X-Proxy-URL", "http://evil.example/"),
    ("X-ProxyUser-Ip", "198.51.100.66"),
    ("Base-Url", "http://evil.example/"),
    ("Via", "1.1 evil.example"),
    ("Referer", "http://evil.example/"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("X-HTTP-Method", "DELETE"),
    ("X-Method-Override", "DELETE"),
];

#[track_caller]
fn up_to<'t>(text: &'t str, mark: &str) -> &'t str {
    text.split_once(mark).unwrap_or_else(|| panic!("no {mark} in {text}")).0
}

fn blanked(cookie: &str) -> String {
    let (name, rest) = cookie.split_once('=').unwrap();
    format!("{name}={}", &rest[rest.find(';').unwrap()..])
}

/// One sign-in in which every request carries these headers; returns everything visible that is the same each time.
async fn story(
    app: &TestApp,
    number: usize,
    spoil: impl Fn(RequestBuilder) -> RequestBuilder,
) -> Vec<String> {
    let email = format!("person{number}@example.com");
    let browser: Client = app.browser_at(&format!("10.9.{number}.1"));
    let body = json!({ "email_address": email, "purpose": "sign_in", "redirect_url": REDIRECT });
    let started = answer(spoil(browser.post("/v1/attempts")).json(&body)).await;
    started.expect(201);
    let link = app.link(&email);
    let path = format!("/v/{}", token_of(&link));
    let mail = app.smtp.received().into_iter().find(|mail| mail.rcpt_to == [email.clone()]).unwrap();
    let mail = String::from_utf8_lossy(&mail.message).into_owned();
    let page = answer(spoil(browser.get(&path)).header("Accept", "text/html")).await;
    let form = [("decision", "approve"), ("confirmation", &page.expect(200).confirmation())];
    let done = answer(spoil(browser.post(&path)).header("Origin", &app.url).form(&form)).await;
    done.expect(303);
    let attempt = format!("/v1/attempts/{}", started.text("id"));
    let token = started.text("attempt_token");
    let status = answer(spoil(browser.get(&attempt)).bearer_auth(&token)).await;
    let redeemed = answer(spoil(browser.post(&format!("{attempt}/redeem"))).bearer_auth(&token)).await;
    let claims = app.claims(&redeemed.expect(200).text("session_token"), "at+jwt").await;
    let keys = answer(spoil(browser.get("/.well-known/jwks.json"))).await;
    let nothing = answer(spoil(browser.get("/nothing"))).await;
    let gone = answer(spoil(browser.get(&path)).header("Accept", "application/json")).await;
    for answer in [&started, &page, &done, &status, &redeemed, &keys, &nothing, &gone] {
        assert_not_echoed(answer, "evil.example");
    }
    assert!(!mail.contains("evil.example"), "{mail}");
    vec![
        up_to(&link, "/v/").to_owned(),
        blanked(started.header("set-cookie")),
        page.header("content-security-policy").to_owned(),
        page.header("strict-transport-security").to_owned(),
        up_to(done.header("location"), "sess_").to_owned(),
        blanked(done.header("set-cookie")),
        blanked(redeemed.header("set-cookie")),
        status.text("status"),
        claims["iss"].to_string(),
        claims["aud"].to_string(),
        keys.raw.clone(),
        nothing.text("type"),
        format!("{} {}", gone.status, gone.text("type")),
    ]
}

#[tokio::test]
async fn no_header_changes_a_link_a_cookie_a_redirect_a_key_or_a_problem() {
    let app = TestApp::start().await;
    let truth = story(&app, 0, |request| request).await;
    assert!(truth[0] == app.url && truth[4].starts_with(REDIRECT), "{truth:?}");
    for (at, (name, value)) in LIES.iter().enumerate() {
        let told = story(&app, at + 1, |request| request.header(*name, *value)).await;
        assert_eq!(told, truth, "{name}: {value}");
    }
    // And all of them together, except repeated names that may occur only once.
    let told = story(&app, LIES.len() + 1, |request| {
        LIES.iter()
            .filter(|(name, _)| *name != "Host")
            .fold(request, |request, (name, value)| request.header(*name, *value))
    })
    .await;
    assert_eq!(told, truth);
}

#[tokio::test]
async fn a_proxy_that_says_http_takes_nothing_from_an_https_deployment() {
    let app = TestApp::with(&[("LINKGATE_PUBLIC_URL", "https://signin.example.com")]).await;
    let lies = [
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Ssl", "off"),
        ("Forwarded", "proto=http;host=evil.example"),
        ("Front-End-Https", "off"),
        ("Host", "evil.example"),
    ];
    for (at, (name, value)) in lies.into_iter().enumerate() {
        let email = format!("person{at}@example.com");
        let body = json!({ "email_address": email, "purpose": "sign_in" });
        let started = answer(app.browser().post("/v1/attempts").header(name, value).json(&body)).await;
        let cookie = started.expect(201).header("set-cookie");
        assert!(cookie.starts_with("__Host-linkgate-client=") && cookie.contains("; Secure"), "{cookie}");
        assert!(started.header("strict-transport-security").contains("max-age="));
        assert!(app.link(&email).starts_with("https://signin.example.com/v/"), "{name}");
        let problem = answer(app.browser().get("/nothing").header(name, value)).await;
        assert_eq!(problem.text("type"), "https://signin.example.com/problems/not_found");
    }
}

#[tokio::test]
async fn an_absolute_target_is_routed_by_its_path_and_its_host_is_not_believed() {
    let app = TestApp::start().await;
    let authorities = [
        "http://evil.example",
        "https://evil.example:444",
        "http://user:password@evil.example",
        "HTTP://EVIL.EXAMPLE",
        "ftp://evil.example",
    ];
    for (at, authority) in authorities.into_iter().enumerate() {
        let email = format!("person{at}@example.com");
        let body = json!({ "email_address": email, "purpose": "sign_in" }).to_string();
        let more = format!("X-Forwarded-For: 10.9.{at}.1\r\n");
        let started: Answer = ask(&app, post(&format!("{authority}/v1/attempts"), &more, &body)).await;
        assert_not_echoed(started.expect(201), "evil");
        assert!(app.link(&email).starts_with(&format!("{}/v/", app.url)), "{authority}");
        let path = format!("{authority}/v/{}", token_of(&app.link(&email)));
        let page = ask(&app, get(&path, "Accept: text/html\r\n")).await;
        assert_not_echoed(page.expect(200), "evil");
        let problem = ask(&app, get(&format!("{authority}/nothing"), "")).await;
        problem.expect_problem(404, "not_found");
        assert_eq!(problem.text("type"), format!("{}/problems/not_found", app.url));
        // Cross-origin rules hold for every form of target.
        let foreign = post(&format!("{authority}/v1/attempts"), "Origin: http://evil.example\r\n", &body);
        ask(&app, foreign).await.expect_problem(403, "origin_not_allowed");
    }
}

#[tokio::test]
async fn two_hosts_or_none_are_no_request() {
    let app = TestApp::start().await;
    let body = plain().to_string();
    let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let heads = [
        "Host: x\r\nHost: x\r\n",
        "Host: x\r\nHost: evil.example\r\n",
        "Host: x\r\nhOsT: evil.example\r\n",
        "",
        "Host : x\r\n",
        " Host: x\r\n",
        "Host\r\n",
        "X-A: b\r\n Host: x\r\n",
    ];
    let asked = heads.map(|head| {
        let (app, request) = (&app, format!("POST /v1/attempts HTTP/1.1\r\n{head}{rest}"));
        async move { (head, say(app, request).await) }
    });
    for (head, heard) in join_all(asked).await {
        assert_eq!(heard.only().status.as_u16(), 400, "{head:?}");
        assert!(heard.closed, "{head:?}");
    }
    assert_untouched(&app).await;
    // The same request with one host starts an attempt.
    ask(&app, format!("POST /v1/attempts HTTP/1.1\r\nHost: x\r\n{rest}")).await.expect(201);
}

#[tokio::test]
async fn no_header_moves_a_request_to_another_route_or_method() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    for name in ["X-Original-URL", "X-Rewrite-URL", "X-Override-URL", "X-Original-URI", "Location"] {
        for target in ["/v1/session", "/metrics", "/dev/mailbox", "http://127.0.0.1/v1/session"] {
            let problem = answer(app.browser().get("/nothing").header(name, target)).await;
            problem.expect_problem(404, "not_found");
            let page = answer(app.browser().get("/problems/internal").header(name, target)).await;
            page.expect(200);
        }
    }
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Method"] {
        for method in [Method::GET, Method::HEAD] {
            answer(attempt.request(method, "").header(name, "DELETE")).await.expect(200);
        }
        let denied = answer(attempt.client.get(&app.link("ann@example.com")).header(name, "POST")).await;
        denied.expect(200);
    }
    assert_eq!(attempt.status().await.body["status"], "pending");
}
