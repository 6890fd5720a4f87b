//! Why a use case ends without its result. The HTTP side translates these errors for clients.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::attempt::{Refusal, Status};
use crate::store::{StepError, Unavailable};

/// `Retry-After` counts in seconds, and 0 would invite an immediate retry.
pub(super) fn at_least_a_second(left: Duration) -> Duration {
    left.max(Duration::from_secs(1))
}

/// Why a use case failed.
#[derive(Debug)]
pub enum FlowError {
    /// The request contradicts itself or the link; the text tells the caller what to do.
    InvalidRequest(&'static str),
    /// No mail can be sent to the address.
    InvalidEmailAddress,
    /// This deployment sends no mail to the domain of the address.
    DomainRefused,
    /// The redirect URL is not on the operator's list.
    RedirectNotAllowed,
    /// This deployment does not offer the purpose.
    PurposeDisabled,
    /// The attempt token is invalid or expired.
    AttemptTokenInvalid,
    /// The session is missing, expired or signed out.
    SessionRequired,
    /// The attempt token belongs to another attempt, or the store has no such attempt.
    AttemptNotFound,
    /// This deployment did not sign the link.
    LinkMalformed,
    /// The link has expired, or the store lost its attempt.
    LinkExpired,
    /// The link was used.
    LinkUsed,
    /// A newer link of the attempt has replaced this one.
    LinkSuperseded,
    /// The attempt of the link was canceled or has failed.
    LinkCanceled,
    /// Only the client that started the attempt may do this.
    ClientMismatch,
    /// The relay code is wrong; this many tries remain.
    CodeIncorrect(u8),
    /// The attempt is over.
    AttemptOver,
    /// The attempt is not verified and cannot be redeemed.
    NotVerified,
    /// The opener took the session for the device that opened the link.
    SignedInElsewhere,
    /// The ticket is invalid, expired or already redeemed.
    TicketInvalid,
    /// The last mail is too recent; a retry may succeed after this time.
    ResendTooSoon(Duration),
    /// A limit on mails is used up; a retry may succeed after this time.
    RateLimited(Duration),
    /// The relay rejected the recipient.
    MailRejected,
    /// The relay did not accept the mail. The reason is for the log.
    MailUnavailable(String),
    /// The store did not answer.
    StoreUnavailable(Unavailable),
}

impl From<Unavailable> for FlowError {
    fn from(error: Unavailable) -> Self {
        Self::StoreUnavailable(error)
    }
}

impl FlowError {
    /// A step that the store refused, as the opener of a link sees it.
    pub(super) fn for_opener(error: StepError, now: DateTime<Utc>) -> Self {
        match error {
            StepError::Refused(Refusal::Lost | Refusal::Over(Status::Expired)) => Self::LinkExpired,
            StepError::Refused(Refusal::Superseded) => Self::LinkSuperseded,
            StepError::Refused(Refusal::Over(Status::Canceled | Status::Failed)) => Self::LinkCanceled,
            StepError::Refused(Refusal::Over(_)) => Self::LinkUsed,
            other => Self::for_requester(other, now),
        }
    }

    /// A step that the store refused, as the requester of an attempt sees it.
    pub(super) fn for_requester(error: StepError, now: DateTime<Utc>) -> Self {
        match error {
            StepError::Unavailable(error) => Self::StoreUnavailable(error),
            StepError::Refused(Refusal::TooSoon(at)) => {
                Self::ResendTooSoon(at_least_a_second((at - now).to_std().unwrap_or_default()))
            }
            StepError::Refused(Refusal::Lost | Refusal::Superseded | Refusal::Over(_)) => Self::AttemptOver,
        }
    }
}
