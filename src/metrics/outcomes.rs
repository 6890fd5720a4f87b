//! The values of labels that other modules choose.

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailOutcome {
    /// The relay accepted the mail.
    Accepted,
    /// The relay rejected the recipient.
    Rejected,
    /// The relay did not answer, or not in time, or refused the mail for now.
    Unavailable,
}

impl MailOutcome {
    pub(super) const ALL: [Self; 3] = [Self::Accepted, Self::Rejected, Self::Unavailable];

    /// The value of the label.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The limit that kept a request from waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaiterLimit {
    /// Too many requests of the client wait.
    Client,
    /// Too many requests wait on this replica.
    Replica,
}

impl WaiterLimit {
    pub(super) const ALL: [Self; 2] = [Self::Client, Self::Replica];

    /// The value of the label.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Replica => "replica",
        }
    }
}
