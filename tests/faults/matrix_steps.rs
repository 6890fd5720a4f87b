//! The steps of the matrix: a replica with an attempt in each stage, and the request of each step.

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::interpreter::Interpreter;
use crate::people::{FAR, NEAR, back_end, client, confirm, path_of, start_by_key, start_request, try_answer};
use test_kit::app::{API_KEY, Answer, Attempt, Client};
use test_kit::fleet::{Replica, reads_of, until_read_after};
use test_kit::proxy::Proxy;
use test_kit::redis_server::RedisServer;

/// The password of the store.
pub(crate) const PASSWORD: &str = "of-the-matrix";

/// A replica whose store and relay can fail.
pub(crate) struct Bench {
    pub(crate) redis: RedisServer,
    /// Authenticated before the password changes.
    pub(crate) admin: redis::Connection,
    pub(crate) proxy: Proxy,
    pub(crate) hop: Interpreter,
    pub(crate) replica: Replica,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let redis = RedisServer::start_with_password(PASSWORD);
        let proxy = Proxy::start(redis.port());
        let hop = Interpreter::start(proxy.port());
        let store = format!("redis://:{PASSWORD}@127.0.0.1:{}", hop.port());
        let replica = Replica::start(&[("LINKGATE_STORE_URL", &store)]);
        replica.until_probe("/readyz", 200).await;
        Self { admin: redis.connection(), redis, proxy, hop, replica }
    }

    pub(crate) fn admin<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        redis::cmd(words[0]).arg(&words[1..]).query(&mut self.admin).unwrap()
    }
}

/// One request, which can be sent repeatedly.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// The status without a fault.
    pub(crate) normal: u16,
    pub(crate) request: Box<dyn Fn() -> RequestBuilder + Send + Sync>,
}

/// The long-poll in flight.
pub(crate) struct LongPoll {
    pub(crate) answer: JoinHandle<Option<Answer>>,
    opener: Client,
    path: String,
    press: String,
}

impl LongPoll {
    /// The opener's step.
    pub(crate) fn confirmation(&self) -> RequestBuilder {
        self.opener.post(&self.path).json(&json!({ "decision": "approve", "confirmation": self.press }))
    }
}

pub(crate) async fn prepare(bench: &Bench) -> (Vec<Step>, LongPoll) {
    let url = bench.replica.url();
    let (requester, near, far) = (client(&url, NEAR), client(&url, NEAR), client(&url, FAR));
    let begin = async |name: &str| {
        let (attempt, link) = start_by_key(&requester, &format!("{name}@example.com"), json!({})).await;
        (attempt, path_of(&link))
    };
    let on =
        |attempt: Attempt, method: Method, path: &'static str| move || attempt.request(method.clone(), path);
    let mut steps: Vec<Step> = Vec::new();
    let mut add = |name, normal, request: Box<dyn Fn() -> RequestBuilder + Send + Sync>| {
        steps.push(Step { name, normal, request });
    };

    let starter = requester.clone();
    add("start", 201, Box::new(move || start_request(&starter, "start@example.com", &json!({}))));

    let ((_, path), opener) = (begin("open").await, near.clone());
    add("open", 200, Box::new(move || opener.get(&path).header("Accept", "application/json")));

    let ((_, path), opener) = (begin("confirm").await, near.clone());
    let body = json!({ "decision": "approve", "confirmation": opener.describe(&path).await.confirmation() });
    add("confirm", 200, Box::new(move || opener.post(&path).json(&body)));

    let (attempt, path) = begin("code").await;
    let code = json!({ "code": confirm(&far, &path).await.relay_code() });
    add("code", 200, Box::new(move || attempt.request(Method::POST, "/code").json(&code)));

    add("poll", 200, Box::new(on(begin("poll").await.0, Method::GET, "")));

    let (attempt, path) = begin("redeem").await;
    confirm(&near, &path).await.expect(200);
    let renewal = attempt.redeem().await.text("renewal_token");
    add("redeem", 200, Box::new(on(attempt, Method::POST, "/redeem")));

    let back = back_end(&url);
    let (_, link) = start_by_key(&back, "ticket@example.com", json!({ "ticket": true })).await;
    let redirect = url::Url::parse(&confirm(&near, &link).await.text("redirect_url")).unwrap();
    let ticket = redirect.query_pairs().find(|(name, _)| name == "__linkgate_ticket").unwrap().1.into_owned();
    let ticket = json!({ "ticket": ticket });
    add("ticket", 200, Box::new(move || back.post("/v1/tickets/redeem").bearer_auth(API_KEY).json(&ticket)));

    let (renewal, who) = (json!({ "renewal_token": renewal }), requester.clone());
    add("renewal", 200, Box::new(move || who.post("/v1/session/token").json(&renewal)));

    for (name, url) in [
        ("JWKS", format!("{url}/.well-known/jwks.json")),
        ("/livez", format!("{}/livez", bench.replica.ops_url())),
        ("/readyz", format!("{}/readyz", bench.replica.ops_url())),
    ] {
        let who = requester.clone();
        add(name, 200, Box::new(move || who.get(&url)));
    }

    let (attempt, path) = begin("wait").await;
    let press = near.describe(&path).await.confirmation();
    let request = attempt.request(Method::GET, "?wait=30");
    let replica = std::slice::from_ref(&bench.replica);
    let reads = reads_of(replica).await;
    let answer = tokio::spawn(try_answer(request));
    until_read_after(reads, replica).await;
    (steps, LongPoll { answer, opener: near, path, press })
}
