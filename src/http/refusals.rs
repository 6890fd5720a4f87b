//! Counts how often each network is refused: wrong attempt tokens, malformed links, wrong API keys and tickets.
//!
//! Each replica counts in its own memory, minute by minute. A valid signed token is served however many invalid ones
//! came from its network before, since nobody guesses a signature. An API key is not, since people choose those.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::network::Network;

/// How many networks are counted in a minute. Beyond that, new networks are not counted: memory stays bounded.
const MAX_NETWORKS: usize = 10_000;

const MINUTE: i64 = 60;

/// The counts of the current minute.
pub(super) struct Refusals {
    limit: Option<u32>,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    minute: i64,
    by_network: HashMap<Network, u32>,
}

impl Refusals {
    /// Allows `limit` refusals a minute; `None` for any number.
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self { limit, counted: Mutex::default() }
    }

    /// Counts one more refusal. Beyond the limit, returns how long until the next minute.
    pub(super) fn count(&self, network: Network, now: DateTime<Utc>) -> Option<Duration> {
        let limit = self.limit?;
        let mut counted = self.counted(now);
        let has_room = counted.by_network.len() < MAX_NETWORKS;
        let count = match counted.by_network.get_mut(&network) {
            Some(count) => count,
            None if has_room => counted.by_network.entry(network).or_default(),
            None => return None,
        };
        *count = count.saturating_add(1);
        (*count > limit).then(|| until_next_minute(now))
    }

    /// How long this network must wait, if it has spent its limit.
    pub(super) fn spent(&self, network: Network, now: DateTime<Utc>) -> Option<Duration> {
        let limit = self.limit?;
        let count = self.counted(now).by_network.get(&network).copied().unwrap_or_default();
        (count >= limit).then(|| until_next_minute(now))
    }

    /// The counts of this minute; those of an earlier one are dropped.
    fn counted(&self, now: DateTime<Utc>) -> MutexGuard<'_, Counted> {
        // No code panics while it holds the lock, and the counts would still be right.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.timestamp().div_euclid(MINUTE);
        if counted.minute != minute {
            *counted = Counted { minute, by_network: HashMap::new() };
        }
        counted
    }
}

fn until_next_minute(now: DateTime<Utc>) -> Duration {
    Duration::from_secs(u64::try_from(MINUTE - now.timestamp().rem_euclid(MINUTE)).unwrap_or_default())
}
