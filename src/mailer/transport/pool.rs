//! A small pool of connections: at most a fixed number in use, reused latest first, closed when idle for too long.
//!
//! Knows nothing of mail. The user of a reused connection finds out whether it is still alive.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// A connection that can be pooled.
pub(super) trait Connection: Send + 'static {
    /// Takes leave of the other side, within a short time.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// See the module.
pub(super) struct Pool<C> {
    slots: Semaphore,
    max_idle: Duration,
    idle: Mutex<Idle<C>>,
}

struct Idle<C> {
    /// With the time since when each is idle; the longest idle first.
    connections: Vec<(Instant, C)>,
    /// Whether a task runs that closes them in time.
    watched: bool,
}

/// The right to use one connection. Dropping it passes the right to the next waiter, in order.
pub(super) struct Slot<'a, C: Connection> {
    pool: &'a Arc<Pool<C>>,
    _permit: SemaphorePermit<'a>,
}

impl<C: Connection> Pool<C> {
    /// A pool of at most `size` connections, each closed when it was idle for `max_idle` to one and a half times that.
    pub(super) fn new(size: usize, max_idle: Duration) -> Arc<Self> {
        let idle = Mutex::new(Idle { connections: Vec::new(), watched: false });
        Arc::new(Self { slots: Semaphore::new(size), max_idle, idle })
    }

    /// Waits for a free slot until `deadline`.
    pub(super) async fn slot(self: &Arc<Self>, deadline: Instant) -> Option<Slot<'_, C>> {
        let permit = timeout_at(deadline, self.slots.acquire()).await.ok()?.ok()?;
        // A holder whose own time ran out may have freed the slot at the deadline.
        (Instant::now() < deadline).then_some(Slot { pool: self, _permit: permit })
    }

    fn idle(&self) -> MutexGuard<'_, Idle<C>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes idle connections in time, until none is left or the pool is dropped.
    fn watch(self: &Arc<Self>) {
        let (pool, pause) = (Arc::downgrade(self), self.max_idle / 2);
        tokio::spawn(async move {
            let mut watched = true;
            while watched {
                tokio::time::sleep(pause).await;
                let Some(pool) = pool.upgrade() else { return };
                let expired: Vec<_> = {
                    let mut idle = pool.idle();
                    let fresh =
                        idle.connections.partition_point(|(since, _)| since.elapsed() >= pool.max_idle);
                    let expired = idle.connections.drain(..fresh).collect();
                    watched = !idle.connections.is_empty();
                    idle.watched = watched;
                    expired
                };
                drop(pool);
                for (_, connection) in expired {
                    connection.close().await;
                }
            }
        });
    }
}

impl<C: Connection> Slot<'_, C> {
    /// The connection that was used last, unless it has been idle for too long.
    pub(super) fn reuse(&self) -> Option<C> {
        let (since, connection) = self.pool.idle().connections.pop()?;
        (since.elapsed() < self.pool.max_idle).then_some(connection)
    }

    /// Keeps a connection for the next user.
    pub(super) fn give_back(self, connection: C) {
        let mut idle = self.pool.idle();
        idle.connections.push((Instant::now(), connection));
        if !std::mem::replace(&mut idle.watched, true) {
            drop(idle);
            self.pool.watch();
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

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test]
    async fn idle_connections_are_reused_latest_first_and_closed_in_time() {
        let closed = Arc::new(AtomicUsize::new(0));
        let pool = Pool::new(2, Duration::from_millis(100));
        for n in 1..=2 {
            let slot = pool.slot(soon()).await.expect("a slot");
            slot.give_back(Numbered(n, Arc::clone(&closed)));
        }
        let slot = pool.slot(soon()).await.expect("a slot");
        assert_eq!(slot.reuse().map(|c| c.0), Some(2));
        drop(slot);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(closed.load(Ordering::Relaxed), 1);
        assert!(pool.slot(soon()).await.expect("a slot").reuse().is_none());
    }

    #[tokio::test]
    async fn a_user_without_a_free_slot_waits_for_one_until_its_deadline() {
        let pool = Pool::<Numbered>::new(1, Duration::from_mins(1));
        let taken = pool.slot(soon()).await.expect("a slot");
        assert!(pool.slot(Instant::now() + Duration::from_millis(20)).await.is_none());
        drop(taken);
        assert!(pool.slot(soon()).await.is_some());
    }
}
