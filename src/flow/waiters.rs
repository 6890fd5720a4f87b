//! Requests that wait for an attempt to change. Each costs an entry in a map and a timer, never a connection to the
//! store.
//!
//! One task listens to the store's publications and reads the changed attempts that a request here waits for, in
//! batches. Every 1.5 s the same task reads all of them, in small batches spread over the interval: a lost publication
//! costs seconds and not the result, and the search for lost ones does not delay changes.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::domain::attempt::Attempt;
use crate::domain::ids::AttemptId;
use crate::domain::secret::{Fingerprint, SECRET_LEN};
use crate::metrics::{Metrics, WaiterLimit};
use crate::store::{Change, Store, Unavailable};

/// How many requests of one client may wait, one per tab. Further requests are answered immediately.
const PER_CLIENT: u8 = 8;

/// How many requests may wait on one replica.
const PER_REPLICA: usize = 20_000;

/// How often all watched attempts are read again. The store publishes no flush, for example; waiters must learn of it
/// within two seconds.
const REREAD: Duration = Duration::from_millis(1500);

/// How many changed attempts are read in one batch.
const BATCH: usize = 512;

/// How many attempts are read again in one batch. The store takes some 2 ms for it, the longest that a change has to
/// wait.
const SMALL_BATCH: usize = 64;

/// The attempt as last read; the outer `None` before the first read.
type Latest = Option<Option<Attempt>>;

/// An attempt that requests wait for.
struct Watched {
    latest: watch::Sender<Latest>,
    waiters: usize,
}

/// The party whose requests are counted: the client's fingerprint or, for an attempt without a client, the attempt's id.
type CountedFor = [u8; SECRET_LEN];

#[derive(Default)]
struct Registry {
    watched: HashMap<AttemptId, Watched>,
    counts: HashMap<CountedFor, u8>,
    waiters: usize,
}

/// The requests that wait on this replica.
pub struct Waiters {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    registry: Mutex<Registry>,
    /// Held from a read until its result has been passed on: an older result must not replace a newer one.
    reading: tokio::sync::Mutex<()>,
    draining: watch::Sender<bool>,
}

/// The entry of a waiting request. Dropping it removes the entry.
struct Waiter<'w> {
    waiters: &'w Waiters,
    attempt: AttemptId,
    counted_for: CountedFor,
    latest: watch::Receiver<Latest>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut registry = self.waiters.registry();
        if let Some(count) = registry.counts.get_mut(&self.counted_for) {
            *count -= 1;
            if *count == 0 {
                registry.counts.remove(&self.counted_for);
            }
        }
        if let Some(watched) = registry.watched.get_mut(&self.attempt) {
            watched.waiters -= 1;
            if watched.waiters == 0 {
                registry.watched.remove(&self.attempt);
            }
        }
        registry.waiters = registry.waiters.saturating_sub(1);
        self.waiters.metrics.waiters(registry.waiters);
    }
}

