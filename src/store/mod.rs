//! The state between requests: single-use nonces, the status of pending attempts, ended sessions and mail permits.
//!
//! One trait per kind of record, one operation per atomic step, never a read followed by a write. Ids, nonces, keyed hashes
//! and times are all that it stores: nothing identifies a person.

mod keys;
pub mod measured;
pub mod memory;
pub mod redis;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::broadcast;

use crate::domain::attempt::{Attempt, CodeEntered, LinkState, Refusal, SignedIn, Verdict};
use crate::domain::ids::{AttemptId, SessionId};
use crate::domain::secret::{ConfirmationId, Nonce};

/// How many changes a receiver of [`AttemptStore::changes`] may fall behind.
const CHANGES_KEPT: usize = 4096;

/// The store did not answer, not in time, or not intelligibly. Whether it made a change is unknown; every operation may
/// be repeated.
#[derive(thiserror::Error, Debug)]
#[error("the store is unavailable: {reason}")]
pub struct Unavailable {
    /// The client library's reason, for the log. Contains no key, value or password.
    pub reason: String,
}

/// Why a step failed.
#[derive(Debug)]
pub enum StepError {
    /// The rules of [`crate::domain::attempt`] forbid it.
    Refused(Refusal),
    /// The store is unavailable.
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

/// The result of a step that may be repeated.
#[derive(Clone, PartialEq, Eq)]
pub struct Stepped {
    /// The attempt after the step.
    pub attempt: Attempt,
    /// Whether this step made the change; `false` if it repeats an earlier one.
    pub changed: bool,
}

/// The result of creating an attempt.
#[derive(Clone, PartialEq, Eq)]
pub enum Created {
    /// The attempt is new.
    Fresh,
    /// The attempt existed before, as this (the same idempotency key).
    Exists(Attempt),
}

/// A change that the store publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// This attempt changed.
    Attempt(AttemptId),
    /// Any attempt may have changed: the subscription was interrupted.
    Anything,
}

/// The store. All operations are atomic over all replicas, and store times as whole seconds.
#[async_trait]
pub trait Store: AttemptStore + TicketStore + SessionStore + PermitStore {
    /// Checks that the store answers.
    async fn ping(&self) -> Result<(), Unavailable>;
}

/// Attempts that wait to be confirmed, redeemed or forgotten.
#[async_trait]
pub trait AttemptStore: Send + Sync {
    /// Stores a new attempt until `keep_until`, unless the id exists. An abandoned attempt ([`Attempt::is_abandoned`]) is
    /// replaced, which publishes; so is one that the store cannot vouch for. An attempt with the same nonce means that this
    /// call repeats its creation: [`Created::Fresh`].
    async fn create(
        &self,
        id: AttemptId,
        attempt: &Attempt,
        keep_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Created, Unavailable>;

    /// [`Attempt::mail_accepted`]; publishes a change. A lost attempt or a newer link is not an error.
    async fn mail_accepted(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable>;

    /// Deletes an attempt whose first mail could not be sent, if `nonce` is still its newest. Publishes.
    async fn discard(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable>;

    /// The attempt; `None` if it does not exist or the store cannot vouch for it.
    async fn read(&self, id: AttemptId) -> Result<Option<Attempt>, Unavailable>;

    /// [`AttemptStore::read`] for many ids in one pipelined batch, in order.
    async fn read_many(&self, ids: &[AttemptId]) -> Result<Vec<Option<Attempt>>, Unavailable>;

    /// [`Attempt::settle`]; publishes a change.
    async fn settle(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        confirmation: ConfirmationId,
        verdict: &Verdict,
        now: DateTime<Utc>,
    ) -> Result<Stepped, StepError>;

    /// [`Attempt::show_code`]; publishes a change.
    async fn show_code(&self, id: AttemptId, nonce: &Nonce, now: DateTime<Utc>)
    -> Result<Attempt, StepError>;

    /// [`Attempt::enter_code`]; publishes a change. Repeating a wrong code after [`Unavailable`] may cost
    /// another try; repeating the right one costs none.
    async fn enter_code(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        right: bool,
        signed_in: Option<SignedIn>,
        now: DateTime<Utc>,
    ) -> Result<(Attempt, CodeEntered), StepError>;

    /// [`Attempt::cancel`]; publishes a change.
    async fn cancel(&self, id: AttemptId, now: DateTime<Utc>) -> Result<Stepped, StepError>;

    /// [`Attempt::replace_link`]; publishes a change. Returns the attempt and the replaced link. After [`Unavailable`], a
    /// repetition may be refused as too soon.
    async fn replace_link(
        &self,
        id: AttemptId,
        link: &LinkState,
        now: DateTime<Utc>,
    ) -> Result<(Attempt, LinkState), StepError>;

    /// [`Attempt::restore_link`]; publishes a change.
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

    /// Subscribes to future changes on all replicas. All receivers share one subscription. A receiver that falls behind
    /// must treat that as [`Change::Anything`].
    fn changes(&self) -> broadcast::Receiver<Change>;
}

/// The nonces of tickets.
#[async_trait]
pub trait TicketStore: Send + Sync {
    /// Allow-lists the nonce of a ticket for this long. An existing nonce, consumed or not, is left unchanged, so that a
    /// delayed command cannot revive a consumed ticket.
    async fn put_ticket(&self, nonce: &Nonce, keep_for: Duration) -> Result<(), Unavailable>;

    /// Consumes the nonce of a ticket: returns `true` once, if the nonce exists and the store can vouch for it. After
    /// [`Unavailable`], a repetition may return `false`: the ticket is then lost, but never used twice.
    async fn consume_ticket(&self, nonce: &Nonce) -> Result<bool, Unavailable>;
}

/// Sessions that were signed out before they expired.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Marks a session as ended for this long.
    async fn end_session(&self, id: SessionId, keep_for: Duration) -> Result<(), Unavailable>;

    /// Whether the session has ended.
    async fn session_ended(&self, id: SessionId) -> Result<bool, Unavailable>;
}

/// Permits to send mails.
#[async_trait]
pub trait PermitStore: Send + Sync {
    /// Takes the permit `slot` of `hash` for `window`: `true` if it was free. After [`Unavailable`], a repetition may return
    /// `false`.
    async fn take_permit(&self, hash: &str, slot: u32, window: Duration) -> Result<bool, Unavailable>;

    /// Returns an unused permit.
    async fn release_permit(&self, hash: &str, slot: u32) -> Result<(), Unavailable>;

    /// How long until the permit `slot` of `hash` is free again; `None` if it is free.
    async fn permit_taken(&self, hash: &str, slot: u32) -> Result<Option<Duration>, Unavailable>;
}
