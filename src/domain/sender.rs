//! The sender of linkgate's mails.

use std::fmt;

use super::email::EmailAddress;

/// The longest display name, in characters.
const MAX_NAME: usize = 128;

/// The sender of all mails: an address, perhaps with a display name (RFC 5322, section 3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    name: Option<String>,
    address: EmailAddress,
}

/// Why a text is not a sender. Contains no part of it.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidSender {
    /// Not of the form `Name <address>` or `address`, or the name has a forbidden character.
    #[error("is neither `Name <address>` nor an address")]
    Form,
    /// The address is invalid.
    #[error("has an invalid email address")]
    Address,
}

impl Sender {
    /// A sender with a display name, which may be empty.
    ///
    /// # Errors
    /// [`InvalidSender::Form`] for a name of over 128 characters, with control characters (they could end the header line)
    /// or with `=?` (it starts an encoded word, RFC 2047, which could hide some).
    pub fn new(name: &str, address: EmailAddress) -> Result<Self, InvalidSender> {
        let name = name.trim_matches(' ');
        let unfit = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if name.chars().count() > MAX_NAME || name.chars().any(unfit) || name.contains("=?") {
            return Err(InvalidSender::Form);
        }
        Ok(Self { name: (!name.is_empty()).then(|| name.to_owned()), address })
    }

    /// Parses `Name <name@example.com>`, `"Name" <name@example.com>` or `name@example.com`.
    ///
    /// # Errors
    /// [`InvalidSender`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidSender> {
        let text = text.trim_matches(' ');
        let Some((name, rest)) = text.split_once('<') else { return Self::new("", address(text)?) };
        let inner = rest.strip_suffix('>').ok_or(InvalidSender::Form)?;
        let name = name.trim_matches(' ');
        let name = name.strip_prefix('"').and_then(|n| n.strip_suffix('"')).unwrap_or(name);
        // These characters need escapes, which are not supported.
        if name.contains(['>', '"', '\\']) {
            return Err(InvalidSender::Form);
        }
        Self::new(name, address(inner)?)
    }

    /// The display name, not yet encoded for a header.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address of the sender.
    #[must_use]
    pub const fn address(&self) -> &EmailAddress {
        &self.address
    }
}

/// For display: as in a header, but not encoded.
impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

fn address(text: &str) -> Result<EmailAddress, InvalidSender> {
    EmailAddress::parse(text).map_err(|_| InvalidSender::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        for (text, name) in [
            ("no-reply@example.com", None),
            ("<no-reply@example.com>", None),
            ("Example <no-reply@example.com>", Some("Example")),
            (" \"Example, Inc.\" <no-reply@example.com> ", Some("Example, Inc.")),
            ("Bücher Köln <No-Reply@Example.com>", Some("Bücher Köln")),
        ] {
            let sender = Sender::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(sender.name(), name, "{text}");
            assert_eq!(sender.address().as_str(), "no-reply@example.com", "{text}");
        }
    }

    #[test]
    fn anything_else_is_rejected() {
        for text in [
            "",
            "Example",
            "Example <>",
            "Example <a@example.com",
            "Example <a@example.com> x",
            "A <b@example.com>, C <d@example.com>",
            "Exa\r\nBcc: x@example.com <a@example.com>",
            "Example <a@example.com\r\nBcc: x@example.com>",
            "=?utf-8?q?Bcc:?= <a@example.com>",
            "a@localhost",
            &format!("{} <a@example.com>", "n".repeat(129)),
        ] {
            assert!(Sender::parse(text).is_err(), "{text:?}");
        }
    }
}
