//! What a requester learns of its attempt, now or when something changes.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{FlowError, Service};
use crate::domain::attempt::{Attempt, Failure, SignedIn, State, Status};
use crate::domain::ids::{AttemptId, SessionId};
use crate::domain::policy::Purpose;
use crate::token::{AttemptGrant, session_id};

/// An attempt, as its requester sees it. It never carries a session.
#[derive(Clone)]
pub struct AttemptView {
    /// Its id.
    pub id: AttemptId,
    /// Its status.
    pub status: Status,
    /// What for.
    pub purpose: Purpose,
    /// As typed.
    pub email_address: String,
    /// When the newest link ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// When another mail may be asked for.
    pub resend_after: Option<DateTime<Utc>>,
    /// When it was verified.
    pub verified_at: Option<DateTime<Utc>>,
    /// Whether the link was opened in the requester's own client.
    pub verified_from_same_client: Option<bool>,
    /// Who gets the session.
    pub signed_in: Option<SignedIn>,
    /// The session that it leads to.
    pub session_id: Option<SessionId>,
    /// How many relay codes may still be tried.
    pub code_tries_left: Option<u8>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl Service {
    /// The attempt as it is now.
    ///
    /// # Errors
    /// [`FlowError::StoreUnavailable`].
    pub async fn status(&self, grant: &AttemptGrant) -> Result<AttemptView, FlowError> {
        let attempt = self.store.read(grant.particulars.attempt).await?;
        Ok(self.view(grant, attempt))
    }

    /// The attempt as soon as its status differs from `seen`, or as it is after `hold`.
    ///
    /// # Errors
    /// [`FlowError::StoreUnavailable`] when the store does not answer at the beginning.
    pub async fn wait(
        &self,
        grant: &AttemptGrant,
        seen: Status,
        hold: Duration,
    ) -> Result<AttemptView, FlowError> {
        let id = grant.particulars.attempt;
        let news = |attempt: &Option<Attempt>| {
            let status = status_of(attempt.as_ref(), self.now());
            status != seen || status.is_over()
        };
        let attempt = self.waiters.wait(id, grant.particulars.fingerprint.as_ref(), hold, news).await?;
        Ok(self.view(grant, attempt))
    }

    pub(super) fn view(&self, grant: &AttemptGrant, attempt: Option<Attempt>) -> AttemptView {
        let particulars = &grant.particulars;
        let verified = match attempt.as_ref().map(|attempt| &attempt.state) {
            Some(State::Verified(verified)) => Some(verified.clone()),
            _ => None,
        };
        let failure = match attempt.as_ref().map(|attempt| &attempt.state) {
            None => {
                self.metrics.attempt_lost(particulars.purpose);
                Some(Failure::StateLost)
            }
            Some(State::Failed(failure)) => Some(*failure),
            Some(_) => None,
        };
        AttemptView {
            id: particulars.attempt,
            status: status_of(attempt.as_ref(), self.now()),
            purpose: particulars.purpose,
            email_address: particulars.email.clone(),
            expires_at: attempt.as_ref().map(|attempt| attempt.expires_at),
            resend_after: attempt.as_ref().map(|attempt| attempt.resend_after),
            verified_at: verified.as_ref().map(|verified| verified.at),
            verified_from_same_client: verified.as_ref().map(|verified| verified.same_client),
            signed_in: verified.as_ref().and_then(|verified| verified.signed_in),
            session_id: verified
                .filter(|_| particulars.purpose.signs_in())
                .map(|verified| session_id(particulars.attempt, verified.at)),
            code_tries_left: attempt.map(|attempt| attempt.code_tries_left),
            failure,
        }
    }
}

/// The status of what the store has: an attempt whose token lives and that is not there was lost.
pub(super) fn status_of(attempt: Option<&Attempt>, now: DateTime<Utc>) -> Status {
    attempt.map_or(Status::Failed, |attempt| attempt.status(now))
}
