//! The store of one replica: the rules of [`crate::domain::attempt`] under one lock. Nothing survives the process.
//!
//! What ends, ends by the service's clock. Knows nothing of Redis.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::broadcast;

use super::{
    AttemptStore, CHANGES_KEPT, Change, Created, PermitStore, SessionStore, StepError, Stepped, Store,
    TicketStore, Unavailable,
};
use crate::clock::Clock;
use crate::domain::attempt::{Attempt, CodeEntered, LinkState, Refusal, SignedIn, Verdict, whole_seconds};
use crate::domain::ids::{AttemptId, SessionId};
use crate::domain::secret::{ConfirmationId, Nonce, SECRET_LEN};

/// How many ended entries a write may clear away: more than one, so that they cannot pile up, and few, so that no
/// request pays for all.
const SWEEP: usize = 8;

/// Entries that end, each at its own time.
struct Shelf<K, V> {
    entries: HashMap<K, (DateTime<Utc>, V)>,
    /// When to look whether each entry has ended, the earliest first. The date of one that was replaced is put
    /// right then.
    dates: BinaryHeap<Reverse<(DateTime<Utc>, K)>>,
}

impl<K, V> Default for Shelf<K, V>
where
    K: Ord,
{
    fn default() -> Self {
        Self { entries: HashMap::new(), dates: BinaryHeap::new() }
    }
}

impl<K: Clone + Eq + Hash + Ord, V> Shelf<K, V> {
    fn get_mut(&mut self, key: &K, now: DateTime<Utc>) -> Option<(DateTime<Utc>, &mut V)> {
        self.entries.get_mut(key).filter(|(until, _)| now < *until).map(|(until, value)| (*until, value))
    }

    fn put(&mut self, key: K, value: V, until: DateTime<Utc>, now: DateTime<Utc>) {
        self.sweep(now);
        if self.entries.insert(key.clone(), (until, value)).is_none() {
            self.dates.push(Reverse((until, key)));
        }
    }

    fn sweep(&mut self, now: DateTime<Utc>) {
        for _ in 0..SWEEP {
            let due = self.dates.peek_mut().filter(|first| first.0.0 <= now).map(PeekMut::pop);
            let Some(Reverse((_, key))) = due else { return };
            match self.entries.get(&key) {
                Some((until, _)) if now < *until => self.dates.push(Reverse((*until, key))),
                _ => drop(self.entries.remove(&key)),
            }
        }
    }
}

#[derive(Default)]
struct Shelves {
    attempts: Shelf<AttemptId, Attempt>,
    /// Whether each has yet to be consumed.
    tickets: Shelf<[u8; SECRET_LEN], bool>,
    sessions: Shelf<SessionId, ()>,
    permits: Shelf<(String, u32), ()>,
}

/// The store in the process's own memory.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    changes: broadcast::Sender<Change>,
    shelves: Mutex<Shelves>,
}

impl MemoryStore {
    /// An empty store, whose entries end by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, changes: broadcast::Sender::new(CHANGES_KEPT), shelves: Mutex::default() }
    }

    /// The shelves, with the time. Nothing in here panics half-way, so a poisoned lock guards sound data.
    fn shelves(&self) -> (MutexGuard<'_, Shelves>, DateTime<Utc>) {
        (self.shelves.lock().unwrap_or_else(PoisonError::into_inner), self.clock.now())
    }

    fn publish(&self, id: AttemptId) {
        // No receiver is no error.
        let _ = self.changes.send(Change::Attempt(id));
    }

    fn step<T>(
        &self,
        id: AttemptId,
        transition: impl FnOnce(Attempt) -> Result<(Attempt, T), Refusal>,
    ) -> Result<(Stepped, T), Refusal> {
        let (mut shelves, clock) = self.shelves();
        let (_, kept) = shelves.attempts.get_mut(&id, clock).ok_or(Refusal::Lost)?;
        let (next, result) = transition(kept.clone())?;
        let changed = *kept != next;
        if changed {
            kept.clone_from(&next);
            self.publish(id);
        }
        Ok((Stepped { attempt: next, changed }, result))
    }

    fn plain_step(
        &self,
        id: AttemptId,
        transition: impl FnOnce(Attempt) -> Result<Attempt, Refusal>,
    ) -> Result<Stepped, StepError> {
        Ok(self.step(id, |attempt| Ok((transition(attempt)?, ())))?.0)
    }
}

/// A link whose times are whole seconds.
fn whole(link: &LinkState) -> LinkState {
    LinkState {
        nonce: link.nonce,
        expires_at: whole_seconds(link.expires_at),
        resend_after: whole_seconds(link.resend_after),
    }
}

