//! A store with its clock, and values for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use linkgate::clock::Clock as _;
use linkgate::domain::attempt::{Attempt, CODE_TRIES, LinkState, Refusal, SignedIn, State, Verdict};
use linkgate::domain::ids::{AttemptId, SessionId};
use linkgate::domain::secret::{ConfirmationId, Nonce};
use linkgate::store::memory::MemoryStore;
use linkgate::store::redis::{RedisOptions, RedisStore};
use linkgate::store::{AttemptStore as _, Change, Created, StepError, Store};
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;
use uuid::Uuid;

use crate::shared::Shared;
use test_kit::clock::ManualClock;
use test_kit::redis_server::RedisServer;

/// Runs each test on each store.
macro_rules! on_each_store {
    ($($name:ident)*) => {
        mod on_memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::bench::Bench::memory()).await;
            })*
        }
        mod on_redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::bench::Bench::shared(&crate::shared::REDIS).await).await;
            })*
        }
        mod on_tls {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::bench::Bench::shared(&crate::shared::TLS).await).await;
            })*
        }
        mod on_sentinel {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::bench::Bench::shared(&crate::shared::SENTINEL).await).await;
            })*
        }
        mod on_cluster {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::bench::Bench::shared(&crate::shared::CLUSTER).await).await;
            })*
        }
    };
}
pub(crate) use on_each_store;

/// How long something immediate may take, on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A store and its clock.
pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: ManualClock,
    /// The server, if the test has its own.
    pub(crate) redis: Option<RedisServer>,
    in_memory: bool,
}

impl Bench {
    pub(crate) fn memory() -> Self {
        let clock = clock();
        Self {
            store: Arc::new(MemoryStore::new(Arc::new(clock.clone()))),
            clock,
            redis: None,
            in_memory: true,
        }
    }

    /// A store on a Redis that other tests share.
    pub(crate) async fn shared(redis: &Shared) -> Self {
        Self::of(redis.open()).await
    }

    /// A bench with this store, once its subscription is active.
    pub(crate) async fn of(store: RedisStore) -> Self {
        let bench = Self { store: Arc::new(store), clock: clock(), redis: None, in_memory: false };
        eventually(async || bench.store.ping().await.is_ok()).await;
        bench.hears().await;
        bench
    }

    /// Waits until the subscription is active.
    pub(crate) async fn hears(&self) {
        let mut changes = self.store.changes();
        let heard = async || {
            let (id, _) = self.started().await;
            self.store.cancel(id, self.now()).await.unwrap();
            let heard = async { while changes.recv().await.unwrap() != Change::Attempt(id) {} };
            timeout(Duration::from_millis(200), heard).await.is_ok()
        };
        let mut heard = heard;
        let waiting = async { while !heard().await {} };
        timeout(PATIENCE, waiting).await.expect("a subscription");
    }

    pub(crate) async fn redis() -> Self {
        Self::on(RedisServer::start()).await
    }

    /// A store on the test's own server.
    pub(crate) async fn on(server: RedisServer) -> Self {
        let store = open(&server.url());
        let mut changes = store.changes();
        // From here on the subscription is active.
        store.ping().await.unwrap();
        // Tests that wait for the next loss must not take the first connection for it. If it came before the receiver,
        // there is nothing to wait for.
        let first = async { while changes.recv().await.unwrap() != Change::Anything {} };
        let _ = timeout(Duration::from_secs(1), first).await;
        Self { store: Arc::new(store), clock: clock(), redis: Some(server), in_memory: false }
    }

