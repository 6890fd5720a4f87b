//! Sealed addresses, so that no URL carries a readable one.
//!
//! AES-256-GCM-SIV (RFC 8452) with the token's type and id as associated data. The nonce is the SHA-256 of that
//! context: it takes no room in the token, differs for each token, and makes minting deterministic.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};

use super::hash::{first, sha256};
use super::kind::{TokenError, TokenType};
use super::ring::RingKey;
use crate::domain::base64url;

/// The nonce and the associated data of the address of the token with this type and id.
fn context(typ: TokenType, id: &str) -> (Nonce, Aad<String>) {
    let context = format!("{} {id}", typ.as_str());
    (Nonce::assume_unique_for_key(first::<NONCE_LEN>(&sha256(context.as_bytes()))), Aad::from(context))
}

impl RingKey {
    /// Seals the address of the token with this type and id; base64url.
    #[must_use]
    pub fn seal_address(&self, typ: TokenType, id: &str, address: &str) -> String {
        let (nonce, context) = context(typ, id);
        let mut bytes = address.as_bytes().to_vec();
        // Fails only for texts of many gigabytes. An empty seal never opens, so it would still be safe.
        if self.seal.seal_in_place_append_tag(nonce, context, &mut bytes).is_err() {
            bytes.clear();
        }
        base64url::encode(bytes)
    }

    /// Opens the result of [`RingKey::seal_address`] for the same type and id.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] for anything else.
    pub fn open_address(&self, typ: TokenType, id: &str, sealed: &str) -> Result<String, TokenError> {
        let (nonce, context) = context(typ, id);
        let mut bytes: Vec<u8> = base64url::decode(sealed)?;
        let opened = self.seal.open_in_place(nonce, context, &mut bytes).map_err(|_| TokenError::Invalid)?;
        String::from_utf8(opened.to_vec()).map_err(|_| TokenError::Invalid)
    }
}
