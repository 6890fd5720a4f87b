//! Hands mails over: to a relay, to a directory, or to the mailbox of `dev`.
//!
//! With its child for SMTP, the only place that knows lettre. Knows nothing of templates.

mod smtp;
mod step;
mod tls;

use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use lettre::address::{Address, Envelope};
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox as HeaderMailbox, Message, MultiPart, SinglePart};
use lettre::{AsyncFileTransport, AsyncTransport as _, Tokio1Executor};
use uuid::Uuid;

use self::smtp::Relay;
use super::mailbox::Mailbox;
use super::message::{Mail, MailError};
use super::settings::TransportSettings;
use crate::domain::email::EmailAddress;
use crate::domain::sender::Sender;

/// Longest line of a mail, in characters without its end (RFC 5322, section 2.1.1).
const MAX_LINE: usize = 998;

/// The ways in which mails leave.
pub(super) enum Transport {
    Relay(Box<Relay>),
    Directory(PathBuf),
    Mailbox(Mailbox),
}

/// A mail as it goes over the wire.
struct Wire {
    envelope: Envelope,
    /// ASCII, without the dots of transparency.
    message: String,
}

impl Transport {
    /// Prepares the transport. `limit` is the time for one mail, from looking for a connection to its acceptance.
    pub(super) fn new(settings: TransportSettings, limit: Duration) -> Result<Self, String> {
        match settings {
            TransportSettings::Smtp(settings) => Ok(Self::Relay(Box::new(Relay::new(settings, limit)?))),
            TransportSettings::File(directory) => {
                // The links in there let people in: nobody else on the machine is to read them.
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

    /// Hands one mail over.
    pub(super) async fn send(&self, mail: Mail<'_>) -> Result<(), MailError> {
        match self {
            // Boxed: a whole conversation, TLS and all, would be a part of every start's state.
            Self::Relay(relay) => Box::pin(relay.send(&wire(mail)?)).await,
            Self::Directory(directory) => {
                let wire = wire(mail)?;
                let files = AsyncFileTransport::<Tokio1Executor>::new(directory);
                let written = files.send_raw(&wire.envelope, wire.message.as_bytes()).await;
                written.map(drop).map_err(|e| MailError::Unavailable(format!("cannot write the mail: {e}")))
            }
            Self::Mailbox(mailbox) => {
                mailbox.deliver(mail);
                Ok(())
            }
        }
    }

    /// Whether a mail could leave, as far as that can be known without one.
    pub(super) async fn check(&self) -> Result<(), MailError> {
        match self {
            Self::Relay(relay) => relay.check().await,
            Self::Directory(directory) if directory.is_dir() => Ok(()),
            Self::Directory(directory) => {
                Err(MailError::Unavailable(format!("{} is no directory", directory.display())))
            }
            Self::Mailbox(_) => Ok(()),
        }
    }
}

/// The same string again as an address of lettre's. Not checked by lettre, whose rules are other ones: an
/// [`EmailAddress`] is ASCII without spaces, controls and brackets.
fn address(address: &EmailAddress) -> Address {
    Address::new_dangerous(address.local_part(), address.domain())
}

fn header_mailbox(sender: &Sender) -> HeaderMailbox {
    HeaderMailbox::new(sender.name().map(str::to_owned), address(sender.address()))
}

fn wire(mail: Mail<'_>) -> Result<Wire, MailError> {
    let no_mail = |e| MailError::Unavailable(format!("cannot build the mail: {e}"));
    let (from, to) = (address(mail.from.address()), address(mail.to));
    let builder = Message::builder()
        .from(header_mailbox(mail.from))
        .to(HeaderMailbox::new(None, to.clone()))
        .subject(mail.content.subject)
        .date(SystemTime::from(mail.date))
        .message_id(Some(format!("<{}@{}>", Uuid::now_v7().simple(), mail.from.address().domain())))
        .header(AutoSubmitted);
    let message = match mail.content.html {
        Some(html) => builder.multipart(
            MultiPart::alternative()
                .singlepart(part(ContentType::TEXT_PLAIN, mail.content.text))
                .singlepart(part(ContentType::TEXT_HTML, html)),
        ),
        None => builder.singlepart(part(ContentType::TEXT_PLAIN, mail.content.text)),
    };
    let message = message.map_err(|e| no_mail(e.to_string()))?.formatted();
    let message = String::from_utf8(message).map_err(|_| no_mail("it is no ASCII".to_owned()))?;
    let envelope = Envelope::new(Some(from), vec![to]).map_err(|e| no_mail(e.to_string()))?;
    Ok(Wire { envelope, message })
}

/// A part, as it is where every relay takes it so: ASCII in lines that are short enough. lettre would encode all that has a
/// line beyond 76 characters, as that of any link is; where it must be encoded, lettre does it.
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

/// `Auto-Submitted: auto-generated` (RFC 3834, section 5): asks for no automatic replies.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
