//! Signs and checks compact JWS, as strictly as RFC 8725 asks for: everything must be exactly what the token's
//! type expects.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
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
    pub(super) key: &'r Arc<RingKey>,
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
    // Claims are of our own making, so writing them cannot fail; a token without any would be refused everywhere.
    let json = serde_json::to_vec(claims).unwrap_or_default();
    let header = key.header(typ);
    // Room for the signature, too.
    let mut message = String::with_capacity(header.len() + json.len() * 4 / 3 + 96);
    message.push_str(header);
    message.push('.');
    URL_SAFE_NO_PAD.encode_string(&json, &mut message);
    key.pair(typ).sign(message)
}

/// Checks the form, the header, the signature and the claims, in this order; not the expiry, which
/// [`Checked::unexpired`] does, nor what the claims say, which is left to each type.
///
/// Only public signatures are left to jsonwebtoken: its own check of claims reads the system's clock, takes the wrong
/// JSON types for absent, and parses each part again.
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
    // As we write it, or else as strictly as the claims.
    let key = match ring.iter().find(|key| key.header(typ) == header) {
        Some(key) => key,
        None => other_header(ring, typ, header)?,
    };
    if !key.pair(typ).verify(message, signature) {
        return Err(invalid);
    }
    let claims: T = object(payload)?;
    let time = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(invalid);
    let (issued_at, expires_at) = (time(claims.issued_at())?, time(claims.expires_at())?);
    if issued_at > expires_at {
        return Err(invalid);
    }
    Ok(Checked { claims, key, issued_at, expires_at })
}

/// The key that a header names which is not written as ours are.
fn other_header<'r>(ring: &'r Ring, typ: TokenType, header: &str) -> Result<&'r Arc<RingKey>, TokenError> {
    let header: StrictHeader = object(header)?;
    let key = ring.find(&header.kid).ok_or(TokenError::Invalid)?;
    if header.typ == typ.as_str() && header.alg.parse() == Ok(key.pair(typ).alg()) {
        Ok(key)
    } else {
        Err(TokenError::Invalid)
    }
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
