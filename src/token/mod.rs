//! Every fact that travels, signed. The only module that knows jsonwebtoken, keys and randomness.
//!
//! It does not know the store, mail or HTTP: a token that checks out here may still have been used or ended.

mod check;
mod claims;
mod hash;
mod internal;
mod public;
mod ring;
mod seal;
mod signing;

use std::fmt;
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};

pub use check::{MAX_TOKEN_LEN, TokenType};
pub use hash::{
    client_id, fingerprint, fresh_attempt_id, fresh_bytes, fresh_key_text, session_id, sha256, subject,
};
pub use ring::UnusableKey;

use self::ring::Ring;
use crate::domain::email::{EmailAddress, TypedAddress};
use crate::domain::ids::{AttemptId, SessionId, Subject};
use crate::domain::keys::{KeyringEntries, SessionAlg};
use crate::domain::locale::Locale;
use crate::domain::policy::{CrossDevice, Purpose};
use crate::domain::secret::{Fingerprint, Nonce};

/// Why a token is refused. It says no more: whoever made it up learns nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// Not a token of this type and deployment.
    Invalid,
    /// It was one, and its time is over.
    Expired,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "not a valid token of this type",
            Self::Expired => "the token has expired",
        })
    }
}

impl std::error::Error for TokenError {}

/// The keyed hash of a network, under the key that signed the token that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkHash([u8; 8]);

/// What is asked for in an attempt: all that its tokens carry, and the store does not.
#[derive(Clone)]
pub struct Particulars {
    /// The attempt.
    pub attempt: AttemptId,
    /// The address. Attempt tokens carry it as typed, links in its canonical form.
    pub email: TypedAddress,
    /// What it is for.
    pub purpose: Purpose,
    /// The requester's client, if it holds a client secret.
    pub fingerprint: Option<Fingerprint>,
    /// The requester's network, if known.
    pub network: Option<NetworkHash>,
    /// The requester's browser, for display.
    pub browser: Option<String>,
    /// Where the opener is sent, as it stood in the request.
    pub redirect_url: Option<String>,
    /// The language of mails and pages.
    pub locale: Locale,
    /// The cross-device policy, if a back end chose one.
    pub cross_device: Option<CrossDevice>,
    /// Whether the redirect carries a ticket.
    pub ticket: bool,
    /// The subject, if a back end or a session set one.
    pub subject: Option<Subject>,
}

/// A link that is authentic.
pub struct Link {
    /// What is asked for.
    pub particulars: Particulars,
    /// Its nonce.
    pub nonce: Nonce,
    /// The key that signed it: other keyed hashes about this link use the same.
    pub key: KeyHandle,
    /// When it was made.
    pub issued_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// What an attempt token says.
#[derive(Clone)]
pub struct AttemptGrant {
    /// What is asked for.
    pub particulars: Particulars,
    /// When it was started.
    pub issued_at: DateTime<Utc>,
    /// When the attempt is forgotten.
    pub expires_at: DateTime<Utc>,
}

/// What a ticket says.
pub struct Ticket {
    /// Its nonce, to be consumed.
    pub nonce: Nonce,
    /// Who signed in, and how.
    pub identity: Identity,
}

/// What a renewal token says.
pub struct Renewal {
    /// Who signed in, and how.
    pub identity: Identity,
    /// The client that it is bound to.
    pub fingerprint: Fingerprint,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
}

/// Who signed in, when, and how: what sessions are made of.
#[derive(Clone)]
pub struct Identity {
    /// The session.
    pub session: SessionId,
    /// The person.
    pub subject: Subject,
    /// The verified address.
    pub email: EmailAddress,
    /// When it was verified.
    pub auth_time: DateTime<Utc>,
    /// Whether it was approved across devices.
    pub cross_device: bool,
}

/// A reference to one key of the ring.
#[derive(Clone)]
pub struct KeyHandle(pub(self) std::sync::Arc<ring::RingKey>);

/// Settings of the tokens, fixed for the life of the process.
pub struct TokenSettings {
    /// The public URL without a trailing slash: `iss`, and part of every internal key.
    pub public_url: String,
    /// `aud` of session tokens and email proofs.
    pub audience: Vec<String>,
    /// How session tokens are signed.
    pub session_alg: SessionAlg,
    /// Part of every subject.
    pub subject_salt: String,
}

/// Mints and checks all tokens.
pub struct Tokens {
    settings: TokenSettings,
    ring: ArcSwap<Ring>,
}

impl Tokens {
    /// Derives all keys.
    ///
    /// # Errors
    /// [`UnusableKey`] when the ring is empty or unusable.
    pub fn new(entries: &KeyringEntries, settings: TokenSettings) -> Result<Self, UnusableKey> {
        // Where several parts of a program bring a provider, jsonwebtoken would choose none and panic at the first
        // token. One that is installed already is this one: no other is compiled in.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let ring = Ring::derive(entries, &settings.public_url, settings.session_alg)?;
        Ok(Self { settings, ring: ArcSwap::from_pointee(ring) })
    }

    /// Takes a new ring into use; on an error the old one stays. All its keys are accepted and published at once. A
    /// first key that was not published before does not sign yet, if the one that did is still there: `true` then, and
    /// [`Tokens::promote`] is to be called once all who keep the key set have fetched it again.
    ///
    /// # Errors
    /// As [`Tokens::new`].
    pub fn replace_ring(&self, entries: &KeyringEntries) -> Result<bool, UnusableKey> {
        let ring = Ring::derive(entries, &self.settings.public_url, self.settings.session_alg)?;
        let ring = ring.after(&self.ring.load());
        let waiting = ring.is_waiting();
        self.ring.store(std::sync::Arc::new(ring));
        Ok(waiting)
    }

    /// Lets the first key of the ring sign.
    pub fn promote(&self) {
        let ring = self.ring.load().promoted();
        self.ring.store(std::sync::Arc::new(ring));
    }

    /// The key set that applications verify with (RFC 7517), as JSON.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        serde_json::from_str(&self.jwks_text()).unwrap_or_default()
    }

    /// The same as text.
    #[must_use]
    pub fn jwks_text(&self) -> std::sync::Arc<str> {
        self.ring.load().jwks_text().clone()
    }

    /// The key that signs now.
    #[must_use]
    pub fn active_key(&self) -> KeyHandle {
        KeyHandle(self.ring.load().active().clone())
    }

    /// The ids of all keys, each with whether it signs now.
    #[must_use]
    pub fn key_ids(&self) -> Vec<(String, bool)> {
        let ring = self.ring.load();
        ring.iter().map(|key| (key.kid.clone(), std::sync::Arc::ptr_eq(key, ring.active()))).collect()
    }

    /// All keys that are accepted.
    #[must_use]
    pub fn accepted_keys(&self) -> Vec<KeyHandle> {
        self.ring.load().iter().cloned().map(KeyHandle).collect()
    }

    /// The subject of an address (stable over key rotations).
    #[must_use]
    pub fn subject_of(&self, email: &EmailAddress) -> Subject {
        subject(email, &self.settings.subject_salt)
    }
}

/// `instant` + `duration`; the end of time where that is out of range.
fn after(instant: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(duration)
        .ok()
        .and_then(|delta| instant.checked_add_signed(delta))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
