//! The claims on the wire (docs/architecture.md, "Tokens"). Unknown and repeated claims are rejected.

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::check::Timed;
use super::keyed::NetworkHash;
use crate::domain::base64url;
use crate::domain::ids::Subject;
use crate::domain::locale::Locale;
use crate::domain::policy::{CrossDevice, Purpose};
use crate::domain::secret::{Fingerprint, Nonce};

/// An optional claim that may be absent but not `null`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

macro_rules! timed {
    ($($name:ident),*) => {$(
        impl Timed for $name {
            fn lifetime(&self) -> [i64; 2] { [self.iat, self.exp] }
        }
    )*};
}

/// The claims of link and attempt tokens. `xd`, `tk` and `sub` are present only if a back end (or, for `sub`, a session)
/// set them. The attempt token carries everything that a resent link needs, since none of it is in the store.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttemptClaims {
    /// Link tokens only.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) jti: Option<Nonce>,
    /// In 22 characters instead of 36, since it is part of every mailed link.
    #[serde(with = "base64url")]
    pub(super) aid: Uuid,
    pub(super) em: String,
    pub(super) pur: Purpose,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) cfp: Option<Fingerprint>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) net: Option<NetworkHash>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) ua: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) ru: Option<String>,
    pub(super) loc: Locale,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) xd: Option<CrossDevice>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) tk: bool,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<Subject>,
    pub(super) iat: i64,
    pub(super) exp: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketClaims {
    pub(super) jti: Nonce,
    #[serde(with = "base64url")]
    pub(super) aid: Uuid,
    pub(super) em: String,
    pub(super) pur: Purpose,
    pub(super) sid: String,
    pub(super) sub: Subject,
    pub(super) iat: i64,
    pub(super) exp: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RenewalClaims {
    pub(super) sid: String,
    pub(super) sub: Subject,
    pub(super) em: String,
    pub(super) cfp: Fingerprint,
    pub(super) auth_time: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) xdev: bool,
    pub(super) iat: i64,
    pub(super) exp: i64,
}

/// One audience as a string, several as an array (RFC 7519, section 4.1.3).
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// Whether the token is for one of these.
    pub(super) fn names_one_of(&self, accepted: &[String]) -> bool {
        match self {
            Self::One(one) => accepted.contains(one),
            Self::Many(many) => many.iter().any(|one| accepted.contains(one)),
        }
    }
}

impl From<&[String]> for Audience {
    fn from(list: &[String]) -> Self {
        match list {
            [one] => Self::One(one.clone()),
            many => Self::Many(many.to_vec()),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionClaims {
    pub(super) iss: String,
    pub(super) sub: Subject,
    pub(super) sid: String,
    pub(super) aud: Audience,
    pub(super) email: String,
    pub(super) email_verified: bool,
    pub(super) amr: [String; 1],
    pub(super) auth_time: i64,
    pub(super) jti: Nonce,
    pub(super) xdev: bool,
    pub(super) iat: i64,
    pub(super) exp: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmailProofClaims {
    pub(super) iss: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<Subject>,
    pub(super) aud: Audience,
    pub(super) email: String,
    pub(super) email_verified: bool,
    pub(super) iat: i64,
    pub(super) exp: i64,
}

timed!(AttemptClaims, TicketClaims, RenewalClaims, SessionClaims, EmailProofClaims);
