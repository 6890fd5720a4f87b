//! Signing keys, expanded once. jsonwebtoken expands its own for each token, which costs as much as the signature.

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};

/// A signing key and its verifying half.
pub(super) enum Pair {
    /// One secret for both (RFC 7518, section 3.2).
    Hs256(Box<hmac::Key>),
    /// RFC 8037.
    EdDsa(Box<Ed25519KeyPair>, Box<DecodingKey>),
    /// RFC 7518, section 3.4.
    Es256(Box<EcdsaKeyPair>, Box<DecodingKey>),
}

impl Pair {
    pub(super) fn hs256(secret: &[u8]) -> Self {
        Self::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    pub(super) fn eddsa(pkcs8: &[u8], check: DecodingKey) -> Result<Self, KeyRejected> {
        Ok(Self::EdDsa(Box::new(Ed25519KeyPair::from_pkcs8(pkcs8)?), Box::new(check)))
    }

    pub(super) fn es256(pkcs8: &[u8], check: DecodingKey) -> Result<Self, KeyRejected> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)?;
        Ok(Self::Es256(Box::new(pair), Box::new(check)))
    }

    pub(super) const fn alg(&self) -> Algorithm {
        match self {
            Self::Hs256(_) => Algorithm::HS256,
            Self::EdDsa(..) => Algorithm::EdDSA,
            Self::Es256(..) => Algorithm::ES256,
        }
    }

    /// Appends a dot and the signature to `message`.
    pub(super) fn sign(&self, message: String) -> String {
        match self {
            Self::Hs256(key) => {
                let signature = hmac::sign(key, message.as_bytes());
                append(message, signature.as_ref())
            }
            Self::EdDsa(pair, _) => {
                let signature = pair.sign(message.as_bytes());
                append(message, signature.as_ref())
            }
            Self::Es256(pair, _) => match pair.sign(&SystemRandom::new(), message.as_bytes()) {
                Ok(signature) => append(message, signature.as_ref()),
                // Never observed; an empty token is rejected everywhere.
                Err(_) => String::new(),
            },
        }
    }

    /// Whether this is the signature of `message`, in canonical base64url. HMACs are compared in constant time.
    pub(super) fn verify(&self, message: &str, signature: &str) -> bool {
        match self {
            Self::Hs256(key) => URL_SAFE_NO_PAD
                .decode(signature)
                .is_ok_and(|signature| hmac::verify(key, message.as_bytes(), &signature).is_ok()),
            Self::EdDsa(_, check) | Self::Es256(_, check) => {
                jsonwebtoken::crypto::verify(signature, message.as_bytes(), check, self.alg())
                    .unwrap_or(false)
            }
        }
    }
}

fn append(mut message: String, signature: &[u8]) -> String {
    message.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut message);
    message
}
