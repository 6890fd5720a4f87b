//! The keyring: one random secret per key id, and all keys derived from it.
//!
//! HKDF-SHA256 (RFC 5869) with one label per use, so that no token is valid as another type. The labels of internal
//! keys include the public URL, which binds their tokens to one deployment.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, LessSafeKey, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use zeroize::Zeroizing;

use super::kind::TokenType;
use super::signing::Pair;
use crate::domain::keys::{KeyEntry, KeyringEntries, SessionAlg};

/// No key could be derived from a secret. Never observed.
#[derive(thiserror::Error, Debug, Clone, Copy)]
#[error("no keys can be derived from this secret; make a fresh one with `linkgate keys new`")]
pub struct UnusableKey;

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

/// How one key of the ring signs the tokens of one type.
pub(super) struct Signer {
    /// The encoded header.
    pub(super) header: String,
    pub(super) pair: Pair,
}

/// One key of the ring: all keys derived from one secret.
pub struct RingKey {
    pub(super) kid: String,
    /// In the order of [`TokenType::ALL`].
    signers: Vec<Signer>,
    /// Seals addresses.
    pub(super) seal: LessSafeKey,
    /// For keyed hashes other than tokens.
    pub(super) mac: hmac::Key,
    jwk: Jwk,
}

impl RingKey {
    /// `None` if no key can be derived from the secret.
    fn derive(entry: &KeyEntry, public_url: &str, alg: SessionAlg) -> Option<Self> {
        let prk = Salt::new(HKDF_SHA256, b"linkgate v1").extract(&entry.secret);
        let bound =
            |label: &str| expand(&prk, &[b"internal ", label.as_bytes(), b" ", public_url.as_bytes()]);
        let (public, mut jwk) = public_pair(&prk, alg)?;
        jwk.common.key_id = Some(entry.kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let signer = |typ: TokenType| {
            let pair = match typ {
                // They share the published key and differ in `typ`.
                TokenType::Session | TokenType::EmailProof => public.clone(),
                internal => {
                    let key = hmac::Key::new(hmac::HMAC_SHA256, &*bound(internal.as_str())?);
                    Pair::Hs256(Arc::new(key))
                }
            };
            let mut header = Header::new(pair.alg());
            header.typ = Some(typ.as_str().to_owned());
            header.kid = Some(entry.kid.clone());
            let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).ok()?);
            Some(Signer { header, pair })
        };
        Some(Self {
            kid: entry.kid.clone(),
            signers: TokenType::ALL.into_iter().map(signer).collect::<Option<_>>()?,
            seal: LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &*bound("seal")?).ok()?),
            mac: hmac::Key::new(hmac::HMAC_SHA256, &*bound("mac")?),
            jwk,
        })
    }

    pub(super) fn signer(&self, typ: TokenType) -> &Signer {
        &self.signers[typ as usize]
    }
}

fn expand(prk: &Prk, info: &[&[u8]]) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    prk.expand(info, Len32).ok()?.fill(&mut *key).ok()?;
    Some(key)
}

fn public_pair(prk: &Prk, alg: SessionAlg) -> Option<(Pair, Jwk)> {
    let (pair, encoding, alg) = match alg {
        SessionAlg::EdDsa => {
            let pair = Ed25519KeyPair::from_seed_unchecked(&*expand(prk, &[b"session Ed25519"])?).ok()?;
            let der = Zeroizing::new(pair.to_pkcs8v1().ok()?.as_ref().to_vec());
            (Pair::EdDsa(Arc::new(pair)), EncodingKey::from_ed_der(&der), Algorithm::EdDSA)
        }
        SessionAlg::Es256 => {
            // One secret in 2^32 is not a scalar of the curve: the next label is tried.
            let scalar = (0..4_u8).find_map(|n| {
                PrivateKey::from_private_key(&ECDH_P256, &*expand(prk, &[b"session P-256 ", &[n]])?).ok()
            })?;
            let der: Pkcs8V1Der<'_> = scalar.as_der().ok()?;
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref()).ok()?;
            (Pair::Es256(Arc::new(pair)), EncodingKey::from_ec_der(der.as_ref()), Algorithm::ES256)
        }
    };
    Some((pair, Jwk::from_encoding_key(&encoding, alg).ok()?))
}

/// The keys in use: all are accepted and published, one of them signs.
#[derive(Clone)]
pub(super) struct Ring {
    /// At least one.
    pub(super) keys: Vec<Arc<RingKey>>,
    /// The public halves of all keys (RFC 7517, section 5), as JSON.
    pub(super) jwks: Arc<str>,
    /// The index of the signing key: 0, or, while verifiers do not know the first key yet, the previous signer.
    pub(super) signer: usize,
}

impl Ring {
    /// Derives all keys.
    ///
    /// # Errors
    /// [`UnusableKey`] if a secret yields no keys.
    pub(super) fn derive(
        entries: &KeyringEntries,
        public_url: &str,
        alg: SessionAlg,
    ) -> Result<Self, UnusableKey> {
        let keys =
            entries.as_slice().iter().map(|entry| RingKey::derive(entry, public_url, alg).map(Arc::new));
        let keys: Vec<_> = keys.collect::<Option<_>>().ok_or(UnusableKey)?;
        let jwks = JwkSet { keys: keys.iter().map(|key| key.jwk.clone()).collect() };
        let jwks = serde_json::to_string(&jwks).map_err(|_| UnusableKey)?;
        Ok(Self { keys, jwks: jwks.into(), signer: 0 })
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
}
