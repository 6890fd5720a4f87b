//! Sessions: sign in by a verified attempt or a ticket, read, renew, sign out.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::error::FlowError;
use super::settings::{Settings, TICKET_TTL};
use crate::clock::Clock;
use crate::domain::attempt::{SignedIn, Verified};
use crate::domain::email::EmailAddress;
use crate::domain::ids::{SessionId, Subject};
use crate::domain::secret::{AddressMark, Fingerprint, SECRET_LEN};
use crate::store::Store;
use crate::token::{Identity, Link, Particulars, Renewal, Tokens, client_id, session_id};

/// A session with a fresh session token.
pub struct SessionGrant {
    /// The person and the authentication.
    pub identity: Identity,
    /// The token, for applications to verify.
    pub session_token: String,
    /// How long the session token lives.
    pub expires_in: Duration,
    /// Renews the session; only for a client that holds a secret and has no renewal token yet.
    pub renewal_token: Option<String>,
    /// The public name of that client.
    pub client_id: Option<String>,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
}

/// The session of an opener, for its cookie.
pub struct OpenerSession {
    /// The person and the authentication.
    pub identity: Identity,
    /// Renews the session: the value of the cookie.
    pub renewal_token: String,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
}

/// The use cases of sessions.
pub struct Sessions {
    pub(super) settings: Arc<Settings>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Sessions {
    /// The session of a renewal token that its own client presents.
    ///
    /// # Errors
    /// [`FlowError::SessionRequired`], [`FlowError::StoreUnavailable`].
    pub async fn current(&self, renewal: Option<&str>, caller: &Caller) -> Result<Renewal, FlowError> {
        let renewal = self.check_renewal(renewal, caller)?;
        self.check_not_ended(renewal.identity.session, FlowError::SessionRequired).await?;
        Ok(renewal)
    }

    /// A fresh session token.
    ///
    /// # Errors
    /// As [`Sessions::current`].
    pub async fn renew(&self, renewal: Option<&str>, caller: &Caller) -> Result<SessionGrant, FlowError> {
        let renewal = self.current(renewal, caller).await?;
        let expires_at = renewal.expires_at;
        let client_id = Some(client_id(&renewal.fingerprint));
        Ok(SessionGrant { client_id, expires_at, ..self.grant(renewal.identity, None) })
    }

    /// Signs out. Succeeds without a session, too.
    ///
    /// # Errors
    /// [`FlowError::StoreUnavailable`]: the session continues.
    pub async fn sign_out(&self, renewal: Option<&str>, caller: &Caller) -> Result<(), FlowError> {
        let Ok(renewal) = self.check_renewal(renewal, caller) else { return Ok(()) };
        let left = (renewal.expires_at - self.clock.now()).to_std().unwrap_or_default();
        Ok(self.store.end_session(renewal.identity.session, left).await?)
    }

    /// The subject of a session token whose session is not signed out.
    ///
    /// # Errors
    /// [`FlowError::SessionRequired`], [`FlowError::StoreUnavailable`].
    pub async fn subject_of(&self, session_token: &str) -> Result<Subject, FlowError> {
        let checked = self.tokens.check_session(session_token, self.clock.now());
        let (session, subject) = checked.map_err(|_| FlowError::SessionRequired)?;
        self.check_not_ended(session, FlowError::SessionRequired).await?;
        Ok(subject)
    }

    /// Redeems a ticket, once.
    ///
    /// # Errors
    /// [`FlowError::TicketInvalid`], [`FlowError::StoreUnavailable`].
    pub async fn redeem_ticket(&self, ticket: &str) -> Result<SessionGrant, FlowError> {
        let checked = self.tokens.check_ticket(ticket, self.clock.now());
        let ticket = checked.map_err(|_| FlowError::TicketInvalid)?;
        // Consumed last: the ticket survives if the store fails before.
        if self.store.session_ended(ticket.identity.session).await?
            || !self.store.consume_ticket(&ticket.nonce).await?
        {
            return Err(FlowError::TicketInvalid);
        }
        Ok(self.grant(ticket.identity, None))
    }

    /// The mark with which a client proves from now on that it has verified this address.
    #[must_use]
    pub fn address_mark(&self, client: &Fingerprint, email: &EmailAddress) -> AddressMark {
        self.tokens.active_key().address_mark(client, email)
    }

    /// The identity of a verified attempt.
    pub(super) fn identity(&self, particulars: &Particulars, verified: &Verified) -> Identity {
        let email = particulars.email.canonical();
        Identity {
            session: session_id(particulars.attempt, verified.at),
            subject: particulars.subject.clone().unwrap_or_else(|| self.tokens.subject_of(email)),
            email: email.clone(),
            auth_time: verified.at,
            cross_device: verified.signed_in == Some(SignedIn::Requester) && !verified.same_client,
        }
    }

    /// The session of a verified attempt, for the client that redeems it or opened its link.
    ///
    /// # Errors
    /// [`FlowError::AttemptOver`] if the session was signed out, [`FlowError::StoreUnavailable`].
    pub async fn sign_in(&self, identity: Identity, caller: &Caller) -> Result<SessionGrant, FlowError> {
        self.check_not_ended(identity.session, FlowError::AttemptOver).await?;
        Ok(self.grant(identity, caller.client.as_ref()))
    }

    /// The cookie's part of an opener's session.
    pub(super) fn opener_session(&self, identity: Identity, client: &Fingerprint) -> OpenerSession {
        OpenerSession {
            renewal_token: self.mint_renewal(&identity, client),
            expires_at: self.ends_at(&identity),
            identity,
        }
    }

    /// Issues the ticket of a verified attempt. Its nonce is derived from the confirmation, so a repeated press gets the
    /// same ticket, and it expires [`TICKET_TTL`] after the first press.
    pub(super) async fn issue_ticket(
        &self,
        link: &Link,
        verified: &Verified,
        identity: &Identity,
    ) -> Result<String, FlowError> {
        let (attempt, purpose) = (link.particulars.attempt, link.particulars.purpose);
        let confirmation = verified.confirmation.map_or([0; SECRET_LEN], |id| *id.as_bytes());
        let nonce = link.key.derive_nonce(&[attempt.uuid().as_bytes(), &confirmation]);
        self.store.put_ticket(&nonce, TICKET_TTL).await?;
        Ok(self.tokens.mint_ticket(attempt, purpose, identity, &nonce, TICKET_TTL))
    }

    /// Fails with `refusal` if the session was signed out.
    async fn check_not_ended(&self, session: SessionId, refusal: FlowError) -> Result<(), FlowError> {
        if self.store.session_ended(session).await? { Err(refusal) } else { Ok(()) }
    }

    fn grant(&self, identity: Identity, client: Option<&Fingerprint>) -> SessionGrant {
        let now = self.clock.now();
        let ends_at = self.ends_at(&identity);
        // A session token must not outlive its session.
        let ttl = self.settings.session_ttl.min((ends_at - now).to_std().unwrap_or_default());
        SessionGrant {
            session_token: self.tokens.mint_session(&identity, ttl, now),
            expires_in: ttl,
            renewal_token: client.map(|client| self.mint_renewal(&identity, client)),
            client_id: client.map(client_id),
            expires_at: ends_at,
            identity,
        }
    }

    fn mint_renewal(&self, identity: &Identity, client: &Fingerprint) -> String {
        self.tokens.mint_renewal(identity, client, self.settings.session_max_age, self.clock.now())
    }

    fn ends_at(&self, identity: &Identity) -> DateTime<Utc> {
        identity.auth_time + self.settings.session_max_age
    }

    fn check_renewal(&self, renewal: Option<&str>, caller: &Caller) -> Result<Renewal, FlowError> {
        renewal
            .and_then(|token| self.tokens.check_renewal(token, self.clock.now()).ok())
            .filter(|renewal| caller.client == Some(renewal.fingerprint))
            .ok_or(FlowError::SessionRequired)
    }
}
