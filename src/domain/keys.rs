//! The keyring's secrets, as written in `LINKGATE_KEYS`, and how long a new key waits.
//!
//! Errors name the position of an entry and never contain any part of it. `token` derives the keys.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::words::words;

/// The shortest secret, in bytes: 256 bits (RFC 7518, section 3.2, for HS256).
const MIN_SECRET: usize = 32;

/// The longest secret, in bytes: the block size of SHA-256, beyond which length adds no strength.
const MAX_SECRET: usize = 64;

/// The longest key id, in characters: every mailed link contains it.
pub const MAX_KID: usize = 16;

/// `max-age` of the published key set: how long verifiers may cache it.
pub const JWKS_MAX_AGE: Duration = Duration::from_mins(5);

/// How long a mounted key file may take to reach all replicas: a kubelet syncs it every 60 to 90 s.
const FILE_REACHES_ALL_REPLICAS: Duration = Duration::from_mins(2);

/// How long a new key is published before it signs, so that every verifier knows it by then.
pub const PUBLISHED_BEFORE_SIGNING: Duration = Duration::from_mins(7);

const _: () = assert!(
    PUBLISHED_BEFORE_SIGNING.as_secs() >= JWKS_MAX_AGE.as_secs() + FILE_REACHES_ALL_REPLICAS.as_secs(),
    "a verifier with a cached key set could meet a signature by a key that it does not know"
);

words! {
    /// The signature algorithm of session tokens (RFC 7518, section 3.1; RFC 8037, section 3.1); the word is `alg`.
    pub enum SessionAlg {
        /// Ed25519: small and fast.
        EdDsa = "EdDSA",
        /// ECDSA with P-256, for verifiers without Ed25519.
        Es256 = "ES256",
    }
}

/// Whether this is a key id: 1 to [`MAX_KID`] of the characters `A-Z a-z 0-9 . _ -`.
#[must_use]
pub fn is_kid(text: &str) -> bool {
    (1..=MAX_KID).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// One secret with its key id.
pub struct KeyEntry {
    /// The key id, which is public (`kid`, RFC 7515, section 4.1.4).
    pub kid: String,
    /// 32 to 64 bytes.
    pub secret: Zeroizing<Vec<u8>>,
}

/// The secrets of a deployment, at least one. The first signs; the others are still accepted.
pub struct KeyringEntries(Vec<KeyEntry>);

impl KeyringEntries {
    /// Parses `kid:base64url(32 random bytes)`, several separated by commas or line breaks.
    ///
    /// # Errors
    /// Every invalid entry, with the reason.
    pub fn parse(text: &str) -> Result<Self, Vec<InvalidKey>> {
        let mut entries: Vec<KeyEntry> = Vec::new();
        let mut errors = Vec::new();
        let texts = text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
        for (position, text) in (1..).zip(texts) {
            match parse_entry(text).and_then(|entry| refuse_repeated(&entries, entry)) {
                Ok(entry) => entries.push(entry),
                Err(reason) => errors.push(InvalidKey { position, reason }),
            }
        }
        if entries.is_empty() && errors.is_empty() {
            errors.push(InvalidKey { position: 1, reason: KeyFault::Missing });
        }
        if errors.is_empty() { Ok(Self(entries)) } else { Err(errors) }
    }

    /// All entries, the signing key first.
    #[must_use]
    pub fn as_slice(&self) -> &[KeyEntry] {
        &self.0
    }
}

fn parse_entry(text: &str) -> Result<KeyEntry, KeyFault> {
    let (kid, encoded) = text.split_once(':').ok_or(KeyFault::NoKid)?;
    if !is_kid(kid) {
        return Err(KeyFault::BadKid);
    }
    // Many tools add padding.
    let secret = URL_SAFE_NO_PAD
        .decode(encoded.trim_end_matches('='))
        .map(Zeroizing::new)
        .map_err(|_| KeyFault::NotBase64Url)?;
    match secret.len() {
        0..MIN_SECRET => Err(KeyFault::TooShort),
        MIN_SECRET..=MAX_SECRET if secret.iter().all(|byte| *byte == 0) => Err(KeyFault::AllZero),
        MIN_SECRET..=MAX_SECRET => Ok(KeyEntry { kid: kid.to_owned(), secret }),
        _ => Err(KeyFault::TooLong),
    }
}

fn refuse_repeated(earlier: &[KeyEntry], entry: KeyEntry) -> Result<KeyEntry, KeyFault> {
    if earlier.iter().any(|other| other.kid == entry.kid) {
        return Err(KeyFault::RepeatedKid);
    }
    if earlier.iter().any(|other| other.secret.ct_eq(&entry.secret).into()) {
        return Err(KeyFault::RepeatedSecret);
    }
    Ok(entry)
}

/// Why an entry is invalid.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFault {
    /// There are no entries.
    #[error("is missing")]
    Missing,
    /// No `:` between key id and secret.
    #[error("has no `:` between key id and secret")]
    NoKid,
    /// The key id is empty, too long or has forbidden characters.
    #[error("has a key id that is not 1 to {MAX_KID} of A-Z a-z 0-9 . _ -")]
    BadKid,
    /// The secret is not canonical base64url.
    #[error("has a secret that is not base64url")]
    NotBase64Url,
    /// The secret has fewer than 32 bytes.
    #[error("has a secret of fewer than {MIN_SECRET} bytes")]
    TooShort,
    /// The secret has more than 64 bytes.
    #[error("has a secret of more than {MAX_SECRET} bytes")]
    TooLong,
    /// The secret consists of zeros.
    #[error("has a secret of zeros only")]
    AllZero,
    /// An earlier entry has the same key id.
    #[error("repeats the key id of an earlier key")]
    RepeatedKid,
    /// An earlier entry has the same secret.
    #[error("repeats the secret of an earlier key")]
    RepeatedSecret,
}

