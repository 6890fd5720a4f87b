//! Any store, with each verb counted and timed.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::broadcast;

use super::{
    AttemptStore, Change, Created, PermitStore, SessionStore, StepError, Stepped, Store, TicketStore,
    Unavailable,
};
use crate::domain::attempt::{Attempt, CodeEntered, LinkState, SignedIn, Verdict};
use crate::domain::ids::{AttemptId, SessionId};
use crate::domain::secret::{ConfirmationId, Nonce};
use crate::metrics::Metrics;

/// See the module.
pub struct Measured {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
}

impl Measured {
    /// Measures `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Self {
        Self { store, metrics }
    }

    async fn time<T, E: Answered>(
        &self,
        operation: &'static str,
        verb: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let result = verb.await;
        let answered = result.as_ref().err().is_none_or(Answered::answered);
        self.metrics.store_operation(operation, answered, begun.elapsed());
        result
    }
}

/// Whether an error is an answer of the store.
trait Answered {
    fn answered(&self) -> bool;
}

impl Answered for Unavailable {
    fn answered(&self) -> bool {
        false
    }
}

impl Answered for StepError {
    fn answered(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

#[async_trait]
impl AttemptStore for Measured {
    async fn create(
        &self,
        id: AttemptId,
        attempt: &Attempt,
        keep_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Created, Unavailable> {
        self.time("create", self.store.create(id, attempt, keep_until, now)).await
    }

    async fn mail_accepted(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable> {
        self.time("mail_accepted", self.store.mail_accepted(id, nonce)).await
    }

    async fn discard(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable> {
        self.time("discard", self.store.discard(id, nonce)).await
    }

    async fn read(&self, id: AttemptId) -> Result<Option<Attempt>, Unavailable> {
        self.time("read", self.store.read(id)).await
    }

    async fn read_many(&self, ids: &[AttemptId]) -> Result<Vec<Option<Attempt>>, Unavailable> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.time("read_many", self.store.read_many(ids)).await
    }

    async fn settle(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        confirmation: ConfirmationId,
        verdict: &Verdict,
        now: DateTime<Utc>,
    ) -> Result<Stepped, StepError> {
        self.time("settle", self.store.settle(id, nonce, confirmation, verdict, now)).await
    }

    async fn show_code(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError> {
        self.time("show_code", self.store.show_code(id, nonce, now)).await
    }

    async fn enter_code(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        right: bool,
        signed_in: Option<SignedIn>,
        now: DateTime<Utc>,
    ) -> Result<(Attempt, CodeEntered), StepError> {
        self.time("enter_code", self.store.enter_code(id, nonce, right, signed_in, now)).await
    }

    async fn cancel(&self, id: AttemptId, now: DateTime<Utc>) -> Result<Stepped, StepError> {
        self.time("cancel", self.store.cancel(id, now)).await
    }

    async fn replace_link(
        &self,
        id: AttemptId,
        link: &LinkState,
        now: DateTime<Utc>,
    ) -> Result<(Attempt, LinkState), StepError> {
        self.time("replace_link", self.store.replace_link(id, link, now)).await
    }

    async fn restore_link(
        &self,
        id: AttemptId,
        failed: &Nonce,
        previous: &LinkState,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError> {
        self.time("restore_link", self.store.restore_link(id, failed, previous, now)).await
    }

    async fn reject_mail(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError> {
        self.time("reject_mail", self.store.reject_mail(id, nonce, now)).await
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.store.changes()
    }
}

#[async_trait]
impl TicketStore for Measured {
    async fn put_ticket(&self, nonce: &Nonce, keep_for: Duration) -> Result<(), Unavailable> {
        self.time("put_ticket", self.store.put_ticket(nonce, keep_for)).await
    }

    async fn consume_ticket(&self, nonce: &Nonce) -> Result<bool, Unavailable> {
        self.time("consume_ticket", self.store.consume_ticket(nonce)).await
    }
}

#[async_trait]
impl SessionStore for Measured {
    async fn end_session(&self, id: SessionId, keep_for: Duration) -> Result<(), Unavailable> {
        self.time("end_session", self.store.end_session(id, keep_for)).await
    }

    async fn session_ended(&self, id: SessionId) -> Result<bool, Unavailable> {
        self.time("session_ended", self.store.session_ended(id)).await
    }
}

#[async_trait]
impl PermitStore for Measured {
    async fn take_permit(&self, hash: &str, slot: u32, window: Duration) -> Result<bool, Unavailable> {
        self.time("take_permit", self.store.take_permit(hash, slot, window)).await
    }

    async fn release_permit(&self, hash: &str, slot: u32) -> Result<(), Unavailable> {
        self.time("release_permit", self.store.release_permit(hash, slot)).await
    }

    async fn permit_taken(&self, hash: &str, slot: u32) -> Result<Option<Duration>, Unavailable> {
        self.time("permit_taken", self.store.permit_taken(hash, slot)).await
    }
}

#[async_trait]
impl Store for Measured {
    async fn ping(&self) -> Result<(), Unavailable> {
        self.time("ping", self.store.ping()).await
    }
}
