//! What these tests share: requests byte for byte, and proof that nothing has happened.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::app::{API_KEY, Answer, Attempt, Client, REDIRECT, TestApp, answer};

/// A client secret.
pub const SECRET: &str = "q83vEjRWeJCrze8SNFZ4kAq83vEjRWeJ";

/// Another one.
pub const OTHER_SECRET: &str = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";

/// The smallest body of a start.
pub fn plain() -> Value {
    json!({ "email_address": "ann@example.com", "purpose": "sign_in" })
}

/// [`plain`] with more members, or other ones.
pub fn plain_with(members: &Value) -> Value {
    let mut body = plain();
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// A start with this body, as it stands.
pub fn start_raw(client: &Client, body: impl Into<reqwest::Body>) -> RequestBuilder {
    client.post("/v1/attempts").header("Content-Type", "application/json").body(body)
}

/// The request as a back end makes it.
pub fn with_key(request: RequestBuilder) -> RequestBuilder {
    request.bearer_auth(API_KEY)
}

/// The path of a link, without the server.
pub fn token_of(link: &str) -> String {
    link.split_once("/v/").unwrap().1.to_owned()
}

/// Asserts that no attempt was started and nothing was said to the relay.
#[track_caller]
pub fn assert_no_mail(app: &TestApp) {
    assert_eq!(app.smtp.commands(), Vec::<String>::new(), "nothing is said to the relay");
}

/// Asserts that no attempt was started and no mail was sent.
pub async fn assert_untouched(app: &TestApp) {
    assert_no_mail(app);
    let metrics = app.metrics().await;
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let counts = line.starts_with("linkgate_attempts_") || line.starts_with("linkgate_mails_");
        assert!(!counts || line.ends_with(" 0"), "{line}");
        // The store was not asked to write either.
        let writes = line.starts_with("linkgate_store_operation") && !line.contains("\"ping\"");
        let reads = line.contains("\"permit_taken\"")
            || line.contains("\"read\"")
            || line.contains("\"session_ended\"");
        assert!(!writes || reads, "{line}");
    }
}

/// Asserts that the answer repeats nothing of the input: neither in its body nor in its headers.
#[track_caller]
pub fn assert_not_echoed(answer: &Answer, input: &str) {
    let input = input.trim();
    // Short pieces stand in any text.
    if input.len() < 6 {
        return;
    }
    let escaped = serde_json::to_string(input).unwrap();
    let escaped = escaped.trim_matches('"');
    for text in [input, escaped] {
        assert!(!answer.raw.contains(text), "{text:?} is echoed: {}", answer.raw);
        for (name, value) in &answer.headers {
            assert!(
                !String::from_utf8_lossy(value.as_bytes()).contains(text),
                "{text:?} is echoed in {name}"
            );
        }
    }
}

/// Sends these bytes, closes nothing, and reads until the server closes or `patience` is over.
pub async fn raw(app: &TestApp, request: impl Into<Vec<u8>>, patience: Duration) -> Answer {
    let (address, request) = (app.url.trim_start_matches("http://").to_owned(), request.into());
    let bytes = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        // The server may have hung up already: what it said counts.
        let _ = stream.write_all(&request);
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..length]);
            if is_whole(&bytes) {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
        bytes
    })
    .await
    .unwrap();
    parse(&bytes)
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((&bytes[..at], &bytes[at + 4..]))
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some((head, body)) = split(bytes) else { return false };
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| body.len() >= length)
}

fn parse(bytes: &[u8]) -> Answer {
    let (head, body) =
        split(bytes).unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = std::str::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value.trim()).unwrap(),
        );
    }
    let raw = String::from_utf8_lossy(body).into_owned();
    let body = serde_json::from_str(&raw).unwrap_or(Value::Null);
    Answer { status: StatusCode::from_u16(status).unwrap(), headers, body, raw }
}

/// One token of each type, all of one deployment, with the attempt that is still waiting.
pub struct AllTokens {
    pub link: String,
    pub attempt: Attempt,
    pub ticket: String,
    pub renewal: String,
    pub session: String,
    pub email_proof: String,
}

impl AllTokens {
    /// Each token, with the name of its type.
    pub fn each(&self) -> [(&'static str, &str); 6] {
        [
            ("link", &self.link),
            ("attempt", &self.attempt.token),
            ("ticket", &self.ticket),
            ("renewal", &self.renewal),
            ("session", &self.session),
            ("email_proof", &self.email_proof),
        ]
    }
}

/// Gets one token of each type. All but the first attempt have ended well.
pub async fn all_tokens(app: &TestApp) -> AllTokens {
    let script = app.script(SECRET);
    let (renewal, session) = session(app).await;
    let ticket = ticket(app).await;
    let proof = verify_email(app).await;
    let attempt = script.start(plain()).await;
    AllTokens {
        link: token_of(&app.link("ann@example.com")),
        attempt,
        ticket,
        renewal,
        session,
        email_proof: proof.text("email_proof"),
    }
}

/// The renewal token and the session token of a script that has signed in as `bob@example.com`.
pub async fn session(app: &TestApp) -> (String, String) {
    let script = app.script(SECRET);
    let attempt = script.start(plain_with(&json!({ "email_address": "bob@example.com" }))).await;
    let link = app.link("bob@example.com");
    let confirmation = script.describe(&link).await.confirmation();
    script.decide_json(&link, "approve", &confirmation).await.expect(200);
    let redeemed = attempt.redeem().await;
    redeemed.expect(200);
    (redeemed.text("renewal_token"), redeemed.text("session_token"))
}

/// A ticket that nobody has redeemed yet.
pub async fn ticket(app: &TestApp) -> String {
    let browser = app.browser();
    let body =
        json!({ "redirect_url": REDIRECT, "ticket": true, "deliver": false, "cross_device": "approve" });
    let attempt = browser.start_with_key(plain_with(&body)).await;
    let link = attempt.started["link"].as_str().unwrap();
    browser.press(link, "approve").await.redirected("__linkgate_ticket").unwrap()
}

/// An email proof, as it was redeemed.
pub async fn verify_email(app: &TestApp) -> Answer {
    let browser = app.browser();
    let body = json!({ "purpose": "verify_email", "sub": "customer-1", "deliver": false, "cross_device": "approve" });
    let attempt = browser.start_with_key(plain_with(&body)).await;
    let link = attempt.started["link"].as_str().unwrap();
    let confirmation = browser.describe_as_client(link).await;
    browser.decide_json(link, "approve", &confirmation).await.expect(200);
    let redeemed = attempt.redeem().await;
    redeemed.expect(200);
    redeemed
}

impl Client {
    /// The confirmation for this browser, which becomes a client by opening the page.
    pub async fn describe_as_client(&self, link: &str) -> String {
        let page = self.open(link).await;
        page.expect(200);
        page.confirmation()
    }

    /// A preflight request for a method from this origin.
    pub async fn preflight(&self, path: &str, origin: &str, method: &str, headers: &str) -> Answer {
        let request = self
            .request(Method::OPTIONS, path)
            .header("Origin", origin)
            .header("Access-Control-Request-Method", method)
            .header("Access-Control-Request-Headers", headers);
        answer(request).await
    }
}
