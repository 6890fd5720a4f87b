//! Sessions after sign-in: who is it, a fresh session token, sign-out.

use chrono::{DateTime, Utc};

use super::redeem::SessionGrant;
use super::{Caller, FlowError, Service};
use crate::domain::ids::Subject;
use crate::token::{Identity, Renewal, client_id};

/// The session of a client.
pub struct CurrentSession {
    /// Who is signed in.
    pub identity: Identity,
    /// The public name of the client.
    pub client_id: String,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
}

impl Service {
    /// The session that a renewal token stands for, when its client shows it and nobody signed out.
    ///
    /// # Errors
    /// [`FlowError::SessionRequired`], [`FlowError::StoreUnavailable`].
    pub async fn current_session(
        &self,
        renewal: Option<&str>,
        caller: &Caller,
    ) -> Result<CurrentSession, FlowError> {
        let renewal = self.live_renewal(renewal, caller).await?;
        Ok(CurrentSession {
            client_id: client_id(&renewal.fingerprint),
            expires_at: renewal.expires_at,
            identity: renewal.identity,
        })
    }

    /// A fresh session token.
    ///
    /// # Errors
    /// As [`Service::current_session`].
    pub async fn session_token(
        &self,
        renewal: Option<&str>,
        caller: &Caller,
    ) -> Result<SessionGrant, FlowError> {
        let renewal = self.live_renewal(renewal, caller).await?;
        let expires_at = renewal.expires_at;
        let client_id = Some(client_id(&renewal.fingerprint));
        Ok(SessionGrant { client_id, expires_at, ..self.grant(renewal.identity, None) })
    }

    /// Signs out. Without a session there is nothing to do, and that is no error.
    ///
    /// # Errors
    /// [`FlowError::StoreUnavailable`]: the session goes on.
    pub async fn sign_out(&self, renewal: Option<&str>, caller: &Caller) -> Result<(), FlowError> {
        let Ok(renewal) = self.renewal_of(renewal, caller) else { return Ok(()) };
        let rest = (renewal.expires_at - self.now()).to_std().unwrap_or_default();
        self.store.end_session(renewal.identity.session, rest).await?;
        Ok(())
    }

    /// The person of a session token, when nobody signed out.
    ///
    /// # Errors
    /// [`FlowError::SessionRequired`], [`FlowError::StoreUnavailable`].
    pub async fn person_of(&self, session_token: &str) -> Result<Subject, FlowError> {
        let (session, subject) =
            self.tokens.check_session(session_token, self.now()).map_err(|_| FlowError::SessionRequired)?;
        if self.store.session_ended(session).await? { Err(FlowError::SessionRequired) } else { Ok(subject) }
    }

    async fn live_renewal(&self, renewal: Option<&str>, caller: &Caller) -> Result<Renewal, FlowError> {
        let renewal = self.renewal_of(renewal, caller)?;
        if self.store.session_ended(renewal.identity.session).await? {
            return Err(FlowError::SessionRequired);
        }
        Ok(renewal)
    }

    fn renewal_of(&self, renewal: Option<&str>, caller: &Caller) -> Result<Renewal, FlowError> {
        let renewal = renewal
            .and_then(|token| self.tokens.check_renewal(token, self.now()).ok())
            .ok_or(FlowError::SessionRequired)?;
        if caller.fingerprint() == Some(&renewal.fingerprint) {
            Ok(renewal)
        } else {
            Err(FlowError::SessionRequired)
        }
    }
}
