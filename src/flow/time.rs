//! Whole seconds: the unit in which tokens, the store and clients count time.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clock::Clock;
use crate::domain::attempt::whole_seconds;

/// The present time without its fraction of a second.
pub(super) fn now_secs(clock: &dyn Clock) -> DateTime<Utc> {
    whole_seconds(clock.now())
}

/// The time from `now` until `instant`; see [`at_least_a_second`].
pub(super) fn time_left(instant: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    at_least_a_second((instant - now).to_std().unwrap_or_default())
}

/// `Retry-After` counts in seconds, and 0 would invite an immediate retry.
pub(super) fn at_least_a_second(left: Duration) -> Duration {
    left.max(Duration::from_secs(1))
}
