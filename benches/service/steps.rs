//! A whole sign-in, step by step, for many people concurrently. Each step uses the responses of earlier ones.

use std::net::SocketAddr;
use std::time::Duration;

use crate::driver::{Answer, Load, Results, drive, request};
use crate::fleet::{API_KEY, Fleet, REDIRECT};

/// The client secret of a person. Each has their own, since the waiting requests per client are limited.
fn client_secret(person: usize) -> String {
    format!("bench-client-secret-{person:022}")
}

const USER_AGENT: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// The steps, in the order of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    StartWithMail,
    Start,
    Poll,
    Open,
    Confirm,
    Redeem,
    SessionToken,
    Session,
    Jwks,
}

impl Step {
    pub(crate) const ALL: [Self; 9] = [
        Self::StartWithMail,
        Self::Start,
        Self::Poll,
        Self::Open,
        Self::Confirm,
        Self::Redeem,
        Self::SessionToken,
        Self::Session,
        Self::Jwks,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::StartWithMail => "start, with mail",
            Self::Start => "start, undelivered",
            Self::Poll => "poll",
            Self::Open => "open",
            Self::Confirm => "confirm",
            Self::Redeem => "redeem",
            Self::SessionToken => "session token",
            Self::Session => "session",
            Self::Jwks => "jwks",
        }
    }
}

/// An attempt, with the values known so far.
#[derive(Clone, Default)]
pub(crate) struct Attempt {
    /// The secret of the client that requests and opens the link.
    secret: String,
    pub(crate) id: String,
    pub(crate) token: String,
    /// The path of the link.
    pub(crate) link: String,
    pub(crate) confirmation: String,
    pub(crate) renewal: String,
}

/// How many people take a step, and how their requests are sent.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) count: usize,
    pub(crate) in_flight: usize,
    pub(crate) fresh: bool,
}

/// The requests and measurements of one step.
pub(crate) struct Taken {
    pub(crate) results: Results,
    /// The processor time of the replicas; the driver is not included.
    pub(crate) cpu: Duration,
    pub(crate) requests: Vec<Vec<u8>>,
}

/// The people who sign in, each with one attempt.
pub(crate) struct People {
    host: SocketAddr,
    public_url: String,
    fresh: bool,
    pub(crate) attempts: Vec<Attempt>,
}

impl People {
    pub(crate) fn new(fleet: &Fleet, manner: Manner) -> Self {
        Self {
            host: fleet.replicas[0].addr,
            public_url: fleet.public_url.clone(),
            fresh: manner.fresh,
            attempts: (0..manner.count)
                .map(|person| Attempt { secret: client_secret(person), ..Attempt::default() })
                .collect(),
        }
    }

    /// Takes one step for everybody, on all replicas of the fleet.
    pub(crate) fn take(&mut self, fleet: &Fleet, step: Step, manner: Manner) -> Taken {
        let requests: Vec<_> = self.attempts.iter().map(|attempt| self.request(step, attempt)).collect();
        let addrs = fleet.addrs();
        let expect: &[u16] = match step {
            Step::StartWithMail | Step::Start => &[201],
            Step::Confirm => &[303],
            _ => &[200],
        };
        let Manner { in_flight, fresh, .. } = manner;
        let before = fleet.cpu();
        let results = drive(&Load { addrs: &addrs, requests: &requests, in_flight, fresh, expect });
        let cpu = fleet.cpu().saturating_sub(before);
        for (attempt, answer) in self.attempts.iter_mut().zip(&results.answers) {
            learn(attempt, step, answer);
        }
        Taken { results, cpu, requests }
    }

    pub(crate) fn request(&self, step: Step, attempt: &Attempt) -> Vec<u8> {
        let secret = format!("Linkgate-Client: {}", attempt.secret);
        let cookie = format!("Cookie: linkgate-client={}", attempt.secret);
        let session = format!("{cookie}; linkgate-session={}", attempt.renewal);
        let key = format!("Authorization: Bearer {API_KEY}");
        let grant = format!("Authorization: Bearer {}", attempt.token);
        let origin = format!("Origin: {}", self.public_url);
        let (json, accept) = ("Content-Type: application/json", "Accept: application/json");
        let (form, html) = ("Content-Type: application/x-www-form-urlencoded", "Accept: text/html,*/*;q=0.8");
        let path = format!("/v1/attempts/{}", attempt.id);
        let start = |more: &str| {
            let address = format!("person.{}@example.com", fresh_number());
            format!(
                r#"{{"email_address":"{address}","purpose":"sign_in","redirect_url":"{REDIRECT}"{more}}}"#
            )
        };
        let make = |method: &str, path: &str, headers: &[&str], body: &str| {
            let mut headers = headers.to_vec();
            headers.push(USER_AGENT);
            if self.fresh {
                headers.push("Connection: close");
            }
            request(method, path, self.host, &headers, body)
        };
        match step {
            Step::StartWithMail => make("POST", "/v1/attempts", &[&key, &secret, json, accept], &start("")),
            Step::Start => {
                let body = start(r#","deliver":false"#);
                make("POST", "/v1/attempts", &[&key, &secret, json, accept], &body)
            }
            Step::Poll => make("GET", &path, &[&grant, &secret, accept], ""),
            Step::Open => make("GET", &attempt.link, &[&cookie, html], ""),
            Step::Confirm => {
                let body = format!("decision=approve&confirmation={}", attempt.confirmation);
                make("POST", &attempt.link, &[&cookie, &origin, form, html], &body)
            }
            Step::Redeem => make("POST", &format!("{path}/redeem"), &[&grant, &secret, accept], ""),
            Step::SessionToken => {
                let body = format!(r#"{{"renewal_token":"{}"}}"#, attempt.renewal);
                make("POST", "/v1/session/token", &[&secret, json, accept], &body)
            }
            Step::Session => make("GET", "/v1/session", &[&session, accept], ""),
            Step::Jwks => make("GET", "/.well-known/jwks.json", &[accept], ""),
        }
    }

    /// A poll that waits up to 30 s for a change.
    pub(crate) fn long_poll(&self, attempt: &Attempt) -> Vec<u8> {
        let grant = format!("Authorization: Bearer {}", attempt.token);
        let headers = [grant.as_str(), USER_AGENT, "Accept: application/json"];
        request("GET", &format!("/v1/attempts/{}?wait=30&seen=pending", attempt.id), self.host, &headers, "")
    }
}

fn learn(attempt: &mut Attempt, step: Step, answer: &Answer) {
    match step {
        Step::Start => {
            (attempt.id, attempt.token) = (answer.text("id"), answer.text("attempt_token"));
            let link = answer.text("link");
            link.split_at(link.find("/v/").unwrap()).1.clone_into(&mut attempt.link);
        }
        Step::Open => attempt.confirmation = answer.between(r#"name="confirmation" value=""#, "\""),
        Step::Confirm => attempt.renewal = answer.cookie("linkgate-session"),
        _ => {}
    }
}

fn fresh_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
