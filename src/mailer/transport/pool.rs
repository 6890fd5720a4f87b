//! A small pool of connections: at most a fixed number in use, reused latest first, closed when idle for too long.
//!
//! Knows nothing of mail. The user of a reused connection finds out whether it is still alive.

use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
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
    /// With the time since when each is idle; the longest idle first.
    idle: Mutex<Vec<(Instant, C)>>,
    /// Starts the task that closes them in time, once there is a runtime and a connection.
    watch: Once,
}

impl<C: Connection> Pool<C> {
    /// A pool of at most `size` connections, each closed when it was idle for `max_idle` to one and a half times that.
    pub(super) fn new(size: usize, max_idle: Duration) -> Arc<Self> {
        let idle = Mutex::default();
        Arc::new(Self { slots: Semaphore::new(size), max_idle, idle, watch: Once::new() })
    }

    /// Waits until `deadline` for the right to use one connection. Dropping it passes the right to the next waiter, in
    /// order.
    pub(super) async fn slot(&self, deadline: Instant) -> Option<SemaphorePermit<'_>> {
        let permit = timeout_at(deadline, self.slots.acquire()).await.ok()?.ok()?;
        // A holder whose own time ran out may have freed the slot at the deadline.
        (Instant::now() < deadline).then_some(permit)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, C)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, unless it has been idle for too long.
    pub(super) fn reuse(&self) -> Option<C> {
        let (since, connection) = self.idle().pop()?;
        (since.elapsed() < self.max_idle).then_some(connection)
    }

    /// Keeps a connection for the next user, who may come as soon as the slot is dropped.
    pub(super) fn give_back(self: &Arc<Self>, connection: C) {
        self.idle().push((Instant::now(), connection));
        self.watch.call_once(|| {
            tokio::spawn(close_idle(Arc::downgrade(self), self.max_idle));
        });
    }
}

/// Closes idle connections in time, until the pool is dropped.
async fn close_idle<C: Connection>(pool: Weak<Pool<C>>, max_idle: Duration) {
    loop {
        tokio::time::sleep(max_idle / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let expired: Vec<_> = {
            let mut idle = pool.idle();
            let fresh = idle.partition_point(|(since, _)| since.elapsed() >= max_idle);
            idle.drain(..fresh).collect()
        };
        drop(pool);
        for (_, connection) in expired {
            connection.close().await;
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
            let _slot = pool.slot(soon()).await.expect("a slot");
            pool.give_back(Numbered(n, Arc::clone(&closed)));
        }
        let slot = pool.slot(soon()).await.expect("a slot");
        assert_eq!(pool.reuse().map(|c| c.0), Some(2));
        drop(slot);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(closed.load(Ordering::Relaxed), 1);
        assert!(pool.slot(soon()).await.is_some() && pool.reuse().is_none());
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
