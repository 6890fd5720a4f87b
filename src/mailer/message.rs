//! What a mail is, before any transport has seen it: what callers hand in, and what rendering makes of it.
//!
//! Knows nothing of templates, of SMTP or of lettre.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::email::EmailAddress;
use crate::domain::locale::Locale;
use crate::domain::policy::Purpose;
use crate::domain::sender::Sender;

/// A mail with a link, as the flow asks for it. Has no `Debug`: the link is a secret.
pub struct LinkMail<'a> {
    /// The recipient; `RCPT TO` gets exactly this canonical address.
    pub to: &'a EmailAddress,
    /// The link, a single word without `=`, `&` and quotes.
    pub link: &'a str,
    /// What opening the link is for.
    pub purpose: Purpose,
    /// The language of the mail.
    pub locale: Locale,
    /// The requester's browser for display, such as "Firefox on Linux".
    pub browser: Option<&'a str>,
    /// When this mail was asked for. Shown in UTC, and the mail's `Date`.
    pub requested_at: DateTime<Utc>,
    /// How long the link works, counted from `requested_at`. Shown in whole minutes.
    pub valid_for: Duration,
}

/// Why a mail was not handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailError {
    /// The relay will not take mail for this recipient, now or later: a permanent answer to `RCPT TO`
    /// (550 to 554 of RFC 5321, section 4.2.2, and 556 of RFC 7504).
    Rejected,
    /// Anything else: no relay, no answer in time, a temporary answer, a fault in the settings. The reason is meant
    /// for the log and holds no address, no link and no text of the relay's own.
    Unavailable(String),
}

impl fmt::Display for MailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected => f.write_str("the relay rejects the recipient"),
            Self::Unavailable(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for MailError {}

/// The words of a mail. Has no `Debug`: the link is in them.
pub struct Content {
    /// One line without control characters.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part; `None` in a mail that is text alone.
    pub html: Option<String>,
}

/// A rendered mail on its way to a transport.
pub(super) struct Mail<'a> {
    pub(super) from: &'a Sender,
    pub(super) to: &'a EmailAddress,
    pub(super) date: DateTime<Utc>,
    /// Purpose and link, for the mailbox; a test mail has none.
    pub(super) about: Option<(Purpose, &'a str)>,
    pub(super) content: Content,
}
