//! The service's clock. All code reads the time here, so that tests can move it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// 1 January 9000. Expiry times beyond it still fall before the year 10,000, which four-digit years need.
const LATEST: DateTime<Utc> = DateTime::from_timestamp(221_845_392_000, 0).expect("a date");

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
        // Clamped to the times that tokens, ids and mails can represent: a wrong system clock must not make requests panic.
        shown.clamp(DateTime::UNIX_EPOCH, LATEST)
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
