//! How long clients wait before they try again.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The time from `now` until `instant`; see [`at_least_a_second`].
pub(super) fn time_left(instant: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    at_least_a_second((instant - now).to_std().unwrap_or_default())
}

/// `Retry-After` counts in seconds, and 0 would invite an immediate retry.
pub(super) fn at_least_a_second(left: Duration) -> Duration {
    left.max(Duration::from_secs(1))
}
