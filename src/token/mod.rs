//! Every fact that travels, signed. The only module that knows jsonwebtoken, keys and randomness.
//!
//! It does not know the store, mail or HTTP: a token that checks out here may still have been used or ended.

mod check;
mod claims;
mod hash;
mod internal;
mod keyed;
mod kind;
mod public;
mod ring;
mod seal;
mod signing;
mod tokens;
mod types;

pub use check::MAX_TOKEN_LEN;
pub use hash::{
    client_id, fingerprint, fresh_attempt_id, fresh_bytes, fresh_key_text, session_id, sha256, subject,
};
pub use keyed::{KeyHandle, NetworkHash};
pub use kind::{TokenError, TokenType};
pub use ring::{RingKey, UnusableKey};
pub use tokens::{TokenSettings, Tokens};
pub use types::{AttemptGrant, Identity, Link, Particulars, Renewal, Ticket};
