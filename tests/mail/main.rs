//! Mails over real SMTP, to the test kit's sink.
#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, a panic is the report")]

mod faults;
mod headers;
mod pooling;
mod security;

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use linkgate::domain::email::EmailAddress;
use linkgate::domain::locale::Locale;
use linkgate::domain::policy::Purpose;
use linkgate::domain::sender::Sender;
use linkgate::mailer::{LinkMail, MailError, Mailer, MailerSettings, TransportSettings};
use mailparse::{MailHeaderMap as _, ParsedMail};
use test_kit::smtp;

/// As long as a link may be, in characters that quoted-printable likes to break.
const LINK: &str = "https://sign-in.example.com/v/eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIiwidHlwIjoibGluaytqd3QifQ.\
eyJqdGkiOiJBQUFBQUFBQUFBQUFBQUFBQUFBQUFBIiwiYWlkIjoiYXR0XzAxOTkwMDAwMDAwMDcwMDA4MDAwMDAwMDAwMDAwMDAwIiwiZW0iOiJB\
QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBIiwicHVyIjoic2lnbl9pbiJ9.\
c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmUtc2lnbmF0";

fn settings(url: &str) -> MailerSettings {
    MailerSettings {
        transport: TransportSettings::parse(url).unwrap(),
        from: Sender::parse("Example App <login@example.com>").unwrap(),
        app_name: "Example App".to_owned(),
        templates: None,
    }
}

/// A mailer with the usual limit.
fn mailer(url: &str) -> Mailer {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Mailer::new(settings(url)).unwrap()
}

/// The limit of a [`hasty_mailer`].
const HASTE: Duration = Duration::from_secs(1);

/// A mailer that gives up early, for tests that wait for it.
fn hasty_mailer(url: &str) -> Mailer {
    Mailer::with_limit(settings(url), HASTE).unwrap()
}

/// A mailer that trusts the certificate of the sink.
fn trusting_mailer(sink: &smtp::Sink, url: &str) -> Mailer {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, &sink.ca_pem).unwrap();
    let separator = if url.contains('?') { '&' } else { '?' };
    mailer(&format!("{url}{separator}ca={}", file.display()))
}

async fn send_to(mailer: &Mailer, to: &str) -> Result<(), MailError> {
    let to = EmailAddress::parse(to).unwrap();
    let mail = LinkMail {
        to: &to,
        link: LINK,
        purpose: Purpose::SignIn,
        locale: Locale::De,
        browser: Some("Firefox on Linux"),
        requested_at: DateTime::from_timestamp(1_794_000_180, 0).unwrap(),
        valid_for: Duration::from_mins(10),
    };
    mailer.send(&mail).await
}

async fn send(mailer: &Mailer) -> Result<(), MailError> {
    send_to(mailer, "user@example.org").await
}

/// The reason of a mail that could not be sent, which must not show the recipient or the link.
fn reason(result: Result<(), MailError>) -> String {
    match result {
        Err(MailError::Unavailable(reason)) => {
            assert!(!reason.contains('@') && !reason.contains("user") && !reason.contains("/v/"), "{reason}");
            reason
        }
        other => panic!("{other:?}"),
    }
}

/// The text and the HTML part.
fn parts(mail: &ParsedMail<'_>) -> (String, String) {
    let kinds: Vec<_> = mail.subparts.iter().map(|part| part.ctype.mimetype.as_str()).collect();
    assert_eq!(
        (mail.ctype.mimetype.as_str(), &*kinds),
        ("multipart/alternative", &["text/plain", "text/html"][..])
    );
    (mail.subparts[0].get_body().unwrap(), mail.subparts[1].get_body().unwrap())
}

#[tokio::test]
async fn a_mail_arrives_with_one_recipient_and_the_headers_of_an_automatic_mail() {
    let sink = smtp::Sink::start(smtp::Mode::Accept);
    assert_eq!(send_to(&mailer(&sink.url()), " User@MÜNCHEN.de ").await, Ok(()));
    let [received] = &sink.received()[..] else { panic!("one mail") };
    assert_eq!(received.mail_from, "login@example.com");
    assert_eq!(received.rcpt_to, ["user@xn--mnchen-3ya.de"]);
    let recipients: Vec<_> = sink.commands().into_iter().filter(|c| c.starts_with("RCPT")).collect();
    assert_eq!(recipients, ["RCPT TO:<user@xn--mnchen-3ya.de>"]);
    assert!(received.message.is_ascii());

    let mail = mailparse::parse_mail(&received.message).unwrap();
    let header = |name: &str| mail.headers.get_all_values(name).join(" & ");
    assert_eq!(header("From"), "\"Example App\" <login@example.com>");
    assert_eq!(header("To"), "user@xn--mnchen-3ya.de");
    assert_eq!(header("Subject"), "Bei Example App anmelden");
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    assert_eq!(header("Date"), "Fri, 06 Nov 2026 21:23:00 +0000");
    assert_eq!(header("MIME-Version"), "1.0");
    let id = header("Message-ID");
    assert!(id.starts_with('<') && id.ends_with("@example.com>") && id.len() > 40, "{id}");
}

