//! Those who wait for an attempt to change: a slot and a timer each, never a connection to the store.
//!
//! One task listens to the store's publications and reads what somebody here waits for, in batches. Meanwhile it reads
//! all of it every 1.5 s, little by little, so that a lost publication costs a moment, not the result, and looking for
//! lost ones does not hold up the others.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::domain::attempt::Attempt;
use crate::domain::ids::AttemptId;
use crate::domain::secret::{Fingerprint, SECRET_LEN};
use crate::metrics::{Metrics, WaiterLimit};
use crate::store::{AttemptStore, Change, Unavailable};

/// How many requests of one client may wait: its tabs. Beyond that, answers are immediate.
const PER_CLIENT: u8 = 8;

/// How many may wait on one replica.
const IN_ALL: usize = 20_000;

/// How often everything that is waited for is read again: what nobody publishes, such as a flush, is to be told within
/// two seconds.
const REREAD: Duration = Duration::from_millis(1500);

/// How many attempts are read in one batch when they have changed.
const BATCH: usize = 512;

/// How many are read in one batch when they may have: the store takes some 2 ms for it, and a change waits for no more.
const SMALL_BATCH: usize = 64;

/// What the store last said of an attempt; the outer `None` before it said anything to this slot.
type News = Option<Option<Attempt>>;

struct Slot {
    news: watch::Sender<News>,
    waiters: usize,
}

/// Who waits: a client by its fingerprint, or, where there is none, an attempt by its id.
type Waiting = [u8; SECRET_LEN];

#[derive(Default)]
struct Slots {
    by_attempt: HashMap<AttemptId, Slot>,
    by_client: HashMap<Waiting, u8>,
    waiters: usize,
}

/// See the module.
pub struct Waiters {
    store: Arc<dyn AttemptStore>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    slots: Mutex<Slots>,
    /// Held from asking the store until the answer has been passed on: an older answer must not replace a newer one.
    reading: tokio::sync::Mutex<()>,
    draining: watch::Sender<bool>,
}

/// A place among those who wait; given back when dropped.
struct Place<'w> {
    waiters: &'w Waiters,
    attempt: AttemptId,
    client: Waiting,
    news: watch::Receiver<News>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiters.leave(self.attempt, &self.client);
    }
}

impl Waiters {
    pub(super) fn new(store: Arc<dyn AttemptStore>, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        metrics.waiters_limit(IN_ALL);
        let (slots, reading, draining) =
            (Mutex::default(), tokio::sync::Mutex::default(), watch::Sender::new(false));
        Self { store, clock, metrics, slots, reading, draining }
    }

    /// Answers all who wait, now and from now on.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Whether waiting has ended for good.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Wakes waiters as the store publishes changes, and reads again every 1.5 s. Runs until it is dropped.
    pub fn serve(self: Arc<Self>) -> impl Future<Output = ()> + Send {
        let changes = self.store.changes();
        async move {
            tokio::select! {
                () = self.listen(changes) => {}
                () = self.sweep() => {}
            }
        }
    }

    /// Reads what is published to have changed. Ends with the store.
    async fn listen(&self, mut changes: broadcast::Receiver<Change>) {
        loop {
            let wanted = match changes.recv().await {
                Ok(change) => self.batch(change, &mut changes),
                Err(broadcast::error::RecvError::Lagged(_)) => self.all(),
                Err(broadcast::error::RecvError::Closed) => return,
            };
            for batch in wanted.chunks(BATCH) {
                self.refresh(batch).await;
            }
        }
    }

    /// Reads all that is waited for, in each interval once, spread over it.
    async fn sweep(&self) {
        loop {
            let begun = Instant::now();
            let all = self.all();
            let batches = u32::try_from(all.chunks(SMALL_BATCH).len()).unwrap_or(u32::MAX);
            for (batch, number) in all.chunks(SMALL_BATCH).zip(1..) {
                self.refresh(batch).await;
                tokio::time::sleep_until(begun + REREAD * number / batches).await;
            }
            tokio::time::sleep_until(begun + REREAD).await;
        }
    }

    /// The attempts to read for this change and those already behind it.
    fn batch(&self, first: Change, changes: &mut broadcast::Receiver<Change>) -> Vec<AttemptId> {
        let mut wanted = Vec::new();
        let mut next = Some(first);
        while let Some(change) = next {
            match change {
                Change::Anything => return self.all(),
                Change::Attempt(id) if self.slots().by_attempt.contains_key(&id) => wanted.push(id),
                Change::Attempt(_) => {}
            }
            next = match changes.try_recv() {
                Ok(change) => Some(change),
                Err(broadcast::error::TryRecvError::Lagged(_)) => return self.all(),
                Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => None,
            };
        }
        wanted
    }

