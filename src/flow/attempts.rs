//! The requester's side of an attempt: wait, enter the code, resend, cancel, redeem. [`super::start`] starts it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::caller::Caller;
use super::error::FlowError;
use super::issuer::Issuer;
use super::parts::Parts;
use super::sessions::{SessionGrant, Sessions};
use super::settings::ATTEMPT_GRACE;
use super::waiters::Waiters;
use crate::domain::attempt::{Attempt, CodeEntered, Failure, SignedIn, State, Status};
use crate::domain::email::EmailAddress;
use crate::domain::ids::{AttemptId, SessionId, Subject};
use crate::domain::policy::Purpose;
use crate::domain::secret::RelayCode;
use crate::metrics::AttemptEnd;
use crate::token::{AttemptGrant, session_id};

/// An attempt as its requester sees it, with the fields of the API. It never carries a session.
#[derive(Clone, Serialize)]
#[serde(tag = "object", rename = "attempt")]
pub struct AttemptView {
    /// The attempt.
    pub id: AttemptId,
    /// The status at the time of the view.
    pub status: Status,
    /// The purpose of the start.
    pub purpose: Purpose,
    /// The address as the person typed it.
    pub email_address: String,
    /// When the newest link expires; `None` if the store lost the attempt.
    pub expires_at: Option<DateTime<Utc>>,
    /// When another mail may be requested; `None` if the store lost the attempt.
    pub resend_after: Option<DateTime<Utc>>,
    /// When the attempt was verified.
    pub verified_at: Option<DateTime<Utc>>,
    /// Whether the requester's own client opened the link.
    pub verified_from_same_client: Option<bool>,
    /// Which party gets the session.
    pub signed_in: Option<SignedIn>,
    /// The session of a verified attempt whose purpose signs in.
    pub session_id: Option<SessionId>,
    /// How many relay codes may still be tried.
    pub code_tries_left: Option<u8>,
    /// Why the attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// The result of redeeming an attempt.
pub enum Redeemed {
    /// A session.
    Session(SessionGrant),
    /// The proof that an address was verified.
    EmailProof {
        /// The token, for applications to verify.
        email_proof: String,
        /// How long the proof lives.
        expires_in: Duration,
        /// The verified address.
        email_address: EmailAddress,
        /// The account that the address was verified for, if the start named one.
        subject: Option<Subject>,
    },
}

/// The use cases of requesters.
pub struct Attempts {
    pub(super) parts: Arc<Parts>,
    pub(super) issuer: Arc<Issuer>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) waiters: Arc<Waiters>,
}

impl Attempts {
    /// Checks that an attempt token is valid and belongs to the attempt of this id.
    ///
    /// # Errors
    /// [`FlowError::AttemptTokenInvalid`], [`FlowError::AttemptNotFound`].
    pub fn authorize(&self, attempt: &str, token: &str) -> Result<AttemptGrant, FlowError> {
        let checked = self.parts.tokens.check_attempt(token, self.parts.now());
        let grant = checked.map_err(|_| FlowError::AttemptTokenInvalid)?;
        let named = attempt.parse().is_ok_and(|id: AttemptId| id == grant.particulars.attempt);
        if named { Ok(grant) } else { Err(FlowError::AttemptNotFound) }
    }

    /// The attempt as it is now.
    ///
    /// # Errors
    /// [`FlowError::StoreUnavailable`].
    pub async fn status(&self, grant: &AttemptGrant) -> Result<AttemptView, FlowError> {
        let attempt = self.parts.store.read(grant.particulars.attempt).await?;
        Ok(self.view(grant, attempt.as_ref()))
    }

    /// The attempt as soon as its status differs from `seen`, or as it is after `hold`.
    ///
    /// # Errors
    /// [`FlowError::StoreUnavailable`] if the store does not answer at the beginning.
    pub async fn wait(
        &self,
        grant: &AttemptGrant,
        seen: Status,
        hold: Duration,
    ) -> Result<AttemptView, FlowError> {
        let id = grant.particulars.attempt;
        let changed = |attempt: &Option<Attempt>| {
            let status = self.status_of(attempt.as_ref());
            status != seen || status.is_over()
        };
        let attempt = self.waiters.wait(id, grant.particulars.fingerprint.as_ref(), hold, changed).await?;
        Ok(self.view(grant, attempt.as_ref()))
    }

    /// Verifies the attempt with a relay code.
    ///
    /// The code belongs to the newest link, whose nonce only the store knows, so the attempt is read first. The step
    /// after it is still atomic: whether a code is right for a nonce never changes, and the store refuses the step when
    /// another nonce has become the newest.
    ///
    /// # Errors
    /// [`FlowError::CodeIncorrect`], [`FlowError::AttemptOver`], [`FlowError::StoreUnavailable`].
    pub async fn enter_code(&self, grant: &AttemptGrant, code: RelayCode) -> Result<AttemptView, FlowError> {
        let (id, purpose) = (grant.particulars.attempt, grant.particulars.purpose);
        let attempt = self.parts.store.read(id).await?.ok_or(FlowError::AttemptOver)?;
        // The link may be signed with an older key than the attempt token, or with a newer one.
        let right =
            self.parts.tokens.accepted_keys().iter().any(|key| key.relay_code(id, &attempt.nonce) == code);
        let signed_in = purpose.signs_in().then_some(SignedIn::Requester);
        let now = self.parts.now_secs();
        let (attempt, entered) = self
            .parts
            .store
            .enter_code(id, &attempt.nonce, right, signed_in, now)
            .await
            .map_err(|error| FlowError::for_requester(error, now))?;
        match entered {
            CodeEntered::Wrong(left) => {
                if left == 0 {
                    self.parts.metrics.attempt_ended(purpose, AttemptEnd::Failed);
                }
                return Err(FlowError::CodeIncorrect(left));
            }
            CodeEntered::Right => self.parts.metrics.attempt_verified(purpose, now - attempt.created_at),
            CodeEntered::Again => {}
        }
        Ok(self.view(grant, Some(&attempt)))
    }

