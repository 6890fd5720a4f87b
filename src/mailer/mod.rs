//! Renders mails and sends them.
//!
//! [`templates`] renders a [`LinkMail`] and knows no transport; `transport` sends the result, knows no template, and is
//! the only module that names lettre. No module in here logs or returns an address, a link or a password.

pub mod mailbox;
mod message;
mod settings;
pub mod templates;
mod texts;
mod transport;

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use self::mailbox::Mailbox;
use self::message::Mail;
pub use self::message::{Content, LinkMail, MailError};
pub use self::settings::{MailerSettings, SmtpSettings, SmtpTls, TransportSettings};
use self::templates::Templates;
use self::transport::Transport;
use crate::domain::email::EmailAddress;
use crate::domain::locale::Locale;
use crate::domain::sender::Sender;

/// The time for one mail, from waiting for a connection to the relay's acceptance.
const LIMIT: Duration = Duration::from_secs(9);

/// Renders and sends mails.
pub struct Mailer {
    templates: Templates,
    transport: Transport,
    from: Sender,
}

/// Why a [`Mailer`] cannot be made.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum SetupError {
    /// The operator's templates (`LINKGATE_TEMPLATES`) are broken: all faults, each with file and line.
    #[error("{}", .0.join("; "))]
    Templates(Vec<String>),
    /// The transport (`LINKGATE_MAIL_URL`) cannot be set up, for its certificates or its directory.
    #[error("{0}")]
    Transport(String),
}

impl Mailer {
    /// Reads the templates and prepares the transport. Opens no connection. For TLS, the process must have installed
    /// rustls's default provider.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn new(settings: MailerSettings) -> Result<Self, SetupError> {
        Self::with_limit(settings, LIMIT)
    }

    /// Like [`Mailer::new`], with a limit other than 9 s for one mail. For tests.
    ///
    /// # Errors
    /// As [`Mailer::new`].
    pub fn with_limit(settings: MailerSettings, limit: Duration) -> Result<Self, SetupError> {
        let MailerSettings { transport, from, app_name, templates } = settings;
        let templates = Templates::load(&app_name, templates.as_deref()).map_err(SetupError::Templates)?;
        let transport = Transport::new(transport, limit).map_err(SetupError::Transport)?;
        Ok(Self { templates, transport, from })
    }

    /// Sends a link. `Ok` means that the relay has accepted the mail.
    ///
    /// Tries once, within 9 s, but replaces a pooled connection that turns out to be dead. If the connection is lost
    /// after the message was sent, the relay may have accepted it; the mail counts as not sent.
    ///
    /// # Errors
    /// See [`MailError`].
    pub async fn send(&self, mail: &LinkMail<'_>) -> Result<(), MailError> {
        let content = self.templates.render(mail).map_err(MailError::Unavailable)?;
        let about = Some((mail.purpose, mail.link));
        let mail = Mail { from: &self.from, to: mail.to, date: mail.requested_at, about, content };
        self.transport.send(mail).await
    }

    /// Sends the mail of `linkgate mail test`, dated `now`.
    ///
    /// # Errors
    /// As [`Mailer::send`].
    pub async fn send_test(
        &self,
        to: &EmailAddress,
        locale: Locale,
        now: DateTime<Utc>,
    ) -> Result<(), MailError> {
        let content = self.templates.render_test(locale);
        self.transport.send(Mail { from: &self.from, to, date: now, about: None, content }).await
    }

    /// The mailbox, if mails go there.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        if let Transport::Mailbox(mailbox) = &self.transport { Some(mailbox) } else { None }
    }
}
