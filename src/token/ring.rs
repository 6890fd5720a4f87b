//! The keyring: one random secret per key id, and all keys derived from it.
//!
//! HKDF-SHA256 (RFC 5869) with one label per use, so that no token is valid as another type. The labels of internal
//! keys include the public URL, which binds their tokens to one deployment.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, LessSafeKey, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use zeroize::Zeroizing;

use super::kind::TokenType;
use super::signing::Pair;
use crate::domain::keys::{KeyringEntries, SessionAlg};

/// DER of a PKCS #8 Ed25519 private key up to its 32 bytes (RFC 8410, section 7).
const ED25519_PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// No key could be derived from a secret. Never observed.
#[derive(thiserror::Error, Debug, Clone, Copy)]
#[error("no keys can be derived from this secret; make a fresh one with `linkgate keys new`")]
pub struct UnusableKey;

impl From<Unspecified> for UnusableKey {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

impl From<jsonwebtoken::errors::Error> for UnusableKey {
    fn from(_: jsonwebtoken::errors::Error) -> Self {
        Self
    }
}

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

/// All keys derived from one secret of the ring.
pub(super) struct RingKey {
    pub(super) kid: String,
    /// In the order of [`TokenType::ALL`].
    headers: [String; TokenType::ALL.len()],
    link: Pair,
    attempt: Pair,
    ticket: Pair,
    renewal: Pair,
    public: Pair,
    /// Seals addresses.
    pub(super) seal: LessSafeKey,
    /// For keyed hashes other than tokens.
    pub(super) mac: hmac::Key,
    jwk: Jwk,
}

impl RingKey {
    fn derive(kid: &str, secret: &[u8], public_url: &str, alg: SessionAlg) -> Result<Self, UnusableKey> {
        let prk = Salt::new(HKDF_SHA256, b"linkgate v1").extract(secret);
        let bound =
            |label: &str| expand(&prk, &[b"internal ", label.as_bytes(), b" ", public_url.as_bytes()]);
        let internal = |typ: TokenType| -> Result<Pair, UnusableKey> {
            let key = bound(typ.as_str())?;
            Ok(Pair::hs256(&*key))
        };
        let (public, jwk) = public_pair(&prk, kid, alg)?;
        let mut key = Self {
            kid: kid.to_owned(),
            headers: TokenType::ALL.map(|_| String::new()),
            link: internal(TokenType::Link)?,
            attempt: internal(TokenType::Attempt)?,
            ticket: internal(TokenType::Ticket)?,
            renewal: internal(TokenType::Renewal)?,
            public,
            seal: LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &*bound("seal")?)?),
            mac: hmac::Key::new(hmac::HMAC_SHA256, &*bound("mac")?),
            jwk,
        };
        key.headers = TokenType::ALL.map(|typ| key.make_header(typ));
        Ok(key)
    }

    fn make_header(&self, typ: TokenType) -> String {
        let mut header = Header::new(self.pair(typ).alg());
        header.typ = Some(typ.as_str().to_owned());
        header.kid = Some(self.kid.clone());
        // A header of strings always serialises; without one, every token would be rejected.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).unwrap_or_default())
    }

    /// The encoded header of this type's tokens under this key.
    pub(super) fn header(&self, typ: TokenType) -> &str {
        &self.headers[typ as usize]
    }

    /// The key of a token type. Session tokens and email proofs share the published key and differ in `typ`.
    pub(super) fn pair(&self, typ: TokenType) -> &Pair {
        match typ {
            TokenType::Link => &self.link,
            TokenType::Attempt => &self.attempt,
            TokenType::Ticket => &self.ticket,
            TokenType::Renewal => &self.renewal,
            TokenType::Session | TokenType::EmailProof => &self.public,
        }
    }
}

