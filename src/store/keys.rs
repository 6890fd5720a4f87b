//! The keys of records. Their prefixes are part of the stored format: `docs/redis.md` and access rules name them.

use std::fmt;

use crate::domain::ids::{AttemptId, SessionId};
use crate::domain::secret::Nonce;

/// The key of one record.
#[derive(Clone, Copy)]
pub(super) enum RecordKey<'a> {
    /// An attempt.
    Attempt(AttemptId),
    /// The nonce of a ticket.
    Ticket(&'a Nonce),
    /// An ended session.
    Session(SessionId),
    /// A mail permit: its hash and slot.
    Permit(&'a str, u32),
    /// Never stored: for commands that only ask whether the server answers.
    Absent,
}

impl fmt::Display for RecordKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attempt(id) => write!(f, "lg:a:{}", id.uuid().simple()),
            Self::Ticket(nonce) => write!(f, "lg:t:{}", nonce.encode()),
            Self::Session(id) => write!(f, "lg:s:{}", id.uuid().simple()),
            Self::Permit(hash, slot) => write!(f, "lg:p:{hash}:{slot}"),
            Self::Absent => f.write_str("lg:s:"),
        }
    }
}
