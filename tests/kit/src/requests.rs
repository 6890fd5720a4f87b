//! Requests, tokens of every type, and assertions that nothing has happened.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::app::{API_KEY, Answer, Attempt, Client, REDIRECT, TestApp, answer};

/// A client secret.
pub const SECRET: &str = "q83vEjRWeJCrze8SNFZ4kAq83vEjRWeJ";

/// Another client secret.
pub const OTHER_SECRET: &str = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";

/// The smallest body of a start.
pub fn plain() -> Value {
    json!({ "email_address": "ann@example.com", "purpose": "sign_in" })
}

/// [`plain`] with these fields added or replaced.
pub fn plain_with(members: &Value) -> Value {
    let mut body = plain();
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// A start with exactly this body.
pub fn start_raw(client: &Client, body: impl Into<reqwest::Body>) -> RequestBuilder {
    client.post("/v1/attempts").header("Content-Type", "application/json").body(body)
}

/// The request with the API key.
pub fn with_key(request: RequestBuilder) -> RequestBuilder {
    request.bearer_auth(API_KEY)
}

/// The token in a link.
pub fn token_of(link: &str) -> String {
    link.split_once("/v/").unwrap().1.to_owned()
}

/// Asserts that the relay received no command.
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
        // The store was not written to either.
        let writes = line.starts_with("linkgate_store_operation") && !line.contains("\"ping\"");
        let reads = line.contains("\"permit_taken\"")
            || line.contains("\"read\"")
            || line.contains("\"session_ended\"");
        assert!(!writes || reads, "{line}");
    }
}

/// Asserts that neither the body nor the headers of the answer repeat the input.
#[track_caller]
pub fn assert_not_echoed(answer: &Answer, input: &str) {
    let input = input.trim();
    // Short texts occur by chance.
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

/// One token of each type, all of one deployment. The attempt is still pending.
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

/// Gets one token of each type.
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

/// An unspent ticket.
pub async fn ticket(app: &TestApp) -> String {
    let browser = app.browser();
    let body =
        json!({ "redirect_url": REDIRECT, "ticket": true, "deliver": false, "cross_device": "approve" });
    let attempt = browser.start_with_key(plain_with(&body)).await;
    let link = attempt.started["link"].as_str().unwrap();
    browser.press(link, "approve").await.redirected("__linkgate_ticket").unwrap()
}

/// The response that an email proof comes with.
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
    /// The confirmation for this browser, which gets its client cookie by opening the page.
    pub async fn describe_as_client(&self, link: &str) -> String {
        let page = self.open(link).await;
        page.expect(200);
        page.confirmation()
    }

    /// Sends a preflight request for a method from this origin.
    pub async fn preflight(&self, path: &str, origin: &str, method: &str, headers: &str) -> Answer {
        let request = self
            .request(Method::OPTIONS, path)
            .header("Origin", origin)
            .header("Access-Control-Request-Method", method)
            .header("Access-Control-Request-Headers", headers);
        answer(request).await
    }
}
