//! Clients that retry what failed, and a ledger of the answers that each of them got.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use test_kit::app::{API_KEY, Answer, Attempt, Client, REDIRECT, answer};

/// The network of requesters and of nearby openers.
pub(crate) const NEAR: &str = "203.0.113.7";
/// The network of openers that need a relay code.
pub(crate) const FAR: &str = "198.51.100.9";

/// How long clients retry.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client with its own secret and without keep-alive, so that each request may reach another replica.
pub(crate) fn client(url: &str, ip: &str) -> Client {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let secret = format!("client-secret-{:016}", NEXT.fetch_add(1, Ordering::Relaxed));
    Client::new(url, ip, without_pool(), Some(secret))
}

/// The same with a cookie jar instead of a secret.
pub(crate) fn browser(url: &str, ip: &str) -> Client {
    Client::new(url, ip, without_pool().cookie_store(true), None)
}

pub(crate) fn back_end(url: &str) -> Client {
    Client::new(url, "192.0.2.1", without_pool(), None)
}

fn without_pool() -> reqwest::ClientBuilder {
    reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(40))
}

/// Sends a request; a missing or incomplete answer is `None`.
pub(crate) async fn try_answer(request: RequestBuilder) -> Option<Answer> {
    let response = request.send().await.ok()?;
    let (status, headers) = (response.status(), response.headers().clone());
    let raw = response.text().await.ok()?;
    Some(Answer { status, headers, body: serde_json::from_str(&raw).unwrap_or(Value::Null), raw })
}

/// Sends the same request until the answer is not a 503.
pub(crate) async fn insist(what: &str, request: impl Fn() -> RequestBuilder) -> Answer {
    let begun = Instant::now();
    loop {
        match try_answer(request()).await {
            Some(answer) if answer.status == 503 => {
                answer.expect_bad_luck();
            }
            Some(answer) => return answer,
            None => {}
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: in vain");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Starts an attempt as a back end, without a mail, for the client that waits. Returns the attempt and its link.
pub(crate) async fn start_by_key(client: &Client, email: &str, options: Value) -> (Attempt, String) {
    let answer = answer(start_request(client, email, &options)).await;
    answer.expect(201);
    started(client, &answer)
}

/// The request of [`start_by_key`].
pub(crate) fn start_request(client: &Client, email: &str, options: &Value) -> RequestBuilder {
    let mut body = json!({
        "email_address": email, "purpose": "sign_in", "redirect_url": REDIRECT, "deliver": false,
        "client": { "ip": NEAR },
    });
    body.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    client.post("/v1/attempts").bearer_auth(API_KEY).json(&body)
}

/// The attempt and the link of a 201 answer.
pub(crate) fn started(client: &Client, answer: &Answer) -> (Attempt, String) {
    let attempt = Attempt {
        client: client.clone(),
        id: answer.text("id"),
        token: answer.text("attempt_token"),
        started: answer.body.clone(),
    };
    (attempt, answer.text("link"))
}

/// The path of a link, to open it on any replica.
pub(crate) fn path_of(link: &str) -> String {
    link[link.find("/v/").unwrap()..].to_owned()
}

/// Opens a link and confirms it, as a program does.
pub(crate) async fn confirm(opener: &Client, link: &str) -> Answer {
    let path = path_of(link);
    let confirmation = opener.describe(&path).await.confirmation();
    opener.decide_json(&path, "approve", &confirmation).await
}

/// The answers that clients got, by attempt.
#[derive(Default)]
pub(crate) struct Ledger {
    attempts: Mutex<BTreeMap<String, Told>>,
}

#[derive(Default, Debug)]
struct Told {
    /// The address.
    email: String,
    /// The openers whose confirmation succeeded.
    successes: BTreeSet<String>,
    sessions: BTreeSet<String>,
    /// The last status that the requester got.
    end: Option<String>,
}

impl Ledger {
    /// Records a start.
    pub(crate) fn begun(&self, id: &str, email: &str) {
        let told = Told { email: email.to_owned(), ..Told::default() };
        let before = self.attempts.lock().unwrap().insert(id.to_owned(), told);
        assert!(before.is_none(), "two attempts have one id");
    }

    /// Records a successful confirmation.
    pub(crate) fn confirmed(&self, id: &str, opener: &str) {
        self.attempts.lock().unwrap().get_mut(id).unwrap().successes.insert(opener.to_owned());
    }

    /// Records the status that the requester got.
    pub(crate) fn status(&self, id: &str, answer: &Answer) {
        let mut attempts = self.attempts.lock().unwrap();
        let told = attempts.get_mut(id).unwrap();
        assert_eq!(answer.body["id"], id, "somebody else's attempt");
        assert_eq!(answer.body["email_address"], told.email.as_str(), "somebody else's answer");
        told.end = Some(answer.text("status"));
    }

    /// Records a session.
    pub(crate) fn session(&self, id: &str, answer: &Answer) {
        let mut attempts = self.attempts.lock().unwrap();
        let told = attempts.get_mut(id).unwrap();
        assert_eq!(answer.body["user"]["email_address"], told.email.as_str(), "somebody else's session");
        told.sessions.insert(answer.text("id"));
    }

    /// Asserts the promise for each attempt; returns how many ended in which status.
    pub(crate) fn audit(&self) -> BTreeMap<String, usize> {
        let attempts = self.attempts.lock().unwrap();
        let mut ends: BTreeMap<String, usize> = BTreeMap::new();
        let mut sessions = BTreeSet::new();
        for (id, told) in attempts.iter() {
            assert!(told.successes.len() <= 1, "{id} succeeded twice: {told:?}");
            assert!(told.sessions.len() <= 1, "{id} has two sessions: {told:?}");
            let end = told.end.clone().unwrap_or_default();
            let over = ["verified", "denied", "canceled", "expired", "failed"];
            assert!(over.contains(&end.as_str()), "{id} never ended: {told:?}");
            let verified = end == "verified";
            assert!(told.sessions.is_empty() || verified, "a session without a success: {told:?}");
            assert!(told.sessions.iter().all(|session| sessions.insert(session.clone())), "shared: {told:?}");
            *ends.entry(end).or_default() += 1;
        }
        ends
    }
}
