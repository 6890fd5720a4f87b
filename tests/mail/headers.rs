//! No value adds a header, a recipient or a part.

use std::time::Duration;

use chrono::DateTime;
use linkgate::domain::email::EmailAddress;
use linkgate::domain::locale::Locale;
use linkgate::domain::policy::Purpose;
use linkgate::domain::sender::Sender;
use linkgate::mailer::{LinkMail, Mailer};
use mailparse::MailHeaderMap as _;

use super::{LINK, parts, settings};
use test_kit::smtp::{Mode, Sink};

#[tokio::test]
async fn line_breaks_in_values_leave_one_set_of_headers() {
    let sink = Sink::start(Mode::Accept);
    for evil in [
        "App\r\nBcc: victim@example.net\r\nX-Evil: 1\r\n\r\nbody",
        "App\nRCPT TO:<victim@example.net>\n.\nMAIL FROM:<x@example.net>",
        "App\u{2028}\u{85}Bcc: victim@example.net =?utf-8?q?=0D=0AX-Evil:_1?=",
        "Müller\r\n =?utf-8?b?DQpYLUV2aWw6IDE=?= <b>",
    ] {
        let mut settings = settings(&sink.url());
        settings.app_name = evil.to_owned();
        settings.from = Sender::new("\"<x@example.net>, Ü; \\", settings.from.address().clone()).unwrap();
        let mailer = Mailer::new(settings).unwrap();
        let to = EmailAddress::parse("user@example.org").unwrap();
        let mail = LinkMail {
            to: &to,
            link: LINK,
            purpose: Purpose::VerifyEmail,
            locale: Locale::De,
            browser: Some(evil),
            requested_at: DateTime::UNIX_EPOCH,
            valid_for: Duration::from_mins(10),
        };
        mailer.send(&mail).await.unwrap();
        let received = sink.received().pop().unwrap();
        assert_eq!(received.rcpt_to, ["user@example.org"]);
        let parsed = mailparse::parse_mail(&received.message).unwrap();
        let mut names: Vec<_> = parsed.headers.iter().map(mailparse::MailHeader::get_key).collect();
        names.sort();
        let wanted =
            ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];
        assert_eq!(names, wanted, "{evil:?}");
        let subject = parsed.headers.get_first_value("Subject").unwrap();
        assert!(!subject.contains(['\r', '\n']), "{subject:?}");
        let from =
            mailparse::addrparse(&parsed.headers.get_first_header("From").unwrap().get_value_raw_text());
        assert_eq!(from.unwrap().len(), 1);
        parts(&parsed);
    }
    assert_eq!(sink.commands().iter().filter(|c| c.starts_with("RCPT")).count(), sink.received_count());
}

trait RawText {
    fn get_value_raw_text(&self) -> String;
}

impl RawText for mailparse::MailHeader<'_> {
    /// The value before decoding, which determines the number of addresses.
    fn get_value_raw_text(&self) -> String {
        String::from_utf8(self.get_value_raw().to_vec()).unwrap()
    }
}