/// An invalid entry. Contains its position, but no part of it.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("key {position} {reason}")]
pub struct InvalidKey {
    /// The position of the entry, counted from 1.
    pub position: usize,
    /// Why it is invalid.
    pub reason: KeyFault,
}

impl InvalidKey {
    /// How to fix it, as an imperative.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self.reason {
            KeyFault::RepeatedKid => "give each key an id of its own (linkgate keys new --kid <id>)",
            KeyFault::RepeatedSecret => "remove one of the two, or put a fresh key first (linkgate keys new)",
            _ => "write kid:base64url(32 random bytes), as `linkgate keys new` prints it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kid: &str, secret: &[u8]) -> String {
        format!("{kid}:{}", URL_SAFE_NO_PAD.encode(secret))
    }

    fn faults(text: &str) -> Vec<(usize, KeyFault)> {
        KeyringEntries::parse(text)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|e| (e.position, e.reason))
            .collect()
    }

    #[test]
    fn keys_keep_their_order() {
        let text =
            format!("{},\n {}\r\n{}\n", key("new", &[1; 32]), key("k.2_-", &[2; 64]), key("K", &[3; 33]));
        let ring = KeyringEntries::parse(&text).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(ring.as_slice().iter().map(|entry| &entry.kid).collect::<Vec<_>>(), ["new", "k.2_-", "K"]);
        assert_eq!(ring.as_slice()[0].secret.as_slice(), [1; 32]);
    }

    #[test]
    fn weak_and_ambiguous_keys_are_rejected() {
        let good = key("a", &[1; 32]);
        let cases = [
            (String::new(), KeyFault::Missing),
            (" ,\n,".to_owned(), KeyFault::Missing),
            (URL_SAFE_NO_PAD.encode([1; 32]), KeyFault::NoKid),
            (key("", &[1; 32]), KeyFault::BadKid),
            (key("abcdefghijklmnopq", &[1; 32]), KeyFault::BadKid),
            (key("k y", &[1; 32]), KeyFault::BadKid),
            (key("ké", &[1; 32]), KeyFault::BadKid),
            (format!("{good}=A"), KeyFault::NotBase64Url),
            (format!("{}+", &good[..good.len() - 1]), KeyFault::NotBase64Url),
            // Bits beyond the last byte must be zero: one secret has one spelling.
            (format!("{}B", &good[..good.len() - 1]), KeyFault::NotBase64Url),
            (key("a", &[1; 31]), KeyFault::TooShort),
            ("a:".to_owned(), KeyFault::TooShort),
            (key("a", &[1; 65]), KeyFault::TooLong),
            (key("a", &[0; 32]), KeyFault::AllZero),
        ];
        for (text, reason) in cases {
            assert_eq!(faults(&text), [(1, reason)], "{text}");
        }
    }

    #[test]
    fn all_bad_entries_are_reported_with_their_positions() {
        let text =
            [key("a", &[1; 32]), key("a", &[2; 32]), "nonsense".to_owned(), key("b", &[1; 32])].join(",");
        let expected = [(2, KeyFault::RepeatedKid), (3, KeyFault::NoKid), (4, KeyFault::RepeatedSecret)];
        assert_eq!(faults(&text), expected);
    }

    #[test]
    fn errors_contain_no_part_of_the_secret() {
        let secret = "c2VjcmV0LXNlY3JldA";
        let errors = KeyringEntries::parse(&format!("{secret}, k:{secret}, bad kid:{secret}")).err();
        let errors = errors.unwrap_or_default();
        let texts: Vec<_> = errors.iter().map(|e| format!("{e} {e:?} {}", e.remedy())).collect();
        let text = texts.join(" ");
        assert!(text.contains("key 3 ") && text.contains("linkgate keys new"), "{text}");
        assert!(!text.contains("c2V"), "{text}");
    }
}