    fn all(&self) -> Vec<AttemptId> {
        self.slots().by_attempt.keys().copied().collect()
    }

    async fn refresh(&self, ids: &[AttemptId]) {
        let _reading = self.reading.lock().await;
        // A store that does not answer is asked again at the next tick; who waits goes on waiting.
        let Ok(attempts) = self.store.read_many(ids).await else { return };
        let slots = self.slots();
        for (id, attempt) in ids.iter().zip(attempts) {
            if let Some(slot) = slots.by_attempt.get(id) {
                slot.news.send_if_modified(|news| {
                    let changed = news.as_ref() != Some(&attempt);
                    *news = Some(attempt);
                    changed
                });
            }
        }
    }

    /// The attempt as soon as `news` holds for it, or as it is after `hold`; at once when too many wait already.
    pub(super) async fn wait(
        &self,
        id: AttemptId,
        client: Option<&Fingerprint>,
        hold: Duration,
        news: impl Fn(&Option<Attempt>) -> bool,
    ) -> Result<Option<Attempt>, Unavailable> {
        let deadline = Instant::now() + hold;
        // The place is taken before the first read, so that no change falls between the two.
        let place = if hold.is_zero() { None } else { self.join(id, client) };
        let mut attempt = self.store.read(id).await?;
        let Some(mut place) = place else { return Ok(attempt) };
        let mut draining = self.draining.subscribe();
        while !news(&attempt) {
            let ends =
                attempt.as_ref().map(|attempt| attempt.expires_at).filter(|ends| self.clock.now() < *ends);
            tokio::select! {
                changed = place.news.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    if let Some(latest) = place.news.borrow_and_update().clone() {
                        attempt = latest;
                    }
                }
                // Expiry is no event in the store.
                () = async { match ends { Some(ends) => self.clock.sleep_until(ends).await, None => std::future::pending().await } } => {}
                () = tokio::time::sleep_until(deadline) => break,
                _ = draining.wait_for(|draining| *draining) => break,
            }
        }
        Ok(attempt)
    }

    /// The attempt once `news` holds for it.
    pub(super) async fn until(
        &self,
        id: AttemptId,
        news: impl Fn(&Option<Attempt>) -> bool,
    ) -> Result<Option<Attempt>, Unavailable> {
        loop {
            let attempt = self.wait(id, None, REREAD, &news).await?;
            if news(&attempt) {
                return Ok(attempt);
            }
            // There was no room to wait in.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn join(&self, attempt: AttemptId, client: Option<&Fingerprint>) -> Option<Place<'_>> {
        if self.is_draining() {
            return None;
        }
        let client = client.map_or_else(|| *attempt.uuid().as_bytes(), |client| *client.as_bytes());
        let mut slots = self.slots();
        let limit = if slots.waiters >= IN_ALL {
            Some(WaiterLimit::Replica)
        } else {
            let count = slots.by_client.get(&client).copied().unwrap_or_default();
            (count >= PER_CLIENT).then_some(WaiterLimit::Client)
        };
        if let Some(limit) = limit {
            self.metrics.waiter_turned_away(limit);
            return None;
        }
        *slots.by_client.entry(client).or_default() += 1;
        let slot = slots
            .by_attempt
            .entry(attempt)
            .or_insert_with(|| Slot { news: watch::Sender::new(None), waiters: 0 });
        slot.waiters += 1;
        let news = slot.news.subscribe();
        slots.waiters += 1;
        self.metrics.waiters(slots.waiters);
        Some(Place { waiters: self, attempt, client, news })
    }

    fn leave(&self, attempt: AttemptId, client: &Waiting) {
        let mut slots = self.slots();
        if let Some(count) = slots.by_client.get_mut(client) {
            *count -= 1;
            if *count == 0 {
                slots.by_client.remove(client);
            }
        }
        if let Some(slot) = slots.by_attempt.get_mut(&attempt) {
            slot.waiters -= 1;
            if slot.waiters == 0 {
                slots.by_attempt.remove(&attempt);
            }
        }
        slots.waiters = slots.waiters.saturating_sub(1);
        self.metrics.waiters(slots.waiters);
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // No code panics while it holds the lock, and counts would still be right if it did.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
