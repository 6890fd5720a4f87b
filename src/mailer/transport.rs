//! Sends mails to a relay, into a directory, or to the mailbox of `dev`.
//!
//! With its children, the only module that names lettre. Knows nothing of templates.

mod pool;
mod smtp;
mod step;
mod tls;

use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use lettre::address::{Address, Envelope};
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox as HeaderMailbox, Message, MultiPart, SinglePart};
use lettre::{AsyncFileTransport, AsyncTransport as _, Tokio1Executor};
use uuid::Uuid;

use self::smtp::Relay;
use super::mailbox::Mailbox;
use super::message::{Mail, MailError};
use super::settings::TransportSettings;
use crate::domain::email::EmailAddress;

/// The longest line of a message, in characters without its end (RFC 5322, section 2.1.1).
const MAX_LINE: usize = 998;

/// Where mails are sent.
pub(super) enum Transport {
    Relay(Box<Relay>),
    Directory(PathBuf),
    Mailbox(Mailbox),
}

impl Transport {
    /// Prepares the transport. `limit` is the time for one mail, from waiting for a connection to the relay's acceptance.
    pub(super) fn new(settings: TransportSettings, limit: Duration) -> Result<Self, String> {
        match settings {
            TransportSettings::Smtp(settings) => Ok(Self::Relay(Box::new(Relay::new(settings, limit)?))),
            TransportSettings::File(directory) => {
                // The links in it sign people in: other users of the machine must not read them.
                let mut builder = std::fs::DirBuilder::new();
                builder
                    .recursive(true)
                    .mode(0o700)
                    .create(&directory)
                    .map_err(|e| format!("{}: {e}", directory.display()))?;
                Ok(Self::Directory(directory))
            }
            TransportSettings::Mailbox => Ok(Self::Mailbox(Mailbox::default())),
        }
    }

    /// Sends one mail.
    pub(super) async fn send(&self, mail: Mail<'_>) -> Result<(), MailError> {
        match self {
            Self::Relay(relay) => {
                let message = build(mail)?;
                // Boxed: with the conversation and its TLS inside, the future of every start was 13 KB large.
                Box::pin(relay.send(message.envelope(), &message.formatted())).await
            }
            Self::Directory(directory) => {
                let files = AsyncFileTransport::<Tokio1Executor>::new(directory);
                let written = files.send(build(mail)?).await;
                written.map(drop).map_err(|e| MailError::Unavailable(format!("cannot write the mail: {e}")))
            }
            Self::Mailbox(mailbox) => {
                mailbox.deliver(mail);
                Ok(())
            }
        }
    }
}

/// The address for lettre. Not checked by lettre, whose rules differ: an [`EmailAddress`] is ASCII without spaces,
/// control characters and brackets.
fn address(address: &EmailAddress) -> Address {
    Address::new_dangerous(address.local_part(), address.domain())
}

/// The message with its headers. In ASCII: lettre encodes headers, and bodies that need it.
fn build(mail: Mail<'_>) -> Result<Message, MailError> {
    let failed = |e: lettre::error::Error| MailError::Unavailable(format!("cannot build the mail: {e}"));
    let (from, to) = (address(mail.from.address()), address(mail.to));
    let builder = Message::builder()
        .envelope(Envelope::new(Some(from.clone()), vec![to.clone()]).map_err(failed)?)
        .from(HeaderMailbox::new(mail.from.name().map(str::to_owned), from))
        .to(HeaderMailbox::new(None, to))
        .subject(mail.content.subject)
        .date(SystemTime::from(mail.date))
        .message_id(Some(format!("<{}@{}>", Uuid::now_v7().simple(), mail.from.address().domain())));
    let text = part(ContentType::TEXT_PLAIN, mail.content.text);
    let message = match mail.content.html {
        Some(html) => {
            let html = part(ContentType::TEXT_HTML, html);
            builder.multipart(MultiPart::alternative().singlepart(text).singlepart(html))
        }
        None => builder.singlepart(text),
    };
    let mut message = message.map_err(failed)?;
    // Asks for no automatic replies (RFC 3834, section 5).
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    message.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
    Ok(message)
}

/// A part of the message. Sent as it is if it is ASCII with lines that every relay accepts: lettre would encode each
/// part with a line of over 76 characters, as that of a link is.
fn part(content_type: ContentType, text: String) -> SinglePart {
    let is_plain = |b: u8| (b' '..=b'~').contains(&b) || b == b'\t' || b == b'\n';
    let body = if text.bytes().all(is_plain) && text.lines().all(|line| line.len() <= MAX_LINE) {
        Body::dangerous_pre_encoded(
            text.replace('\n', "\r\n").into_bytes(),
            ContentTransferEncoding::SevenBit,
        )
    } else {
        Body::new(text)
    };
    SinglePart::builder().header(content_type).body(body)
}