impl Waiters {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        metrics.waiters_limit(PER_REPLICA);
        let (registry, reading, draining) =
            (Mutex::default(), tokio::sync::Mutex::default(), watch::Sender::new(false));
        Self { store, clock, metrics, registry, reading, draining }
    }

    /// Answers all waiting requests now, and later ones immediately.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Whether [`Waiters::drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Wakes waiters when the store publishes changes, and reads all watched attempts every 1.5 s. Runs until it is
    /// dropped.
    pub fn serve(self: Arc<Self>) -> impl Future<Output = ()> + Send {
        let changes = self.store.changes();
        async move {
            tokio::select! {
                () = self.listen(changes) => {}
                () = self.sweep() => {}
            }
        }
    }

    /// Reads the attempts whose changes are published. Ends with the store.
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

    /// Reads every watched attempt once in each interval, spread over the interval.
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

    /// The watched attempts among this change and those already queued behind it.
    fn batch(&self, first: Change, changes: &mut broadcast::Receiver<Change>) -> Vec<AttemptId> {
        let mut wanted = Vec::new();
        let mut next = Some(first);
        while let Some(change) = next {
            match change {
                Change::Anything => return self.all(),
                Change::Attempt(id) if self.registry().watched.contains_key(&id) => wanted.push(id),
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
        self.registry().watched.keys().copied().collect()
    }

    async fn refresh(&self, ids: &[AttemptId]) {
        let _reading = self.reading.lock().await;
        // If the store does not answer, waiters keep waiting until the next read.
        let Ok(attempts) = self.store.read_many(ids).await else { return };
        let registry = self.registry();
        for (id, attempt) in ids.iter().zip(attempts) {
            if let Some(watched) = registry.watched.get(id) {
                watched.latest.send_if_modified(|latest| {
                    let changed = latest.as_ref() != Some(&attempt);
                    *latest = Some(attempt);
                    changed
                });
            }
        }
    }

    /// The attempt as soon as `done` holds for it, or as it is after `hold`. Immediately if too many requests wait.
    pub(super) async fn wait(
        &self,
        id: AttemptId,
        client: Option<&Fingerprint>,
        hold: Duration,
        done: impl Fn(&Option<Attempt>) -> bool,
    ) -> Result<Option<Attempt>, Unavailable> {
        let deadline = Instant::now() + hold;
        // Registers before the first read, so that no change falls between the two.
        let waiter = if hold.is_zero() { None } else { self.join(id, client) };
        let mut attempt = self.store.read(id).await?;
        let Some(mut waiter) = waiter else { return Ok(attempt) };
        let mut draining = self.draining.subscribe();
        while !done(&attempt) {
            let expiry =
                attempt.as_ref().map(|attempt| attempt.expires_at).filter(|at| self.clock.now() < *at);
            tokio::select! {
                changed = waiter.latest.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    if let Some(latest) = waiter.latest.borrow_and_update().clone() {
                        attempt = latest;
                    }
                }
                // The store publishes no expiry.
                () = self.sleep_until(expiry) => {}
                () = tokio::time::sleep_until(deadline) => break,
                _ = draining.wait_for(|draining| *draining) => break,
            }
        }
        Ok(attempt)
    }

    async fn sleep_until(&self, instant: Option<DateTime<Utc>>) {
        match instant {
            Some(instant) => self.clock.sleep_until(instant).await,
            None => std::future::pending().await,
        }
    }

    /// The attempt once `done` holds for it.
    pub(super) async fn until(
        &self,
        id: AttemptId,
        done: impl Fn(&Option<Attempt>) -> bool,
    ) -> Result<Option<Attempt>, Unavailable> {
        loop {
            let attempt = self.wait(id, None, REREAD, &done).await?;
            if done(&attempt) {
                return Ok(attempt);
            }
            // Too many requests wait already, so `wait` has returned immediately.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn join(&self, attempt: AttemptId, client: Option<&Fingerprint>) -> Option<Waiter<'_>> {
        if self.is_draining() {
            return None;
        }
        let counted_for = client.map_or_else(|| *attempt.uuid().as_bytes(), |client| *client.as_bytes());
        let mut registry = self.registry();
        let limit = if registry.waiters >= PER_REPLICA {
            Some(WaiterLimit::Replica)
        } else {
            let count = registry.counts.get(&counted_for).copied().unwrap_or_default();
            (count >= PER_CLIENT).then_some(WaiterLimit::Client)
        };
        if let Some(limit) = limit {
            self.metrics.waiter_turned_away(limit);
            return None;
        }
        *registry.counts.entry(counted_for).or_default() += 1;
        let watched = registry
            .watched
            .entry(attempt)
            .or_insert_with(|| Watched { latest: watch::Sender::new(None), waiters: 0 });
        watched.waiters += 1;
        let latest = watched.latest.subscribe();
        registry.waiters += 1;
        self.metrics.waiters(registry.waiters);
        Some(Waiter { waiters: self, attempt, counted_for, latest })
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // No code panics while it holds the lock, and the counts would still be right if it did.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
