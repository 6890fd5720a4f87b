//! Operators see and end attempts and sessions. The store knows no addresses and no secrets, so neither is shown.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::error::FlowError;
use super::settings::{DENIED_FOR, RESEND_INTERVAL, Settings};
use crate::clock::Clock;
use crate::domain::attempt::{
    Attempt, CODE_TRIES, ConfirmedBy, Failure, SignedIn, State, Status, Verified, whole_seconds,
};
use crate::domain::ids::{AttemptId, SessionId};
use crate::store::Store;

/// An attempt as the store has it, with the fields of the API.
#[derive(Serialize)]
#[serde(tag = "object", rename = "attempt_report")]
pub struct AttemptReport {
    /// The attempt.
    pub id: AttemptId,
    /// The present status.
    pub status: Status,
    /// Why the attempt failed.
    pub failure: Option<Failure>,
    /// `back_end` or `client`.
    pub started_by: &'static str,
    /// When the attempt was started.
    pub created_at: DateTime<Utc>,
    /// When the newest link was issued.
    pub last_link_at: DateTime<Utc>,
    /// Whether the newest link replaced another one.
    pub resent: bool,
    /// When the newest link expires.
    pub expires_at: DateTime<Utc>,
    /// When another mail may be requested.
    pub resend_after: DateTime<Utc>,
    /// When the attempt was verified.
    pub verified_at: Option<DateTime<Utc>>,
    /// How the attempt was confirmed.
    pub confirmed_by: Option<ConfirmedBy>,
    /// Which party got the session.
    pub signed_in: Option<SignedIn>,
    /// How many relay codes may still be tried.
    pub code_tries_left: u8,
    /// Advice for the person who asks for help.
    pub hint: String,
}

/// The use cases of operators.
pub struct Operators {
    pub(super) settings: Arc<Settings>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Operators {
    /// Whether the store answers: for the probes.
    pub async fn store_answers(&self) -> bool {
        self.store.ping().await.is_ok()
    }

    /// An attempt, for support.
    ///
    /// # Errors
    /// [`FlowError::AttemptNotFound`], [`FlowError::StoreUnavailable`].
    pub async fn report(&self, id: AttemptId) -> Result<AttemptReport, FlowError> {
        let attempt = self.store.read(id).await?.ok_or(FlowError::AttemptNotFound)?;
        let status = attempt.status(self.clock.now());
        let (verified, failure) = match &attempt.state {
            State::Verified(verified) => (Some(verified), None),
            State::Failed(failure) => (None, Some(*failure)),
            _ => (None, None),
        };
        let last_link_at = attempt.resend_after - RESEND_INTERVAL;
        Ok(AttemptReport {
            id,
            status,
            failure,
            started_by: if attempt.by_api_key { "back_end" } else { "client" },
            created_at: attempt.created_at,
            last_link_at,
            resent: last_link_at > attempt.created_at,
            expires_at: attempt.expires_at,
            resend_after: attempt.resend_after,
            verified_at: verified.map(|verified| verified.at),
            confirmed_by: verified.map(Verified::confirmed_by),
            signed_in: verified.and_then(|verified| verified.signed_in),
            code_tries_left: attempt.code_tries_left,
            hint: hint(status, &attempt),
        })
    }

    /// Ends an attempt as `canceled`. May be repeated.
    ///
    /// # Errors
    /// [`FlowError::AttemptOver`], [`FlowError::AttemptNotFound`], [`FlowError::StoreUnavailable`].
    pub async fn end_attempt(&self, id: AttemptId) -> Result<(), FlowError> {
        let now = whole_seconds(self.clock.now());
        self.store.read(id).await?.ok_or(FlowError::AttemptNotFound)?;
        self.store.cancel(id, now).await.map_err(|error| FlowError::for_requester(error, now))?;
        Ok(())
    }

    /// Ends a session: it can no longer be renewed; session tokens already issued live until they expire. Succeeds for
    /// unknown ids, too, since sessions are not stored.
    ///
    /// # Errors
    /// [`FlowError::StoreUnavailable`].
    pub async fn end_session(&self, id: SessionId) -> Result<(), FlowError> {
        // Nobody knows when the session began. This is how long any token of it can live.
        let longest = self.settings.session_max_age + self.settings.session_ttl;
        Ok(self.store.end_session(id, longest).await?)
    }
}

fn hint(status: Status, attempt: &Attempt) -> String {
    let hint = match (status, &attempt.state) {
        (Status::Pending, _) if attempt.mailing => {
            "The relay is accepting the mail right now. Look again in a few seconds."
        }
        (Status::Pending, _) => {
            "The link was issued and not confirmed yet. Ask whether the mail has arrived: check the junk folder first, \
             then the address. Another mail can be requested after resend_after."
        }
        (Status::AwaitingCode, _) => {
            "The link was opened on another device, which shows a six-digit code. Enter the code where the sign-in was \
             started, or open the link there."
        }
        (Status::Verified, State::Verified(verified)) if verified.signed_in == Some(SignedIn::Opener) => {
            "The person chose to sign in on the device where the link was opened. The page that waited is not signed in."
        }
        (Status::Verified, _) => "The sign-in succeeded. If the page does not show it, reload the page.",
        (Status::Denied, _) => {
            return format!(
                "A person with access to the mailbox chose \"This wasn't me\". The network of the request can send no \
                 mail to that address for {} minutes.",
                DENIED_FOR.as_secs() / 60
            );
        }
        (Status::Canceled, _) => "The requester or an operator canceled the attempt. Start again.",
        (Status::Expired, _) => "The link was not confirmed in time. Start again.",
        (Status::Failed, State::Failed(Failure::TooManyCodes)) => {
            return format!(
                "{CODE_TRIES} wrong codes were entered. Start again, and open the link on the device that waits."
            );
        }
        (Status::Failed, State::Failed(Failure::MailRejected)) => {
            "The relay rejects mail for this address. Check the address for typing errors."
        }
        (Status::Failed, _) => {
            "The store lost the attempt. Start again. If this happens often, check the store."
        }
    };
    hint.to_owned()
}
