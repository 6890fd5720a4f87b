//! The token types, and why a token is rejected.

use crate::domain::base64url::Malformed;
use crate::domain::words::words;

words! {
    /// What a token is for; the word is its `typ` header. Each type has its own `typ` (RFC 8725, section 3.11) and,
    /// inside linkgate, its own key.
    pub enum TokenType {
        /// In the mailed URL.
        Link = "link+jwt",
        /// The requester polls with it.
        Attempt = "attempt+jwt",
        /// Handed to an application's back end through the redirect.
        Ticket = "ticket+jwt",
        /// Renews session tokens.
        Renewal = "renewal+jwt",
        /// Verified by applications (RFC 9068 names its `typ`).
        Session = "at+jwt",
        /// Proves to applications that an address was verified.
        EmailProof = "email-proof+jwt",
    }
}

/// Why a token is rejected. It says no more, so that a forger learns nothing.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// Not a token of this type and deployment.
    #[error("not a valid token of this type")]
    Invalid,
    /// Authentic, but `exp` has passed.
    #[error("the token has expired")]
    Expired,
}

/// A malformed claim makes the token invalid.
impl From<Malformed> for TokenError {
    fn from(_: Malformed) -> Self {
        Self::Invalid
    }
}
