//! The tokens that only linkgate reads: link, attempt, ticket and renewal.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::check::{check, sign};
use super::claims::{AttemptClaims, RenewalClaims, TicketClaims};
use super::kind::{TokenError, TokenType};
use super::ring::RingKey;
use super::tokens::Tokens;
use super::types::{AttemptGrant, Identity, Link, Particulars, Renewal, Ticket};
use crate::domain::base64url;
use crate::domain::email::{EmailAddress, TypedAddress};
use crate::domain::ids::AttemptId;
use crate::domain::policy::Purpose;
use crate::domain::secret::{Fingerprint, Nonce};
use crate::domain::time::saturating_add;

impl Tokens {
    /// Mints the token of a mailed link.
    #[must_use]
    pub fn mint_link(
        &self,
        particulars: &Particulars,
        nonce: &Nonce,
        issued_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> String {
        let key = self.active_key();
        let em = key.seal_address(TokenType::Link, &nonce.encode(), particulars.email.canonical().as_str());
        sign(&key, TokenType::Link, &attempt_claims(particulars, Some(*nonce), em, issued_at, expires_at))
    }

    /// Checks the form and the signature of a link, but not its expiry: the page of an expired link can send a new one.
    ///
    /// # Errors
    /// [`TokenError::Invalid`].
    pub fn check_link(&self, token: &str) -> Result<Link, TokenError> {
        let ring = self.ring.load();
        let checked = check::<AttemptClaims>(&ring, TokenType::Link, token)?;
        let nonce = checked.claims.jti.ok_or(TokenError::Invalid)?;
        Ok(Link {
            particulars: particulars(checked.claims, checked.key, TokenType::Link, &nonce.encode())?,
            nonce,
            key: checked.key.clone(),
            issued_at: checked.issued_at,
            expires_at: checked.expires_at,
        })
    }

    /// Mints an attempt token.
    #[must_use]
    pub fn mint_attempt(
        &self,
        particulars: &Particulars,
        issued_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> String {
        let key = self.active_key();
        let aid = base64url::encode(particulars.attempt.uuid());
        let em = key.seal_address(TokenType::Attempt, &aid, particulars.email.as_typed());
        sign(&key, TokenType::Attempt, &attempt_claims(particulars, None, em, issued_at, expires_at))
    }

    /// Checks an attempt token.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn check_attempt(&self, token: &str, now: DateTime<Utc>) -> Result<AttemptGrant, TokenError> {
        let ring = self.ring.load();
        let checked = check::<AttemptClaims>(&ring, TokenType::Attempt, token)?.unexpired(now)?;
        if checked.claims.jti.is_some() {
            return Err(TokenError::Invalid);
        }
        let aid = base64url::encode(checked.claims.aid);
        Ok(AttemptGrant {
            particulars: particulars(checked.claims, checked.key, TokenType::Attempt, &aid)?,
            issued_at: checked.issued_at,
            expires_at: checked.expires_at,
        })
    }

    /// Mints a ticket.
    #[must_use]
    pub fn mint_ticket(
        &self,
        attempt: AttemptId,
        purpose: Purpose,
        identity: &Identity,
        nonce: &Nonce,
        lives: Duration,
    ) -> String {
        let key = self.active_key();
        let claims = TicketClaims {
            em: key.seal_address(TokenType::Ticket, &nonce.encode(), identity.email.as_str()),
            jti: *nonce,
            aid: attempt.uuid(),
            pur: purpose,
            sid: identity.session.to_string(),
            sub: identity.subject.clone(),
            iat: identity.auth_time.timestamp(),
            exp: saturating_add(identity.auth_time, lives).timestamp(),
        };
        sign(&key, TokenType::Ticket, &claims)
    }

    /// Checks a ticket. The caller must still consume its nonce.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn check_ticket(&self, token: &str, now: DateTime<Utc>) -> Result<Ticket, TokenError> {
        let ring = self.ring.load();
        let checked = check::<TicketClaims>(&ring, TokenType::Ticket, token)?.unexpired(now)?;
        let claims = checked.claims;
        if !claims.pur.signs_in() {
            return Err(TokenError::Invalid);
        }
        let email = checked.key.open_address(TokenType::Ticket, &claims.jti.encode(), &claims.em)?;
        Ok(Ticket {
            nonce: claims.jti,
            identity: Identity {
                session: claims.sid.parse()?,
                subject: claims.sub,
                email: EmailAddress::from_canonical(&email).map_err(|_| TokenError::Invalid)?,
                auth_time: checked.issued_at,
                cross_device: false,
            },
        })
    }

    /// Mints a renewal token that expires `max_age` after the authentication.
    #[must_use]
    pub fn mint_renewal(
        &self,
        identity: &Identity,
        fingerprint: &Fingerprint,
        max_age: Duration,
        now: DateTime<Utc>,
    ) -> String {
        let key = self.active_key();
        let sid = identity.session.to_string();
        let claims = RenewalClaims {
            em: key.seal_address(TokenType::Renewal, &sid, identity.email.as_str()),
            sid,
            sub: identity.subject.clone(),
            cfp: *fingerprint,
            auth_time: identity.auth_time.timestamp(),
            xdev: identity.cross_device,
            iat: now.timestamp(),
            exp: saturating_add(identity.auth_time, max_age).timestamp(),
        };
        sign(&key, TokenType::Renewal, &claims)
    }

    /// Checks a renewal token.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn check_renewal(&self, token: &str, now: DateTime<Utc>) -> Result<Renewal, TokenError> {
        let ring = self.ring.load();
        let checked = check::<RenewalClaims>(&ring, TokenType::Renewal, token)?.unexpired(now)?;
        let claims = checked.claims;
        let email = checked.key.open_address(TokenType::Renewal, &claims.sid, &claims.em)?;
        Ok(Renewal {
            identity: Identity {
                session: claims.sid.parse()?,
                subject: claims.sub,
                email: EmailAddress::from_canonical(&email).map_err(|_| TokenError::Invalid)?,
                auth_time: DateTime::from_timestamp(claims.auth_time, 0).ok_or(TokenError::Invalid)?,
                cross_device: claims.xdev,
            },
            fingerprint: claims.cfp,
            expires_at: checked.expires_at,
        })
    }
}

fn attempt_claims(
    particulars: &Particulars,
    jti: Option<Nonce>,
    em: String,
    issued_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> AttemptClaims {
    AttemptClaims {
        jti,
        aid: particulars.attempt.uuid(),
        em,
        pur: particulars.purpose,
        cfp: particulars.fingerprint,
        net: particulars.network,
        ua: particulars.browser.clone(),
        ru: particulars.redirect_url.clone(),
        loc: particulars.locale,
        xd: particulars.cross_device,
        tk: particulars.ticket,
        sub: particulars.subject.clone(),
        iat: issued_at.timestamp(),
        exp: expires_at.timestamp(),
    }
}

/// The contents of the link or attempt token with this id.
fn particulars(
    claims: AttemptClaims,
    key: &RingKey,
    typ: TokenType,
    id: &str,
) -> Result<Particulars, TokenError> {
    let email = key.open_address(typ, id, &claims.em)?;
    Ok(Particulars {
        attempt: AttemptId::from_uuid(claims.aid),
        email: TypedAddress::parse(&email).map_err(|_| TokenError::Invalid)?,
        purpose: claims.pur,
        fingerprint: claims.cfp,
        network: claims.net,
        browser: claims.ua,
        redirect_url: claims.ru,
        locale: claims.loc,
        cross_device: claims.xd,
        ticket: claims.tk,
        subject: claims.sub,
    })
}
