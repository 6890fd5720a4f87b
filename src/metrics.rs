//! What the service counts, in OpenMetrics text for Prometheus.
//!
//! No label names a person: purposes, outcomes, verbs, route patterns, status codes and key ids only. Exemplars name
//! requests, as the log does.

mod outcomes;
mod process;
mod shapes;

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::policy::Purpose;

pub use self::outcomes::{MailOutcome, WaiterLimit};
pub use self::shapes::LONGEST_REQUEST_ID;

use self::process::Process;
use self::shapes::{
    EndLabels, HttpLabels, KeyLabel, LimitLabel, OutcomeLabel, PurposeLabel, RequestLabel, RouteLabel,
    StoreLabels, Traced, http_seconds, human_seconds, mail_seconds, store_seconds,
};

/// How an attempt can end.
const ENDS: [&str; 4] = ["verified", "denied", "canceled", "failed"];

/// What can come of a change of the key file.
const RELOADS: [&str; 3] = ["loaded", "refused", "promoted"];

/// Which limits a request can be over.
const LIMITS: [&str; 6] = ["address", "network", "client", "known", "overall", "refusals"];

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A gauge of unix time.
type Time = Gauge<f64, AtomicU64>;

/// All counters of one process.
pub struct Metrics {
    registry: Mutex<Registry>,
    started: Family<PurposeLabel, Counter>,
    ended: Family<EndLabels, Counter>,
    lost: Family<PurposeLabel, Counter>,
    verify_seconds: Family<PurposeLabel, Histogram, fn() -> Histogram>,
    mails: Family<OutcomeLabel, Counter>,
    mail_seconds: Histogram,
    limited: Family<LimitLabel, Counter>,
    store: Family<StoreLabels, Histogram, fn() -> Histogram>,
    store_up: Gauge,
    waiters: Gauge,
    waiters_limit: Gauge,
    waiters_turned_away: Family<LimitLabel, Counter>,
    http: Family<HttpLabels, Counter>,
    http_seconds: Family<RouteLabel, Traced, fn() -> Traced>,
    keyring: Family<KeyLabel, Gauge>,
    keyring_reloads: Family<OutcomeLabel, Counter>,
    keyring_good: Gauge,
    keyring_since: Time,
    ready: Gauge,
    clock: Time,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Mutex::default(),
            started: Family::default(),
            ended: Family::default(),
            lost: Family::default(),
            verify_seconds: Family::new_with_constructor(human_seconds),
            mails: Family::default(),
            mail_seconds: mail_seconds(),
            limited: Family::default(),
            store: Family::new_with_constructor(store_seconds),
            store_up: Gauge::default(),
            waiters: Gauge::default(),
            waiters_limit: Gauge::default(),
            waiters_turned_away: Family::default(),
            http: Family::default(),
            http_seconds: Family::new_with_constructor(http_seconds),
            keyring: Family::default(),
            keyring_reloads: Family::default(),
            keyring_good: Gauge::default(),
            keyring_since: Gauge::default(),
            ready: Gauge::default(),
            clock: Gauge::default(),
        };
        metrics.begin_at_zero();
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// A rate needs a value from before the first event.
    fn begin_at_zero(&self) {
        for purpose in Purpose::ALL {
            let purpose = purpose.as_str();
            drop(self.started.get_or_create(&PurposeLabel { purpose }));
            drop(self.lost.get_or_create(&PurposeLabel { purpose }));
            for outcome in ENDS {
                drop(self.ended.get_or_create(&EndLabels { purpose, outcome }));
            }
        }
        for outcome in MailOutcome::ALL {
            drop(self.mails.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }));
        }
        for outcome in RELOADS {
            drop(self.keyring_reloads.get_or_create(&OutcomeLabel { outcome }));
        }
        for limit in LIMITS {
            drop(self.limited.get_or_create(&LimitLabel { limit }));
        }
        for limit in WaiterLimit::ALL {
            drop(self.waiters_turned_away.get_or_create(&LimitLabel { limit: limit.as_str() }));
        }
    }

    fn register(&self) {
        let mut root = Registry::default();
        root.register_collector(Box::new(Process::new()));
        let registry = root.sub_registry_with_prefix("linkgate");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", version);
        registry.register("ready", "1 when /readyz answers 200", self.ready.clone());
        registry.register_with_unit(
            "clock",
            "Unix time as this replica knows it; subtract timestamp() for the difference to Prometheus",
            Unit::Seconds,
            self.clock.clone(),
        );
        self.register_attempts(registry);
        self.register_mails(registry);
        self.register_store(registry);
        self.register_http(registry);
        self.register_keyring(registry);
        *self.registry.lock().unwrap_or_else(PoisonError::into_inner) = root;
    }

    fn register_attempts(&self, registry: &mut Registry) {
        registry.register("attempts_started", "Attempts started, by purpose", self.started.clone());
        registry.register(
            "attempts_ended",
            "Attempts ended on this replica, by purpose and outcome; what expires unseen is started and never ended",
            self.ended.clone(),
        );
        registry.register(
            "attempts_lost",
            "Times a requester was told that the store has lost the attempt, by purpose",
            self.lost.clone(),
        );
        registry.register_with_unit(
            "attempt_verify",
            "Time from the start of an attempt to its confirmation",
            Unit::Seconds,
            self.verify_seconds.clone(),
        );
        registry.register("waiters", "Requests that wait for an attempt to change", self.waiters.clone());
        registry.register("waiters_limit", "How many may wait on this replica", self.waiters_limit.clone());
        registry.register(
            "waiters_turned_away",
            "Requests that were answered at once because too many waited, of the client or on the replica",
            self.waiters_turned_away.clone(),
        );
    }

    fn register_mails(&self, registry: &mut Registry) {
        registry.register("mails", "Mails handed to the relay, by outcome", self.mails.clone());
        registry.register(
            "limited",
            "Requests over a limit, by limit: address, network, client, known (a client that has verified the address), \
             overall, refusals",
            self.limited.clone(),
        );
        registry.register_with_unit(
            "mail",
            "Time until the relay has taken or refused a mail",
            Unit::Seconds,
            self.mail_seconds.clone(),
        );
    }

    fn register_store(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "store_operation",
            "Duration of store operations, by verb and outcome",
            Unit::Seconds,
            self.store.clone(),
        );
        registry.register("store_up", "1 when the last store operation was answered", self.store_up.clone());
    }

    fn register_http(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "Requests, by route pattern, method and status",
            self.http.clone(),
        );
        registry.register_with_unit(
            "http_request",
            "Duration of requests, by route pattern; long polls included",
            Unit::Seconds,
            self.http_seconds.clone(),
        );
    }

    fn register_keyring(&self, registry: &mut Registry) {
        registry.register(
            "keyring_key",
            "Keys that are accepted and published, by id: 1 for the one that signs",
            self.keyring.clone(),
        );
        registry.register(
            "keyring_reloads",
            "Times the key file was read again, by outcome",
            self.keyring_reloads.clone(),
        );
        registry.register(
            "keyring_last_reload_successful",
            "0 while the key file has a content that cannot be used",
            self.keyring_good.clone(),
        );
        registry.register_with_unit(
            "keyring_last_reload_success_timestamp",
            "When the keys in use were read",
            Unit::Seconds,
            self.keyring_since.clone(),
        );
    }

    /// All of it as text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner));
        text
    }

    /// An attempt was started.
    pub fn attempt_started(&self, purpose: Purpose) {
        self.started.get_or_create(&PurposeLabel { purpose: purpose.as_str() }).inc();
    }

    /// An attempt was verified, so long after its start.
    pub fn attempt_verified(&self, purpose: Purpose, after: TimeDelta) {
        self.attempt_ended(purpose, "verified");
        let seconds = after.to_std().unwrap_or_default().as_secs_f64();
        self.verify_seconds.get_or_create(&PurposeLabel { purpose: purpose.as_str() }).observe(seconds);
    }

    /// An attempt ended.
    pub fn attempt_ended(&self, purpose: Purpose, outcome: &'static str) {
        self.ended.get_or_create(&EndLabels { purpose: purpose.as_str(), outcome }).inc();
    }

    /// A requester was told that the store has lost the attempt.
    pub fn attempt_lost(&self, purpose: Purpose) {
        self.lost.get_or_create(&PurposeLabel { purpose: purpose.as_str() }).inc();
    }

    /// A mail was handed to the relay; it took so long.
    pub fn mail(&self, outcome: MailOutcome, took: Duration) {
        self.mails.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc();
        self.mail_seconds.observe(took.as_secs_f64());
    }

    /// A request was over this limit.
    pub fn limited(&self, limit: &'static str) {
        self.limited.get_or_create(&LimitLabel { limit }).inc();
    }

    /// A verb of the store took so long.
    pub fn store_operation(&self, operation: &'static str, answered: bool, took: Duration) {
        let outcome = if answered { "ok" } else { "unavailable" };
        self.store.get_or_create(&StoreLabels { operation, outcome }).observe(took.as_secs_f64());
        let up = i64::from(answered);
        // Other threads read it with each operation.
        if self.store_up.get() != up {
            self.store_up.set(up);
        }
    }

    /// So many wait now.
    pub fn waiters(&self, count: usize) {
        self.waiters.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// So many may wait.
    pub fn waiters_limit(&self, count: usize) {
        self.waiters_limit.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A request cannot wait: too many do already.
    pub fn waiter_turned_away(&self, limit: WaiterLimit) {
        self.waiters_turned_away.get_or_create(&LimitLabel { limit: limit.as_str() }).inc();
    }

    /// The counts of requests of a route and a method with this status.
    pub fn http_requests(&self, route: Cow<'static, str>, method: &'static str, status: u16) -> HttpRequests {
        let seconds = self.http_seconds.get_or_create_owned(&RouteLabel { route: route.clone() });
        HttpRequests { count: self.http.get_or_create_owned(&HttpLabels { route, method, status }), seconds }
    }

    /// The keys in use by their ids, with whether each signs.
    pub fn keyring(&self, keys: &[(String, bool)]) {
        // Nobody reads a ring that is half changed.
        let _held = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.keyring.clear();
        for (kid, signs) in keys {
            self.keyring.get_or_create(&KeyLabel { kid: kid.clone() }).set(i64::from(*signs));
        }
    }

    /// The keys in use were read at this time.
    pub fn keyring_read(&self, now: DateTime<Utc>) {
        self.keyring_good.set(1);
        self.keyring_since.set(unix(now));
    }

    /// The key file was read again: `loaded`, `refused`, or `promoted` when a new key begins to sign.
    pub fn keyring_reload(&self, outcome: &'static str, now: DateTime<Utc>) {
        self.keyring_reloads.get_or_create(&OutcomeLabel { outcome }).inc();
        match outcome {
            "loaded" => self.keyring_read(now),
            "refused" => {
                self.keyring_good.set(0);
            }
            _ => {}
        }
    }

    /// What is true at the moment of a scrape.
    pub fn scraped(&self, ready: bool, now: DateTime<Utc>) {
        self.ready.set(i64::from(ready));
        self.clock.set(unix(now));
    }
}

/// See [`Metrics::http_requests`].
pub struct HttpRequests {
    count: Counter,
    seconds: Traced,
}

impl HttpRequests {
    /// One more was answered.
    pub fn answered(&self, took: Duration, request_id: &str) {
        self.count.inc();
        self.seconds.observe(took.as_secs_f64(), Some(RequestLabel::new(request_id)), None);
    }
}

/// Seconds since 1970.
fn unix(at: DateTime<Utc>) -> f64 {
    Duration::from_millis(u64::try_from(at.timestamp_millis()).unwrap_or_default()).as_secs_f64()
}
