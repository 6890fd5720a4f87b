//! Secrets and values derived from them, as types without `Debug`, so that no log can print one.
//!
//! This module defines their form; `token` makes them.

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::base64url::{self, Malformed};
use super::secret_text::SecretText;

/// Length of nonces, fingerprints and confirmation ids, in bytes (128 bits).
pub const SECRET_LEN: usize = 16;

macro_rules! bytes128 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Serialize, Deserialize)]
        pub struct $name(#[serde(with = "base64url")] [u8; SECRET_LEN]);

        impl $name {
            /// Wraps 128 bits.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; SECRET_LEN]) -> Self {
                Self(bytes)
            }

            /// The 128 bits.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; SECRET_LEN] {
                &self.0
            }

            /// 22 characters of base64url, as in tokens and in the store.
            #[must_use]
            pub fn encode(&self) -> String {
                base64url::encode(self.0)
            }

            /// Reads the result of [`Self::encode`].
            ///
            /// # Errors
            /// [`Malformed`] unless it is canonical base64url of 16 bytes.
            pub fn decode(text: &str) -> Result<Self, Malformed> {
                base64url::decode(text).map(Self)
            }
        }

        impl PartialEq for $name {
            /// Compares in constant time.
            fn eq(&self, other: &Self) -> bool {
                self.0.ct_eq(&other.0).into()
            }
        }

        impl Eq for $name {}
    };
}

bytes128! {
    /// The single-use id of a link or a ticket, allow-listed in the store (`jti`, RFC 7519, section 4.1.7).
    Nonce
}

bytes128! {
    /// The hash of a client secret, carried in tokens (`cfp`).
    Fingerprint
}

bytes128! {
    /// The id of one press of a confirm button. Repeating it returns the same result.
    ConfirmationId
}

bytes128! {
    /// A keyed hash of a client and an address: proves that the client has verified the address before. Reveals nothing
    /// without the key.
    AddressMark
}

/// Proves that two requests come from the same client: at least 128 random bits, in a cookie or in `Linkgate-Client`.
pub struct ClientSecret(SecretText);

impl ClientSecret {
    /// The fewest characters: 128 bits in base64url.
    pub const MIN_LEN: usize = 22;

    /// The most characters.
    pub const MAX_LEN: usize = 128;

    /// Accepts [`Self::MIN_LEN`] to [`Self::MAX_LEN`] characters of the base64url alphabet.
    ///
    /// # Errors
    /// [`Malformed`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let fits = (Self::MIN_LEN..=Self::MAX_LEN).contains(&text.len());
        let safe = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fits && safe { Ok(Self(SecretText::new(text.to_owned()))) } else { Err(Malformed) }
    }

    /// Encodes these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(SecretText::new(base64url::encode(bytes)))
    }

    /// The plain secret, only for its cookie and for hashing.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Six digits that the opener sees and the requester enters.
#[derive(Clone, Copy)]
pub struct RelayCode(u32);

impl RelayCode {
    /// How many codes there are.
    pub const COUNT: u32 = 1_000_000;

    /// The code number `n` modulo [`Self::COUNT`].
    #[must_use]
    pub const fn from_number(n: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the remainder is below one million")]
        Self((n % Self::COUNT as u64) as u32)
    }

    /// Parses six digits. Spaces and hyphens are ignored, since people group digits with them.
    ///
    /// # Errors
    /// [`Malformed`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        // The standard parser would also take a sign.
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Malformed);
        }
        digits.parse().map(Self).map_err(|_| Malformed)
    }

    /// The six digits.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{:06}", self.0)
    }
}

impl PartialEq for RelayCode {
    /// Compares in constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_reads_back_and_nothing_else_does() {
        let nonce = Nonce::from_bytes([7; 16]);
        let text = nonce.encode();
        assert!(Nonce::decode(&text).is_ok_and(|n| n == nonce));
        // The last character carries two bits that must be zero: another spelling is not the same nonce.
        for bad in ["", "AAAA", &format!("{text}A"), &format!("{text}="), &text.replace(&text[21..], "x")] {
            assert!(Nonce::decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_relay_code_is_six_digits_however_people_group_them() {
        assert_eq!(RelayCode::from_number(42).expose(), "000042");
        assert!(RelayCode::parse("000 042").is_ok_and(|c| c == RelayCode::from_number(42)));
        for bad in ["", "12345", "1234567", "12345a", "１２３４５６", "99999999999999999999"] {
            assert!(RelayCode::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_secret_has_at_least_128_bits() {
        assert!(ClientSecret::parse(&"a".repeat(22)).is_ok());
        for bad in ["a".repeat(21), "a".repeat(129), "ä".repeat(22), format!("{}=", "a".repeat(22))] {
            assert!(ClientSecret::parse(&bad).is_err(), "{bad}");
        }
    }
}
