//! How often a network is refused: wrong attempt tokens, malformed links, wrong API keys and tickets.
//!
//! Counted by each replica in its own memory, minute by minute. A right token is served however many wrong ones came
//! from the same network before it, since nobody guesses a signature; an API key is not, since people choose those.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::network::Network;
use crate::http::response::problem::Code;

/// How many networks are counted in a minute. What comes from others then is not, so that memory stays bounded.
const NETWORKS: usize = 10_000;

const MINUTE: i64 = 60;

/// See the module.
pub(crate) struct Refusals {
    limit: Option<u32>,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    minute: i64,
    by_network: HashMap<Network, u32>,
}

impl Refusals {
    /// So many in a minute; `None` for any number.
    pub(crate) fn new(limit: Option<u32>) -> Self {
        Self { limit, counted: Mutex::default() }
    }

    /// Whether this problem is one to be counted.
    pub(crate) const fn counts(code: Code) -> bool {
        matches!(
            code,
            Code::AttemptTokenInvalid | Code::LinkMalformed | Code::ApiKeyInvalid | Code::TicketInvalid
        )
    }

    /// Counts one more. When it is one too many: how long until the next are counted anew.
    pub(crate) fn count(&self, network: Network, now: DateTime<Utc>) -> Option<Duration> {
        let limit = self.limit?;
        let mut counted = self.of_minute(now);
        let room = counted.by_network.len() < NETWORKS;
        let count = match counted.by_network.get_mut(&network) {
            Some(count) => count,
            None if room => counted.by_network.entry(network).or_default(),
            None => return None,
        };
        *count = count.saturating_add(1);
        (*count > limit).then(|| left(now))
    }

    /// How long this network is to wait, when it has had as many as it gets.
    pub(crate) fn spent(&self, network: Network, now: DateTime<Utc>) -> Option<Duration> {
        let limit = self.limit?;
        let count = self.of_minute(now).by_network.get(&network).copied().unwrap_or_default();
        (count >= limit).then(|| left(now))
    }

    /// The counts of this minute, which begin at nothing.
    fn of_minute(&self, now: DateTime<Utc>) -> MutexGuard<'_, Counted> {
        // No code panics while it holds the lock, and a count would be right if it did.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.timestamp().div_euclid(MINUTE);
        if counted.minute != minute {
            *counted = Counted { minute, by_network: HashMap::new() };
        }
        counted
    }
}

/// Until the next minute begins.
fn left(now: DateTime<Utc>) -> Duration {
    Duration::from_secs(u64::try_from(MINUTE - now.timestamp().rem_euclid(MINUTE)).unwrap_or_default())
}
