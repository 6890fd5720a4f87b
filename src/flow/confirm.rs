//! The opener decides. One atomic step in the store moves the attempt.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::link::{email_of, still_lives};
use super::redeem::SessionGrant;
use super::start::denied_permit;
use super::{Caller, DENIED_FOR, FlowError, Service, TICKET_TTL};
use crate::domain::attempt::{SignedIn, State, Verdict, Verified};
use crate::domain::email::EmailAddress;
use crate::domain::ids::SessionId;
use crate::domain::policy::Confirm;
use crate::domain::secret::{ConfirmationId, RelayCode, SECRET_LEN};
use crate::store::{StepError, Stepped};
use crate::token::{Identity, Link};

/// Which button was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// "Yes, sign in", or "Show the code".
    Approve,
    /// "This wasn't me".
    Deny,
    /// "Sign in on this device instead".
    Here,
}

/// What came of a decision.
pub enum Confirmed {
    /// The attempt is verified.
    Verified {
        /// The session that it leads to; none for `verify_email`.
        session: Option<SessionId>,
        /// Who gets it.
        signed_in: Option<SignedIn>,
        /// The opener's own part of it, when the opener is signed in and holds a client secret.
        here: Option<Box<OpenerSession>>,
        /// For the application's back end.
        ticket: Option<String>,
    },
    /// The relay code to be typed in where the requester waits.
    AwaitingCode(RelayCode),
    /// The attempt is over.
    Denied,
}

/// A session for the opener.
pub struct OpenerSession {
    identity: Identity,
    /// What renews it: the value of its cookie.
    pub renewal_token: String,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
}

impl OpenerSession {
    /// The address that the opener has verified.
    #[must_use]
    pub const fn email(&self) -> &EmailAddress {
        &self.identity.email
    }
}

impl Service {
    /// Does what the opener decided. The same confirmation gets the same answer again.
    ///
    /// # Errors
    /// The link's problems, [`FlowError::ClientMismatch`], [`FlowError::InvalidRequest`],
    /// [`FlowError::StoreUnavailable`].
    pub async fn decide(
        &self,
        link: &Link,
        decision: Decision,
        confirmation: &str,
        caller: &Caller,
    ) -> Result<Confirmed, FlowError> {
        let now = self.second();
        still_lives(link, now)?;
        let (_, confirm) = self.relation(link, caller);
        if confirm == Confirm::Mismatch {
            return Err(FlowError::ClientMismatch);
        }
        let Ok(confirmation) = link.key.check_confirmation(confirmation, &link.nonce, caller.fingerprint())
        else {
            // What has become of the link says more than what is wrong with the request.
            self.peek(link, now).await?;
            return Err(FlowError::InvalidRequest(
                "The confirmation does not belong to this link and client. Open the link again.",
            ));
        };
        match (decision, confirm) {
            (_, Confirm::Mismatch) => Err(FlowError::ClientMismatch),
            (Decision::Deny, _) => self.deny(link, confirmation, now).await,
            (Decision::Approve, Confirm::RelayCode) => self.show_code(link, now).await,
            (Decision::Approve | Decision::Here, Confirm::Automatic) => {
                self.verify(link, confirmation, SignedIn::Both, caller, now).await
            }
            // A ticket in the redirect signs in whoever is redirected: that is the opener, and nobody else then.
            (Decision::Approve, Confirm::Approve) if link.particulars.ticket => {
                self.verify(link, confirmation, SignedIn::Opener, caller, now).await
            }
            (Decision::Approve, Confirm::Approve) => {
                self.verify(link, confirmation, SignedIn::Requester, caller, now).await
            }
            (Decision::Here, Confirm::Approve | Confirm::RelayCode) => {
                if !self.may_sign_in_here(link, confirm, caller) {
                    return Err(FlowError::InvalidRequest(
                        "Signing in on this device is not offered for this link.",
                    ));
                }
                self.verify(link, confirmation, SignedIn::Opener, caller, now).await
            }
        }
    }

    async fn deny(
        &self,
        link: &Link,
        confirmation: ConfirmationId,
        now: DateTime<Utc>,
    ) -> Result<Confirmed, FlowError> {
        if self.settle(link, confirmation, &Verdict::Deny, now).await?.changed {
            self.metrics.attempt_ended(link.particulars.purpose, "denied");
        }
        if let Some(network) = link.particulars.network {
            // Taken already when the press is repeated.
            self.store
                .take_permit(&denied_permit(&link.key, &email_of(link)?, network), 0, DENIED_FOR)
                .await?;
        }
        Ok(Confirmed::Denied)
    }

    async fn show_code(&self, link: &Link, now: DateTime<Utc>) -> Result<Confirmed, FlowError> {
        let id = link.particulars.attempt;
        self.store
            .show_code(id, &link.nonce, now)
            .await
            .map_err(|error| FlowError::for_opener(error, now))?;
        Ok(Confirmed::AwaitingCode(link.key.relay_code(id, &link.nonce)))
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
            // The store said that it took this verdict, and shows another: it cannot be vouched for.
            return Err(FlowError::for_opener(
                StepError::Refused(crate::domain::attempt::Refusal::Lost),
                now,
            ));
        };
        // A repeated press is not counted again.
        if changed {
            self.metrics.attempt_verified(link.particulars.purpose, now - attempt.created_at);
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
        self.store
            .settle(link.particulars.attempt, &link.nonce, confirmation, verdict, now)
            .await
            .map_err(|error| FlowError::for_opener(error, now))
    }

    /// What the opener is given, from what the store says: a repeated press gets what the first one got.
    async fn confirmed(
        &self,
        link: &Link,
        verified: &Verified,
        caller: &Caller,
    ) -> Result<Confirmed, FlowError> {
        let identity = self.identity(&link.particulars, email_of(link)?, verified);
        let opener_signed_in = matches!(verified.signed_in, Some(SignedIn::Opener | SignedIn::Both));
        let ticket = if opener_signed_in && link.particulars.ticket {
            // The same press gets the same ticket: it follows from the confirmation, and dies a minute after it.
            let pressed =
                verified.confirmation.map_or([0; SECRET_LEN], |confirmation| *confirmation.as_bytes());
            let nonce = link.key.derive_nonce(&[link.particulars.attempt.uuid().as_bytes(), &pressed]);
            self.store.put_ticket(&nonce, TICKET_TTL).await?;
            let (attempt, purpose) = (link.particulars.attempt, link.particulars.purpose);
            Some(self.tokens.mint_ticket(attempt, purpose, &identity, &nonce, TICKET_TTL))
        } else {
            None
        };
        let session = verified.signed_in.map(|_| identity.session);
        let here = caller.fingerprint().filter(|_| opener_signed_in).map(|fingerprint| {
            Box::new(OpenerSession {
                renewal_token: self.renewal(&identity, fingerprint),
                expires_at: self.session_ends(&identity),
                identity,
            })
        });
        Ok(Confirmed::Verified { session, signed_in: verified.signed_in, here, ticket })
    }

    /// The whole session of an opener that keeps no cookies.
    ///
    /// # Errors
    /// [`FlowError::AttemptOver`] when it was signed out already, [`FlowError::StoreUnavailable`].
    pub async fn opener_session(
        &self,
        here: &OpenerSession,
        caller: &Caller,
    ) -> Result<SessionGrant, FlowError> {
        self.open_session(here.identity.clone(), caller.client.as_ref()).await
    }
}
