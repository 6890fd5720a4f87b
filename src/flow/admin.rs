//! What an operator may see and end with an API key. No address, nothing secret: the store has neither.

use chrono::{DateTime, Utc};

use super::{FlowError, RESEND_INTERVAL, Service};
use crate::domain::attempt::{Attempt, Failure, SignedIn, State, Status};
use crate::domain::ids::{AttemptId, SessionId};

/// How a verified attempt was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfirmedBy {
    /// The link was opened in the client that asked for it.
    SameClient,
    /// Approved on another client, for the one that waited.
    Approval,
    /// The code that another client showed was typed in.
    RelayCode,
    /// Another client took the session for itself.
    Opener,
}

impl ConfirmedBy {
    /// Its name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameClient => "same_client",
            Self::Approval => "approval",
            Self::RelayCode => "relay_code",
            Self::Opener => "opener",
        }
    }
}

/// An attempt as the store has it.
pub struct AttemptReport {
    /// Its id.
    pub id: AttemptId,
    /// Its status.
    pub status: Status,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Whether a back end started it.
    pub by_api_key: bool,
    /// When it was started.
    pub created_at: DateTime<Utc>,
    /// When its newest link was made.
    pub last_link_at: DateTime<Utc>,
    /// When that link ends.
    pub expires_at: DateTime<Utc>,
    /// When another link may be asked for.
    pub resend_after: DateTime<Utc>,
    /// When it was confirmed.
    pub verified_at: Option<DateTime<Utc>>,
    /// How.
    pub confirmed_by: Option<ConfirmedBy>,
    /// Who was signed in.
    pub signed_in: Option<SignedIn>,
    /// How many wrong codes are left.
    pub code_tries_left: u8,
    /// What to tell the person who asks.
    pub hint: &'static str,
}

impl Service {
    /// An attempt, for support.
    ///
    /// # Errors
    /// [`FlowError::AttemptNotFound`], [`FlowError::StoreUnavailable`].
    pub async fn report(&self, id: AttemptId) -> Result<AttemptReport, FlowError> {
        let attempt = self.store.read(id).await?.ok_or(FlowError::AttemptNotFound)?;
        let status = attempt.status(self.now());
        let (verified, failure) = match &attempt.state {
            State::Verified(verified) => (Some(verified), None),
            State::Failed(failure) => (None, Some(*failure)),
            _ => (None, None),
        };
        let confirmed_by = verified.map(|verified| match (verified.same_client, verified.signed_in) {
            (true, _) => ConfirmedBy::SameClient,
            (false, Some(SignedIn::Opener)) => ConfirmedBy::Opener,
            (false, _) if verified.confirmation.is_none() => ConfirmedBy::RelayCode,
            (false, _) => ConfirmedBy::Approval,
        });
        Ok(AttemptReport {
            id,
            status,
            failure,
            by_api_key: attempt.by_api_key,
            created_at: attempt.created_at,
            last_link_at: attempt.resend_after - RESEND_INTERVAL,
            expires_at: attempt.expires_at,
            resend_after: attempt.resend_after,
            verified_at: verified.map(|verified| verified.at),
            confirmed_by,
            signed_in: verified.and_then(|verified| verified.signed_in),
            code_tries_left: attempt.code_tries_left,
            hint: hint(status, &attempt),
        })
    }

    /// Ends an attempt as `canceled`. It is no error when it is canceled already.
    ///
    /// # Errors
    /// [`FlowError::AttemptOver`], [`FlowError::AttemptNotFound`], [`FlowError::StoreUnavailable`].
    pub async fn end_attempt(&self, id: AttemptId) -> Result<(), FlowError> {
        let now = self.second();
        self.store.read(id).await?.ok_or(FlowError::AttemptNotFound)?;
        self.store.cancel(id, now).await.map_err(|error| FlowError::for_requester(error, now))?;
        Ok(())
    }

    /// Ends a session: it cannot be renewed any more. Session tokens that are out live to their end. Whether there is
    /// such a session, nobody knows: nothing is stored of it.
    ///
    /// # Errors
    /// [`FlowError::StoreUnavailable`].
    pub async fn end_session(&self, id: SessionId) -> Result<(), FlowError> {
        // As long as any of its tokens could live.
        let rest = self.settings.session_max_age + self.settings.session_ttl;
        Ok(self.store.end_session(id, rest).await?)
    }
}

fn hint(status: Status, attempt: &Attempt) -> &'static str {
    match (status, &attempt.state) {
        (Status::Pending, _) if attempt.mailing => {
            "The mail is being handed to the relay at this moment. Look again in a few seconds."
        }
        (Status::Pending, _) => {
            "The link was made and nobody has confirmed it. Ask whether the mail arrived: the junk folder first, then the \
             address; another mail can be asked for after resend_after."
        }
        (Status::AwaitingCode, _) => {
            "The link was opened on another device, which shows six digits. They are to be typed in where the sign-in \
             began; opening the link there instead works, too."
        }
        (Status::Verified, State::Verified(verified)) if verified.signed_in == Some(SignedIn::Opener) => {
            "Somebody chose to sign in on the device where the link was opened. The page that waited is not signed in."
        }
        (Status::Verified, _) => "It has worked. If the page does not show it, reload it.",
        (Status::Denied, _) => {
            "Somebody who holds the mail said that it was not them. The network that asked can have no mail sent to that \
             address for 15 minutes."
        }
        (Status::Canceled, _) => "It was ended where it began, or by an operator. Start again.",
        (Status::Expired, _) => "Nobody confirmed the link in time. Start again.",
        (Status::Failed, State::Failed(Failure::TooManyCodes)) => {
            "Five wrong codes were typed in. Start again, and open the link on the device that waits."
        }
        (Status::Failed, State::Failed(Failure::MailRejected)) => {
            "The relay does not take mail for this address. Look for a typing mistake in it."
        }
        (Status::Failed, _) => "The store lost it. Start again; if this happens often, look at the store.",
    }
}
