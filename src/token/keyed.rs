//! Keyed hashes under one key of the ring, and secrets derived from it.

use std::sync::Arc;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use super::hash::{first, framed, fresh_bytes};
use super::ring::RingKey;
use crate::domain::base64url::{self, Malformed};
use crate::domain::email::EmailAddress;
use crate::domain::ids::AttemptId;
use crate::domain::network::Network;
use crate::domain::secret::{
    AddressMark, ClientSecret, ConfirmationId, Fingerprint, Nonce, RelayCode, SECRET_LEN,
};

/// The keyed hash of a network, under the key that signed the token that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkHash(#[serde(with = "base64url")] [u8; 8]);

impl NetworkHash {
    /// The bytes, for hashing again.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// A reference to one key of the ring.
pub type KeyHandle = Arc<RingKey>;

impl RingKey {
    /// The first `N` bytes of HMAC-SHA256 over a label and parts, each part preceded by its length.
    fn keyed<const N: usize>(&self, label: &str, parts: &[&[u8]]) -> [u8; N] {
        first(hmac::sign(&self.mac, &framed(label, parts)).as_ref())
    }

    /// The keyed hash of a network.
    #[must_use]
    pub fn network_hash(&self, network: &Network) -> NetworkHash {
        NetworkHash(self.keyed("network", &[&network.canonical()]))
    }

    /// The relay code of a link.
    #[must_use]
    pub fn relay_code(&self, attempt: AttemptId, nonce: &Nonce) -> RelayCode {
        let hash = self.keyed("relay code", &[attempt.uuid().as_bytes(), nonce.as_bytes()]);
        // 2^64 modulo 10^6 favours no code by more than one part in 10^13.
        RelayCode::from_number(u64::from_be_bytes(hash))
    }

    /// A fresh confirmation id, authenticated for this link and this opener: 43 characters.
    #[must_use]
    pub fn sign_confirmation(&self, nonce: &Nonce, opener: Option<&Fingerprint>) -> String {
        let id = fresh_bytes::<SECRET_LEN>();
        let mac = self.confirmation_mac(nonce, opener, &id);
        base64url::encode([id, mac].concat())
    }

    /// Checks the result of [`RingKey::sign_confirmation`] for the same link and opener.
    ///
    /// # Errors
    /// [`Malformed`] for anything else.
    pub fn check_confirmation(
        &self,
        text: &str,
        nonce: &Nonce,
        opener: Option<&Fingerprint>,
    ) -> Result<ConfirmationId, Malformed> {
        let bytes: [u8; 2 * SECRET_LEN] = base64url::decode(text)?;
        let [id, mac] = [0, SECRET_LEN].map(|from| first(&bytes[from..]));
        // `ConfirmationId` compares in constant time.
        let mac = ConfirmationId::from_bytes(mac);
        let expected = ConfirmationId::from_bytes(self.confirmation_mac(nonce, opener, &id));
        if mac == expected { Ok(ConfirmationId::from_bytes(id)) } else { Err(Malformed) }
    }

    fn confirmation_mac(
        &self,
        nonce: &Nonce,
        opener: Option<&Fingerprint>,
        id: &[u8; SECRET_LEN],
    ) -> [u8; SECRET_LEN] {
        let opener = opener.map_or(&[][..], |fingerprint| fingerprint.as_bytes());
        self.keyed("confirmation", &[nonce.as_bytes(), opener, id])
    }

    /// The mark of a client that has verified this address.
    #[must_use]
    pub fn address_mark(&self, client: &Fingerprint, email: &EmailAddress) -> AddressMark {
        let parts = [&client.as_bytes()[..], email.as_str().as_bytes()];
        AddressMark::from_bytes(self.keyed("address mark", &parts))
    }

    /// The key of a permit in the store. It identifies nobody.
    #[must_use]
    pub fn permit_hash(&self, parts: &[&[u8]]) -> String {
        base64url::encode(self.keyed::<SECRET_LEN>("permit", parts))
    }

    /// An attempt id derived from these parts (UUID version 8, RFC 9562).
    #[must_use]
    pub fn derive_attempt_id(&self, parts: &[&[u8]]) -> AttemptId {
        let hash = self.keyed("attempt id", parts);
        AttemptId::from_uuid(uuid::Builder::from_custom_bytes(hash).into_uuid())
    }

    /// A nonce derived from these parts, so that a repeated request gets the same one.
    #[must_use]
    pub fn derive_nonce(&self, parts: &[&[u8]]) -> Nonce {
        Nonce::from_bytes(self.keyed("nonce", parts))
    }

    /// A client secret derived from these parts.
    #[must_use]
    pub fn derive_client_secret(&self, parts: &[&[u8]]) -> ClientSecret {
        ClientSecret::from_bytes(&self.keyed("client secret", parts))
    }
}
