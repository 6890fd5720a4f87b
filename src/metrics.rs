//! The metrics of the service, as OpenMetrics text for Prometheus.
//!
//! No label identifies a person: labels are purposes, outcomes, verbs, route patterns, status codes and key ids.
//! Exemplars name request ids, as the log does.

mod labels;
mod outcomes;
mod process;

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
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::domain::policy::Purpose;

pub use self::labels::LONGEST_REQUEST_ID;
pub use self::outcomes::{AttemptEnd, KeyringReload, LimitScope, MailOutcome, StoreOutcome, WaiterLimit};

use self::labels::{
    HttpLabels, RequestLabel, Traced, http_seconds, human_seconds, mail_seconds, store_seconds,
};
use self::process::Process;

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A gauge of Unix time.
type Time = Gauge<f64, AtomicU64>;

/// Names and values of `N` labels. The values are words of the code, unless `V` says otherwise.
type Labels<const N: usize, V = &'static str> = [(&'static str, V); N];

type Counters<const N: usize> = Family<Labels<N>, Counter>;

type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// All metrics of one process.
pub struct Metrics {
    registry: Mutex<Registry>,
    attempts: Attempts,
    mails: Counters<1>,
    mail_seconds: Histogram,
    limited: Counters<1>,
    store: Histograms<2>,
    store_up: Gauge,
    http: Family<HttpLabels, Counter>,
    http_seconds: Family<Labels<1, Cow<'static, str>>, Traced, fn() -> Traced>,
    keyring: Keyring,
    ready: Gauge,
    clock: Time,
}

struct Attempts {
    started: Counters<1>,
    ended: Counters<2>,
    lost: Counters<1>,
    verify_seconds: Histograms<1>,
    waiters: Gauge,
    waiters_limit: Gauge,
    waiters_turned_away: Counters<1>,
}

struct Keyring {
    keys: Family<Labels<1, String>, Gauge>,
    reloads: Counters<1>,
    good: Gauge,
    since: Time,
}

/// Registers metrics as it makes them.
struct Registrar<'r>(&'r mut Registry);

impl Registrar<'_> {
    fn add<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    /// Counters by labels whose values are known. A rate needs a value from before the first event, so all series exist
    /// from the start.
    fn add_counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = Labels<N>>,
    ) -> Counters<N> {
        let counters: Counters<N> = self.add(name, help);
        for labels in series {
            drop(counters.get_or_create(&labels));
        }
        counters
    }

    fn add_seconds<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register_with_unit(name, help, Unit::Seconds, metric.clone());
        metric
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut root = Registry::default();
        root.register_collector(Box::new(Process::new()));
        let registry = root.sub_registry_with_prefix("linkgate");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running version", version);
        let mut registrar = Registrar(registry);
        let r = &mut registrar;
        Self {
            ready: r.add("ready", "1 if /readyz answers 200"),
            clock: r.add_seconds(
                "clock",
                "Unix time of this replica; subtract timestamp() for the difference to Prometheus",
                Time::default(),
            ),
            attempts: Attempts::new(r),
            mails: r.add_counters(
                "mails",
                "Mails handed to the relay, by outcome",
                MailOutcome::WORDS.map(|outcome| [("outcome", outcome)]),
            ),
            mail_seconds: r.add_seconds(
                "mail",
                "Time until the relay accepted or rejected a mail",
                mail_seconds(),
            ),
            limited: r.add_counters(
                "limited",
                "Requests over a limit, by limit: address, network, client, known (a client that has \
                 verified the address), overall, refusals",
                LimitScope::WORDS.map(|limit| [("limit", limit)]),
            ),
            store: r.add_seconds(
                "store_operation",
                "Duration of store operations, by verb and outcome",
                Family::new_with_constructor(store_seconds),
            ),
            store_up: r.add("store_up", "1 if the store answered the last operation"),
            http: r.add("http_requests", "Requests, by route pattern, method and status"),
            http_seconds: r.add_seconds(
                "http_request",
                "Duration of requests, by route pattern; long polls included",
                Family::new_with_constructor(http_seconds),
            ),
            keyring: Keyring::new(r),
            registry: Mutex::new(root),
        }
    }
}

impl Attempts {
    fn new(r: &mut Registrar<'_>) -> Self {
        let ended = |purpose| AttemptEnd::WORDS.map(|end| [("purpose", purpose), ("outcome", end)]);
        Self {
            started: r.add_counters(
                "attempts_started",
                "Attempts started, by purpose",
                Purpose::WORDS.map(|purpose| [("purpose", purpose)]),
            ),
            ended: r.add_counters(
                "attempts_ended",
                "Attempts ended on this replica, by purpose and outcome; attempts that expire unseen are \
                 started and never ended",
                Purpose::WORDS.into_iter().flat_map(ended),
            ),
            lost: r.add_counters(
                "attempts_lost",
                "Requesters that learned that the store has lost their attempt, by purpose",
                Purpose::WORDS.map(|purpose| [("purpose", purpose)]),
            ),
            verify_seconds: r.add_seconds(
                "attempt_verify",
                "Time from the start of an attempt to its confirmation",
                Family::new_with_constructor(human_seconds),
            ),
            waiters: r.add("waiters", "Requests waiting for an attempt to change"),
            waiters_limit: r.add("waiters_limit", "How many requests may wait on this replica"),
            waiters_turned_away: r.add_counters(
                "waiters_turned_away",
                "Requests answered at once because too many were waiting, of the client or on the replica",
                WaiterLimit::WORDS.map(|limit| [("limit", limit)]),
            ),
        }
    }
}

