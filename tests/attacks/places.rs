//! Every place of a request that takes a token, and the answer to an invalid one.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use test_kit::app::{API_KEY, Answer, Client, ORIGIN, RING_SECRET, TestApp, answer};
use test_kit::requests::{AllTokens, SECRET, all_tokens, assert_not_echoed, plain_with, with_key};
use test_kit::smith::Smith;

/// Characters that need no escape in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The form of the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Problem,
    Page,
    Bare,
}

/// The part of the request that carries the token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Path,
    Header,
    Cookie,
    Body,
}

/// A place for a token: the type that belongs there, and the answer to any other.
pub(crate) struct Place {
    name: &'static str,
    pub(crate) wants: &'static str,
    status: u16,
    code: &'static str,
    shape: Shape,
    way: Way,
    request: fn(&Bench<'_>, &str) -> RequestBuilder,
}

/// The client that all tokens belong to, and the pending attempt.
pub(crate) struct Bench<'a> {
    app: &'a TestApp,
    script: Client,
    id: &'a str,
}

impl Bench<'_> {
    fn of_attempt(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.script.request(method, &format!("/v1/attempts/{}{path}", self.id)).bearer_auth(token)
    }

    fn of_link(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.script.request(method, &format!("/v/{}{path}", utf8_percent_encode(token, PATH)))
    }

    /// With the token as the session cookie, beside the right client cookie.
    fn by_cookie(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let cookie = format!("linkgate-session={token}; linkgate-client={SECRET}");
        self.app.browser().request(method, path).header("Cookie", cookie).header("Origin", ORIGIN)
    }
}

const fn problem(
    name: &'static str,
    wants: &'static str,
    status: u16,
    code: &'static str,
    way: Way,
    request: fn(&Bench<'_>, &str) -> RequestBuilder,
) -> Place {
    Place { name, wants, status, code, shape: Shape::Problem, way, request }
}

const fn attempt(name: &'static str, request: fn(&Bench<'_>, &str) -> RequestBuilder) -> Place {
    problem(name, "attempt", 401, "attempt_token_invalid", Way::Header, request)
}

const fn link(name: &'static str, shape: Shape, request: fn(&Bench<'_>, &str) -> RequestBuilder) -> Place {
    Place { shape, ..problem(name, "link", 400, "link_malformed", Way::Path, request) }
}

const fn renewal(name: &'static str, way: Way, request: fn(&Bench<'_>, &str) -> RequestBuilder) -> Place {
    problem(name, "renewal", 401, "session_required", way, request)
}

const fn session(name: &'static str, request: fn(&Bench<'_>, &str) -> RequestBuilder) -> Place {
    problem(name, "session", 401, "session_required", Way::Header, request)
}