#[tokio::test]
async fn both_parts_have_the_same_link_on_one_line() {
    let sink = smtp::Sink::start(smtp::Mode::Accept);
    send(&mailer(&sink.url())).await.unwrap();
    let received = sink.received();
    let (text, html) = parts(&mailparse::parse_mail(&received[0].message).unwrap());
    assert_eq!(text.lines().filter(|line| *line == LINK).count(), 1, "{text}");
    assert_eq!(text.matches("https://").count(), 1);
    let links: Vec<_> = html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links, [LINK, LINK]);
    assert!(html.contains(&format!(">{LINK}</a>")));
    assert!(text.contains("möchte"), "umlauts survive: {text}");
    assert!(html.is_ascii() && html.contains("m&#246;chte"), "umlauts survive: {html}");
}

#[tokio::test]
async fn words_arrive_as_they_are_whatever_their_lines_look_like() {
    let long = "x".repeat(998);
    for (line, encoding) in [
        (".", "7bit"),
        ("..two", "7bit"),
        (".\n.\n\n.end", "7bit"),
        ("From here = there, \t and back ", "7bit"),
        (long.as_str(), "7bit"),
        (&(long.clone() + "x"), "quoted-printable"),
        ("a\rb", "quoted-printable"),
        (".\u{fc}", "quoted-printable"),
        (&"\u{4eca}".repeat(600), "base64"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("mail.txt"), format!("{line}\n{{{{ link }}}}\n{line}\n"))
            .unwrap();
        let sink = smtp::Sink::start(smtp::Mode::Accept);
        let settings =
            MailerSettings { templates: Some(directory.path().to_owned()), ..settings(&sink.url()) };
        send(&Mailer::new(settings).unwrap()).await.unwrap();
        let received = sink.received();
        let mail = mailparse::parse_mail(&received[0].message).unwrap();
        let sent = mail.subparts[0].headers.get_first_value("Content-Transfer-Encoding");
        assert_eq!(sent.as_deref(), Some(encoding), "{line:?}");
        let wanted = format!("{line}\n{LINK}\n{line}");
        assert_eq!(parts(&mail).0.replace("\r\n", "\n").trim_end_matches('\n'), wanted, "{line:?}");
        let lines = received[0].message.split(|b| *b == b'\n');
        assert!(lines.clone().all(|line| line.len() <= 999), "{line:?}");
    }
}

#[tokio::test]
async fn the_address_in_rcpt_to_is_the_canonical_one_for_every_case_that_is_accepted() {
    let sink = smtp::Sink::start(smtp::Mode::Accept);
    let mailer = mailer(&sink.url());
    let mut wanted = Vec::new();
    let longest = format!("{}@{2}.{2}.{}.com", "a".repeat(64), "c".repeat(57), "b".repeat(63));
    for address in
        ["user@example.com", "a#$&'*+-/^_`{|}~=b@example.com", "{{7*7}}@example.com", "u@a.b.co.uk"]
            .into_iter()
            .chain([longest.as_str(), "user@xn--mnchen-3ya.de"])
    {
        send_to(&mailer, address).await.unwrap();
        wanted.push(vec![address.to_owned()]);
    }
    let received: Vec<_> = sink.received().into_iter().map(|r| r.rcpt_to).collect();
    assert_eq!(received, wanted);
    for mail in sink.received() {
        let parsed = mailparse::parse_mail(&mail.message).unwrap();
        assert_eq!(parsed.headers.get_first_value("To").unwrap().replace([' ', '\n'], ""), mail.rcpt_to[0]);
    }
}

#[tokio::test]
async fn a_test_mail_says_that_mail_works() {
    let sink = smtp::Sink::start(smtp::Mode::Accept);
    let to = EmailAddress::parse("admin@example.org").unwrap();
    let mailer = mailer(&sink.url());
    mailer.send_test(&to, Locale::En, DateTime::<Utc>::UNIX_EPOCH).await.unwrap();
    let received = sink.received();
    let mail = mailparse::parse_mail(&received[0].message).unwrap();
    assert_eq!(mail.headers.get_first_value("Subject").unwrap(), "Example App: mail works");
    assert!(mail.get_body().unwrap().contains("This is a test mail from linkgate."));
    assert_eq!(received[0].rcpt_to, ["admin@example.org"]);
}

#[tokio::test]
async fn the_file_transport_writes_one_eml_file_per_mail() {
    let directory = tempfile::tempdir().unwrap();
    let mails = directory.path().join("out/mails");
    let mailer = mailer(&format!("file://{}", mails.display()));
    send(&mailer).await.unwrap();
    send(&mailer).await.unwrap();
    let files: Vec<PathBuf> = std::fs::read_dir(&mails).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    for file in files {
        assert_eq!(file.extension().unwrap(), "eml");
        let message = std::fs::read(file).unwrap();
        let (text, _) = parts(&mailparse::parse_mail(&message).unwrap());
        assert!(text.contains(LINK));
    }
    std::fs::remove_dir_all(&mails).unwrap();
    reason(send(&mailer).await);
}

#[tokio::test]
async fn the_mailbox_keeps_what_would_have_been_sent() {
    let mailer = mailer("mailbox://");
    send(&mailer).await.unwrap();
    let [mail] = &mailer.mailbox().unwrap().list(Some("user@example.org"))[..] else { panic!("one mail") };
    assert_eq!((mail.link.as_deref(), mail.subject.as_str()), (Some(LINK), "Bei Example App anmelden"));
    assert!(mail.text.contains(LINK) && mail.html.as_ref().unwrap().contains(LINK));
}
