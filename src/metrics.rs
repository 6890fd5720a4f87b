//! What the service counts, in OpenMetrics text for Prometheus.
//!
//! No label names a person: purposes, outcomes, verbs, route patterns and status codes only.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::policy::Purpose;

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PurposeLabel {
    purpose: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndLabels {
    purpose: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LimitLabel {
    limit: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StoreLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HttpLabels {
    route: String,
    method: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

/// All counters of one process.
pub struct Metrics {
    registry: Mutex<Registry>,
    started: Family<PurposeLabel, Counter>,
    ended: Family<EndLabels, Counter>,
    verify_seconds: Family<PurposeLabel, Histogram, fn() -> Histogram>,
    mails: Family<OutcomeLabel, Counter>,
    limited: Family<LimitLabel, Counter>,
    store: Family<StoreLabels, Histogram, fn() -> Histogram>,
    store_up: Gauge,
    waiters: Gauge,
    http: Family<HttpLabels, Counter>,
    http_seconds: Family<RouteLabel, Histogram, fn() -> Histogram>,
    keyring_reloads: Family<OutcomeLabel, Counter>,
}

/// From a click in the same second to the longest link.
fn human_seconds() -> Histogram {
    Histogram::new([2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 3600.0])
}

/// From a local Redis to the time-out of one verb.
fn store_seconds() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5])
}

/// From a plain poll to a long one.
fn http_seconds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0])
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Mutex::default(),
            started: Family::default(),
            ended: Family::default(),
            verify_seconds: Family::new_with_constructor(human_seconds),
            mails: Family::default(),
            limited: Family::default(),
            store: Family::new_with_constructor(store_seconds),
            store_up: Gauge::default(),
            waiters: Gauge::default(),
            http: Family::default(),
            http_seconds: Family::new_with_constructor(http_seconds),
            keyring_reloads: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&self) {
        let mut registry = Registry::with_prefix("linkgate");
        registry.register("attempts_started", "Attempts started, by purpose", self.started.clone());
        registry.register(
            "attempts_ended",
            "Attempts ended on this replica, by purpose and outcome; what expires unseen is started and never ended",
            self.ended.clone(),
        );
        registry.register_with_unit(
            "attempt_verify",
            "Time from the start of an attempt to its confirmation",
            Unit::Seconds,
            self.verify_seconds.clone(),
        );
        registry.register("mails", "Mails handed to the relay, by outcome", self.mails.clone());
        registry.register(
            "limited",
            "Requests over a limit, by limit: address, network, client, known (a client that has verified the address), \
             overall, refusals",
            self.limited.clone(),
        );
        registry.register_with_unit(
            "store_operation",
            "Duration of store operations, by verb and outcome",
            Unit::Seconds,
            self.store.clone(),
        );
        registry.register("store_up", "1 when the last store operation was answered", self.store_up.clone());
        registry.register("waiters", "Requests that wait for an attempt to change", self.waiters.clone());
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
        registry.register(
            "keyring_reloads",
            "Times the key file was read again, by outcome",
            self.keyring_reloads.clone(),
        );
        *self.registry.lock().unwrap_or_else(PoisonError::into_inner) = registry;
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

    /// A mail was `accepted` or `rejected`, or the relay was `unavailable`.
    pub fn mail(&self, outcome: &'static str) {
        self.mails.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// A request was over this limit.
    pub fn limited(&self, limit: &'static str) {
        self.limited.get_or_create(&LimitLabel { limit }).inc();
    }

    /// A verb of the store took so long.
    pub fn store_operation(&self, operation: &'static str, answered: bool, took: Duration) {
        let outcome = if answered { "ok" } else { "unavailable" };
        self.store.get_or_create(&StoreLabels { operation, outcome }).observe(took.as_secs_f64());
        self.store_up.set(i64::from(answered));
    }

    /// So many wait now.
    pub fn waiters(&self, count: usize) {
        self.waiters.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A request was answered.
    pub fn http_request(&self, route: &str, method: &str, status: u16, took: Duration) {
        let labels = HttpLabels { route: route.to_owned(), method: method.to_owned(), status };
        self.http.get_or_create(&labels).inc();
        self.http_seconds.get_or_create(&RouteLabel { route: route.to_owned() }).observe(took.as_secs_f64());
    }

    /// The key file was read again: `loaded`, `refused`, or `promoted` when a new key begins to sign.
    pub fn keyring_reload(&self, outcome: &'static str) {
        self.keyring_reloads.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}
