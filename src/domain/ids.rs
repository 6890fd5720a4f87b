//! Public identifiers. They name things and grant nothing to their holders.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::base64url::Malformed;

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID behind the prefix.
            #[must_use]
            pub const fn uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(self.0.simple().encode_lower(&mut Uuid::encode_buffer()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            /// Accepts only the prefix and 32 lower-case hexadecimal digits.
            fn from_str(text: &str) -> Result<Self, Malformed> {
                let hex = text.strip_prefix($prefix).ok_or(Malformed)?;
                if hex.len() != 32 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                    return Err(Malformed);
                }
                Uuid::try_parse(hex).map(Self).map_err(|_| Malformed)
            }
        }
    };
}

prefixed_id! {
    /// The id of an attempt: `att_` and 32 hexadecimal digits.
    AttemptId, "att_"
}

prefixed_id! {
    /// The id of a session: `sess_` and 32 hexadecimal digits. Derived from its attempt.
    SessionId, "sess_"
}

/// A person's id for applications: `user_` and a digest of the canonical address, or the value that a back end set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Subject(String);

impl Subject {
    /// The longest subject, in bytes (OpenID Connect Core, section 2, allows 255).
    pub const MAX_LEN: usize = 255;

    /// Wraps a subject made of a digest, which is known to be valid.
    #[must_use]
    pub(crate) fn from_digest(text: String) -> Self {
        Self(text)
    }

    /// The `sub` claim.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Subject {
    type Error = Malformed;

    /// Accepts 1 to 255 visible ASCII characters (RFC 7519, section 4.1.2, as OpenID Connect narrows it).
    fn try_from(text: String) -> Result<Self, Malformed> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_graphic()) { Ok(Self(text)) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let id = AttemptId::from_uuid(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse::<AttemptId>(), Ok(id));
    }

    #[test]
    fn other_prefixes_cases_and_lengths_are_invalid() {
        let good = AttemptId::from_uuid(Uuid::from_u128(0xabc)).to_string();
        for bad in [
            good.replace("att_", "sess_"),
            good.to_uppercase(),
            good[..35].to_owned(),
            format!("{good}0"),
            good.replacen("att_0", "att_{", 1),
            String::new(),
        ] {
            assert_eq!(bad.parse::<AttemptId>(), Err(Malformed), "{bad}");
        }
    }
}
