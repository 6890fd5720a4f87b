//! Mail URLs: nothing is sent in the clear unless the URL asks for it, and no message shows a password.

use std::net::IpAddr;

use linkgate::mailer::{SmtpSettings, SmtpTls, TransportSettings};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// Inputs contain this in the place of a password; messages must not.
const PASSWORD: &str = "hunter2";

/// The input is the value of `LINKGATE_MAIL_URL`.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Settings have no control characters. URL parsers drop them, and then read the segments differently.
    if text.contains(char::is_control) || reads_files(text) {
        return;
    }
    match TransportSettings::parse(text) {
        Ok(TransportSettings::Smtp(settings)) => smtp(text, &settings),
        Ok(TransportSettings::File(directory)) => {
            assert!(directory.is_absolute(), "{text}");
            let url = Url::from_directory_path(&directory).expect("a directory makes a URL");
            match TransportSettings::parse(url.as_str()) {
                Ok(TransportSettings::File(again)) => {
                    assert_eq!(again.components().as_path(), directory.components().as_path())
                }
                _ => panic!("{url} is read differently"),
            }
        }
        Ok(TransportSettings::Mailbox) => assert!(matches!(text, "mailbox:" | "mailbox://")),
        Err(message) => {
            assert!(!message.is_empty() && !message.contains(char::is_control), "{message}");
            assert!(!message.contains(PASSWORD), "{message}");
        }
    }
}

/// Whether the URL names a file of certificates that may exist: a fuzzer must not read the machine's files.
fn reads_files(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        url.query_pairs()
            .any(|(name, path)| name == "ca" && !path.starts_with("/nowhere/") || path.contains(".."))
    })
}

fn smtp(text: &str, settings: &SmtpSettings) {
    let url = Url::parse(text).expect("settings come of a URL");
    let SmtpSettings { host, port, tls, user, ca_pem } = settings;
    assert!(!host.is_empty() && *port != 0);
    let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    assert!(is_name || matches!(host.parse(), Ok(IpAddr::V6(_))), "{host}");
    assert!(ca_pem.is_none(), "there is no such file");
    let asked = |value: &str| url.query_pairs().any(|(name, given)| name == "tls" && given == value);
    let stays_here = host.eq_ignore_ascii_case("localhost")
        || matches!(host.parse(), Ok(IpAddr::V4(ip)) if ip.octets()[0] == 127)
        || host.parse() == Ok(std::net::Ipv6Addr::LOCALHOST);
    match (url.scheme(), tls) {
        ("smtps", SmtpTls::Implicit) => assert!(!asked("none")),
        ("smtp", SmtpTls::StartTls) => assert!(!stays_here || asked("required")),
        ("smtp", SmtpTls::None) => {
            assert!(stays_here || asked("none"), "{text}: mails leave the machine in the clear")
        }
        other => panic!("{text}: {other:?}"),
    }
    // A password is sent in the clear only if the URL says so explicitly, or on loopback.
    let mut again = format!("{}://", url.scheme());
    if let Some((name, password)) = user {
        assert!(!name.is_empty() && !name.contains('\0') && !password.contains('\0'));
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        again.push_str(&format!("{}:{}@", encode(name), encode(password)));
    }
    let bracketed = if is_name { host.clone() } else { format!("[{host}]") };
    again.push_str(&format!("{bracketed}:{port}"));
    again.push_str(match (url.scheme(), tls) {
        ("smtp", SmtpTls::None) => "?tls=none",
        _ => "?tls=required",
    });
    match TransportSettings::parse(&again) {
        Ok(TransportSettings::Smtp(other)) => {
            assert_eq!((&other.host, other.port, other.tls), (host, *port, *tls), "{again}");
            assert!(other.user == *user, "user or password differ");
        }
        _ => panic!("{again} is read differently"),
    }
}

/// The seeds.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    [
        "smtp://relay.example.com",
        "smtp://relay.example.com:2525/",
        "smtp://relay.example.com?tls=none",
        "smtp://10.0.0.1?tls=required",
        "smtp://127.0.0.1:25",
        "smtp://[::1]:1025",
        "smtp://[2001:db8::1]:25",
        "smtp://LOCALHOST",
        "smtp://me%40example.com:hunter2%2Fb+c%3F%25@relay.example.com",
        "smtps://user:hunter2@relay.example.com:465",
        "smtps://127.0.0.1?tls=required",
        "smtps://relay?tls=none",
        "smtp://u:hunter2@relay?ca=/nowhere/ca.pem",
        "smtp://u:hunter2/x@relay",
        "smtp://hunter2@relay",
        "file:///var/mail%20out",
        "file://host/hunter2",
        "mailbox://",
        "mailbox://hunter2",
        "http://u:hunter2@relay",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
