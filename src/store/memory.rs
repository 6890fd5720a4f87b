//! The store of a single replica: the rules of [`crate::domain::attempt`] under one lock. Nothing survives the process.
//! Entries expire by the service's clock.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::broadcast;

use super::{
    AttemptStore, CHANGES_KEPT, Change, Created, PermitStore, SessionStore, StepError, Stepped, Store,
    TicketStore, Unavailable,
};
use crate::clock::Clock;
use crate::domain::attempt::{Attempt, CodeEntered, LinkState, Refusal, SignedIn, Verdict, whole_seconds};
use crate::domain::ids::{AttemptId, SessionId};
use crate::domain::secret::{ConfirmationId, Nonce, SECRET_LEN};
use crate::domain::time::saturating_add;

/// How many expired entries one write removes: more than one, so that they cannot accumulate, and few, so that no request
/// pays for all.
const SWEEP: usize = 8;

/// A map whose entries expire, each at its own time.
struct ExpiringMap<K, V> {
    entries: HashMap<K, (DateTime<Utc>, V)>,
    /// When to check each entry for expiry, the earliest first. A replaced entry's new date is set at that check.
    dates: BinaryHeap<Reverse<(DateTime<Utc>, K)>>,
}

impl<K, V> Default for ExpiringMap<K, V>
where
    K: Ord,
{
    fn default() -> Self {
        Self { entries: HashMap::new(), dates: BinaryHeap::new() }
    }
}

impl<K: Clone + Eq + Hash + Ord, V> ExpiringMap<K, V> {
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
struct Records {
    attempts: ExpiringMap<AttemptId, Attempt>,
    /// The value is `true` until the ticket is consumed.
    tickets: ExpiringMap<[u8; SECRET_LEN], bool>,
    sessions: ExpiringMap<SessionId, ()>,
    permits: ExpiringMap<(String, u32), ()>,
}

/// The store in the process's memory.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    changes: broadcast::Sender<Change>,
    records: Mutex<Records>,
}

impl MemoryStore {
    /// An empty store whose entries expire by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, changes: broadcast::Sender::new(CHANGES_KEPT), records: Mutex::default() }
    }

    /// The records and the time. No operation panics half-way, so the data behind a poisoned lock is sound.
    fn lock(&self) -> (MutexGuard<'_, Records>, DateTime<Utc>) {
        (self.records.lock().unwrap_or_else(PoisonError::into_inner), self.clock.now())
    }

    fn publish(&self, id: AttemptId) {
        // Fails if nobody is subscribed.
        let _ = self.changes.send(Change::Attempt(id));
    }

    fn step<T>(
        &self,
        id: AttemptId,
        transition: impl FnOnce(Attempt) -> Result<(Attempt, T), Refusal>,
    ) -> Result<(Stepped, T), Refusal> {
        let (mut records, clock) = self.lock();
        let (_, kept) = records.attempts.get_mut(&id, clock).ok_or(Refusal::Lost)?;
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

/// The link with its times in whole seconds.
fn whole(link: &LinkState) -> LinkState {
    LinkState {
        nonce: link.nonce,
        expires_at: whole_seconds(link.expires_at),
        resend_after: whole_seconds(link.resend_after),
    }
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
        let (mut records, clock) = self.lock();
        if let Some((_, there)) = records.attempts.get_mut(&id, clock) {
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
        records.attempts.put(id, attempt, clock + (keep_until - now), clock);
        Ok(Created::Fresh)
    }

    async fn mail_accepted(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable> {
        // A lost attempt or a newer link is not an error.
        let _ = self.plain_step(id, |attempt| attempt.mail_accepted(nonce));
        Ok(())
    }

    async fn discard(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable> {
        let (mut records, clock) = self.lock();
        if records.attempts.get_mut(&id, clock).is_some_and(|(_, there)| there.nonce == *nonce) {
            records.attempts.entries.remove(&id);
            self.publish(id);
        }
        Ok(())
    }

    async fn read(&self, id: AttemptId) -> Result<Option<Attempt>, Unavailable> {
        let (mut records, clock) = self.lock();
        Ok(records.attempts.get_mut(&id, clock).map(|(_, attempt)| attempt.clone()))
    }

    async fn read_many(&self, ids: &[AttemptId]) -> Result<Vec<Option<Attempt>>, Unavailable> {
        let (mut records, clock) = self.lock();
        Ok(ids
            .iter()
            .map(|id| records.attempts.get_mut(id, clock).map(|(_, attempt)| attempt.clone()))
            .collect())
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
        let (mut records, clock) = self.lock();
        if records.tickets.get_mut(nonce.as_bytes(), clock).is_none() {
            records.tickets.put(*nonce.as_bytes(), true, saturating_add(clock, keep_for), clock);
        }
        Ok(())
    }

    async fn consume_ticket(&self, nonce: &Nonce) -> Result<bool, Unavailable> {
        let (mut records, clock) = self.lock();
        let there = records.tickets.get_mut(nonce.as_bytes(), clock);
        Ok(there.is_some_and(|(_, unspent)| std::mem::take(unspent)))
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn end_session(&self, id: SessionId, keep_for: Duration) -> Result<(), Unavailable> {
        let (mut records, clock) = self.lock();
        records.sessions.put(id, (), saturating_add(clock, keep_for), clock);
        Ok(())
    }

    async fn session_ended(&self, id: SessionId) -> Result<bool, Unavailable> {
        let (mut records, clock) = self.lock();
        Ok(records.sessions.get_mut(&id, clock).is_some())
    }
}

#[async_trait]
impl PermitStore for MemoryStore {
    async fn take_permit(&self, hash: &str, slot: u32, window: Duration) -> Result<bool, Unavailable> {
        let (mut records, clock) = self.lock();
        let permit = (hash.to_owned(), slot);
        let free = records.permits.get_mut(&permit, clock).is_none();
        if free {
            records.permits.put(permit, (), saturating_add(clock, window), clock);
        }
        Ok(free)
    }

    async fn release_permit(&self, hash: &str, slot: u32) -> Result<(), Unavailable> {
        let (mut records, _) = self.lock();
        records.permits.entries.remove(&(hash.to_owned(), slot));
        Ok(())
    }

    async fn permit_taken(&self, hash: &str, slot: u32) -> Result<Option<Duration>, Unavailable> {
        let (mut records, clock) = self.lock();
        let taken = records.permits.get_mut(&(hash.to_owned(), slot), clock);
        Ok(taken.and_then(|(until, ())| (until - clock).to_std().ok()))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn ping(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}
