//! Signs and checks compact JWS, as strictly as RFC 8725 asks for: everything must be exactly what the token's
//! type expects.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::Header;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::TokenError;
use super::ring::{Ring, RingKey};

/// Longest token that is looked at, in bytes. An attempt token has 5.5 kB when the redirect URL (2048), the address as
/// it was typed (1024) and the subject (255) are all as long as they may be.
pub const MAX_TOKEN_LEN: usize = 8192;

/// What a token is for. Each type has its own `typ` (RFC 8725, section 3.11) and, inside linkgate, its own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// In the mailed URL.
    Link,
    /// The requester polls with it.
    Attempt,
    /// Handed to an application's back end through the redirect.
    Ticket,
    /// Renews session tokens.
    Renewal,
    /// Verified by applications (RFC 9068 names its `typ`).
    Session,
    /// Proves to applications that an address was verified.
    EmailProof,
}

impl TokenType {
    /// All types.
    pub const ALL: [Self; 6] =
        [Self::Link, Self::Attempt, Self::Ticket, Self::Renewal, Self::Session, Self::EmailProof];

    /// The `typ` in its header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link+jwt",
            Self::Attempt => "attempt+jwt",
            Self::Ticket => "ticket+jwt",
            Self::Renewal => "renewal+jwt",
            Self::Session => "at+jwt",
            Self::EmailProof => "email-proof+jwt",
        }
    }
}

/// The only header parameters that there may be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictHeader {
    alg: String,
    typ: String,
    kid: String,
}

/// Claims that every token has.
pub(super) trait Timed {
    fn issued_at(&self) -> i64;
    fn expires_at(&self) -> i64;
}

/// A token whose signature and form are right.
pub(super) struct Checked<'r, T> {
    pub(super) claims: T,
    pub(super) key: &'r std::sync::Arc<RingKey>,
    pub(super) issued_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}

impl<T> Checked<'_, T> {
    /// The token, unless `now` is at or after its `exp`.
    pub(super) fn unexpired(self, now: DateTime<Utc>) -> Result<Self, TokenError> {
        if now < self.expires_at { Ok(self) } else { Err(TokenError::Expired) }
    }
}

/// Signs `claims` with the active key.
pub(super) fn sign<T: Serialize>(key: &RingKey, typ: TokenType, claims: &T) -> String {
    let pair = key.pair(typ);
    let mut header = Header::new(pair.alg);
    header.typ = Some(typ.as_str().to_owned());
    header.kid = Some(key.kid.clone());
    // Keys and claims are of our own making, so signing cannot fail; an empty token would be refused everywhere.
    jsonwebtoken::encode(&header, claims, &pair.sign).unwrap_or_default()
}

/// Checks the form, the header, the signature and the claims, in this order; not the expiry, which
/// [`Checked::unexpired`] does, nor what the claims say, which is left to each type.
///
/// Only the signature is left to jsonwebtoken: its own check of claims reads the system's clock, takes the wrong JSON
/// types for absent, and parses each part again.
pub(super) fn check<'r, T: DeserializeOwned + Timed>(
    ring: &'r Ring,
    typ: TokenType,
    token: &str,
) -> Result<Checked<'r, T>, TokenError> {
    let invalid = TokenError::Invalid;
    if token.len() > MAX_TOKEN_LEN {
        return Err(invalid);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(invalid)?;
    let (header, payload) = message.split_once('.').ok_or(invalid)?;
    if payload.contains('.') {
        return Err(invalid);
    }
    let header: StrictHeader = object(header)?;
    let key = ring.find(&header.kid).ok_or(invalid)?;
    let pair = key.pair(typ);
    if header.typ != typ.as_str() || header.alg.parse() != Ok(pair.alg) {
        return Err(invalid);
    }
    match jsonwebtoken::crypto::verify(signature, message.as_bytes(), &pair.check, pair.alg) {
        Ok(true) => {}
        Ok(false) | Err(_) => return Err(invalid),
    }
    let claims: T = object(payload)?;
    let time = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(invalid);
    let (issued_at, expires_at) = (time(claims.issued_at())?, time(claims.expires_at())?);
    if issued_at > expires_at {
        return Err(invalid);
    }
    Ok(Checked { claims, key, issued_at, expires_at })
}

/// Reads canonical base64url of a JSON object.
fn object<T: DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Invalid)?;
    // To serde, a JSON array of the fields' values would do for a struct.
    if json.first() != Some(&b'{') {
        return Err(TokenError::Invalid);
    }
    serde_json::from_slice(&json).map_err(|_| TokenError::Invalid)
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
