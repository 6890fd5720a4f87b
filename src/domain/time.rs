//! Arithmetic on times that cannot overflow.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// `instant + duration`, or the last instant that chrono can represent.
#[must_use]
pub fn saturating_add(instant: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(duration)
        .ok()
        .and_then(|delta| instant.checked_add_signed(delta))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
