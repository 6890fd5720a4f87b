//! The service's clock. Everything that asks for the time asks here, so that tests can move it.
//!
//! Knows nothing of tokens, attempts or HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::watch;

/// The first second that tokens, ids and mails can name.
const EARLIEST: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// 1 January 9000, which leaves room before the year 10,000 for everything that lives from then on.
const LATEST: DateTime<Utc> = DateTime::from_timestamp(221_845_392_000, 0).expect("a date");

/// The nearest time that everything can name: a clock that has gone astray must not take a request down with it.
fn nearest(shown: DateTime<Utc>) -> DateTime<Utc> {
    shown.clamp(EARLIEST, LATEST)
}

/// A source of the present time, and of sleep that follows it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present instant, in UTC, never before 1970 nor after the year 9000.
    fn now(&self) -> DateTime<Utc>;

    /// Returns when [`Clock::now`] has reached `instant`.
    async fn sleep_until(&self, instant: DateTime<Utc>);
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
        let shown = Utc::now();
        nearest(shown)
    }

    async fn sleep_until(&self, instant: DateTime<Utc>) {
        // A step of the system's clock may make a sleep too short or too long: look again each minute.
        while let Ok(left) = (instant - self.now()).to_std() {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(std::time::Duration::from_mins(1))).await;
        }
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<watch::Sender<DateTime<Utc>>>);

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn new(start: DateTime<Utc>) -> Self {
        Self(Arc::new(watch::Sender::new(start)))
    }

    /// Moves the clock forward (or back, with a negative duration) and wakes those who sleep on it.
    pub fn advance(&self, by: chrono::TimeDelta) {
        self.0.send_modify(|now| *now += by);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        nearest(*self.0.borrow())
    }

    async fn sleep_until(&self, instant: DateTime<Utc>) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|now| nearest(*now) >= instant).await;
    }
}
