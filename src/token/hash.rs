//! Hashes, keyed and plain, and fresh secrets.

use aws_lc_rs::digest::SHA256;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use uuid::{NoContext, Timestamp, Uuid};
use zeroize::Zeroizing;

use super::{KeyHandle, NetworkHash};
use crate::domain::email::EmailAddress;
use crate::domain::ids::{AttemptId, SessionId, Subject};
use crate::domain::network::Network;
use crate::domain::secret::{
    AddressMark, ClientSecret, ConfirmationId, Fingerprint, Malformed, Nonce, RelayCode,
};

/// Random bytes of the system's generator.
///
/// # Panics
/// When the system has no randomness: nothing could be done safely then.
#[must_use]
pub fn fresh_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without randomness nothing may go on")]
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's generator works");
    bytes
}

/// A fresh key for `LINKGATE_KEYS`, as `kid:base64url`.
#[must_use]
pub fn fresh_key_text(kid: &str) -> String {
    format!("{kid}:{}", URL_SAFE_NO_PAD.encode(fresh_bytes::<32>()))
}

/// SHA-256, for what is public anyway.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(aws_lc_rs::digest::digest(&SHA256, bytes).as_ref());
    out
}

/// A fresh attempt id (UUID version 7, RFC 9562): it tells when it was made, and nothing else.
#[must_use]
pub fn fresh_attempt_id(now: DateTime<Utc>) -> AttemptId {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    AttemptId::from_uuid(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())))
}

/// SHA-256 over a label and parts, each preceded by its length, so that no two lists of parts collide.
fn plain(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    sha256(&framed(label, parts))
}

/// A label and parts, each preceded by its length. In one piece, since a hash takes each of many by itself.
fn framed(label: &str, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length = label.len() + parts.iter().map(|part| 8 + part.len()).sum::<usize>();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    bytes.extend_from_slice(label.as_bytes());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn first16(bytes: &[u8; 32]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&bytes[..16]);
    out
}

/// The client fingerprint of a secret.
#[must_use]
pub fn fingerprint(secret: &ClientSecret) -> Fingerprint {
    Fingerprint::from_bytes(first16(&plain("linkgate client", &[secret.expose().as_bytes()])))
}

/// The public name of a client: `client_` and 32 hexadecimal digits.
#[must_use]
pub fn client_id(fingerprint: &Fingerprint) -> String {
    let hash = first16(&plain("linkgate client id", &[fingerprint.as_bytes()]));
    format!("client_{}", Uuid::from_bytes(hash).simple())
}

/// The session that an attempt leads to, however often it is redeemed. The id of an attempt with an idempotency key may
/// come again; the time of its verification does not.
#[must_use]
pub fn session_id(attempt: AttemptId, verified_at: DateTime<Utc>) -> SessionId {
    SessionId::from_uuid(Uuid::from_bytes(first16(&plain(
        "linkgate session",
        &[attempt.uuid().as_bytes(), &verified_at.timestamp().to_be_bytes()],
    ))))
}

/// The subject of an address: `user_` and a SHA-256 in hexadecimal.
#[must_use]
pub fn subject(email: &EmailAddress, salt: &str) -> Subject {
    let hash = plain("linkgate subject", &[salt.as_bytes(), email.as_str().as_bytes()]);
    // A UUID's bytes in hexadecimal, twice.
    let [first, second] = [0, 16].map(|from| {
        let mut half = [0; 16];
        half.copy_from_slice(&hash[from..from + 16]);
        Uuid::from_bytes(half).simple()
    });
    Subject::from_digest(format!("user_{first}{second}"))
}

impl KeyHandle {
    /// HMAC-SHA256 over a label and parts, each preceded by its length.
    fn keyed(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&self.0.mac, &framed(label, parts)).as_ref());
        out
    }

    /// The keyed hash of a network.
    #[must_use]
    pub fn network_hash(&self, network: &Network) -> NetworkHash {
        let hash = self.keyed("network", &[&network.canonical()]);
        let mut out = [0; 8];
        out.copy_from_slice(&hash[..8]);
        NetworkHash(out)
    }

    /// The relay code of a link.
    #[must_use]
    pub fn relay_code(&self, attempt: AttemptId, nonce: &Nonce) -> RelayCode {
        let hash = self.keyed("relay code", &[attempt.uuid().as_bytes(), nonce.as_bytes()]);
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        // 2^64 modulo 10^6 favours no code by more than one part in 10^13.
        RelayCode::from_number(u64::from_be_bytes(first))
    }

    /// A fresh confirmation id, signed for this link and this opener: 43 characters.
    #[must_use]
    pub fn sign_confirmation(&self, nonce: &Nonce, opener: Option<&Fingerprint>) -> String {
        let id = fresh_bytes::<16>();
        let mut bytes = id.to_vec();
        bytes.extend_from_slice(&self.confirmation_mac(nonce, opener, &id));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Checks what [`KeyHandle::sign_confirmation`] made for the same link and opener.
    ///
    /// # Errors
    /// [`Malformed`] for anything else.
    pub fn check_confirmation(
        &self,
        text: &str,
        nonce: &Nonce,
        opener: Option<&Fingerprint>,
    ) -> Result<ConfirmationId, Malformed> {
        let mut bytes = [0; 32];
        if text.len() != 43 || URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) != Ok(32) {
            return Err(Malformed);
        }
        let id = first16(&bytes);
        // 128-bit values whose equality is constant-time.
        let mut mac = [0; 16];
        mac.copy_from_slice(&bytes[16..]);
        if ConfirmationId::from_bytes(mac)
            == ConfirmationId::from_bytes(self.confirmation_mac(nonce, opener, &id))
        {
            Ok(ConfirmationId::from_bytes(id))
        } else {
            Err(Malformed)
        }
    }

    fn confirmation_mac(&self, nonce: &Nonce, opener: Option<&Fingerprint>, id: &[u8; 16]) -> [u8; 16] {
        let opener = opener.map_or(&[][..], |fingerprint| fingerprint.as_bytes());
        first16(&self.keyed("confirmation", &[nonce.as_bytes(), opener, id]))
    }

    /// The mark of a client that has verified this address.
    #[must_use]
    pub fn address_mark(&self, client: &Fingerprint, email: &EmailAddress) -> AddressMark {
        let parts = [&client.as_bytes()[..], email.as_str().as_bytes()];
        AddressMark::from_bytes(first16(&self.keyed("address mark", &parts)))
    }

    /// The key of an issuance permit in the store: it names nobody.
    #[must_use]
    pub fn permit_hash(&self, parts: &[&[u8]]) -> String {
        URL_SAFE_NO_PAD.encode(first16(&self.keyed("permit", parts)))
    }

    /// An attempt id derived from these parts (UUID version 8, RFC 9562).
    #[must_use]
    pub fn derive_attempt_id(&self, parts: &[&[u8]]) -> AttemptId {
        let hash = first16(&self.keyed("attempt id", parts));
        AttemptId::from_uuid(uuid::Builder::from_custom_bytes(hash).into_uuid())
    }

    /// A nonce derived from these parts, for what is to be the same when it is made again.
    #[must_use]
    pub fn derive_nonce(&self, parts: &[&[u8]]) -> Nonce {
        Nonce::from_bytes(first16(&self.keyed("nonce", parts)))
    }

    /// A client secret derived from these parts.
    #[must_use]
    pub fn derive_client_secret(&self, parts: &[&[u8]]) -> ClientSecret {
        ClientSecret::from_bytes(&self.keyed("client secret", parts))
    }
}

impl NetworkHash {
    /// Its bytes, to be hashed again.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}
