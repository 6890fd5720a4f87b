//! The steps of an SMTP conversation, and how each can fail.
//!
//! Errors hold reply codes, never the relay's text: relays like to repeat the recipient in it.

use std::error::Error as _;
use std::{fmt, io};

use lettre::transport::smtp::Error;
use tokio::time::{Instant, timeout_at};

use crate::mailer::message::MailError;

/// A step on the way of a mail to the relay, in the order in which they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Waiting until fewer than the maximum of connections are in use.
    Wait,
    Resolve,
    Connect,
    /// The TLS handshake on a connection that is encrypted from its first byte.
    Handshake,
    /// The relay's greeting, and EHLO, also that after STARTTLS.
    Greeting,
    /// STARTTLS and its handshake.
    StartTls,
    Auth,
    Ehlo,
    MailFrom,
    RcptTo,
    Data,
    /// The message and the relay's answer to it.
    Message,
    Rset,
}

/// A step that failed.
#[derive(Debug)]
pub(super) struct StepError {
    pub(super) step: Step,
    pub(super) cause: Cause,
}

/// Why a step failed.
#[derive(Debug)]
pub(super) enum Cause {
    /// A negative reply, with its enhanced status code (RFC 3463) if it has one.
    Reply { code: u16, enhanced: Option<String> },
    /// The deadline passed.
    TimedOut,
    /// The connection broke, or was never made. The text holds nothing that the relay said.
    Broken(String),
}

impl Step {
    /// Waits for `work`, which is this step, until `deadline`.
    pub(super) async fn run<T, E: Into<Cause>>(
        self,
        deadline: Instant,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StepError> {
        match timeout_at(deadline, work).await {
            Ok(result) => result.map_err(|error| self.failed(error)),
            Err(_) => Err(self.failed(Cause::TimedOut)),
        }
    }

    /// The error of this step.
    pub(super) fn failed(self, cause: impl Into<Cause>) -> StepError {
        StepError { step: self, cause: cause.into() }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wait => "waiting for a free connection",
            Self::Resolve => "looking the relay up",
            Self::Connect => "connecting",
            Self::Handshake => "TLS handshake",
            Self::Greeting => "greeting",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Ehlo => "EHLO",
            Self::MailFrom => "MAIL FROM",
            Self::RcptTo => "RCPT TO",
            Self::Data => "DATA",
            Self::Message => "the message",
            Self::Rset => "RSET",
        })
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        if let Some(code) = error.status() {
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            Self::Reply { code: code.into(), enhanced: enhanced_code(&text) }
        } else if error.is_response() {
            // lettre's text would quote the relay.
            Self::Broken("the relay closed the connection or sent a reply that is not SMTP".to_owned())
        } else {
            Self::Broken(error.to_string())
        }
    }
}

/// The enhanced status code (RFC 3463) at the start of a reply's text, such as `5.1.1`.
fn enhanced_code(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    (word.split('.').count() == 3 && word.split('.').all(is_number)).then(|| word.to_owned())
}

impl StepError {
    /// Whether the relay refused the step and goes on listening. After 421 it hangs up (RFC 5321, section 4.2.1).
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.cause, Cause::Reply { code, .. } if code != 421)
    }
}

impl From<StepError> for MailError {
    fn from(StepError { step, cause }: StepError) -> Self {
        match cause {
            Cause::Reply { code: 550..=554 | 556, .. } if step == Step::RcptTo => Self::Rejected,
            Cause::Reply { code, enhanced } => {
                let enhanced = enhanced.map(|e| format!(" {e}")).unwrap_or_default();
                Self::Unavailable(format!("{step}: the relay answered {code}{enhanced}"))
            }
            Cause::TimedOut => Self::Unavailable(format!("{step}: the relay did not answer in time")),
            Cause::Broken(cause) => Self::Unavailable(format!("{step}: {cause}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(step: Step, code: u16) -> MailError {
        step.failed(Cause::Reply { code, enhanced: None }).into()
    }

    #[test]
    fn only_permanent_replies_to_the_recipient_reject_it() {
        for code in [550, 551, 552, 553, 554, 556] {
            assert_eq!(refused(Step::RcptTo, code), MailError::Rejected, "{code}");
            assert_ne!(refused(Step::MailFrom, code), MailError::Rejected, "{code}");
        }
        // These are about the conversation: syntax, sequence, missing authentication.
        for code in [421, 450, 451, 452, 500, 501, 503, 530, 535, 555] {
            assert_ne!(refused(Step::RcptTo, code), MailError::Rejected, "{code}");
        }
    }

    #[test]
    fn of_the_relays_text_only_an_enhanced_code_is_kept() {
        assert_eq!(enhanced_code("5.1.1 <user@example.com> unknown").as_deref(), Some("5.1.1"));
        for text in
            ["", "user@example.com unknown", "<user@example.com>... 5.1.1", "1.2.3.4 said no", "5.1.x"]
        {
            assert_eq!(enhanced_code(text), None, "{text}");
        }
    }
}
