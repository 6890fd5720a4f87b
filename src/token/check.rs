//! Signs and checks compact JWS, as strictly as RFC 8725 demands: every part must be exactly what the token's type
//! expects.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::kind::{TokenError, TokenType};
use super::ring::{Ring, RingKey, Signer};
use crate::domain::base64url;

/// The longest token that is checked, in bytes. An attempt token has 5.5 kB if its redirect URL (2048 bytes), typed
/// address (1024) and subject (255) all have their maximum length.
pub const MAX_TOKEN_LEN: usize = 8192;

/// The only header parameters that a token may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictHeader {
    alg: String,
    typ: String,
    kid: String,
}

/// The claims that every token has.
pub(super) trait Timed {
    /// `iat` and `exp`.
    fn lifetime(&self) -> [i64; 2];
}

/// A token with a valid signature and form.
pub(super) struct Checked<'r, T> {
    pub(super) claims: T,
    pub(super) key: &'r Arc<RingKey>,
    pub(super) issued_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}

impl<T> Checked<'_, T> {
    /// The token, or [`TokenError::Expired`] if `now` is at or after `exp`.
    pub(super) fn unexpired(self, now: DateTime<Utc>) -> Result<Self, TokenError> {
        if now < self.expires_at { Ok(self) } else { Err(TokenError::Expired) }
    }
}

/// Signs `claims` with this key.
pub(super) fn sign<T: Serialize>(key: &RingKey, typ: TokenType, claims: &T) -> String {
    // Our own claims always serialise; a token without claims would be rejected everywhere.
    let json = serde_json::to_vec(claims).unwrap_or_default();
    let Signer { header, pair } = key.signer(typ);
    // Includes room for the signature.
    let mut message = String::with_capacity(header.len() + json.len() * 4 / 3 + 96);
    message.push_str(header);
    message.push('.');
    URL_SAFE_NO_PAD.encode_string(&json, &mut message);
    pair.sign(message)
}

/// Checks the form, the header, the signature and the claims' types, in this order. [`Checked::unexpired`] checks the
/// expiry; each token type checks the values of its claims.
///
/// Nothing is left to jsonwebtoken: its validation of claims reads the system's clock, treats claims of a wrong JSON
/// type as absent, and parses each part again.
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
    // The header is nearly always byte for byte ours; any other spelling is parsed.
    let key = match ring.keys.iter().find(|key| key.signer(typ).header == header) {
        Some(key) => key,
        None => other_header(ring, typ, header)?,
    };
    if !key.signer(typ).pair.verify(message, signature) {
        return Err(invalid);
    }
    let claims: T = object(payload)?;
    let [issued_at, expires_at] = claims.lifetime().map(|seconds| DateTime::from_timestamp(seconds, 0));
    let (issued_at, expires_at) = (issued_at.ok_or(invalid)?, expires_at.ok_or(invalid)?);
    if issued_at > expires_at {
        return Err(invalid);
    }
    Ok(Checked { claims, key, issued_at, expires_at })
}

/// The key of a header that is spelled differently from ours.
fn other_header<'r>(ring: &'r Ring, typ: TokenType, header: &str) -> Result<&'r Arc<RingKey>, TokenError> {
    let header: StrictHeader = object(header)?;
    let key = ring.find(&header.kid).ok_or(TokenError::Invalid)?;
    if header.typ == typ.as_str() && header.alg.parse() == Ok(key.signer(typ).pair.alg()) {
        Ok(key)
    } else {
        Err(TokenError::Invalid)
    }
}

/// Reads a JSON object in canonical base64url.
fn object<T: DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let json: Vec<u8> = base64url::decode(part)?;
    // serde would accept a JSON array of the fields' values for a struct.
    if json.first() != Some(&b'{') {
        return Err(TokenError::Invalid);
    }
    serde_json::from_slice(&json).map_err(|_| TokenError::Invalid)
}