/// All places.
pub(crate) const PLACES: &[Place] = &[
    attempt("status", |bench, token| bench.of_attempt(Method::GET, "", token)),
    attempt("waiting", |bench, token| bench.of_attempt(Method::GET, "?wait=5", token)),
    attempt("events", |bench, token| bench.of_attempt(Method::GET, "/events", token)),
    attempt("code", |bench, token| {
        bench.of_attempt(Method::POST, "/code", token).json(&json!({ "code": "000000" }))
    }),
    attempt("redeem", |bench, token| bench.of_attempt(Method::POST, "/redeem", token)),
    attempt("resend", |bench, token| bench.of_attempt(Method::POST, "/resend", token)),
    attempt("cancel", |bench, token| bench.of_attempt(Method::DELETE, "", token)),
    link("page", Shape::Page, |bench, token| {
        bench.of_link(Method::GET, "", token).header("Accept", "text/html")
    }),
    link("head", Shape::Bare, |bench, token| bench.of_link(Method::HEAD, "", token)),
    link("description", Shape::Problem, |bench, token| {
        bench.of_link(Method::GET, "", token).header("Accept", "application/json")
    }),
    link("form", Shape::Page, |bench, token| {
        let form = [("decision", "approve"), ("confirmation", "none")];
        let request = bench.of_link(Method::POST, "", token).header("Sec-Fetch-Site", "same-origin");
        request.header("Accept", "text/html").form(&form)
    }),
    link("decision", Shape::Problem, |bench, token| {
        let decision = json!({ "decision": "approve", "confirmation": "none" });
        bench.of_link(Method::POST, "", token).json(&decision)
    }),
    link("reissue", Shape::Problem, |bench, token| {
        bench.of_link(Method::POST, "/reissue", token).header("Accept", "application/json")
    }),
    problem("ticket", "ticket", 410, "ticket_invalid", Way::Body, |bench, token| {
        with_key(bench.script.post("/v1/tickets/redeem")).json(&json!({ "ticket": token }))
    }),
    renewal("renewal in the body", Way::Body, |bench, token| {
        bench.script.post("/v1/session/token").json(&json!({ "renewal_token": token }))
    }),
    renewal("renewal in the cookie", Way::Cookie, |bench, token| {
        bench.by_cookie(Method::POST, "/v1/session/token", token)
    }),
    renewal("session in the cookie", Way::Cookie, |bench, token| {
        bench.by_cookie(Method::GET, "/v1/session", token)
    }),
    renewal("verify_email by cookie", Way::Cookie, |bench, token| {
        let body = json!({ "purpose": "verify_email", "email_address": "by-cookie@example.com" });
        bench.by_cookie(Method::POST, "/v1/attempts", token).json(&plain_with(&body))
    }),
    session("verify_email by session token", |bench, token| {
        let body = json!({ "purpose": "verify_email", "email_address": "by-token@example.com" });
        bench.script.post("/v1/attempts").bearer_auth(token).json(&plain_with(&body))
    }),
    session("sign_in with a session token", |bench, token| {
        let body = json!({ "email_address": "by-token@example.com" });
        bench.script.post("/v1/attempts").bearer_auth(token).json(&plain_with(&body))
    }),
    // No token is an API key.
    problem("key", "key", 401, "api_key_invalid", Way::Header, |bench, token| {
        bench.script.post("/v1/tickets/redeem").bearer_auth(token).json(&json!({ "ticket": "none" }))
    }),
];

/// Whether HTTP can carry this text unchanged in such a place.
fn fits(way: Way, token: &str) -> bool {
    let plain = token.trim() == token && !token.is_empty() && token.bytes().all(|b| b >= 0x20 && b != 0x7f);
    match way {
        // URL libraries remove dot segments.
        Way::Path => !matches!(token, "" | "." | ".."),
        Way::Header => plain,
        Way::Cookie => plain && !token.contains([';', ',']),
        Way::Body => true,
    }
}

impl Place {
    fn assert_refusal(&self, what: &str, token: &str, answer: &Answer) {
        let at = format!("{what} as {}", self.name);
        assert_eq!(answer.status.as_u16(), self.status, "{at}: {}", answer.raw);
        assert!(answer.set_cookie("linkgate-session").is_none(), "{at}");
        match self.shape {
            Shape::Problem => {
                // A text without the three parts of a session token is compared with the API keys.
                let is_key =
                    self.wants == "session" && (token.matches('.').count() != 2 || !token.is_ascii());
                answer.expect_problem(self.status, if is_key { "api_key_invalid" } else { self.code });
            }
            Shape::Page => drop(answer.expect_page(self.status).hides(&["name=\"confirmation\""])),
            Shape::Bare => assert_eq!(answer.raw, "", "{at}"),
        }
        if token.len() > 20 {
            assert_not_echoed(answer, token);
        }
    }
}

/// Sends a token to every place whose type satisfies `wants`, with the client secret that all tokens belong to, and
/// asserts that each refuses it. Returns the number of places to which HTTP could carry it.
pub(crate) async fn assert_refused(
    app: &TestApp,
    id: &str,
    what: &str,
    token: &str,
    wants: impl Fn(&str) -> bool,
) -> usize {
    let bench = Bench { app, script: app.script(SECRET), id };
    let mut offered = 0;
    for place in PLACES.iter().filter(|place| wants(place.wants) && fits(place.way, token)) {
        place.assert_refusal(what, token, &answer((place.request)(&bench, token)).await);
        offered += 1;
    }
    offered
}

