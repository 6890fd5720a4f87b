//! How long mails take.
//!
//! A browser gets the same answer whether the relay accepts or rejects the recipient. A rejection is delayed to take as
//! long as an acceptance, so that the time does not reveal which mailboxes exist.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::token::fresh_bytes;

/// How many accepted mails are remembered.
const REMEMBERED: usize = 64;

/// Timers count in milliseconds and round up: on average they fire this late.
const TIMER_DELAY: Duration = Duration::from_millis(1);

/// The durations of the last mails that the relay accepted.
#[derive(Default)]
pub(super) struct Pace(Mutex<VecDeque<Duration>>);

impl Pace {
    /// Remembers how long an accepted mail took.
    pub(super) fn accepted(&self, took: Duration) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == REMEMBERED {
            recent.pop_front();
        }
        recent.push_back(took);
    }

    /// How long a rejection takes in all: as long as one of the remembered mails, picked at random. These durations
    /// have the distribution of the accepted mails; an average would not. Zero before the first accepted mail.
    pub(super) fn usual(&self) -> Duration {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::from(fresh_bytes::<1>()[0]) * recent.len() / 256;
        recent.get(at).copied().unwrap_or_default().saturating_sub(TIMER_DELAY)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_rejection_takes_as_long_as_any_one_of_the_last_accepted_mails() {
        let pace = Pace::default();
        assert_eq!(pace.usual(), Duration::ZERO);
        for millis in 0..200 {
            pace.accepted(Duration::from_millis(millis));
        }
        let drawn: BTreeSet<Duration> = (0..5000).map(|_| pace.usual()).collect();
        let last: BTreeSet<Duration> = (135..199).map(Duration::from_millis).collect();
        assert_eq!(drawn, last);
    }
}
