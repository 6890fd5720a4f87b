//! Signing keys, expanded once. jsonwebtoken expands its own for each token, which costs as much as the signature.

use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;

/// A signing key and its verifying half.
#[derive(Clone)]
pub(super) enum Pair {
    /// One secret for both (RFC 7518, section 3.2).
    Hs256(Arc<hmac::Key>),
    /// RFC 8037.
    EdDsa(Arc<Ed25519KeyPair>),
    /// RFC 7518, section 3.4.
    Es256(Arc<EcdsaKeyPair>),
}

impl Pair {
    pub(super) const fn alg(&self) -> Algorithm {
        match self {
            Self::Hs256(_) => Algorithm::HS256,
            Self::EdDsa(_) => Algorithm::EdDSA,
            Self::Es256(_) => Algorithm::ES256,
        }
    }

    /// Appends a dot and the signature to `message`.
    pub(super) fn sign(&self, mut message: String) -> String {
        let signature = match self {
            Self::Hs256(key) => hmac::sign(key, message.as_bytes()).as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
            // It never failed; a token without a signature is rejected everywhere.
            Self::Es256(pair) => pair
                .sign(&SystemRandom::new(), message.as_bytes())
                .map_or_else(|_| Vec::new(), |signature| signature.as_ref().to_vec()),
        };
        message.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut message);
        message
    }

    /// Whether this is the signature of `message`, in canonical base64url. HMACs are compared in constant time.
    pub(super) fn verify(&self, message: &str, signature: &str) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        let message = message.as_bytes();
        let verified = match self {
            Self::Hs256(key) => hmac::verify(key, message, &signature),
            Self::EdDsa(pair) => {
                UnparsedPublicKey::new(&ED25519, pair.public_key()).verify(message, &signature)
            }
            Self::Es256(pair) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key())
                .verify(message, &signature),
        };
        verified.is_ok()
    }
}
