//! Which pages may call the API: cross-origin rules, and the origin of requests that change something.

use reqwest::Method;
use serde_json::json;

use test_kit::app::{Answer, ORIGIN, TestApp, answer};
use test_kit::requests::{SECRET, assert_not_echoed, assert_untouched, plain, token_of};

/// Origins that look like the listed one, and texts that are not origins.
pub(crate) fn look_alikes() -> Vec<String> {
    let host = ORIGIN.trim_start_matches("https://");
    let mut all: Vec<String> = [
        "https://evil.example",
        "https://xapp.example.com",
        "https://app-example.com",
        "https://appXexample.com",
        "https://example.com",
        "https://www.app.example.com",
        "https://app.example.com.",
        "https://app.example.co",
        "https://app.example.comm",
        "https://xn--pp-6kc.example.com",
        "https://app.example.com%2eevil.example",
        "https://app.example.com%00.evil.example",
        "https://app.example.com\\@evil.example",
        "https://*.example.com",
        "http://127.0.0.2",
        "http://localhost",
        "file://",
        "data:",
        "null",
        "Null",
        "*",
        "",
        "undefined",
    ]
    .map(str::to_owned)
    .to_vec();
    all.extend([
        host.to_owned(),
        format!("//{host}"),
        format!("{ORIGIN}.evil.example"),
        format!("{ORIGIN}.:443"),
        format!("{ORIGIN}:443"),
        format!("{ORIGIN}:8443"),
        format!("{ORIGIN}:"),
        format!("{ORIGIN}/"),
        format!("{ORIGIN}/done"),
        format!("{ORIGIN}#"),
        format!("{ORIGIN}?"),
        format!("{ORIGIN}@evil.example"),
        format!("{ORIGIN}:x@evil.example"),
        format!("https://user@{host}"),
        format!("https://evil.example#{ORIGIN}"),
        format!("https://evil.example?{ORIGIN}"),
        format!("https://evil.example/{ORIGIN}"),
        format!("{ORIGIN},{ORIGIN}"),
        format!("{ORIGIN} https://evil.example"),
        format!("https://evil.example {ORIGIN}"),
        format!("\"{ORIGIN}\""),
        ORIGIN.to_ascii_uppercase(),
        ORIGIN.replace("https", "HTTPS"),
        ORIGIN.replace("app.", "APP."),
        ORIGIN.replace("https", "http"),
        ORIGIN.replace("https", "ws"),
        ORIGIN.replace("https", "app"),
        ORIGIN.replace("https://", "https:/"),
        ORIGIN.replace("https://", "https:\\\\"),
    ]);
    all
}

/// Asserts that a browser lets pages of this origin read the answer, and no others.
#[track_caller]
fn assert_readable(answer: &Answer, origin: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), origin, "{}", answer.raw);
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    let vary = answer
        .headers
        .get_all("vary")
        .iter()
        .any(|v| v.to_str().unwrap().to_ascii_lowercase().contains("origin"));
    assert!(vary, "a cache must not give it to another origin");
}

#[track_caller]
fn assert_unreadable(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), "", "{:?}", answer.headers);
}

#[tokio::test]
async fn a_listed_origin_may_ask_for_every_route_with_credentials() {
    let app = TestApp::start().await;
    let client = app.browser();
    for (path, method) in [
        ("/v1/attempts", "POST"),
        ("/v1/attempts/x", "GET"),
        ("/v1/attempts/x", "DELETE"),
        ("/v1/attempts/x/events", "GET"),
        ("/v1/attempts/x/code", "POST"),
        ("/v1/session", "DELETE"),
        ("/v1/session/token", "POST"),
        ("/v/x", "POST"),
        ("/v/x/reissue", "POST"),
    ] {
        let headers = "authorization,content-type,idempotency-key,linkgate-client,prefer,x-request-id";
        let preflight = client.preflight(path, ORIGIN, method, headers).await;
        preflight.expect(200);
        assert_readable(&preflight, ORIGIN);
        let allowed = preflight.header("access-control-allow-headers").to_ascii_lowercase();
        for header in headers.split(',') {
            assert!(allowed.contains(header), "{header} in {allowed}");
        }
        assert!(preflight.header("access-control-allow-methods").contains(method));
    }
    let started = answer(client.post("/v1/attempts").header("Origin", ORIGIN).json(&plain())).await;
    assert_readable(started.expect(201), ORIGIN);
    let exposed = started.header("access-control-expose-headers").to_ascii_lowercase();
    assert!(exposed.contains("retry-after") && exposed.contains("x-request-id"), "{exposed}");
    let refused = answer(client.get("/v1/session").header("Origin", ORIGIN)).await;
    assert_readable(refused.expect_problem(401, "session_required"), ORIGIN);
}

