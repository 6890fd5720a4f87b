//! Unkeyed hashes, and fresh secrets.

use aws_lc_rs::digest::SHA256;
use chrono::{DateTime, Utc};
use uuid::{NoContext, Timestamp, Uuid};
use zeroize::Zeroizing;

use crate::domain::base64url;
use crate::domain::email::EmailAddress;
use crate::domain::ids::{AttemptId, SessionId, Subject};
use crate::domain::secret::{ClientSecret, Fingerprint};

/// Random bytes from the system's generator.
///
/// # Panics
/// If the system's generator fails: nothing can be done safely without randomness.
#[must_use]
pub fn fresh_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without randomness nothing may continue")]
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's generator works");
    bytes
}

/// A fresh key for `LINKGATE_KEYS`, as `kid:base64url`.
#[must_use]
pub fn fresh_key_text(kid: &str) -> String {
    format!("{kid}:{}", base64url::encode(fresh_bytes::<32>()))
}

/// SHA-256 of public data.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    first(aws_lc_rs::digest::digest(&SHA256, bytes).as_ref())
}

/// A fresh attempt id (UUID version 7, RFC 9562): it reveals its creation time and nothing else.
#[must_use]
pub fn fresh_attempt_id(now: DateTime<Utc>) -> AttemptId {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    AttemptId::from_uuid(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())))
}

/// The first `N` bytes of the SHA-256 of [`framed`].
fn plain<const N: usize>(label: &str, parts: &[&[u8]]) -> [u8; N] {
    first(&sha256(&framed(label, parts)))
}

/// A label and parts, each part preceded by its length, so that no two lists of parts collide. One buffer, because
/// hashing many small pieces costs more than copying them.
pub(super) fn framed(label: &str, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length = label.len() + parts.iter().map(|part| 8 + part.len()).sum::<usize>();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    bytes.extend_from_slice(label.as_bytes());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// The first `N` bytes of a hash, which has at least as many.
pub(super) fn first<const N: usize>(hash: &[u8]) -> [u8; N] {
    std::array::from_fn(|index| hash[index])
}

/// The fingerprint of a client secret.
#[must_use]
pub fn fingerprint(secret: &ClientSecret) -> Fingerprint {
    Fingerprint::from_bytes(plain("linkgate client", &[secret.expose().as_bytes()]))
}

/// The public name of a client: `client_` and 32 hexadecimal digits.
#[must_use]
pub fn client_id(fingerprint: &Fingerprint) -> String {
    let hash = plain("linkgate client id", &[fingerprint.as_bytes()]);
    format!("client_{}", Uuid::from_bytes(hash).simple())
}

/// The session that an attempt leads to, however often it is redeemed. It depends on the time of the verification,
/// too, since an attempt id that is derived from an idempotency key may return.
#[must_use]
pub fn session_id(attempt: AttemptId, verified_at: DateTime<Utc>) -> SessionId {
    SessionId::from_uuid(Uuid::from_bytes(plain(
        "linkgate session",
        &[attempt.uuid().as_bytes(), &verified_at.timestamp().to_be_bytes()],
    )))
}

/// The subject of an address: `user_` and a SHA-256 in hexadecimal.
#[must_use]
pub fn subject(email: &EmailAddress, salt: &str) -> Subject {
    let hash: [u8; 32] = plain("linkgate subject", &[salt.as_bytes(), email.as_str().as_bytes()]);
    // Two UUIDs without hyphens are the 64 digits.
    let [high, low] = [0, 16].map(|from| Uuid::from_bytes(std::array::from_fn(|n| hash[from + n])).simple());
    Subject::from_digest(format!("user_{high}{low}"))
}
