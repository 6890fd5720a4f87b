//! The requester exchanges a verified attempt, or a back end a ticket, for a session.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Caller, Client, FlowError, Service};
use crate::domain::attempt::{SignedIn, State, Verified};
use crate::domain::email::EmailAddress;
use crate::domain::ids::Subject;
use crate::domain::secret::Fingerprint;
use crate::token::{AttemptGrant, Identity, Particulars, client_id, session_id};

/// A session, as it is handed to a client.
pub struct SessionGrant {
    /// Who is signed in.
    pub identity: Identity,
    /// What applications verify.
    pub session_token: String,
    /// How long it lives.
    pub expires_in: Duration,
    /// What renews it; only for a client that holds a secret.
    pub renewal_token: Option<String>,
    /// The public name of that client.
    pub client_id: Option<String>,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
}

/// What an attempt is redeemed for.
pub enum Redeemed {
    /// A session.
    Session(SessionGrant),
    /// The proof that an address was verified.
    EmailProof {
        /// What applications verify.
        email_proof: String,
        /// How long it lives.
        expires_in: Duration,
        /// The address.
        email_address: EmailAddress,
        /// Whose account it is for.
        subject: Option<Subject>,
    },
}

impl Service {
    /// Redeems a verified attempt. May be repeated; the session is the same.
    ///
    /// # Errors
    /// [`FlowError::NotVerified`], [`FlowError::SignedInElsewhere`], [`FlowError::ClientMismatch`],
    /// [`FlowError::AttemptOver`] after sign-out, [`FlowError::StoreUnavailable`].
    pub async fn redeem(&self, grant: &AttemptGrant, caller: &Caller) -> Result<Redeemed, FlowError> {
        let particulars = &grant.particulars;
        let attempt = self.store.read(particulars.attempt).await?.ok_or(FlowError::NotVerified)?;
        let State::Verified(verified) = attempt.state else { return Err(FlowError::NotVerified) };
        if particulars.fingerprint.is_some() && particulars.fingerprint.as_ref() != caller.fingerprint() {
            return Err(FlowError::ClientMismatch);
        }
        let email = EmailAddress::parse(&particulars.email).map_err(|_| FlowError::AttemptTokenInvalid)?;
        if !particulars.purpose.signs_in() {
            let subject = particulars.subject.clone();
            let lives = self.settings.session_ttl;
            return Ok(Redeemed::EmailProof {
                email_proof: self.tokens.mint_email_proof(&email, subject.as_ref(), lives, self.now()),
                expires_in: lives,
                email_address: email,
                subject,
            });
        }
        if verified.signed_in == Some(SignedIn::Opener) {
            return Err(FlowError::SignedInElsewhere);
        }
        let identity = self.identity(particulars, email, &verified);
        Ok(Redeemed::Session(self.open_session(identity, caller.client.as_ref()).await?))
    }

    /// Redeems a ticket, once.
    ///
    /// # Errors
    /// [`FlowError::TicketInvalid`], [`FlowError::StoreUnavailable`].
    pub async fn redeem_ticket(&self, ticket: &str) -> Result<SessionGrant, FlowError> {
        let ticket = self.tokens.check_ticket(ticket, self.now()).map_err(|_| FlowError::TicketInvalid)?;
        // Consumed last: a store that fails before costs nobody the ticket.
        if self.store.session_ended(ticket.identity.session).await?
            || !self.store.consume_ticket(&ticket.nonce).await?
        {
            return Err(FlowError::TicketInvalid);
        }
        Ok(self.grant(ticket.identity, None))
    }

    /// The identity that a verified attempt stands for.
    pub(super) fn identity(
        &self,
        particulars: &Particulars,
        email: EmailAddress,
        verified: &Verified,
    ) -> Identity {
        Identity {
            session: session_id(particulars.attempt, verified.at),
            subject: particulars.subject.clone().unwrap_or_else(|| self.tokens.subject_of(&email)),
            email,
            auth_time: verified.at,
            cross_device: verified.signed_in == Some(SignedIn::Requester) && !verified.same_client,
        }
    }

    /// A session with its first session token, unless it was signed out already.
    pub(super) async fn open_session(
        &self,
        identity: Identity,
        client: Option<&Client>,
    ) -> Result<SessionGrant, FlowError> {
        if self.store.session_ended(identity.session).await? {
            return Err(FlowError::AttemptOver);
        }
        Ok(self.grant(identity, client.map(|client| &client.fingerprint)))
    }

    pub(super) fn grant(&self, identity: Identity, fingerprint: Option<&Fingerprint>) -> SessionGrant {
        let now = self.now();
        let ends = self.session_ends(&identity);
        // No session token outlives its session.
        let lives = self.settings.session_ttl.min((ends - now).to_std().unwrap_or_default());
        SessionGrant {
            session_token: self.tokens.mint_session(&identity, lives, now),
            expires_in: lives,
            renewal_token: fingerprint.map(|fingerprint| self.renewal(&identity, fingerprint)),
            client_id: fingerprint.map(client_id),
            expires_at: ends,
            identity,
        }
    }

    pub(super) fn renewal(&self, identity: &Identity, fingerprint: &Fingerprint) -> String {
        self.tokens.mint_renewal(identity, fingerprint, self.settings.session_max_age, self.now())
    }

    pub(super) fn session_ends(&self, identity: &Identity) -> DateTime<Utc> {
        identity.auth_time + self.settings.session_max_age
    }
}
