//! The contents of tokens.

use chrono::{DateTime, Utc};

use super::keyed::{KeyHandle, NetworkHash};
use crate::domain::email::{EmailAddress, TypedAddress};
use crate::domain::ids::{AttemptId, SessionId, Subject};
use crate::domain::locale::Locale;
use crate::domain::policy::{CrossDevice, Purpose};
use crate::domain::secret::{Fingerprint, Nonce};

/// The request behind an attempt. Only its tokens carry it; the store does not.
#[derive(Clone)]
pub struct Particulars {
    /// The attempt.
    pub attempt: AttemptId,
    /// The address. Attempt tokens carry it as typed, links in its canonical form.
    pub email: TypedAddress,
    /// The purpose of the attempt.
    pub purpose: Purpose,
    /// The requester's client; `None` if it has no client secret.
    pub fingerprint: Option<Fingerprint>,
    /// The requester's network; `None` if unknown.
    pub network: Option<NetworkHash>,
    /// The requester's browser, for display only.
    pub browser: Option<String>,
    /// Where the opener is redirected, as requested.
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

/// An authentic link, perhaps expired.
pub struct Link {
    /// The request behind the attempt.
    pub particulars: Particulars,
    /// The nonce, which the store must still accept.
    pub nonce: Nonce,
    /// The key that signed the link; other keyed hashes about the link use the same key.
    pub key: KeyHandle,
    /// `iat`.
    pub issued_at: DateTime<Utc>,
    /// `exp`.
    pub expires_at: DateTime<Utc>,
}

/// A valid attempt token.
#[derive(Clone)]
pub struct AttemptGrant {
    /// The request behind the attempt.
    pub particulars: Particulars,
    /// When the attempt was started.
    pub issued_at: DateTime<Utc>,
    /// When the attempt is forgotten.
    pub expires_at: DateTime<Utc>,
}

/// A valid ticket.
pub struct Ticket {
    /// The nonce; the caller must still consume it.
    pub nonce: Nonce,
    /// The person, and how they signed in.
    pub identity: Identity,
}

/// A valid renewal token.
pub struct Renewal {
    /// The person, and how they signed in.
    pub identity: Identity,
    /// The client that the token is bound to.
    pub fingerprint: Fingerprint,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
}

/// The person, and when and how they signed in: the input of a session.
#[derive(Clone)]
pub struct Identity {
    /// The session.
    pub session: SessionId,
    /// The person.
    pub subject: Subject,
    /// The verified address.
    pub email: EmailAddress,
    /// When the address was verified.
    pub auth_time: DateTime<Utc>,
    /// Whether the attempt was approved on another device.
    pub cross_device: bool,
}