/// `now + keep_for`; what is longer than time itself ends with it.
fn after(now: DateTime<Utc>, keep_for: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(keep_for)
        .ok()
        .and_then(|keep_for| now.checked_add_signed(keep_for))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[async_trait]
impl AttemptStore for MemoryStore {
    async fn create(
        &self,
        id: AttemptId,
        attempt: &Attempt,
        keep_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Created, Unavailable> {
        let (mut shelves, clock) = self.shelves();
        if let Some((_, there)) = shelves.attempts.get_mut(&id, clock) {
            if there.nonce == attempt.nonce {
                return Ok(Created::Fresh);
            }
            if !there.is_abandoned(now) {
                return Ok(Created::Exists(there.clone()));
            }
            self.publish(id);
        }
        let LinkState { nonce, expires_at, resend_after } = whole(&attempt.link());
        let (created_at, ends_at) = (whole_seconds(attempt.created_at), whole_seconds(attempt.ends_at));
        let attempt = Attempt { nonce, created_at, expires_at, ends_at, resend_after, ..attempt.clone() };
        shelves.attempts.put(id, attempt, clock + (keep_until - now), clock);
        Ok(Created::Fresh)
    }

    async fn mail_accepted(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable> {
        // A lost attempt or a newer link is no error.
        let _ = self.plain_step(id, |attempt| attempt.mail_accepted(nonce));
        Ok(())
    }

    async fn discard(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable> {
        let (mut shelves, clock) = self.shelves();
        if shelves.attempts.get_mut(&id, clock).is_some_and(|(_, there)| there.nonce == *nonce) {
            shelves.attempts.entries.remove(&id);
            self.publish(id);
        }
        Ok(())
    }

    async fn read(&self, id: AttemptId) -> Result<Option<Attempt>, Unavailable> {
        let (mut shelves, clock) = self.shelves();
        Ok(shelves.attempts.get_mut(&id, clock).map(|(_, attempt)| attempt.clone()))
    }

    async fn read_many(&self, ids: &[AttemptId]) -> Result<Vec<Option<Attempt>>, Unavailable> {
        let (mut shelves, clock) = self.shelves();
        let mut read = |id| shelves.attempts.get_mut(id, clock).map(|(_, attempt)| attempt.clone());
        Ok(ids.iter().map(&mut read).collect())
    }

    async fn settle(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        confirmation: ConfirmationId,
        verdict: &Verdict,
        now: DateTime<Utc>,
    ) -> Result<Stepped, StepError> {
        self.plain_step(id, |attempt| attempt.settle(nonce, confirmation, verdict, whole_seconds(now)))
    }

    async fn show_code(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError> {
        Ok(self.plain_step(id, |attempt| attempt.show_code(nonce, now))?.attempt)
    }

    async fn enter_code(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        right: bool,
        signed_in: Option<SignedIn>,
        now: DateTime<Utc>,
    ) -> Result<(Attempt, CodeEntered), StepError> {
        let (stepped, entered) =
            self.step(id, |attempt| attempt.enter_code(nonce, right, signed_in, whole_seconds(now)))?;
        Ok((stepped.attempt, entered))
    }

    async fn cancel(&self, id: AttemptId, now: DateTime<Utc>) -> Result<Stepped, StepError> {
        self.plain_step(id, |attempt| attempt.cancel(now))
    }

    async fn replace_link(
        &self,
        id: AttemptId,
        link: &LinkState,
        now: DateTime<Utc>,
    ) -> Result<(Attempt, LinkState), StepError> {
        let (stepped, previous) = self.step(id, |attempt| {
            let previous = attempt.link();
            Ok((attempt.replace_link(&whole(link), now)?, previous))
        })?;
        Ok((stepped.attempt, previous))
    }

    async fn restore_link(
        &self,
        id: AttemptId,
        failed: &Nonce,
        previous: &LinkState,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError> {
        Ok(self.plain_step(id, |attempt| attempt.restore_link(failed, &whole(previous), now))?.attempt)
    }

    async fn reject_mail(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError> {
        Ok(self.plain_step(id, |attempt| attempt.reject_mail(nonce, now))?.attempt)
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
}

#[async_trait]
impl TicketStore for MemoryStore {
    async fn put_ticket(&self, nonce: &Nonce, keep_for: Duration) -> Result<(), Unavailable> {
        let (mut shelves, clock) = self.shelves();
        if shelves.tickets.get_mut(nonce.as_bytes(), clock).is_none() {
            shelves.tickets.put(*nonce.as_bytes(), true, after(clock, keep_for), clock);
        }
        Ok(())
    }

    async fn consume_ticket(&self, nonce: &Nonce) -> Result<bool, Unavailable> {
        let (mut shelves, clock) = self.shelves();
        let there = shelves.tickets.get_mut(nonce.as_bytes(), clock);
        Ok(there.is_some_and(|(_, unspent)| std::mem::take(unspent)))
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn end_session(&self, id: SessionId, keep_for: Duration) -> Result<(), Unavailable> {
        let (mut shelves, clock) = self.shelves();
        shelves.sessions.put(id, (), after(clock, keep_for), clock);
        Ok(())
    }

    async fn session_ended(&self, id: SessionId) -> Result<bool, Unavailable> {
        let (mut shelves, clock) = self.shelves();
        Ok(shelves.sessions.get_mut(&id, clock).is_some())
    }
}

#[async_trait]
impl PermitStore for MemoryStore {
    async fn take_permit(&self, hash: &str, slot: u32, window: Duration) -> Result<bool, Unavailable> {
        let (mut shelves, clock) = self.shelves();
        let permit = (hash.to_owned(), slot);
        let free = shelves.permits.get_mut(&permit, clock).is_none();
        if free {
            shelves.permits.put(permit, (), after(clock, window), clock);
        }
        Ok(free)
    }

    async fn release_permit(&self, hash: &str, slot: u32) -> Result<(), Unavailable> {
        let (mut shelves, _) = self.shelves();
        shelves.permits.entries.remove(&(hash.to_owned(), slot));
        Ok(())
    }

    async fn permit_taken(&self, hash: &str, slot: u32) -> Result<Option<Duration>, Unavailable> {
        let (mut shelves, clock) = self.shelves();
        let taken = shelves.permits.get_mut(&(hash.to_owned(), slot), clock);
        Ok(taken.and_then(|(until, ())| (until - clock).to_std().ok()))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn ping(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}
