//! A foreign page makes the victim's browser send requests, with everything that the browser adds automatically and
//! with secrets that could leak.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::origins::look_alikes;
use test_kit::app::{API_KEY, Answer, Attempt, Client, ORIGIN, REDIRECT, TestApp, answer};
use test_kit::requests::{plain_with, token_of};

/// A victim that is signed in and waits for another attempt, whose token the attacker is assumed to know.
struct Victim {
    app: TestApp,
    browser: Client,
    attempt: Attempt,
    link: String,
    confirmation: String,
}

impl Victim {
    async fn of(app: TestApp) -> Self {
        let browser = app.browser();
        browser.sign_in("victim@example.com").await;
        browser.press(&app.link("victim@example.com"), "approve").await.expect(303);
        let options = json!({ "redirect_url": REDIRECT, "deliver": false });
        let attempt = browser.start_with_key(plain_with(&options)).await;
        let link = attempt.started["link"].as_str().unwrap().to_owned();
        let confirmation = browser.open(&link).await.confirmation();
        Self { app, browser, attempt, link, confirmation }
    }

    /// Every request that changes something, valid except for its origin.
    fn changes(&self) -> Vec<(&'static str, RequestBuilder)> {
        let of_attempt = |method: Method, path: &str| {
            let path = format!("/v1/attempts/{}{path}", self.attempt.id);
            self.browser.request(method, &path).bearer_auth(&self.attempt.token)
        };
        let verify = json!({ "email_address": "new@example.com", "purpose": "verify_email" });
        vec![
            ("start", self.browser.post("/v1/attempts").json(&plain_with(&json!({})))),
            ("start by cookie", self.browser.post("/v1/attempts").json(&verify)),
            ("code", of_attempt(Method::POST, "/code").json(&json!({ "code": "000000" }))),
            ("resend", of_attempt(Method::POST, "/resend")),
            ("redeem", of_attempt(Method::POST, "/redeem")),
            ("cancel", of_attempt(Method::DELETE, "")),
            (
                "ticket",
                self.browser.post("/v1/tickets/redeem").bearer_auth(API_KEY).json(&json!({ "ticket": "x" })),
            ),
            ("session token", self.browser.post("/v1/session/token")),
            ("sign-out", self.browser.request(Method::DELETE, "/v1/session")),
            ("decision", self.decision(&self.browser)),
            ("form", self.form()),
            (
                "reissue",
                self.browser.post(&format!("{}/reissue", self.link)).header("Accept", "application/json"),
            ),
            ("reissue page", self.browser.post(&format!("{}/reissue", self.link))),
        ]
    }

    fn decision(&self, browser: &Client) -> RequestBuilder {
        let decision = json!({ "decision": "approve", "confirmation": self.confirmation });
        browser.post(&self.link).json(&decision)
    }

    fn form(&self) -> RequestBuilder {
        self.browser.post(&self.link).form(&[("decision", "approve"), ("confirmation", &self.confirmation)])
    }

    /// Asserts that nothing has changed, and that the same requests work from a listed origin.
    async fn assert_unharmed(&self) {
        let status = self.attempt.status().await;
        assert_eq!(status.expect(200).body["status"], "pending");
        assert_eq!(status.body["code_tries_left"], 5);
        let session = answer(self.browser.get("/v1/session")).await;
        assert_eq!(session.expect(200).body["user"]["email_address"], "victim@example.com");
        assert_eq!(self.app.smtp.received_count(), 1, "the mail of the sign-in");
        answer(self.decision(&self.browser).header("Origin", ORIGIN)).await.expect(200);
        self.attempt.redeem().await.expect(200);
        let out = self.browser.request(Method::DELETE, "/v1/session").header("Origin", ORIGIN);
        answer(out).await.expect(204);
        answer(self.browser.get("/v1/session")).await.expect_problem(401, "session_required");
    }
}

#[track_caller]
fn refused(what: &str, origin: &str, answer: &Answer) {
    assert_eq!(answer.status.as_u16(), 403, "{what} from {origin:?}: {}", answer.raw);
    answer.expect_problem(403, "origin_not_allowed");
    assert_eq!(answer.header("access-control-allow-origin"), "", "{what} from {origin:?}");
    assert!(answer.headers.get_all("set-cookie").iter().next().is_none(), "{what} from {origin:?}");
}

