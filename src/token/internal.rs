//! The tokens that linkgate alone reads: link, attempt, ticket and renewal.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use super::check::{TokenType, check, sign};
use super::claims::{AttemptClaims, RenewalClaims, TicketClaims};
use super::ring::RingKey;
use super::{
    AttemptGrant, Identity, KeyHandle, Link, NetworkHash, Particulars, Renewal, Ticket, TokenError, Tokens,
    after, seal,
};
use crate::domain::email::{EmailAddress, TypedAddress};
use crate::domain::ids::{AttemptId, Subject};
use crate::domain::locale::Locale;
use crate::domain::policy::Purpose;
use crate::domain::secret::{Fingerprint, Nonce};

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
        let key = self.ring.load().active().clone();
        let jti = nonce.encode();
        let email = particulars.email.canonical().as_str();
        let em = seal::seal(&key.seal, context(TokenType::Link, &jti).as_bytes(), email);
        sign(&key, TokenType::Link, &attempt_claims(particulars, Some(jti), em, issued_at, expires_at))
    }

    /// Checks the form and the signature of a link, not its expiry: an expired link may still ask for a new one.
    ///
    /// # Errors
    /// [`TokenError::Invalid`].
    pub fn check_link(&self, token: &str) -> Result<Link, TokenError> {
        let ring = self.ring.load();
        let checked = check::<AttemptClaims>(&ring, TokenType::Link, token)?;
        let jti = checked.claims.jti.as_deref().ok_or(TokenError::Invalid)?;
        let nonce = Nonce::decode(jti).map_err(|_| TokenError::Invalid)?;
        let context = context(TokenType::Link, jti);
        Ok(Link {
            particulars: particulars(&checked.claims, checked.key, &context)?,
            nonce,
            key: KeyHandle(checked.key.clone()),
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
        let key = self.ring.load().active().clone();
        let context = context(TokenType::Attempt, &compact(&particulars.attempt));
        let em = seal::seal(&key.seal, context.as_bytes(), particulars.email.as_typed());
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
        let context = context(TokenType::Attempt, &checked.claims.aid);
        Ok(AttemptGrant {
            particulars: particulars(&checked.claims, checked.key, &context)?,
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
        let key = self.ring.load().active().clone();
        let jti = nonce.encode();
        let em = seal::seal(&key.seal, context(TokenType::Ticket, &jti).as_bytes(), identity.email.as_str());
        let claims = TicketClaims {
            jti,
            aid: compact(&attempt),
            em,
            pur: purpose,
            sid: identity.session.to_string(),
            sub: identity.subject.as_str().to_owned(),
            iat: identity.auth_time.timestamp(),
            exp: after(identity.auth_time, lives).timestamp(),
        };
        sign(&key, TokenType::Ticket, &claims)
    }

    /// Checks a ticket; its nonce is still to be consumed.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn check_ticket(&self, token: &str, now: DateTime<Utc>) -> Result<Ticket, TokenError> {
        let ring = self.ring.load();
        let checked = check::<TicketClaims>(&ring, TokenType::Ticket, token)?.unexpired(now)?;
        let claims = &checked.claims;
        expand(&claims.aid)?;
        if !claims.pur.signs_in() {
            return Err(TokenError::Invalid);
        }
        let email =
            seal::open(&checked.key.seal, context(TokenType::Ticket, &claims.jti).as_bytes(), &claims.em)?;
        Ok(Ticket {
            nonce: Nonce::decode(&claims.jti).map_err(|_| TokenError::Invalid)?,
            identity: Identity {
                session: claims.sid.parse().map_err(|_| TokenError::Invalid)?,
                subject: Subject::parse(&claims.sub).map_err(|_| TokenError::Invalid)?,
                email: EmailAddress::from_canonical(&email).map_err(|_| TokenError::Invalid)?,
                auth_time: checked.issued_at,
                cross_device: false,
            },
        })
    }

    /// Mints a renewal token that ends `max_age` after the authentication.
    #[must_use]
    pub fn mint_renewal(
        &self,
        identity: &Identity,
        fingerprint: &Fingerprint,
        max_age: Duration,
        now: DateTime<Utc>,
    ) -> String {
        let key = self.ring.load().active().clone();
        let sid = identity.session.to_string();
        let em = seal::seal(&key.seal, context(TokenType::Renewal, &sid).as_bytes(), identity.email.as_str());
        let claims = RenewalClaims {
            sid,
            sub: identity.subject.as_str().to_owned(),
            em,
            cfp: fingerprint.encode(),
            auth_time: identity.auth_time.timestamp(),
            xdev: identity.cross_device,
            iat: now.timestamp(),
            exp: after(identity.auth_time, max_age).timestamp(),
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
        let claims = &checked.claims;
        let email =
            seal::open(&checked.key.seal, context(TokenType::Renewal, &claims.sid).as_bytes(), &claims.em)?;
        Ok(Renewal {
            identity: Identity {
                session: claims.sid.parse().map_err(|_| TokenError::Invalid)?,
                subject: Subject::parse(&claims.sub).map_err(|_| TokenError::Invalid)?,
                email: EmailAddress::from_canonical(&email).map_err(|_| TokenError::Invalid)?,
                auth_time: DateTime::from_timestamp(claims.auth_time, 0).ok_or(TokenError::Invalid)?,
                cross_device: claims.xdev,
            },
            fingerprint: Fingerprint::decode(&claims.cfp).map_err(|_| TokenError::Invalid)?,
            expires_at: checked.expires_at,
        })
    }
}

/// The associated data of a sealed address: bound to the token's type and id.
fn context(typ: TokenType, id: &str) -> String {
    format!("{} {id}", typ.as_str())
}

/// An attempt id in the 22 characters that tokens have room for.
fn compact(id: &AttemptId) -> String {
    URL_SAFE_NO_PAD.encode(id.uuid().as_bytes())
}

/// Reads what [`compact`] wrote.
fn expand(text: &str) -> Result<AttemptId, TokenError> {
    // A UUID has as many bits as a nonce.
    let bytes = Nonce::decode(text).map_err(|_| TokenError::Invalid)?;
    Ok(AttemptId::from_uuid(uuid::Uuid::from_bytes(*bytes.as_bytes())))
}

fn attempt_claims(
    particulars: &Particulars,
    jti: Option<String>,
    em: String,
    issued_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> AttemptClaims {
    AttemptClaims {
        jti,
        aid: compact(&particulars.attempt),
        em,
        pur: particulars.purpose,
        cfp: particulars.fingerprint.as_ref().map(Fingerprint::encode),
        net: particulars.network.map(|network| URL_SAFE_NO_PAD.encode(network.0)),
        ua: particulars.browser.clone(),
        ru: particulars.redirect_url.clone(),
        loc: particulars.locale.as_str().to_owned(),
        xd: particulars.cross_device,
        tk: particulars.ticket,
        sub: particulars.subject.as_ref().map(|s| s.as_str().to_owned()),
        iat: issued_at.timestamp(),
        exp: expires_at.timestamp(),
    }
}

fn particulars(claims: &AttemptClaims, key: &RingKey, context: &str) -> Result<Particulars, TokenError> {
    let invalid = TokenError::Invalid;
    let network = claims.net.as_deref().map(|text| {
        let mut bytes = [0; 8];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(8) => Ok(NetworkHash(bytes)),
            _ => Err(invalid),
        }
    });
    let email = seal::open(&key.seal, context.as_bytes(), &claims.em)?;
    Ok(Particulars {
        attempt: expand(&claims.aid)?,
        email: TypedAddress::parse(&email).map_err(|_| invalid)?,
        purpose: claims.pur,
        fingerprint: claims.cfp.as_deref().map(Fingerprint::decode).transpose().map_err(|_| invalid)?,
        network: network.transpose()?,
        browser: claims.ua.clone(),
        redirect_url: claims.ru.clone(),
        // Not `from_tag`, which takes what people write.
        locale: Locale::ALL.into_iter().find(|locale| locale.as_str() == claims.loc).ok_or(invalid)?,
        cross_device: claims.xd,
        ticket: claims.tk,
        subject: claims.sub.as_deref().map(Subject::parse).transpose().map_err(|_| invalid)?,
    })
}
