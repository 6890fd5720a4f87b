//! The mailbox of `linkgate dev`: the last mails, in memory, for developers and for tests.
//!
//! Knows nothing of HTTP: its entries are plain data that serialise to JSON.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::message::Mail;
use crate::domain::email::EmailAddress;
use crate::domain::policy::Purpose;

/// How many mails are kept.
pub const CAPACITY: usize = 200;

/// A mail in the mailbox. Has no `Debug`: the link is a secret, in `dev` too.
#[derive(Clone, Serialize)]
pub struct ReceivedMail {
    /// A number as text, counted from 1 since the process started.
    pub id: String,
    /// The canonical address of the recipient.
    pub to: String,
    /// The sender as mail programs write it: `Name <address>`.
    pub from: String,
    /// The subject, in one line.
    pub subject: String,
    /// The mail's `Date` (RFC 3339 in JSON).
    pub received_at: DateTime<Utc>,
    /// The purpose of the link; `None` for a test mail.
    pub purpose: Option<Purpose>,
    /// The link; `None` for a test mail.
    pub link: Option<String>,
    /// The HTML part; `None` for a test mail.
    pub html: Option<String>,
    /// The text part.
    pub text: String,
}

/// The last [`CAPACITY`] mails. Clones share them.
#[derive(Clone, Default)]
pub struct Mailbox(Arc<Mutex<Mails>>);

#[derive(Default)]
struct Mails {
    /// How many have arrived, including those dropped since.
    count: u64,
    newest_first: VecDeque<ReceivedMail>,
}

impl Mailbox {
    fn mails(&self) -> MutexGuard<'_, Mails> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn deliver(&self, mail: Mail<'_>) {
        let mut mails = self.mails();
        mails.count += 1;
        let received = ReceivedMail {
            id: mails.count.to_string(),
            to: mail.to.as_str().to_owned(),
            from: mail.from.to_string(),
            subject: mail.content.subject,
            received_at: mail.date,
            purpose: mail.about.map(|(purpose, _)| purpose),
            link: mail.about.map(|(_, link)| link.to_owned()),
            html: mail.content.html,
            text: mail.content.text,
        };
        mails.newest_first.push_front(received);
        mails.newest_first.truncate(CAPACITY);
    }

    /// The mails, newest first: all, or those to one address. The address may be written in any way that a sign-in
    /// accepts; there are no mails to an invalid one.
    #[must_use]
    pub fn list(&self, to: Option<&str>) -> Vec<ReceivedMail> {
        let wanted = to.map(EmailAddress::parse);
        let matches = |mail: &&ReceivedMail| match &wanted {
            None => true,
            Some(address) => address.as_ref().is_ok_and(|a| a.as_str() == mail.to),
        };
        self.mails().newest_first.iter().filter(matches).cloned().collect()
    }

    /// One mail by its `id`, if it is still among the last [`CAPACITY`].
    #[must_use]
    pub fn get(&self, id: &str) -> Option<ReceivedMail> {
        self.mails().newest_first.iter().find(|mail| mail.id == id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Content;
    use super::*;
    use crate::domain::sender::Sender;

    fn deliver(mailbox: &Mailbox, to: &str, subject: &str) {
        let to = EmailAddress::parse(to).expect("an address");
        let from = Sender::parse("Demo <demo@example.com>").expect("a sender");
        let content = Content { subject: subject.to_owned(), text: "text".to_owned(), html: None };
        let about = Some((Purpose::SignIn, "https://example.com/v/x"));
        mailbox.deliver(Mail { from: &from, to: &to, date: DateTime::UNIX_EPOCH, about, content });
    }

    #[test]
    fn the_last_two_hundred_are_kept_newest_first() {
        let mailbox = Mailbox::default();
        for n in 1..=CAPACITY + 1 {
            deliver(&mailbox, "a@example.com", &n.to_string());
        }
        let subjects: Vec<_> = mailbox.list(None).into_iter().map(|m| m.subject).collect();
        assert_eq!(
            (subjects.len(), subjects[0].as_str(), subjects[CAPACITY - 1].as_str()),
            (CAPACITY, "201", "2")
        );
        assert!(mailbox.get("1").is_none());
        assert_eq!(mailbox.get("201").expect("the newest").subject, "201");
    }

    #[test]
    fn a_list_for_one_address_has_only_mails_to_it() {
        let mailbox = Mailbox::default();
        deliver(&mailbox, "a@example.com", "one");
        deliver(&mailbox, "b@example.com", "two");
        let found = mailbox.list(Some(" A@Example.com "));
        assert_eq!(found.iter().map(|m| &*m.subject).collect::<Vec<_>>(), ["one"]);
        assert!(mailbox.list(Some("nonsense")).is_empty());
    }

    #[test]
    fn in_json_the_id_is_text_and_the_time_is_rfc_3339() {
        let mailbox = Mailbox::default();
        deliver(&mailbox, "a@example.com", "one");
        let json = serde_json::to_value(mailbox.list(None)).expect("JSON");
        assert_eq!(json[0]["id"], "1");
        assert_eq!(json[0]["received_at"], "1970-01-01T00:00:00Z");
        assert_eq!(json[0]["purpose"], "sign_in");
        assert_eq!(json[0]["link"], "https://example.com/v/x");
        assert_eq!(json[0]["from"], "Demo <demo@example.com>");
    }
}
