//! A mail before any transport has seen it: as callers ask for it, and as it is rendered.
//!
//! Knows nothing of templates, of SMTP or of lettre.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::email::EmailAddress;
use crate::domain::locale::Locale;
use crate::domain::policy::Purpose;
use crate::domain::sender::Sender;

/// A request for a mail with a link. Has no `Debug`: the link is a secret.
pub struct LinkMail<'a> {
    /// The recipient. `RCPT TO` has exactly this canonical address.
    pub to: &'a EmailAddress,
    /// The link: one word without `=`, `&` and quotes.
    pub link: &'a str,
    /// Decides the words.
    pub purpose: Purpose,
    /// The language of the mail.
    pub locale: Locale,
    /// The requester's browser, as [`describe`](crate::domain::browser::describe) names it; cut at 100 characters.
    pub browser: Option<&'a str>,
    /// When this mail was requested. In the text in UTC, and the mail's `Date`.
    pub requested_at: DateTime<Utc>,
    /// How long the link works after `requested_at`. In the text in whole minutes or hours.
    pub valid_for: Duration,
}

/// Why a mail was not sent.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum MailError {
    /// The relay rejects this recipient for good: it answered `RCPT TO` with 550 to 554 (RFC 5321, section 4.2.2) or
    /// 556 (RFC 7504).
    #[error("the relay rejects the recipient")]
    Rejected,
    /// Any other failure: no connection, no answer in time, a temporary refusal, wrong settings. The reason is for the
    /// log and holds no address, no link and none of the relay's text.
    #[error("{0}")]
    Unavailable(String),
}

/// A rendered mail. Has no `Debug`: it holds the link.
pub struct Content {
    /// One line without control characters.
    pub subject: String,
    /// The text part, in plain text with `\n` between lines.
    pub text: String,
    /// The HTML part; `None` in a test mail, which is plain text.
    pub html: Option<String>,
}

/// A rendered mail with its addresses, for a transport.
pub(super) struct Mail<'a> {
    pub(super) from: &'a Sender,
    pub(super) to: &'a EmailAddress,
    pub(super) date: DateTime<Utc>,
    /// Purpose and link, for the mailbox; `None` for a test mail.
    pub(super) about: Option<(Purpose, &'a str)>,
    pub(super) content: Content,
}
