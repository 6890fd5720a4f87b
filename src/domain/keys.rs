//! The secrets that all keys are derived from, as they are written in `LINKGATE_KEYS`.
//!
//! Knows their form, not where they come from nor what is derived from them. Errors name the position of an entry
//! and never repeat any part of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The shortest secret, in bytes: 256 bits (RFC 7518, section 3.2, for HS256).
const MIN_SECRET: usize = 32;

/// The longest secret, in bytes: more than the block of SHA-256 adds nothing.
const MAX_SECRET: usize = 64;

/// The longest key id, in characters: it stands in every mailed link.
const MAX_KID: usize = 16;

/// The algorithm that session tokens are signed with (RFC 7518, section 3.1; RFC 8037, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SessionAlg {
    /// Ed25519: small and fast.
    #[default]
    EdDsa,
    /// ECDSA with P-256, for verifiers that know no Ed25519.
    Es256,
}

impl SessionAlg {
    /// All algorithms.
    pub const ALL: [Self; 2] = [Self::EdDsa, Self::Es256];

    /// Its name in the `alg` header and in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }
}

/// Whether this can be a key id: 1 to 16 of the characters `A-Z a-z 0-9 . _ -`.
#[must_use]
pub fn is_kid(text: &str) -> bool {
    (1..=MAX_KID).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// One secret with its key id.
pub struct KeyEntry {
    kid: String,
    secret: Zeroizing<Vec<u8>>,
}

impl KeyEntry {
    /// The key id, which is no secret (`kid`, RFC 7515, section 4.1.4).
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The secret: 32 to 64 bytes.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }
}

/// The secrets of a deployment: at least one. The first is active, the others are still accepted.
pub struct KeyringEntries(Vec<KeyEntry>);

impl KeyringEntries {
    /// Reads `kid:base64url(32 random bytes)`, several separated by commas or new lines.
    ///
    /// # Errors
    /// Every entry that cannot be used, and why.
    pub fn parse(text: &str) -> Result<Self, Vec<InvalidKey>> {
        let mut entries: Vec<KeyEntry> = Vec::new();
        let mut errors = Vec::new();
        let texts = text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
        let mut position = 0;
        for text in texts {
            position += 1;
            match parse_entry(text).and_then(|entry| refuse_repeated(&entries, entry)) {
                Ok(entry) => entries.push(entry),
                Err(reason) => errors.push(InvalidKey { position, reason }),
            }
        }
        if position == 0 {
            errors.push(InvalidKey { position: 1, reason: KeyFault::Missing });
        }
        if errors.is_empty() { Ok(Self(entries)) } else { Err(errors) }
    }

    /// All entries, the active one first.
    pub fn iter(&self) -> std::slice::Iter<'_, KeyEntry> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a KeyringEntries {
    type Item = &'a KeyEntry;
    type IntoIter = std::slice::Iter<'a, KeyEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn parse_entry(text: &str) -> Result<KeyEntry, KeyFault> {
    let (kid, encoded) = text.split_once(':').ok_or(KeyFault::NoKid)?;
    if !is_kid(kid) {
        return Err(KeyFault::BadKid);
    }
    // Many tools pad; the secret is the same.
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

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFault {
    /// There is no entry at all.
    Missing,
    /// No `:` between key id and secret.
    NoKid,
    /// The key id is empty, too long or has other characters.
    BadKid,
    /// The secret is not unpadded base64url.
    NotBase64Url,
    /// The secret has fewer than 32 bytes.
    TooShort,
    /// The secret has more than 64 bytes.
    TooLong,
    /// The secret is nothing but zeros.
    AllZero,
    /// An earlier entry has the same key id.
    RepeatedKid,
    /// An earlier entry has the same secret.
    RepeatedSecret,
}

/// An entry that cannot be used. Says where it stands, nothing of what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidKey {
    /// Which entry, counted from 1.
    pub position: usize,
    /// Why.
    pub reason: KeyFault,
}

impl InvalidKey {
    /// How to mend it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self.reason {
            KeyFault::RepeatedKid => "give each key an id of its own (linkgate keys new --kid <id>)",
            KeyFault::RepeatedSecret => "remove one of the two, or put a fresh key first (linkgate keys new)",
            _ => "write kid:base64url(32 random bytes), as `linkgate keys new` prints it",
        }
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.reason {
            KeyFault::Missing => return f.write_str("has no key in it"),
            KeyFault::NoKid => "has no `:` between key id and secret",
            KeyFault::BadKid => "has a key id that is not 1 to 16 of A-Z a-z 0-9 . _ -",
            KeyFault::NotBase64Url => "has a secret that is not base64url without padding",
            KeyFault::TooShort => "has a secret of fewer than 32 bytes",
            KeyFault::TooLong => "has a secret of more than 64 bytes",
            KeyFault::AllZero => "has a secret that is all zero",
            KeyFault::RepeatedKid => "repeats the key id of an earlier key",
            KeyFault::RepeatedSecret => "repeats the secret of an earlier key",
        };
        write!(f, "key {} {problem}", self.position)
    }
}

impl std::error::Error for InvalidKey {}

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
    fn the_first_key_is_active_and_the_others_follow() {
        let text =
            format!("{},\n {}\r\n{}\n", key("new", &[1; 32]), key("k.2_-", &[2; 64]), key("K", &[3; 33]));
        let ring = KeyringEntries::parse(&text).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(ring.iter().map(KeyEntry::kid).collect::<Vec<_>>(), ["new", "k.2_-", "K"]);
        assert_eq!(ring.iter().next().map(KeyEntry::secret), Some(&[1; 32][..]));
    }

    #[test]
    fn weak_and_ambiguous_keys_are_refused() {
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
    fn errors_say_nothing_of_the_secret() {
        let secret = "c2VjcmV0LXNlY3JldA";
        let errors = KeyringEntries::parse(&format!("{secret}, k:{secret}, bad kid:{secret}")).err();
        let errors = errors.unwrap_or_default();
        let texts: Vec<_> = errors.iter().map(|e| format!("{e} {e:?} {}", e.remedy())).collect();
        let text = texts.join(
            "
",
        );
        assert!(text.contains("key 3 ") && text.contains("linkgate keys new"), "{text}");
        assert!(!text.contains("c2V"), "{text}");
    }
}
