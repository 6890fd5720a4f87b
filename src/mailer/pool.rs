//! A small pool of connections: at most so many at once, reused most recent first, retired when idle.
//!
//! Knows nothing of mail. Whether a reused connection is still alive is for its user to find out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

/// What can be pooled.
pub(super) trait Connection: Send + 'static {
    /// Says goodbye, within a short time.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// The pool.
pub(super) struct Pool<C> {
    slots: Semaphore,
    max_idle: Duration,
    kept: Mutex<Kept<C>>,
}

struct Kept<C> {
    /// The connections that wait, with the time since when: oldest first.
    idle: Vec<(Instant, C)>,
    /// Whether a task is there to retire them.
    watched: bool,
}

/// The right to have one connection. Dropping it gives the right to the next who waits, in order.
pub(super) struct Slot<'a, C: Connection> {
    of: &'a Arc<Pool<C>>,
    _permit: SemaphorePermit<'a>,
}

impl<C: Connection> Pool<C> {
    /// A pool of at most `size` connections, each kept idle for about `max_idle`.
    pub(super) fn new(size: usize, max_idle: Duration) -> Arc<Self> {
        let kept = Mutex::new(Kept { idle: Vec::new(), watched: false });
        Arc::new(Self { slots: Semaphore::new(size), max_idle, kept })
    }

    /// Waits for a free slot. `None` never happens: nobody closes the pool.
    pub(super) async fn slot(self: &Arc<Self>) -> Option<Slot<'_, C>> {
        let permit = self.slots.acquire().await.ok()?;
        Some(Slot { of: self, _permit: permit })
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept<C>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the connections off that have been idle for too long (they are the first ones), and says
    /// whether others are left to watch.
    fn expired(&self) -> (Vec<C>, bool) {
        let mut kept = self.kept();
        let count = kept.idle.iter().take_while(|(since, _)| since.elapsed() >= self.max_idle).count();
        let expired = kept.idle.drain(..count).map(|(_, connection)| connection).collect();
        kept.watched = !kept.idle.is_empty();
        (expired, kept.watched)
    }

    /// Retires idle connections until none is left, or the pool is gone.
    fn watch(self: &Arc<Self>) {
        let (pool, pause) = (Arc::downgrade(self), self.max_idle / 2);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(pool) = pool.upgrade() else { return };
                let (expired, others) = pool.expired();
                drop(pool);
                for connection in expired {
                    connection.close().await;
                }
                if !others {
                    return;
                }
            }
        });
    }
}

impl<C: Connection> Slot<'_, C> {
    /// The connection that was used last, if it has not been idle for too long.
    pub(super) fn reuse(&self) -> Option<C> {
        let (since, connection) = self.of.kept().idle.pop()?;
        (since.elapsed() < self.of.max_idle).then_some(connection)
    }

    /// Keeps a connection for the next user.
    pub(super) fn give_back(self, connection: C) {
        let mut kept = self.of.kept();
        kept.idle.push((Instant::now(), connection));
        if !std::mem::replace(&mut kept.watched, true) {
            drop(kept);
            self.of.watch();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Numbered(usize, Arc<AtomicUsize>);

    impl Connection for Numbered {
        async fn close(self) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn idle_connections_are_reused_latest_first_and_closed_in_time() {
        let closed = Arc::new(AtomicUsize::new(0));
        let pool = Pool::new(2, Duration::from_millis(100));
        for n in 1..=2 {
            let slot = pool.slot().await.expect("a slot");
            slot.give_back(Numbered(n, Arc::clone(&closed)));
        }
        let slot = pool.slot().await.expect("a slot");
        assert_eq!(slot.reuse().map(|c| c.0), Some(2));
        drop(slot);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(closed.load(Ordering::Relaxed), 1);
        assert!(pool.slot().await.expect("a slot").reuse().is_none());
    }

    #[tokio::test]
    async fn who_finds_no_free_slot_waits_for_one() {
        let pool = Pool::<Numbered>::new(1, Duration::from_mins(1));
        let taken = pool.slot().await.expect("a slot");
        let waiting = tokio::time::timeout(Duration::from_millis(20), pool.slot()).await;
        assert!(waiting.is_err());
        drop(taken);
        assert!(tokio::time::timeout(Duration::from_secs(1), pool.slot()).await.is_ok());
    }
}
