//! [`Tokens`] mints and checks all tokens with the current keyring.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::hash::subject;
use super::keyed::KeyHandle;
use super::ring::{Ring, UnusableKey};
use crate::domain::email::EmailAddress;
use crate::domain::ids::Subject;
use crate::domain::keys::{KeyringEntries, SessionAlg};

/// The settings of tokens, fixed for the life of the process.
pub struct TokenSettings {
    /// The public URL without a trailing slash: `iss`, and part of the label of every internal key.
    pub public_url: String,
    /// `aud` of session tokens and email proofs.
    pub audience: Vec<String>,
    /// The signature algorithm of session tokens and email proofs.
    pub session_alg: SessionAlg,
    /// Hashed into every subject.
    pub subject_salt: String,
}

/// Mints and checks all tokens.
pub struct Tokens {
    pub(super) settings: TokenSettings,
    pub(super) ring: ArcSwap<Ring>,
}

impl Tokens {
    /// Derives all keys.
    ///
    /// # Errors
    /// [`UnusableKey`] if a key cannot be derived.
    pub fn new(entries: &KeyringEntries, settings: TokenSettings) -> Result<Self, UnusableKey> {
        // If several dependencies enable a provider, jsonwebtoken chooses none and panics at the first token. Installing
        // fails only if it has been installed before: no other one is compiled in.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let ring = Ring::derive(entries, &settings.public_url, settings.session_alg)?;
        Ok(Self { settings, ring: ArcSwap::from_pointee(ring) })
    }

    /// Replaces the ring; on an error the old one stays. All new keys are accepted and published at once. If the first key
    /// is new and the previous signer is still in the ring, that one keeps signing and the result is `true`: call
    /// [`Tokens::promote`] once every verifier has fetched the key set again.
    ///
    /// # Errors
    /// As [`Tokens::new`].
    pub fn replace_ring(&self, entries: &KeyringEntries) -> Result<bool, UnusableKey> {
        let ring = Ring::derive(entries, &self.settings.public_url, self.settings.session_alg)?;
        let ring = ring.keeping_signer_of(&self.ring.load());
        let waiting = ring.is_waiting();
        self.ring.store(Arc::new(ring));
        Ok(waiting)
    }

    /// Lets the first key of the ring sign.
    pub fn promote(&self) {
        self.ring.store(Arc::new(Ring { signer: 0, ..Ring::clone(&self.ring.load()) }));
    }

    /// The key set that applications verify with (RFC 7517), as JSON.
    #[must_use]
    pub fn jwks_text(&self) -> Arc<str> {
        self.ring.load().jwks.clone()
    }

    /// The signing key.
    #[must_use]
    pub fn active_key(&self) -> KeyHandle {
        self.ring.load().active().clone()
    }

    /// The ids of all accepted keys, each with whether it signs.
    #[must_use]
    pub fn key_ids(&self) -> Vec<(String, bool)> {
        let ring = self.ring.load();
        ring.keys.iter().map(|key| (key.kid.clone(), Arc::ptr_eq(key, ring.active()))).collect()
    }

    /// All accepted keys, the first of the ring first.
    #[must_use]
    pub fn accepted_keys(&self) -> Vec<KeyHandle> {
        self.ring.load().keys.clone()
    }

    /// The subject of an address. Key rotations do not change it.
    #[must_use]
    pub fn subject_of(&self, email: &EmailAddress) -> Subject {
        subject(email, &self.settings.subject_salt)
    }
}