    /// The test's own server.
    pub(crate) fn server(&mut self) -> &mut RedisServer {
        self.redis.as_mut().unwrap()
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Stores a pending attempt for an hour; returns it and its id.
    pub(crate) async fn started(&self) -> (AttemptId, Attempt) {
        let (id, attempt) = (attempt_id(), attempt(self.now()));
        self.create(id, &attempt).await;
        (id, attempt)
    }

    /// The same, with the relay code shown.
    pub(crate) async fn awaiting_code(&self) -> (AttemptId, Attempt) {
        let (id, attempt) = self.started().await;
        let attempt = self.store.show_code(id, &attempt.nonce, self.now()).await.unwrap();
        (id, attempt)
    }

    pub(crate) async fn create(&self, id: AttemptId, attempt: &Attempt) {
        let created =
            self.store.create(id, attempt, self.now() + TimeDelta::hours(1), self.now()).await.unwrap();
        assert!(created == Created::Fresh);
    }

    /// The attempt in the store.
    pub(crate) async fn read(&self, id: AttemptId) -> Option<Attempt> {
        self.store.read(id).await.unwrap()
    }

    /// Moves the service's clock. Records that expire by another clock stay.
    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// Lets records that live for at most a second expire, and waits until `gone` holds.
    pub(crate) async fn outlive(&self, gone: impl AsyncFn() -> bool) {
        if self.in_memory {
            self.advance(1);
        }
        eventually(gone).await;
    }
}

/// A store on this server, fenced.
pub(crate) fn open(url: &str) -> RedisStore {
    RedisStore::connect(&RedisOptions { url: url.to_owned(), fence: true, ca_pem: None }).unwrap()
}

fn clock() -> ManualClock {
    // Not a whole second, as in reality.
    ManualClock::new(DateTime::from_timestamp(1_795_000_000, 345_678_901).unwrap())
}

fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn attempt_id() -> AttemptId {
    AttemptId::from_uuid(Uuid::from_u128(u128::from(unique())))
}

pub(crate) fn session_id() -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(u128::from(unique())))
}

pub(crate) fn nonce() -> Nonce {
    Nonce::from_bytes(u128::from(unique()).to_be_bytes())
}

pub(crate) fn confirmation() -> ConfirmationId {
    ConfirmationId::from_bytes(u128::from(unique()).to_le_bytes())
}

/// A pending attempt that begins at `now`.
pub(crate) fn attempt(now: DateTime<Utc>) -> Attempt {
    let now = DateTime::from_timestamp(now.timestamp(), 0).unwrap();
    Attempt {
        nonce: nonce(),
        created_at: now,
        expires_at: now + TimeDelta::minutes(10),
        ends_at: now + TimeDelta::minutes(15),
        resend_after: now + TimeDelta::seconds(60),
        code_tries_left: CODE_TRIES,
        mailing: false,
        by_api_key: false,
        state: State::Pending,
    }
}

/// A link that begins at `now`.
pub(crate) fn link(now: DateTime<Utc>) -> LinkState {
    attempt(now).link()
}

pub(crate) const VERIFY: Verdict =
    Verdict::Verify { signed_in: Some(SignedIn::Requester), same_client: false };

pub(crate) fn refusal<T>(result: Result<T, StepError>) -> Refusal {
    match result {
        Err(StepError::Refused(refusal)) => refusal,
        Err(StepError::Unavailable(error)) => panic!("{error}"),
        Ok(_) => panic!("the step was taken"),
    }
}

/// The next published change.
pub(crate) async fn next_change(changes: &mut Receiver<Change>) -> AttemptId {
    loop {
        match timeout(PATIENCE, changes.recv()).await.expect("a publication").unwrap() {
            Change::Attempt(id) => return id,
            Change::Anything => {}
        }
    }
}

/// Asserts that exactly these changes are published. Only the order of each attempt's own changes counts: a cluster's
/// nodes do not wait for each other.
pub(crate) async fn published(changes: &mut Receiver<Change>, expected: &[AttemptId]) {
    let count = |ids: &[AttemptId]| {
        ids.iter().fold(BTreeMap::new(), |mut counts, id| {
            *counts.entry(id.to_string()).or_insert(0) += 1;
            counts
        })
    };
    let mut seen = Vec::new();
    let mut patience = PATIENCE;
    // Further ones would come right after.
    while let Ok(change) = timeout(patience, changes.recv()).await {
        if let Change::Attempt(id) = change.unwrap()
            && expected.contains(&id)
        {
            seen.push(id);
        }
        if seen.len() >= expected.len() {
            patience = Duration::from_millis(50);
        }
    }
    assert_eq!(count(&seen), count(expected));
}

pub(crate) async fn eventually(condition: impl AsyncFn() -> bool) {
    eventually_within(PATIENCE, condition).await;
}

/// The same with more time.
pub(crate) async fn eventually_within(patience: Duration, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(patience, waiting).await.expect("it should have come about by now");
}
