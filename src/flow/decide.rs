//! The opener's decision about a link. One atomic step in the store moves the attempt.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::error::FlowError;
use super::links::{Links, check_unexpired};
use super::sessions::OpenerSession;
use crate::domain::attempt::{Refusal, SignedIn, State, Verdict, Verified};
use crate::domain::ids::SessionId;
use crate::domain::policy::Confirm;
use crate::domain::secret::{ConfirmationId, RelayCode};
use crate::metrics::AttemptEnd;
use crate::store::{StepError, Stepped};
use crate::token::Link;

/// The button that the opener pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// "Yes, sign in", or "Show the code".
    Approve,
    /// "This wasn't me".
    Deny,
    /// "Sign in on this device instead".
    #[serde(rename = "here")]
    SignInOnThisDevice,
}

/// The result of a decision.
pub enum Confirmed {
    /// The attempt is verified.
    Verified {
        /// The session of the attempt; `None` for `verify_email`.
        session: Option<SessionId>,
        /// Which party gets the session.
        signed_in: Option<SignedIn>,
        /// The opener's session, if the opener is signed in and holds a client secret.
        opener_session: Option<Box<OpenerSession>>,
        /// The ticket for the application's back end.
        ticket: Option<String>,
    },
    /// The requester must enter the relay code.
    AwaitingCode {
        /// The code to show to the opener.
        code: RelayCode,
        /// Whether the opener may still sign in on this device instead.
        sign_in_here: bool,
    },
    /// "This wasn't me": the attempt is over.
    Denied,
}

impl Links {
    /// Carries out the opener's decision. The same confirmation gets the same answer again.
    ///
    /// # Errors
    /// The link's errors, [`FlowError::ClientMismatch`], [`FlowError::InvalidRequest`],
    /// [`FlowError::StoreUnavailable`].
    pub async fn decide(
        &self,
        link: &Link,
        decision: Decision,
        confirmation: &str,
        caller: &Caller,
    ) -> Result<Confirmed, FlowError> {
        let now = self.parts.now_secs();
        check_unexpired(link, now)?;
        let (_, confirm) = self.relation(link, caller);
        if confirm == Confirm::Mismatch {
            return Err(FlowError::ClientMismatch);
        }
        let confirmation = self.check_confirmation(link, confirmation, caller, now).await?;
        let sign_in_here = self.may_sign_in_here(link, confirm, caller);
        let signed_in = match (decision, confirm) {
            (_, Confirm::Mismatch) => return Err(FlowError::ClientMismatch),
            (Decision::Deny, _) => return self.deny(link, confirmation, now).await,
            (Decision::Approve, Confirm::RelayCode) => {
                let id = link.particulars.attempt;
                let shown = self.parts.store.show_code(id, &link.nonce, now).await;
                shown.map_err(|error| FlowError::for_opener(error, now))?;
                let code = link.key.relay_code(id, &link.nonce);
                return Ok(Confirmed::AwaitingCode { code, sign_in_here });
            }
            (Decision::Approve | Decision::SignInOnThisDevice, Confirm::Automatic) => SignedIn::Both,
            // The ticket in the redirect signs in the opener's browser. Nobody else gets the session then.
            (Decision::Approve, Confirm::Approve) if link.particulars.ticket => SignedIn::Opener,
            (Decision::Approve, Confirm::Approve) => SignedIn::Requester,
            (Decision::SignInOnThisDevice, _) if sign_in_here => SignedIn::Opener,
            (Decision::SignInOnThisDevice, _) => {
                return Err(FlowError::InvalidRequest(
                    "Signing in on this device is not offered for this link.",
                ));
            }
        };
        self.verify(link, confirmation, signed_in, caller, now).await
    }

    async fn check_confirmation(
        &self,
        link: &Link,
        confirmation: &str,
        caller: &Caller,
        now: DateTime<Utc>,
    ) -> Result<ConfirmationId, FlowError> {
        let checked = link.key.check_confirmation(confirmation, &link.nonce, caller.client.as_ref());
        if let Ok(confirmation) = checked {
            return Ok(confirmation);
        }
        // If the link no longer works, that is the more helpful error.
        self.check_usable(link, now).await?;
        Err(FlowError::InvalidRequest(
            "The confirmation does not belong to this link and client. Open the link again.",
        ))
    }

    async fn deny(
        &self,
        link: &Link,
        confirmation: ConfirmationId,
        now: DateTime<Utc>,
    ) -> Result<Confirmed, FlowError> {
        let particulars = &link.particulars;
        if self.settle(link, confirmation, &Verdict::Deny, now).await?.changed {
            self.parts.metrics.attempt_ended(particulars.purpose, AttemptEnd::Denied);
        }
        if let Some(network) = particulars.network {
            self.issuer.limits.deny(&link.key, particulars.email.canonical(), network).await?;
        }
        Ok(Confirmed::Denied)
    }

    async fn verify(
        &self,
        link: &Link,
        confirmation: ConfirmationId,
        signed_in: SignedIn,
        caller: &Caller,
        now: DateTime<Utc>,
    ) -> Result<Confirmed, FlowError> {
        let verdict = Verdict::Verify {
            signed_in: link.particulars.purpose.signs_in().then_some(signed_in),
            same_client: signed_in == SignedIn::Both,
        };
        let Stepped { attempt, changed } = self.settle(link, confirmation, &verdict, now).await?;
        let State::Verified(verified) = attempt.state else {
            // The store accepted this verdict and shows another state: its answer cannot be trusted.
            return Err(FlowError::for_opener(StepError::Refused(Refusal::Lost), now));
        };
        // Metrics count a press once, however often it is repeated.
        if changed {
            self.parts.metrics.attempt_verified(link.particulars.purpose, now - attempt.created_at);
        }
        self.confirmed(link, &verified, caller).await
    }

    async fn settle(
        &self,
        link: &Link,
        confirmation: ConfirmationId,
        verdict: &Verdict,
        now: DateTime<Utc>,
    ) -> Result<Stepped, FlowError> {
        let id = link.particulars.attempt;
        let settled = self.parts.store.settle(id, &link.nonce, confirmation, verdict, now).await;
        settled.map_err(|error| FlowError::for_opener(error, now))
    }

    /// The opener's answer. It follows from the store's record alone, so a repeated press gets the first answer again.
    async fn confirmed(
        &self,
        link: &Link,
        verified: &Verified,
        caller: &Caller,
    ) -> Result<Confirmed, FlowError> {
        let identity = self.sessions.identity(&link.particulars, verified);
        let opener_signed_in = matches!(verified.signed_in, Some(SignedIn::Opener | SignedIn::Both));
        let ticket = if opener_signed_in && link.particulars.ticket {
            Some(self.sessions.issue_ticket(link, verified, &identity).await?)
        } else {
            None
        };
        let session = verified.signed_in.map(|_| identity.session);
        let opener_session = caller
            .client
            .filter(|_| opener_signed_in)
            .map(|client| Box::new(self.sessions.opener_session(identity, &client)));
        Ok(Confirmed::Verified { session, signed_in: verified.signed_in, opener_session, ticket })
    }
}
