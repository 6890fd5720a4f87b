//! Whether this replica can serve.

use std::sync::Arc;

use super::waiters::Waiters;
use crate::store::Store;

/// What the probes ask for.
pub struct Health {
    pub(super) store: Arc<dyn Store>,
    pub(super) waiters: Arc<Waiters>,
}

impl Health {
    /// Whether the store answers.
    pub async fn store_answers(&self) -> bool {
        self.store.ping().await.is_ok()
    }

    /// Whether the replica is shutting down and accepts no more waiting requests.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.waiters.is_draining()
    }
}