/// A server, one token of each type, and the counters that must not change while they are abused.
pub(crate) struct Scene {
    pub(crate) app: TestApp,
    pub(crate) tokens: AllTokens,
    mails: usize,
    store: f64,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::of(TestApp::start().await).await
    }

    pub(crate) async fn of(app: TestApp) -> Self {
        let tokens = all_tokens(&app).await;
        let (mails, store) = (app.smtp.received_count(), store_calls(&app).await);
        Self { app, tokens, mails, store }
    }

    /// A smith with the keys of the server.
    pub(crate) fn smith(&self) -> Smith {
        Smith::new(RING_SECRET, &self.app.url)
    }

    /// The types that linkgate itself accepts, each with its token.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.tokens.each().into_iter().filter(|(name, _)| *name != "email_proof")
    }

    /// Sends the token to the places of its type, where it could do harm, and asserts that each refuses it.
    pub(crate) async fn refuses(&self, name: &str, how: &str, token: &str) -> usize {
        let what = format!("{name}, {how}");
        assert_refused(&self.app, &self.tokens.attempt.id, &what, token, |wants| wants == name).await
    }

    /// Asserts that no mail was sent, that the store was not asked, and that every token is still valid: the forgeries
    /// were refused for what was wrong with them.
    pub(crate) async fn assert_untouched(&self) {
        assert_eq!(self.app.smtp.received_count(), self.mails, "no mail");
        assert!((store_calls(&self.app).await - self.store).abs() < 0.5, "the store was not asked");
        let status = self.tokens.attempt.status().await;
        assert_eq!(status.expect(200).body["status"], "pending");
        assert_eq!(status.body["code_tries_left"], 5);
        use_up(&self.app, &self.tokens).await;
    }
}

/// Uses a token where its type belongs, with an effect on tickets only.
pub(crate) async fn read_with(app: &TestApp, id: &str, name: &str, token: &str) -> Answer {
    let script = app.script(SECRET);
    let request = match name {
        "link" => script.get(&format!("/v/{token}")),
        "attempt" => script.get(&format!("/v1/attempts/{id}")).bearer_auth(token),
        "ticket" => with_key(script.post("/v1/tickets/redeem")).json(&json!({ "ticket": token })),
        "renewal" => script.post("/v1/session/token").json(&json!({ "renewal_token": token })),
        _ => {
            // With a redirect URL that is not listed: a good token gets 422, and nothing is started.
            let body = json!({ "purpose": "verify_email", "redirect_url": "https://evil.example" });
            script.post("/v1/attempts").bearer_auth(token).json(&plain_with(&body))
        }
    };
    answer(request).await
}

/// The number of store operations, except pings.
pub(crate) async fn store_calls(app: &TestApp) -> f64 {
    let metrics = app.metrics().await;
    let counts = metrics.lines().filter(|line| {
        line.starts_with("linkgate_store_operation_seconds_count") && !line.contains("\"ping\"")
    });
    counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

/// Uses each token, which asserts that all of them are valid.
pub(crate) async fn use_up(app: &TestApp, tokens: &AllTokens) {
    let script = app.script(SECRET);
    let path = format!("/v/{}", tokens.link);
    let confirmation = script.describe(&path).await.confirmation();
    script.decide_json(&path, "approve", &confirmation).await.expect(200);
    tokens.attempt.redeem().await.expect(200);
    let redeem = script.post("/v1/tickets/redeem").bearer_auth(API_KEY);
    answer(redeem.json(&json!({ "ticket": tokens.ticket }))).await.expect(200);
    answer(script.post("/v1/session/token").json(&json!({ "renewal_token": tokens.renewal })))
        .await
        .expect(200);
    let bench = Bench { app, script: script.clone(), id: &tokens.attempt.id };
    answer(bench.by_cookie(Method::GET, "/v1/session", &tokens.renewal)).await.expect(200);
    let body = json!({ "purpose": "verify_email", "email_address": "new@example.com" });
    answer(script.post("/v1/attempts").bearer_auth(&tokens.session).json(&body)).await.expect(201);
}
