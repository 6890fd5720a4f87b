//! Sealed addresses, so that no URL carries a readable one.
//!
//! AES-256-GCM-SIV (RFC 8452) with the token's type and id as associated data. The nonce is the SHA-256 of that
//! context: it takes no room in the token, differs for each token, and makes minting deterministic.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

use super::hash::{first, sha256};
use super::kind::{TokenError, TokenType};
use super::ring::RingKey;
use crate::domain::base64url;

fn nonce_of(context: &[u8]) -> Nonce {
    Nonce::assume_unique_for_key(first::<NONCE_LEN>(&sha256(context)))
}

/// The associated data of an address: the type and the id of its token.
fn context(typ: TokenType, id: &str) -> String {
    format!("{} {id}", typ.as_str())
}

/// Seals the address of the token with this type and id; base64url.
pub(super) fn seal_address(key: &RingKey, typ: TokenType, id: &str, address: &str) -> String {
    seal(&key.seal, context(typ, id).as_bytes(), address)
}

/// Opens the result of [`seal_address`] for the same key, type and id.
pub(super) fn open_address(
    key: &RingKey,
    typ: TokenType,
    id: &str,
    sealed: &str,
) -> Result<String, TokenError> {
    open(&key.seal, context(typ, id).as_bytes(), sealed)
}

fn seal(key: &LessSafeKey, context: &[u8], text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    // Fails only for texts of many gigabytes. An empty seal never opens, so it would still be safe.
    if key.seal_in_place_append_tag(nonce_of(context), Aad::from(context), &mut bytes).is_err() {
        bytes.clear();
    }
    base64url::encode(bytes)
}

fn open(key: &LessSafeKey, context: &[u8], sealed: &str) -> Result<String, TokenError> {
    let mut bytes: Vec<u8> = base64url::decode(sealed)?;
    let opened = key
        .open_in_place(nonce_of(context), Aad::from(context), &mut bytes)
        .map_err(|_| TokenError::Invalid)?;
    String::from_utf8(opened.to_vec()).map_err(|_| TokenError::Invalid)
}

/// For the benches.
#[doc(hidden)]
impl RingKey {
    /// Seals `text` for the token named by `context`.
    #[must_use]
    pub fn seal(&self, context: &[u8], text: &str) -> String {
        seal(&self.seal, context, text)
    }

    /// Opens the result of [`RingKey::seal`].
    ///
    /// # Errors
    /// [`TokenError::Invalid`] for anything else.
    pub fn open(&self, context: &[u8], sealed: &str) -> Result<String, TokenError> {
        open(&self.seal, context, sealed)
    }
}
