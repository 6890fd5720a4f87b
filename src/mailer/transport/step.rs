//! The steps of an SMTP conversation, and how each can fail.
//!
//! Errors hold reply codes, never the relay's text: relays like to repeat the recipient in it.

use std::error::Error as _;
use std::io;

use lettre::transport::smtp::Error;
use tokio::time::{Instant, timeout_at};

use crate::mailer::message::MailError;

/// A step on the way of a mail to the relay, by its name in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step(&'static str);

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
    /// Waiting until fewer than the maximum of connections are in use.
    pub(super) const WAIT: Self = Self("waiting for a free connection");
    pub(super) const RESOLVE: Self = Self("looking the relay up");
    pub(super) const CONNECT: Self = Self("connecting");
    /// The TLS handshake on a connection that is encrypted from its first byte.
    pub(super) const HANDSHAKE: Self = Self("TLS handshake");
    /// The relay's greeting, and EHLO, also that after STARTTLS.
    pub(super) const GREETING: Self = Self("greeting");
    /// STARTTLS and its handshake.
    pub(super) const START_TLS: Self = Self("STARTTLS");
    pub(super) const AUTH: Self = Self("AUTH");
    pub(super) const EHLO: Self = Self("EHLO");
    pub(super) const MAIL_FROM: Self = Self("MAIL FROM");
    pub(super) const RCPT_TO: Self = Self("RCPT TO");
    pub(super) const DATA: Self = Self("DATA");
    /// The message and the relay's answer to it.
    pub(super) const MESSAGE: Self = Self("the message");
    pub(super) const RSET: Self = Self("RSET");

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
        let Step(name) = step;
        match cause {
            Cause::Reply { code: 550..=554 | 556, .. } if step == Step::RCPT_TO => Self::Rejected,
            Cause::Reply { code, enhanced } => {
                let enhanced = enhanced.map(|e| format!(" {e}")).unwrap_or_default();
                Self::Unavailable(format!("{name}: the relay answered {code}{enhanced}"))
            }
            Cause::TimedOut => Self::Unavailable(format!("{name}: the relay did not answer in time")),
            Cause::Broken(cause) => Self::Unavailable(format!("{name}: {cause}")),
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
            assert_eq!(refused(Step::RCPT_TO, code), MailError::Rejected, "{code}");
            assert_ne!(refused(Step::MAIL_FROM, code), MailError::Rejected, "{code}");
        }
        // These are about the conversation: syntax, sequence, missing authentication.
        for code in [421, 450, 451, 452, 500, 501, 503, 530, 535, 555] {
            assert_ne!(refused(Step::RCPT_TO, code), MailError::Rejected, "{code}");
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
