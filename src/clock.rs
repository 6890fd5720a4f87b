//! The service's clock. All code reads the time here, so that tests can move it.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::watch;

/// The first second that tokens, ids and mails can represent.
const EARLIEST: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// 1 January 9000. Expiry times beyond it still fall before the year 10,000, which four-digit years need.
const LATEST: DateTime<Utc> = DateTime::from_timestamp(221_845_392_000, 0).expect("a date");

/// Clamps to the times that tokens, ids and mails can represent: a wrong system clock must not make requests panic.
fn clamped(shown: DateTime<Utc>) -> DateTime<Utc> {
    shown.clamp(EARLIEST, LATEST)
}

/// A source of the current time, and of sleep by that time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The current time in UTC, from 1970 to the year 9000.
    fn now(&self) -> DateTime<Utc>;

    /// Returns once [`Clock::now`] has reached `instant`.
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
        clamped(shown)
    }

    async fn sleep_until(&self, instant: DateTime<Utc>) {
        // A step of the system's clock can make a sleep too short or too long: check again every minute.
        while let Ok(left) = (instant - self.now()).to_std() {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(std::time::Duration::from_mins(1))).await;
        }
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<watch::Sender<DateTime<Utc>>>);

impl ManualClock {
    /// A clock that starts at `start`.
    #[must_use]
    pub fn new(start: DateTime<Utc>) -> Self {
        Self(Arc::new(watch::Sender::new(start)))
    }

    /// Moves the clock forward (or back, with a negative duration) and wakes its sleepers.
    pub fn advance(&self, by: chrono::TimeDelta) {
        self.0.send_modify(|now| *now += by);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        clamped(*self.0.borrow())
    }

    async fn sleep_until(&self, instant: DateTime<Utc>) {
        // `self` holds the sender, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|now| clamped(*now) >= instant).await;
    }
}