#[tokio::test]
async fn nothing_that_changes_something_takes_a_foreign_or_look_alike_origin() {
    let victim = Victim::of(TestApp::start().await).await;
    for origin in look_alikes() {
        for (what, request) in victim.changes() {
            refused(what, &origin, &answer(request.header("Origin", &origin)).await);
        }
    }
    // A foreign origin beside our own or a listed one in one request.
    for origin in [ORIGIN, &victim.app.url] {
        for (what, request) in victim.changes() {
            let both = request.header("Origin", origin).header("Origin", "https://evil.example");
            let answer = answer(both).await;
            assert!(matches!(answer.status.as_u16(), 400 | 403), "{what}: {} {}", answer.status, answer.raw);
        }
    }
    victim.assert_unharmed().await;
}

#[tokio::test]
async fn the_own_origin_has_look_alikes_as_well() {
    let victim = Victim::of(TestApp::start().await).await;
    let own = victim.app.url.clone();
    let port = own.rsplit_once(':').unwrap().1;
    for origin in [
        own.replace("http:", "https:"),
        own.replace("127.0.0.1", "localhost"),
        own.replace("127.0.0.1", "127.0.0.1."),
        own.replace("127.0.0.1", "127.1"),
        own.replace("127.0.0.1", "2130706433"),
        own.replace("127.0.0.1", "0x7f000001"),
        own.replace("127.0.0.1", "[::ffff:127.0.0.1]"),
        own.replace("http", "HTTP"),
        format!("{own}0"),
        format!("{own}/"),
        format!("{own}."),
        format!("{own}@evil.example"),
        format!("http://evil.example:{port}"),
        format!("http://user@127.0.0.1:{port}"),
        own[..own.len() - 1].to_owned(),
        "http://127.0.0.1".to_owned(),
    ] {
        for (what, request) in victim.changes() {
            refused(what, &origin, &answer(request.header("Origin", &origin)).await);
        }
    }
    victim.assert_unharmed().await;
}

#[tokio::test]
async fn without_an_origin_no_cookie_and_no_form_changes_anything() {
    let victim = Victim::of(TestApp::start().await).await;
    for site in [None, Some("cross-site"), Some("same-site"), Some("none"), Some(""), Some("Same-Origin")] {
        for (what, request) in victim.changes() {
            if matches!(what, "start by cookie" | "sign-out" | "form" | "reissue page") {
                let request = match site {
                    Some(site) => request.header("Sec-Fetch-Site", site),
                    None => request,
                };
                refused(what, "nowhere", &answer(request).await);
            }
        }
    }
    // A request that says it comes from a browser is not taken for a program's.
    for site in ["cross-site", "same-site", "none"] {
        for (what, request) in victim.changes() {
            if matches!(what, "decision" | "reissue") {
                refused(what, site, &answer(request.header("Sec-Fetch-Site", site)).await);
            }
        }
    }
    victim.assert_unharmed().await;
}

/// The content types that a page may send anywhere without a preflight ("CORS-safelisted" in the Fetch standard).
const SIMPLE: [Option<&str>; 9] = [
    None,
    Some("text/plain"),
    Some("text/plain; charset=utf-8"),
    Some("text/plain; application/json"),
    Some("text/plain;,application/json"),
    Some("application/x-www-form-urlencoded"),
    Some("application/x-www-form-urlencoded; application/json"),
    Some("multipart/form-data; boundary=x"),
    Some("multipart/form-data; boundary=application/json"),
];

