//! The tokens that applications verify with the JWKS: sessions and email proofs.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::check::{check, sign};
use super::claims::{Audience, EmailProofClaims, SessionClaims};
use super::hash::fresh_bytes;
use super::kind::{TokenError, TokenType};
use super::tokens::Tokens;
use super::types::Identity;
use crate::domain::email::EmailAddress;
use crate::domain::ids::{SessionId, Subject};
use crate::domain::secret::Nonce;
use crate::domain::time::saturating_add;

/// The authentication method (`amr`, RFC 8176) of every session.
const EMAIL_LINK: &str = "email_link";

impl Tokens {
    /// Mints a session token.
    #[must_use]
    pub fn mint_session(&self, identity: &Identity, lives: Duration, now: DateTime<Utc>) -> String {
        let key = self.active_key();
        let claims = SessionClaims {
            iss: self.settings.public_url.clone(),
            sub: identity.subject.clone(),
            sid: identity.session.to_string(),
            aud: self.settings.audience.as_slice().into(),
            email: identity.email.as_str().to_owned(),
            email_verified: true,
            amr: [EMAIL_LINK.to_owned()],
            auth_time: identity.auth_time.timestamp(),
            jti: Nonce::from_bytes(fresh_bytes()),
            xdev: identity.cross_device,
            iat: now.timestamp(),
            exp: saturating_add(now, lives).timestamp(),
        };
        sign(&key, TokenType::Session, &claims)
    }

    /// Checks a session token, as any application does with the JWKS, and returns its session and subject.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn check_session(&self, token: &str, now: DateTime<Utc>) -> Result<(SessionId, Subject), TokenError> {
        let ring = self.ring.load();
        let claims = check::<SessionClaims>(&ring, TokenType::Session, token)?.unexpired(now)?.claims;
        self.is_ours(&claims.iss, &claims.aud, &claims.email, claims.email_verified)?;
        let auth_time = DateTime::from_timestamp(claims.auth_time, 0);
        if claims.amr != [EMAIL_LINK] || auth_time.is_none() {
            return Err(TokenError::Invalid);
        }
        Ok((claims.sid.parse()?, claims.sub))
    }

    /// Mints an email proof.
    #[must_use]
    pub fn mint_email_proof(
        &self,
        email: &EmailAddress,
        subject: Option<&Subject>,
        lives: Duration,
        now: DateTime<Utc>,
    ) -> String {
        let key = self.active_key();
        let claims = EmailProofClaims {
            iss: self.settings.public_url.clone(),
            sub: subject.cloned(),
            aud: self.settings.audience.as_slice().into(),
            email: email.as_str().to_owned(),
            email_verified: true,
            iat: now.timestamp(),
            exp: saturating_add(now, lives).timestamp(),
        };
        sign(&key, TokenType::EmailProof, &claims)
    }

    /// Checks an email proof, as any application does with the JWKS, and returns its address and subject. Linkgate itself
    /// never calls it: the tests do, in an application's place.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn check_email_proof(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<(EmailAddress, Option<Subject>), TokenError> {
        let ring = self.ring.load();
        let claims = check::<EmailProofClaims>(&ring, TokenType::EmailProof, token)?.unexpired(now)?.claims;
        let email = self.is_ours(&claims.iss, &claims.aud, &claims.email, claims.email_verified)?;
        Ok((email, claims.sub))
    }

    /// Checks the claims that both types share, and returns the address.
    fn is_ours(
        &self,
        iss: &str,
        aud: &Audience,
        email: &str,
        verified: bool,
    ) -> Result<EmailAddress, TokenError> {
        if iss != self.settings.public_url || !aud.names_one_of(&self.settings.audience) || !verified {
            return Err(TokenError::Invalid);
        }
        EmailAddress::from_canonical(email).map_err(|_| TokenError::Invalid)
    }
}