fn expand(prk: &Prk, info: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, Unspecified> {
    let mut key = Zeroizing::new([0; 32]);
    prk.expand(info, Len32)?.fill(&mut *key)?;
    Ok(key)
}

fn public_pair(prk: &Prk, kid: &str, alg: SessionAlg) -> Result<(Pair, Jwk), UnusableKey> {
    let (alg, der) = match alg {
        SessionAlg::EdDsa => {
            let mut der = Zeroizing::new(ED25519_PKCS8_PREFIX.to_vec());
            der.extend_from_slice(&*expand(prk, &[b"session Ed25519"])?);
            (Algorithm::EdDSA, der)
        }
        SessionAlg::Es256 => {
            // One secret in 2^32 is not a scalar of the curve: the next label is tried.
            let scalar = (0..4_u8)
                .find_map(|n| {
                    PrivateKey::from_private_key(&ECDH_P256, &*expand(prk, &[b"session P-256 ", &[n]]).ok()?)
                        .ok()
                })
                .ok_or(UnusableKey)?;
            let der: Pkcs8V1Der<'_> = scalar.as_der()?;
            (Algorithm::ES256, Zeroizing::new(der.as_ref().to_vec()))
        }
    };
    let sign = match alg {
        Algorithm::ES256 => EncodingKey::from_ec_der(&der),
        _ => EncodingKey::from_ed_der(&der),
    };
    let mut jwk = Jwk::from_encoding_key(&sign, alg)?;
    jwk.common.key_id = Some(kid.to_owned());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    let check = DecodingKey::from_jwk(&jwk)?;
    let pair = match alg {
        Algorithm::ES256 => Pair::es256(&der, check),
        _ => Pair::eddsa(&der, check),
    };
    Ok((pair.map_err(|_| UnusableKey)?, jwk))
}

/// The keys in use: all are accepted and published, one of them signs.
pub(super) struct Ring {
    keys: Vec<Arc<RingKey>>,
    /// The public halves of all keys, as JSON.
    jwks: Arc<str>,
    /// The index of the signing key: 0, or, while verifiers do not know the first key yet, the previous signer.
    signer: usize,
}

impl Ring {
    /// Derives all keys.
    ///
    /// # Errors
    /// [`UnusableKey`] if a secret yields no keys, or there are no secrets.
    pub(super) fn derive(
        entries: &KeyringEntries,
        public_url: &str,
        alg: SessionAlg,
    ) -> Result<Self, UnusableKey> {
        let keys = entries
            .iter()
            .map(|entry| RingKey::derive(entry.kid(), entry.secret(), public_url, alg).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let jwks = JwkSet { keys: keys.iter().map(|key| key.jwk.clone()).collect() };
        let jwks = serde_json::to_string(&jwks).map_err(|_| UnusableKey)?;
        if keys.is_empty() { Err(UnusableKey) } else { Ok(Self { keys, jwks: jwks.into(), signer: 0 }) }
    }

    /// Keeps the signer of `before` if verifiers do not know the first key of this ring yet: it is not in `before`, or
    /// still waits there.
    pub(super) fn keeping_signer_of(mut self, before: &Self) -> Self {
        let still_waits = before.is_waiting() && before.keys[0].kid == self.keys[0].kid;
        let is_new = still_waits || before.find(&self.keys[0].kid).is_none();
        let old = self.keys.iter().position(|key| key.kid == before.active().kid);
        self.signer = old.filter(|_| is_new).unwrap_or(0);
        self
    }

    /// A copy of this ring whose first key signs.
    pub(super) fn promoted(&self) -> Self {
        Self { keys: self.keys.clone(), jwks: self.jwks.clone(), signer: 0 }
    }

    /// Whether the first key has yet to sign.
    pub(super) const fn is_waiting(&self) -> bool {
        self.signer != 0
    }

    /// The key that signs.
    pub(super) fn active(&self) -> &Arc<RingKey> {
        &self.keys[self.signer]
    }

    /// The key of this id.
    pub(super) fn find(&self, kid: &str) -> Option<&Arc<RingKey>> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// All keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<RingKey>> {
        self.keys.iter()
    }

    /// The public halves of all keys (RFC 7517, section 5) as JSON.
    pub(super) const fn jwks_text(&self) -> &Arc<str> {
        &self.jwks
    }
}