    /// Mails a new link, which supersedes the older ones.
    ///
    /// # Errors
    /// [`FlowError::ResendTooSoon`], [`FlowError::RateLimited`], [`FlowError::DomainRefused`],
    /// [`FlowError::AttemptOver`], [`FlowError::MailUnavailable`] (the older link still works),
    /// [`FlowError::MailRejected`], [`FlowError::StoreUnavailable`].
    pub async fn resend(&self, grant: &AttemptGrant, caller: &Caller) -> Result<AttemptView, FlowError> {
        let now = self.parts.now_secs();
        let link_ttl = grant.expires_at - grant.issued_at - ATTEMPT_GRACE;
        let attempt = self.issuer.replace_link(&grant.particulars, link_ttl, caller, now).await?;
        Ok(self.view(grant, Some(&attempt)))
    }

    /// Ends the attempt as `canceled`. May be repeated.
    ///
    /// # Errors
    /// [`FlowError::AttemptOver`], [`FlowError::StoreUnavailable`].
    pub async fn cancel(&self, grant: &AttemptGrant) -> Result<(), FlowError> {
        let now = self.parts.now_secs();
        let canceled = self.parts.store.cancel(grant.particulars.attempt, now).await;
        if canceled.map_err(|error| FlowError::for_requester(error, now))?.changed {
            self.parts.metrics.attempt_ended(grant.particulars.purpose, AttemptEnd::Canceled);
        }
        Ok(())
    }

    /// Exchanges a verified attempt for a session or an email proof. May be repeated; the session is the same.
    ///
    /// # Errors
    /// [`FlowError::NotVerified`], [`FlowError::SignedInElsewhere`], [`FlowError::ClientMismatch`],
    /// [`FlowError::AttemptOver`] after sign-out, [`FlowError::StoreUnavailable`].
    pub async fn redeem(&self, grant: &AttemptGrant, caller: &Caller) -> Result<Redeemed, FlowError> {
        let particulars = &grant.particulars;
        let attempt = self.parts.store.read(particulars.attempt).await?.ok_or(FlowError::NotVerified)?;
        let State::Verified(verified) = attempt.state else { return Err(FlowError::NotVerified) };
        if particulars.fingerprint.is_some() && particulars.fingerprint != caller.client {
            return Err(FlowError::ClientMismatch);
        }
        if !particulars.purpose.signs_in() {
            let (email, subject) = (particulars.email.canonical().clone(), particulars.subject.clone());
            let ttl = self.parts.settings.session_ttl;
            return Ok(Redeemed::EmailProof {
                email_proof: self.parts.tokens.mint_email_proof(
                    &email,
                    subject.as_ref(),
                    ttl,
                    self.parts.now(),
                ),
                expires_in: ttl,
                email_address: email,
                subject,
            });
        }
        if verified.signed_in == Some(SignedIn::Opener) {
            return Err(FlowError::SignedInElsewhere);
        }
        let identity = self.sessions.identity(particulars, &verified);
        Ok(Redeemed::Session(self.sessions.sign_in(identity, caller).await?))
    }

    /// What the requester sees of an attempt. `None` stands for one that the store has lost: the attempt token is
    /// valid, so the attempt must have been there.
    fn view(&self, grant: &AttemptGrant, attempt: Option<&Attempt>) -> AttemptView {
        let particulars = &grant.particulars;
        let status = self.status_of(attempt);
        let (verified, failure) = match attempt.map(|attempt| &attempt.state) {
            None => {
                self.parts.metrics.attempt_lost(particulars.purpose);
                (None, Some(Failure::StateLost))
            }
            Some(State::Verified(verified)) => (Some(verified), None),
            Some(State::Failed(failure)) => (None, Some(*failure)),
            Some(_) => (None, None),
        };
        AttemptView {
            id: particulars.attempt,
            status,
            purpose: particulars.purpose,
            email_address: particulars.email.as_typed().to_owned(),
            expires_at: attempt.map(|attempt| attempt.expires_at),
            resend_after: attempt.map(|attempt| attempt.resend_after),
            verified_at: verified.map(|verified| verified.at),
            verified_from_same_client: verified.map(|verified| verified.same_client),
            signed_in: verified.and_then(|verified| verified.signed_in),
            session_id: verified
                .filter(|_| particulars.purpose.signs_in())
                .map(|verified| session_id(particulars.attempt, verified.at)),
            code_tries_left: attempt.map(|attempt| attempt.code_tries_left),
            failure,
        }
    }

    fn status_of(&self, attempt: Option<&Attempt>) -> Status {
        attempt.map_or(Status::Failed, |attempt| attempt.status(self.parts.now()))
    }
}