#[tokio::test]
async fn an_unlisted_origin_is_refused_and_reads_nothing_not_even_that() {
    let app = TestApp::start().await;
    let client = app.browser();
    for origin in look_alikes() {
        for path in ["/v1/attempts", "/v1/session", "/v1/session/token", "/v1/nothing"] {
            let preflight = client.preflight(path, &origin, "POST", "content-type").await;
            preflight.expect_problem(403, "origin_not_allowed");
            assert_unreadable(&preflight);
        }
        for (method, path) in [
            (Method::POST, "/v1/attempts"),
            (Method::GET, "/v1/session"),
            (Method::DELETE, "/v1/session"),
            (Method::POST, "/v1/session/token"),
            (Method::POST, "/v1/tickets/redeem"),
        ] {
            let answer = answer(client.request(method, path).header("Origin", &origin).json(&plain())).await;
            answer.expect_problem(403, "origin_not_allowed");
            assert_unreadable(&answer);
            assert_not_echoed(&answer, &origin);
        }
        // Outside /v1, a foreign page is not refused, but cannot read the answer.
        let keys = answer(client.get("/.well-known/jwks.json").header("Origin", &origin)).await;
        assert_unreadable(keys.expect(200));
        let preflight = client.preflight("/v/x", &origin, "POST", "content-type").await;
        assert_unreadable(&preflight);
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn an_origin_is_looked_at_however_the_path_is_written() {
    let app = TestApp::start().await;
    let client = app.browser();
    for path in ["/%761/attempts", "/v%31/attempts", "/%76%31/attempts", "/v1/%61ttempts"] {
        let answer = answer(client.post(path).header("Origin", "https://evil.example").json(&plain())).await;
        assert!(matches!(answer.status.as_u16(), 403 | 404), "{path}: {} {}", answer.status, answer.raw);
        assert_unreadable(&answer);
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn two_origins_are_none_that_is_listed() {
    let app = TestApp::start().await;
    let request = app
        .browser()
        .post("/v1/attempts")
        .header("Origin", ORIGIN)
        .header("Origin", "https://evil.example")
        .json(&plain());
    answer(request).await.expect_problem(403, "origin_not_allowed");
    assert_untouched(&app).await;
}

#[tokio::test]
async fn a_preflight_for_what_is_not_offered_is_refused() {
    let app = TestApp::start().await;
    let client = app.browser();
    client.preflight("/v1/attempts", ORIGIN, "PUT", "").await.expect_problem(400, "invalid_request");
    client.preflight("/v1/attempts", ORIGIN, "POST", "x-evil").await.expect_problem(400, "invalid_request");
    let plain_options =
        answer(client.request(Method::OPTIONS, "/v1/attempts").header("Origin", ORIGIN)).await;
    plain_options.expect_problem(405, "method_not_allowed");
}

#[tokio::test]
async fn a_form_on_a_link_is_taken_from_our_own_page_only() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let attempt = browser.sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let confirmation = browser.describe(&link).await.confirmation();
    let own = app.url.clone();
    let foreign = "https://evil.example".to_owned();
    let mut refused: Vec<(Option<String>, Option<&str>)> = vec![
        (None, None),
        (None, Some("cross-site")),
        (None, Some("same-site")),
        (None, Some("none")),
        (None, Some("")),
        (Some("null".to_owned()), None),
        (Some("null".to_owned()), Some("cross-site")),
        (Some("null".to_owned()), Some("same-site")),
        (Some(own.clone()), Some("cross-site")),
        (Some(own.clone()), Some("same-site")),
        (Some(own.clone()), Some("none")),
        (Some(foreign), Some("same-origin")),
        (Some(ORIGIN.to_owned()), None),
        (Some(ORIGIN.to_owned()), Some("same-origin")),
        (Some(format!("{own}/")), None),
        (Some(format!("{own}.evil.example")), None),
        (Some(own.replace("http", "https")), None),
        (Some(own.replace("127.0.0.1", "localhost")), None),
        (Some("http://127.0.0.1".to_owned()), None),
    ];
    refused.extend(look_alikes().into_iter().map(|origin| (Some(origin), None)));
    for (origin, site) in refused {
        for path in [link.clone(), format!("{link}/reissue")] {
            let mut request = browser.post(&path).header("Accept", "text/html");
            request = request.form(&[("decision", "approve"), ("confirmation", &confirmation)]);
            if let Some(origin) = &origin {
                request = request.header("Origin", origin);
            }
            if let Some(site) = site {
                request = request.header("Sec-Fetch-Site", site);
            }
            let answer =
                answer(request.header("Referer", &link).header("X-Requested-With", "XMLHttpRequest")).await;
            assert_eq!(answer.status.as_u16(), 403, "{origin:?} {site:?} {path}: {}", answer.raw);
            assert!(
                answer.raw.contains("origin_not_allowed")
                    || answer.header("content-type").starts_with("text/html")
            );
            assert_not_echoed(&answer, &confirmation);
        }
    }
    assert_eq!(attempt.status().await.body["status"], "pending");
    assert_eq!(app.smtp.received_count(), 1);
    for (origin, site) in [
        (Some("null"), Some("same-origin")),
        (None, Some("same-origin")),
        (Some(own.as_str()), None),
        (Some(own.as_str()), Some("same-origin")),
    ] {
        let mut request =
            browser.post(&link).form(&[("decision", "approve"), ("confirmation", &confirmation)]);
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        if let Some(site) = site {
            request = request.header("Sec-Fetch-Site", site);
        }
        answer(request).await.expect(303);
    }
}

#[tokio::test]
async fn a_decision_as_json_is_taken_from_listed_origins_and_from_no_browser() {
    let app = TestApp::start().await;
    let script = app.script(SECRET);
    let attempt = script.start(plain()).await;
    let path = format!("/v/{}", token_of(&app.link("ann@example.com")));
    let confirmation = script.describe(&path).await.confirmation();
    let decision = json!({ "decision": "approve", "confirmation": confirmation });
    for origin in look_alikes() {
        let answer = answer(script.post(&path).header("Origin", &origin).json(&decision)).await;
        answer.expect_problem(403, "origin_not_allowed");
        assert_unreadable(&answer);
    }
    for site in ["cross-site", "same-site", "none"] {
        let request = script.post(&path).header("Sec-Fetch-Site", site).json(&decision);
        answer(request).await.expect_problem(403, "origin_not_allowed");
    }
    assert_eq!(attempt.status().await.body["status"], "pending");
    let listed = answer(
        script.post(&path).header("Origin", ORIGIN).header("Sec-Fetch-Site", "cross-site").json(&decision),
    )
    .await;
    assert_readable(listed.expect(200), ORIGIN);
    script.decide_json(&path, "approve", &confirmation).await.expect(200);
}

#[tokio::test]
async fn signing_out_by_cookie_needs_an_origin_that_is_ours_or_listed() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let attempt = browser.sign_in("ann@example.com").await;
    browser.press(&app.link("ann@example.com"), "approve").await.expect(303);
    attempt.redeem().await.expect(200);
    let sign_out = || browser.request(Method::DELETE, "/v1/session");
    answer(sign_out()).await.expect_problem(403, "origin_not_allowed");
    for site in ["cross-site", "same-site", "none"] {
        answer(sign_out().header("Sec-Fetch-Site", site)).await.expect_problem(403, "origin_not_allowed");
    }
    for origin in look_alikes() {
        answer(sign_out().header("Origin", origin)).await.expect_problem(403, "origin_not_allowed");
    }
    let elsewhere = browser.request(Method::DELETE, "/%761/session").header("Origin", "https://evil.example");
    assert!(answer(elsewhere).await.status.is_client_error());
    answer(browser.get("/v1/session")).await.expect(200);
    answer(sign_out().header("Origin", ORIGIN)).await.expect(204);
    answer(browser.get("/v1/session")).await.expect_problem(401, "session_required");
    answer(sign_out()).await.expect(204);
}

#[tokio::test]
async fn verifying_an_address_by_cookie_needs_an_origin_too() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let attempt = browser.sign_in("ann@example.com").await;
    browser.press(&app.link("ann@example.com"), "approve").await.expect(303);
    attempt.redeem().await.expect(200);
    let start = || {
        browser
            .post("/v1/attempts")
            .json(&json!({ "email_address": "new@example.com", "purpose": "verify_email" }))
    };
    answer(start()).await.expect_problem(403, "origin_not_allowed");
    answer(start().header("Origin", "https://evil.example")).await.expect_problem(403, "origin_not_allowed");
    assert_eq!(app.smtp.received_count(), 1);
    answer(start().header("Origin", ORIGIN)).await.expect(201);
}
