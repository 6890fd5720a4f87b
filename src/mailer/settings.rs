//! The settings of the mailer, and the URL of its transport (`LINKGATE_MAIL_URL`).
//!
//! Reads no environment variables and opens no connections. The only file that it reads is the one in `?ca=`.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::domain::sender::Sender;

/// The settings of a [`Mailer`](super::Mailer).
#[derive(Clone)]
pub struct MailerSettings {
    /// Where mails are sent.
    pub transport: TransportSettings,
    /// The `From` of mails, and the sender of their envelope.
    pub from: Sender,
    /// The name of the application in subjects and texts.
    pub app_name: String,
    /// The directory with the operator's own templates (`LINKGATE_TEMPLATES`).
    pub templates: Option<PathBuf>,
}

/// Where mails are sent (`LINKGATE_MAIL_URL`). Has no `Debug`: it holds the relay's password.
#[derive(Clone)]
pub enum TransportSettings {
    /// To a relay, over SMTP.
    Smtp(SmtpSettings),
    /// Into a directory, one `.eml` file for each mail.
    File(PathBuf),
    /// Into the memory of this process, for `dev`.
    Mailbox,
}

/// A relay and how to reach it.
#[derive(Clone)]
pub struct SmtpSettings {
    /// Host name or IP address (IPv6 without brackets). The relay's certificate must be for it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: SmtpTls,
    /// User name and password for AUTH, decoded.
    pub user: Option<(String, String)>,
    /// The only certificate authorities to trust, in PEM. Without them, Mozilla's are trusted.
    pub ca_pem: Option<Vec<u8>>,
}

/// How a connection to a relay is encrypted. There is no opportunistic TLS: an attacker on the network who strips
/// STARTTLS from the relay's offers could then read every link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// Not at all.
    None,
    /// STARTTLS (RFC 3207), required: a relay that does not offer it gets no mail.
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Implicit,
}

impl TransportSettings {
    /// Parses a mail URL:
    ///
    /// - `smtp://[user:password@]host[:587]`: a relay. STARTTLS is required, except that loopback hosts (127.0.0.0/8,
    ///   `::1`, `localhost`) get mails unencrypted: they do not leave the machine, and a relay on it rarely has a
    ///   certificate for that name. `?tls=required` and `?tls=none` override the default.
    /// - `smtps://[user:password@]host[:465]`: a relay, with TLS from the first byte.
    /// - `?ca=/path/ca.pem` with either: trust the certificate authorities in this file, and no others.
    /// - `file:///directory`: one `.eml` file for each mail.
    /// - `mailbox://`: the mailbox of `dev`.
    ///
    /// # Errors
    /// The fault and its remedy, without any part of the URL, since each could hold the password.
    pub fn parse(url: &str) -> Result<Self, String> {
        if url == "mailbox://" || url == "mailbox:" {
            return Ok(Self::Mailbox);
        }
        let url = Url::parse(url).map_err(|e| {
            format!(
                "not a URL ({e}): write smtp://user:password@host:587; \
                 in user and password, write / ? # @ : % as %2F %3F %23 %40 %3A %25"
            )
        })?;
        match url.scheme() {
            "smtp" | "smtps" => SmtpSettings::from_url(&url).map(Self::Smtp),
            "file" => match (url.host(), url.query(), url.to_file_path()) {
                (None, None, Ok(directory)) => Ok(Self::File(directory)),
                _ => Err("a file URL is file:///directory, with three slashes".to_owned()),
            },
            "mailbox" => Err("mailbox:// takes no host or path".to_owned()),
            _ => Err("the scheme must be smtp, smtps, file or mailbox".to_owned()),
        }
    }
}

impl SmtpSettings {
    fn from_url(url: &Url) -> Result<Self, String> {
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err("only ?tls= and ?ca= may follow the host; \
                        in user and password, write / ? # @ as %2F %3F %23 %40"
                .to_owned());
        }
        let host = host(url)?;
        let implicit = url.scheme() == "smtps";
        let mut tls = match (implicit, is_loopback(&host)) {
            (true, _) => SmtpTls::Implicit,
            (false, true) => SmtpTls::None,
            (false, false) => SmtpTls::StartTls,
        };
        let mut ca_pem = None;
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("tls", "required") if implicit => {}
                ("tls", "required") => tls = SmtpTls::StartTls,
                ("tls", "none") if implicit => {
                    return Err("smtps:// is always encrypted, smtp://…?tls=none is not".to_owned());
                }
                ("tls", "none") => tls = SmtpTls::None,
                ("tls", _) => return Err("tls must be none or required".to_owned()),
                ("ca", path) => {
                    let pem = std::fs::read(path);
                    ca_pem = Some(pem.map_err(|e| format!("cannot read the file in ?ca=: {e}"))?);
                }
                _ => return Err("only tls and ca may follow the ?".to_owned()),
            }
        }
        let port = url.port().unwrap_or(if implicit { 465 } else { 587 });
        if port == 0 {
            return Err("port 0 is invalid".to_owned());
        }
        Ok(Self { host, port, tls, user: user(url)?, ca_pem })
    }
}

