//! How long mails take, so that a recipient that the relay rejects costs as long as one that it accepts: who waits for
//! the same answer either way must not read the difference off a clock.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::token::fresh_bytes;

/// How many accepted mails are remembered.
const REMEMBERED: usize = 64;

/// By so much timers are late on average: they count in milliseconds, and round up.
const LATE: Duration = Duration::from_millis(1);

/// The durations of the last mails that the relay accepted.
#[derive(Default)]
pub(super) struct Pace(Mutex<VecDeque<Duration>>);

impl Pace {
    /// A mail was accepted after so long.
    pub(super) fn accepted(&self, took: Duration) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == REMEMBERED {
            recent.pop_front();
        }
        recent.push_back(took);
    }

    /// Until when a rejection is to wait that began with the mail: as long as one of them took, picked at random. What is
    /// drawn so is distributed as they are, and no average would be. Zero before the first.
    pub(super) fn usual(&self) -> Duration {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::from(fresh_bytes::<1>()[0]) * recent.len() / 256;
        recent.get(at).copied().unwrap_or_default().saturating_sub(LATE)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_usual_is_one_of_the_last_accepted_mails_and_any_of_them() {
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
