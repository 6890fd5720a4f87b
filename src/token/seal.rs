//! Seals addresses, so that none travels readable in a URL.
//!
//! AES-256-GCM-SIV (RFC 8452) with the token's own id as associated data. The nonce is the SHA-256 of that id, so it
//! takes no room in the token, differs for each, and makes sealing deterministic: the same token is minted twice
//! the same.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{KeyHandle, TokenError};

fn nonce_of(context: &[u8]) -> Nonce {
    let hash = digest(&SHA256, context);
    let mut nonce = [0; NONCE_LEN];
    nonce.copy_from_slice(&hash.as_ref()[..NONCE_LEN]);
    Nonce::assume_unique_for_key(nonce)
}

/// Seals `text` for the token named by `context`; base64url.
pub(super) fn seal(key: &LessSafeKey, context: &[u8], text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    // Fails only for texts of many gigabytes. An empty seal opens nowhere, so it would still be safe.
    if key.seal_in_place_append_tag(nonce_of(context), Aad::from(context), &mut bytes).is_err() {
        bytes.clear();
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Opens what [`seal`] made with the same key and context.
pub(super) fn open(key: &LessSafeKey, context: &[u8], sealed: &str) -> Result<String, TokenError> {
    let mut bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| TokenError::Invalid)?;
    let opened = key
        .open_in_place(nonce_of(context), Aad::from(context), &mut bytes)
        .map_err(|_| TokenError::Invalid)?;
    String::from_utf8(opened.to_vec()).map_err(|_| TokenError::Invalid)
}

/// For the benches.
#[doc(hidden)]
impl KeyHandle {
    /// Seals `text` for a token named by `context`.
    #[must_use]
    pub fn seal(&self, context: &[u8], text: &str) -> String {
        seal(&self.0.seal, context, text)
    }

    /// Opens what [`KeyHandle::seal`] made.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] for anything else.
    pub fn open(&self, context: &[u8], sealed: &str) -> Result<String, TokenError> {
        open(&self.0.seal, context, sealed)
    }
}
