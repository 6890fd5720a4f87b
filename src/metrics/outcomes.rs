//! The values of labels that other modules choose.

use crate::domain::words::words;

words! {
    /// How an attempt ends. Attempts that expire unseen are never counted as ended.
    pub enum AttemptEnd {
        /// Confirmed.
        Verified = "verified",
        /// "This wasn't me".
        Denied = "denied",
        /// Canceled by the requester.
        Canceled = "canceled",
        /// Too many wrong relay codes, or a rejected mail.
        Failed = "failed",
    }
}

words! {
    /// The result of a changed key file.
    pub enum KeyringReload {
        /// The new keys are in use.
        Loaded = "loaded",
        /// The new content is invalid: the old keys stay in use.
        Refused = "refused",
        /// The first key of an earlier reload now signs.
        Promoted = "promoted",
    }
}

words! {
    /// A rate limit that a request exceeded.
    pub enum LimitScope {
        /// Mails to one address.
        Address = "address",
        /// Mails requested from one network.
        Network = "network",
        /// Mails requested by one client.
        Client = "client",
        /// Mails to an address that this client has verified before.
        Known = "known",
        /// Mails of all replicas together.
        Overall = "overall",
        /// Invalid tokens, tickets, keys and links from one network.
        Refusals = "refusals",
    }
}

words! {
    /// Whether the store answered an operation.
    pub enum StoreOutcome {
        /// It answered, perhaps with a refusal.
        Ok = "ok",
        /// It did not answer.
        Unavailable = "unavailable",
    }
}

words! {
    /// The result of a mail.
    pub enum MailOutcome {
        /// The relay accepted the mail.
        Accepted = "accepted",
        /// The relay rejected the recipient.
        Rejected = "rejected",
        /// The relay did not answer in time, or refused the mail for now.
        Unavailable = "unavailable",
    }
}

words! {
    /// The limit that kept a request from waiting.
    pub enum WaiterLimit {
        /// Too many requests of the client wait.
        Client = "client",
        /// Too many requests wait on this replica.
        Replica = "replica",
    }
}