#[tokio::test]
async fn a_simple_request_is_no_json_whoever_sends_it() {
    let victim = Victim::of(TestApp::start().await).await;
    let browser = &victim.browser;
    let routes: [(Method, &str, Value); 5] = [
        (Method::POST, "/v1/attempts", plain_with(&json!({}))),
        (Method::POST, "/v1/tickets/redeem", json!({ "ticket": "x" })),
        (Method::POST, "/v1/session/token", json!({ "renewal_token": "x" })),
        (Method::DELETE, "/v1/session", json!({ "renewal_token": "x" })),
        (Method::POST, &victim.link, json!({ "decision": "approve", "confirmation": victim.confirmation })),
    ];
    for (method, path, body) in routes {
        let text = body.to_string();
        // JSON as HTML forms write it: the rest of the object is the value of a field.
        let forms =
            [text.clone(), format!("{text}="), text.replace('}', ",\"x\":\"=\"}"), format!("x={text}")];
        for content_type in SIMPLE {
            for body in &forms {
                let request = || {
                    let request =
                        browser.request(method.clone(), path).bearer_auth(API_KEY).body(body.clone());
                    match content_type {
                        Some(content_type) => request.header("Content-Type", content_type),
                        None => request,
                    }
                };
                refused(path, "evil", &{
                    let foreign = answer(request().header("Origin", "https://evil.example")).await;
                    // An unreadable body is refused before the origin is checked.
                    if path == victim.link && matches!(foreign.status.as_u16(), 400 | 415) {
                        continue;
                    }
                    foreign
                });
                for own in [None, Some(ORIGIN)] {
                    let request = match own {
                        Some(origin) => request().header("Origin", origin),
                        None => request(),
                    };
                    let answer = answer(request).await;
                    let status = answer.status.as_u16();
                    assert!(
                        matches!(status, 400 | 403 | 415),
                        "{path} {content_type:?} {body}: {}",
                        answer.raw
                    );
                }
            }
        }
    }
    victim.assert_unharmed().await;
}

#[tokio::test]
async fn no_answer_lets_every_origin_read_it_and_none_an_unlisted_one() {
    let victim = Victim::of(TestApp::start().await).await;
    let browser = &victim.browser;
    let own = victim.app.url.clone();
    let token = token_of(&victim.link);
    let paths = [
        "/v1/attempts".to_owned(),
        format!("/v1/attempts/{}", victim.attempt.id),
        format!("/v1/attempts/{}/code", victim.attempt.id),
        "/v1/session".to_owned(),
        "/v1/session/token".to_owned(),
        "/v1/tickets/redeem".to_owned(),
        "/v1/nothing".to_owned(),
        format!("/v/{token}"),
        "/v/x".to_owned(),
        "/.well-known/jwks.json".to_owned(),
        "/openapi.yaml".to_owned(),
        "/docs".to_owned(),
        "/client.js".to_owned(),
        "/problems".to_owned(),
        "/nothing".to_owned(),
    ];
    let mut readable = 0;
    let origins = look_alikes().into_iter().chain([ORIGIN.to_owned(), own.clone()]);
    for origin in origins {
        let listed = origin == ORIGIN || origin == own;
        for path in &paths {
            for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
                for (wanted, headers) in
                    [("POST", "authorization, linkgate-client"), ("DELETE", "*"), ("PUT", "")]
                {
                    let request = browser.request(method.clone(), path).header("Origin", &origin);
                    let request = if method == Method::OPTIONS {
                        let asked = request.header("Access-Control-Request-Method", wanted);
                        asked
                            .header("Access-Control-Request-Headers", headers)
                            .header("Access-Control-Request-Private-Network", "true")
                    } else {
                        request
                    };
                    let answer = answer(request).await;
                    let at = format!("{method} {path} from {origin:?}");
                    let allowed: Vec<_> =
                        answer.headers.get_all("access-control-allow-origin").iter().collect();
                    for (name, value) in &answer.headers {
                        let cors = name.as_str().starts_with("access-control-");
                        assert!(!cors || !value.as_bytes().contains(&b'*'), "{at}: {name}: {value:?}");
                        assert!(!cors || listed || allowed.is_empty(), "{at}: {name}: {value:?}");
                    }
                    assert_eq!(answer.header("access-control-allow-private-network"), "", "{at}");
                    assert!(allowed.len() <= 1, "{at}");
                    if let Some(allowed) = allowed.first() {
                        assert!(listed && allowed.as_bytes() == origin.as_bytes(), "{at}: {allowed:?}");
                        let vary = answer
                            .headers
                            .get_all("vary")
                            .iter()
                            .map(|v| v.to_str().unwrap().to_ascii_lowercase());
                        assert!(vary.collect::<Vec<_>>().join(",").contains("origin"), "{at}");
                        readable += 1;
                    }
                    if method != Method::OPTIONS {
                        break;
                    }
                }
            }
        }
    }
    assert!(readable > 20, "listed origins do read: {readable}");
}
