//! What is remembered between requests: single-use nonces and the status of pending attempts. Nothing else.
//!
//! One trait per kind of record, one verb per atomic step; never a read followed by a write. Records name nobody: they
//! hold ids, nonces, keyed hashes and times. The store knows nothing of tokens, mail or HTTP.

pub mod measured;
pub mod memory;
pub mod redis;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::broadcast;

use crate::domain::attempt::{Attempt, CodeEntered, LinkState, Refusal, SignedIn, Verdict};
use crate::domain::ids::{AttemptId, SessionId};
use crate::domain::secret::{ConfirmationId, Nonce};

/// How many changes a receiver of [`AttemptStore::changes`] may lag behind.
const CHANGES_KEPT: usize = 4096;

/// The store did not answer, or not in time, or not sensibly. Whether a change was made is unknown: every verb
/// may be repeated.
#[derive(Debug)]
pub struct Unavailable {
    /// What the client library said, for the log; holds no key, value or password.
    pub reason: String,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store is unavailable: {}", self.reason)
    }
}

impl std::error::Error for Unavailable {}

/// Why a step was not taken.
#[derive(Debug)]
pub enum StepError {
    /// The rules of [`crate::domain::attempt`] forbid it.
    Refused(Refusal),
    /// The store did not answer.
    Unavailable(Unavailable),
}

impl From<Refusal> for StepError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Unavailable> for StepError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

/// An attempt after a step that may be repeated.
#[derive(Clone, PartialEq, Eq)]
pub struct Stepped {
    /// As it is now.
    pub attempt: Attempt,
    /// Whether this very step made it so, and not an earlier one that this repeats.
    pub changed: bool,
}

/// What came of creating an attempt.
#[derive(Clone, PartialEq, Eq)]
pub enum Created {
    /// It is there now, and was not before.
    Fresh,
    /// It was there before, like this (the same idempotency key).
    Exists(Attempt),
}

/// Something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// This attempt.
    Attempt(AttemptId),
    /// Perhaps anything: the subscription was lost for a while.
    Anything,
}

/// The store. All verbs are atomic over all replicas, and keep times as whole seconds.
#[async_trait]
pub trait Store: AttemptStore + TicketStore + SessionStore + PermitStore {
    /// Checks that the store answers.
    async fn ping(&self) -> Result<(), Unavailable>;
}

/// Attempts that wait to be confirmed, redeemed or forgotten.
#[async_trait]
pub trait AttemptStore: Send + Sync {
    /// Writes a new attempt, kept until `keep_until`; leaves one that is there as it is. One that was abandoned
    /// ([`Attempt::is_abandoned`]) is replaced, which publishes; so is one that the store cannot vouch for. One
    /// with the same nonce is this very creation, repeated: [`Created::Fresh`].
    async fn create(
        &self,
        id: AttemptId,
        attempt: &Attempt,
        keep_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Created, Unavailable>;

    /// [`Attempt::mail_accepted`]; publishes when something changed. A lost attempt or a newer link is no error.
    async fn mail_accepted(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable>;

    /// Forgets an attempt whose first mail could not be sent, if `nonce` is still its newest. Publishes.
    async fn discard(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable>;

    /// The attempt; `None` when it is not there, or the store cannot vouch for it.
    async fn read(&self, id: AttemptId) -> Result<Option<Attempt>, Unavailable>;

    /// The same for many, in one pipelined batch, in order.
    async fn read_many(&self, ids: &[AttemptId]) -> Result<Vec<Option<Attempt>>, Unavailable>;

    /// [`Attempt::settle`]; publishes when something changed.
    async fn settle(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        confirmation: ConfirmationId,
        verdict: &Verdict,
        now: DateTime<Utc>,
    ) -> Result<Stepped, StepError>;

    /// [`Attempt::show_code`]; publishes when something changed.
    async fn show_code(&self, id: AttemptId, nonce: &Nonce, now: DateTime<Utc>)
    -> Result<Attempt, StepError>;

    /// [`Attempt::enter_code`]; publishes when something changed. A wrong code whose outcome is unknown may cost
    /// another try when repeated; the right one may not.
    async fn enter_code(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        right: bool,
        signed_in: Option<SignedIn>,
        now: DateTime<Utc>,
    ) -> Result<(Attempt, CodeEntered), StepError>;

    /// [`Attempt::cancel`]; publishes when something changed.
    async fn cancel(&self, id: AttemptId, now: DateTime<Utc>) -> Result<Stepped, StepError>;

    /// [`Attempt::replace_link`]; publishes when something changed. Gives the attempt as it is now, and the link that was replaced.
    /// When its outcome is unknown, a repetition may be refused as too soon.
    async fn replace_link(
        &self,
        id: AttemptId,
        link: &LinkState,
        now: DateTime<Utc>,
    ) -> Result<(Attempt, LinkState), StepError>;

    /// [`Attempt::restore_link`]; publishes when something changed.
    async fn restore_link(
        &self,
        id: AttemptId,
        failed: &Nonce,
        previous: &LinkState,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError>;

    /// [`Attempt::reject_mail`]; publishes.
    async fn reject_mail(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError>;

    /// Changes of attempts from now on, on any replica. All receivers share one subscription. Treat a receiver's lag
    /// as [`Change::Anything`].
    fn changes(&self) -> broadcast::Receiver<Change>;
}

/// The nonces of tickets.
#[async_trait]
pub trait TicketStore: Send + Sync {
    /// Allow-lists the nonce of a ticket for this long. One that was there before, consumed or not, is left as it
    /// is, so that a command delayed on its way brings no consumed ticket back.
    async fn put_ticket(&self, nonce: &Nonce, keep_for: Duration) -> Result<(), Unavailable>;

    /// Consumes the nonce of a ticket: `true` once, for a nonce that is there and vouched for. When the outcome is
    /// unknown, the repetition may get `false`: the ticket is then spent, never doubled.
    async fn consume_ticket(&self, nonce: &Nonce) -> Result<bool, Unavailable>;
}

/// Sessions that were signed out before they expired.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Marks a session as ended for this long.
    async fn end_session(&self, id: SessionId, keep_for: Duration) -> Result<(), Unavailable>;

    /// Whether the session was ended.
    async fn session_ended(&self, id: SessionId) -> Result<bool, Unavailable>;
}

/// Permits to send mails.
#[async_trait]
pub trait PermitStore: Send + Sync {
    /// Takes the issuance permit `slot` of `hash` for `window`: `true` when it was free. When the outcome is
    /// unknown, the repetition may get `false`.
    async fn take_permit(&self, hash: &str, slot: u32, window: Duration) -> Result<bool, Unavailable>;

    /// Gives an issuance permit back that was taken for nothing.
    async fn release_permit(&self, hash: &str, slot: u32) -> Result<(), Unavailable>;

    /// How long until the issuance permit `slot` of `hash` is free again; `None` when it is free.
    async fn permit_taken(&self, hash: &str, slot: u32) -> Result<Option<Duration>, Unavailable>;
}
