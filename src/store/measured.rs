//! A store that counts and times each operation of another store.

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
use crate::metrics::{Metrics, StoreOutcome};

/// Records the duration and outcome of each operation in the metrics.
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

    async fn time<T, E: Outcome>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let result = call.await;
        let outcome = result.as_ref().err().map_or(StoreOutcome::Ok, Outcome::outcome);
        self.metrics.store_operation(operation, outcome, begun.elapsed());
        result
    }
}

/// Tells refusals, which the store answered, from missing answers.
trait Outcome {
    fn outcome(&self) -> StoreOutcome;
}

impl Outcome for Unavailable {
    fn outcome(&self) -> StoreOutcome {
        StoreOutcome::Unavailable
    }
}

impl Outcome for StepError {
    fn outcome(&self) -> StoreOutcome {
        match self {
            Self::Refused(_) => StoreOutcome::Ok,
            Self::Unavailable(_) => StoreOutcome::Unavailable,
        }
    }
}

/// Implements a trait of the store: times each operation listed, under its own name; other items are copied.
macro_rules! measure {
    ($trait:ident { $($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)* } $($other:item)*) => {
        #[async_trait]
        impl $trait for Measured {
            $(async fn $name(&self, $($arg: $type),*) -> $result {
                self.time(stringify!($name), self.store.$name($($arg),*)).await
            })*

            $($other)*
        }
    };
}

measure! {
    AttemptStore {
        create(id: AttemptId, attempt: &Attempt, keep_until: DateTime<Utc>, now: DateTime<Utc>)
            -> Result<Created, Unavailable>;
        mail_accepted(id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable>;
        discard(id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable>;
        read(id: AttemptId) -> Result<Option<Attempt>, Unavailable>;
        settle(id: AttemptId, nonce: &Nonce, confirmation: ConfirmationId, verdict: &Verdict, now: DateTime<Utc>)
            -> Result<Stepped, StepError>;
        show_code(id: AttemptId, nonce: &Nonce, now: DateTime<Utc>) -> Result<Attempt, StepError>;
        enter_code(id: AttemptId, nonce: &Nonce, right: bool, signed_in: Option<SignedIn>, now: DateTime<Utc>)
            -> Result<(Attempt, CodeEntered), StepError>;
        cancel(id: AttemptId, now: DateTime<Utc>) -> Result<Stepped, StepError>;
        replace_link(id: AttemptId, link: &LinkState, now: DateTime<Utc>)
            -> Result<(Attempt, LinkState), StepError>;
        restore_link(id: AttemptId, failed: &Nonce, previous: &LinkState, now: DateTime<Utc>)
            -> Result<Attempt, StepError>;
        reject_mail(id: AttemptId, nonce: &Nonce, now: DateTime<Utc>) -> Result<Attempt, StepError>;
    }

    async fn read_many(&self, ids: &[AttemptId]) -> Result<Vec<Option<Attempt>>, Unavailable> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.time("read_many", self.store.read_many(ids)).await
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.store.changes()
    }
}

measure! {
    TicketStore {
        put_ticket(nonce: &Nonce, keep_for: Duration) -> Result<(), Unavailable>;
        consume_ticket(nonce: &Nonce) -> Result<bool, Unavailable>;
    }
}

measure! {
    SessionStore {
        end_session(id: SessionId, keep_for: Duration) -> Result<(), Unavailable>;
        session_ended(id: SessionId) -> Result<bool, Unavailable>;
    }
}

measure! {
    PermitStore {
        take_permit(hash: &str, slot: u32, window: Duration) -> Result<bool, Unavailable>;
        release_permit(hash: &str, slot: u32) -> Result<(), Unavailable>;
        permit_taken(hash: &str, slot: u32) -> Result<Option<Duration>, Unavailable>;
    }
}

measure! {
    Store {
        ping() -> Result<(), Unavailable>;
    }
}