impl Keyring {
    fn new(r: &mut Registrar<'_>) -> Self {
        Self {
            keys: r.add("keyring_key", "Accepted and published keys, by id: 1 for the signing key"),
            reloads: r.add_counters(
                "keyring_reloads",
                "Reloads of the key file, by outcome",
                KeyringReload::WORDS.map(|outcome| [("outcome", outcome)]),
            ),
            good: r.add("keyring_last_reload_successful", "0 while the content of the key file is invalid"),
            since: r.add_seconds(
                "keyring_last_reload_success_timestamp",
                "When the keys in use were read",
                Time::default(),
            ),
        }
    }
}

impl Metrics {
    /// All metrics as text of type [`CONTENT_TYPE`].
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner));
        text
    }

    /// Counts a started attempt.
    pub fn attempt_started(&self, purpose: Purpose) {
        self.attempts.started.get_or_create(&[("purpose", purpose.as_str())]).inc();
    }

    /// Counts an attempt that was verified this long after its start.
    pub fn attempt_verified(&self, purpose: Purpose, after: TimeDelta) {
        self.attempt_ended(purpose, AttemptEnd::Verified);
        let seconds = after.to_std().unwrap_or_default().as_secs_f64();
        self.attempts.verify_seconds.get_or_create(&[("purpose", purpose.as_str())]).observe(seconds);
    }

    /// Counts an ended attempt.
    pub fn attempt_ended(&self, purpose: Purpose, end: AttemptEnd) {
        let labels = [("purpose", purpose.as_str()), ("outcome", end.as_str())];
        self.attempts.ended.get_or_create(&labels).inc();
    }

    /// Counts a requester that learned that the store has lost the attempt.
    pub fn attempt_lost(&self, purpose: Purpose) {
        self.attempts.lost.get_or_create(&[("purpose", purpose.as_str())]).inc();
    }

    /// Counts a mail handed to the relay, and the time until its answer.
    pub fn mail(&self, outcome: MailOutcome, took: Duration) {
        self.mails.get_or_create(&[("outcome", outcome.as_str())]).inc();
        self.mail_seconds.observe(took.as_secs_f64());
    }

    /// Counts a request over this limit.
    pub fn limited(&self, scope: LimitScope) {
        self.limited.get_or_create(&[("limit", scope.as_str())]).inc();
    }

    /// Counts an operation of the store and its duration.
    pub fn store_operation(&self, operation: &'static str, outcome: StoreOutcome, took: Duration) {
        let up = i64::from(outcome == StoreOutcome::Ok);
        let labels = [("operation", operation), ("outcome", outcome.as_str())];
        self.store.get_or_create(&labels).observe(took.as_secs_f64());
        self.store_up.set(up);
    }

    /// Sets how many requests wait now.
    pub fn waiters(&self, count: usize) {
        self.attempts.waiters.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Sets how many requests may wait.
    pub fn waiters_limit(&self, count: usize) {
        self.attempts.waiters_limit.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts a request that cannot wait, because too many wait already.
    pub fn waiter_turned_away(&self, limit: WaiterLimit) {
        self.attempts.waiters_turned_away.get_or_create(&[("limit", limit.as_str())]).inc();
    }

    /// Counts an answered request. `route` is the pattern, never the path; `request_id` becomes an exemplar.
    pub fn answered(
        &self,
        route: Cow<'static, str>,
        method: &'static str,
        status: u16,
        took: Duration,
        request_id: &str,
    ) {
        let seconds = self.http_seconds.get_or_create(&[("route", route.clone())]);
        seconds.observe(took.as_secs_f64(), Some(RequestLabel::new(request_id)), None);
        drop(seconds);
        self.http.get_or_create(&HttpLabels { route, method, status }).inc();
    }

    /// Sets the ids of the keys in use, each with whether it signs.
    pub fn keyring(&self, keys: &[(String, bool)]) {
        // A scrape takes this lock, too, so it never sees a half-changed ring.
        let _held = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.keyring.keys.clear();
        for (kid, signs) in keys {
            self.keyring.keys.get_or_create(&[("kid", kid.clone())]).set(i64::from(*signs));
        }
    }

    /// Sets when the keys in use were read.
    pub fn keyring_read(&self, now: DateTime<Utc>) {
        self.keyring.good.set(1);
        self.keyring.since.set(unix(now));
    }

    /// Counts a reload of the key file.
    pub fn keyring_reload(&self, reload: KeyringReload, now: DateTime<Utc>) {
        self.keyring.reloads.get_or_create(&[("outcome", reload.as_str())]).inc();
        match reload {
            KeyringReload::Loaded => self.keyring_read(now),
            KeyringReload::Refused => drop(self.keyring.good.set(0)),
            KeyringReload::Promoted => {}
        }
    }

    /// Sets the gauges that hold for the moment of a scrape.
    pub fn scraped(&self, ready: bool, now: DateTime<Utc>) {
        self.ready.set(i64::from(ready));
        self.clock.set(unix(now));
    }
}

/// Seconds since 1970.
fn unix(at: DateTime<Utc>) -> f64 {
    Duration::from_millis(u64::try_from(at.timestamp_millis()).unwrap_or_default()).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exemplars_truncate_only_ids_over_the_longest() {
        for (request_id, named) in [
            ("a".repeat(64), "a".repeat(64)),
            ("b".repeat(65), "b".repeat(64)),
            ("aé".repeat(22), "aé".repeat(21) + "a"),
        ] {
            let metrics = Metrics::default();
            metrics.answered("/".into(), "GET", 200, Duration::ZERO, &request_id);
            let text = metrics.render();
            assert!(text.contains(&format!("# {{request_id=\"{named}\"}} ")), "{text}");
        }
    }
}