/// Whether mails to this host stay on this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn host(url: &Url) -> Result<String, String> {
    let host = url.host_str().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let is_name = !bare.is_empty()
        && bare.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if is_name || bare.parse::<Ipv6Addr>().is_ok() {
        Ok(bare.to_owned())
    } else {
        Err("the host is missing or invalid: write smtp://host:587".to_owned())
    }
}

fn user(url: &Url) -> Result<Option<(String, String)>, String> {
    let decode = |text: &str| match percent_decode_str(text).decode_utf8() {
        Ok(text) if !text.contains('\0') => Ok(text.into_owned()),
        _ => Err("user and password must be UTF-8 text without NUL".to_owned()),
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (user, Some(password)) if !user.is_empty() => Ok(Some((decode(user)?, decode(password)?))),
        _ => {
            Err("a user needs a password, and a password a user: write smtp://user:password@host".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(url: &str) -> SmtpSettings {
        match TransportSettings::parse(url) {
            Ok(TransportSettings::Smtp(settings)) => settings,
            Ok(_) => panic!("{url} is not a relay"),
            Err(error) => panic!("{url}: {error}"),
        }
    }

    #[test]
    fn tls_is_required_unless_the_mail_stays_on_this_machine_or_the_url_says_otherwise() {
        for (url, tls, port) in [
            ("smtp://relay.example.com", SmtpTls::StartTls, 587),
            ("smtp://relay.example.com:2525/", SmtpTls::StartTls, 2525),
            ("smtp://10.0.0.1", SmtpTls::StartTls, 587),
            ("smtp://localhost.example.com", SmtpTls::StartTls, 587),
            ("smtp://relay.example.com?tls=none", SmtpTls::None, 587),
            ("smtps://relay.example.com", SmtpTls::Implicit, 465),
            ("smtps://127.0.0.1?tls=required", SmtpTls::Implicit, 465),
            ("smtp://127.0.0.1:25", SmtpTls::None, 25),
            ("smtp://127.9.9.9", SmtpTls::None, 587),
            ("smtp://[::1]:1025", SmtpTls::None, 1025),
            ("smtp://LOCALHOST", SmtpTls::None, 587),
            ("smtp://localhost?tls=required", SmtpTls::StartTls, 587),
        ] {
            let settings = smtp(url);
            assert_eq!((settings.tls, settings.port), (tls, port), "{url}");
        }
        assert_eq!(smtp("smtp://[2001:db8::1]:25").host, "2001:db8::1");
    }

    #[test]
    fn user_and_password_are_percent_decoded() {
        let user = smtp("smtp://me%40example.com:a%2Fb+c%3F%25@relay.example.com").user;
        assert_eq!(user, Some(("me@example.com".to_owned(), "a/b+c?%".to_owned())));
    }

    #[test]
    fn the_other_transports_are_a_directory_and_the_mailbox() {
        let file = TransportSettings::parse("file:///var/mail%20out");
        assert!(matches!(file, Ok(TransportSettings::File(path)) if path.as_os_str() == "/var/mail out"));
        assert!(matches!(TransportSettings::parse("mailbox://"), Ok(TransportSettings::Mailbox)));
    }

    #[test]
    fn a_bad_url_is_explained_without_its_password() {
        for url in [
            "",
            "relay.example.com:587",
            "smtp://",
            "smtp:relay",
            "smtp://u:hunter2@",
            "smtp://u:hunter2@relay:0",
            "smtp://u:hunter2@relay:99999",
            "smtp://u:hunter2/x@relay",
            "smtp://u:hunter2#x@relay",
            "smtp://u:hunter2?x@relay",
            "smtp://u:hunter2@re lay",
            "smtp://u:hunter2@relay/hunter2",
            "smtp://u:hunter2@relay?tls=hunter2",
            "smtp://u:hunter2@relay?hunter2=1",
            "smtp://u:hunter2@relay?ca=/nowhere/hunter2",
            "smtp://u:%ff@relay",
            "smtp://:hunter2@relay",
            "smtp://hunter2@relay",
            "smtps://relay?tls=none",
            "http://u:hunter2@relay",
            "file://host/hunter2",
            "mailbox://hunter2",
        ] {
            let error = TransportSettings::parse(url).err().unwrap_or_else(|| panic!("{url} is valid"));
            assert!(!error.is_empty() && !error.contains("hunter2"), "{url}: {error}");
        }
    }
}
