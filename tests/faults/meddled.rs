//! A store in front of a real one that loses commands and replies. To show that the tests would notice, its consume can
//! be made non-atomic.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use linkgate::domain::attempt::{Attempt, CodeEntered, LinkState, Refusal, SignedIn, Verdict};
use linkgate::domain::ids::{AttemptId, SessionId};
use linkgate::domain::secret::{ConfirmationId, Nonce};
use linkgate::store::{
    AttemptStore, Change, Created, PermitStore, SessionStore, StepError, Stepped, Store, TicketStore,
    Unavailable,
};
use tokio::sync::broadcast;

/// The fate of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    NeverSent,
    ReplyLost,
}

pub(crate) struct Meddled {
    pub(crate) inner: Arc<dyn Store>,
    fates: Mutex<VecDeque<Fate>>,
    /// State that the inner store does not know; only if the consume is not atomic.
    torn: Option<Mutex<HashMap<AttemptId, Attempt>>>,
}

impl Meddled {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, fates: Mutex::default(), torn: None }
    }

    /// A store whose consume reads, pauses, and writes.
    pub(crate) fn with_a_torn_consume(inner: Arc<dyn Store>) -> Self {
        Self { torn: Some(Mutex::default()), ..Self::new(inner) }
    }

    /// The fates of the next commands; those after them arrive.
    pub(crate) fn expect(&self, fates: &[Fate]) {
        *self.fates.lock().unwrap() = fates.iter().copied().collect();
    }

    async fn meddle<T, E: From<Unavailable>>(
        &self,
        command: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let fate = self.fates.lock().unwrap().pop_front().unwrap_or(Fate::Done);
        let lost = || Err(Unavailable { reason: format!("{fate:?}") }.into());
        if fate == Fate::NeverSent {
            return lost();
        }
        let result = command.await;
        if fate == Fate::ReplyLost { lost() } else { result }
    }

    fn torn(&self, id: AttemptId) -> Option<Attempt> {
        self.torn.as_ref()?.lock().unwrap().get(&id).cloned()
    }
}

#[async_trait]
impl AttemptStore for Meddled {
    async fn create(
        &self,
        id: AttemptId,
        attempt: &Attempt,
        keep_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Created, Unavailable> {
        self.meddle(self.inner.create(id, attempt, keep_until, now)).await
    }

    async fn mail_accepted(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable> {
        self.meddle(self.inner.mail_accepted(id, nonce)).await
    }

    async fn discard(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable> {
        self.meddle(self.inner.discard(id, nonce)).await
    }

    async fn read(&self, id: AttemptId) -> Result<Option<Attempt>, Unavailable> {
        match self.torn(id) {
            Some(attempt) => Ok(Some(attempt)),
            None => self.meddle(self.inner.read(id)).await,
        }
    }

    async fn read_many(&self, ids: &[AttemptId]) -> Result<Vec<Option<Attempt>>, Unavailable> {
        self.meddle(self.inner.read_many(ids)).await
    }

    async fn settle(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        confirmation: ConfirmationId,
        verdict: &Verdict,
        now: DateTime<Utc>,
    ) -> Result<Stepped, StepError> {
        let Some(torn) = &self.torn else {
            return self.meddle(self.inner.settle(id, nonce, confirmation, verdict, now)).await;
        };
        let read = self.read(id).await?.ok_or(Refusal::Lost)?;
        tokio::task::yield_now().await;
        let settled = read.settle(nonce, confirmation, verdict, now)?;
        torn.lock().unwrap().insert(id, settled.clone());
        Ok(Stepped { attempt: settled, changed: true })
    }

    async fn show_code(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError> {
        self.meddle(self.inner.show_code(id, nonce, now)).await
    }

    async fn enter_code(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        right: bool,
        signed_in: Option<SignedIn>,
        now: DateTime<Utc>,
    ) -> Result<(Attempt, CodeEntered), StepError> {
        self.meddle(self.inner.enter_code(id, nonce, right, signed_in, now)).await
    }

    async fn cancel(&self, id: AttemptId, now: DateTime<Utc>) -> Result<Stepped, StepError> {
        self.meddle(self.inner.cancel(id, now)).await
    }

    async fn replace_link(
        &self,
        id: AttemptId,
        link: &LinkState,
        now: DateTime<Utc>,
    ) -> Result<(Attempt, LinkState), StepError> {
        self.meddle(self.inner.replace_link(id, link, now)).await
    }

    async fn restore_link(
        &self,
        id: AttemptId,
        failed: &Nonce,
        previous: &LinkState,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError> {
        self.meddle(self.inner.restore_link(id, failed, previous, now)).await
    }

    async fn reject_mail(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError> {
        self.meddle(self.inner.reject_mail(id, nonce, now)).await
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.changes()
    }
}

#[async_trait]
impl TicketStore for Meddled {
    async fn put_ticket(&self, nonce: &Nonce, keep_for: Duration) -> Result<(), Unavailable> {
        self.meddle(self.inner.put_ticket(nonce, keep_for)).await
    }

    async fn consume_ticket(&self, nonce: &Nonce) -> Result<bool, Unavailable> {
        self.meddle(self.inner.consume_ticket(nonce)).await
    }
}

#[async_trait]
impl SessionStore for Meddled {
    async fn end_session(&self, id: SessionId, keep_for: Duration) -> Result<(), Unavailable> {
        self.meddle(self.inner.end_session(id, keep_for)).await
    }

    async fn session_ended(&self, id: SessionId) -> Result<bool, Unavailable> {
        self.meddle(self.inner.session_ended(id)).await
    }
}

#[async_trait]
impl PermitStore for Meddled {
    async fn take_permit(&self, hash: &str, slot: u32, window: Duration) -> Result<bool, Unavailable> {
        self.meddle(self.inner.take_permit(hash, slot, window)).await
    }

    async fn release_permit(&self, hash: &str, slot: u32) -> Result<(), Unavailable> {
        self.meddle(self.inner.release_permit(hash, slot)).await
    }

    async fn permit_taken(&self, hash: &str, slot: u32) -> Result<Option<Duration>, Unavailable> {
        self.meddle(self.inner.permit_taken(hash, slot)).await
    }
}

#[async_trait]
impl Store for Meddled {
    async fn ping(&self) -> Result<(), Unavailable> {
        self.meddle(self.inner.ping()).await
    }
}
