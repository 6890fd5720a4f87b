//! The steps of a conversation with a relay: each runs against one deadline and has a name, so that a failure says where
//! it happened. Reasons hold codes, never the relay's own words: those like to repeat the recipient.

use std::error::Error as _;
use std::io;

use lettre::transport::smtp::Error;
use tokio::time::{Instant, timeout_at};

use crate::mailer::message::MailError;

/// A step that went wrong.
pub(super) struct Failure {
    pub(super) step: &'static str,
    pub(super) cause: Cause,
}

/// How it went wrong.
pub(super) enum Cause {
    /// The relay's negative answer.
    Answer { code: u16, enhanced: Option<String> },
    /// No answer in time.
    Late,
    /// Anything else; a text without any of the relay's words.
    Broken(String),
}

pub(super) const RSET: &str = "RSET";

pub(super) const MAIL_FROM: &str = "MAIL FROM";

/// The name of the step whose permanent failure speaks of the recipient.
pub(super) const RCPT_TO: &str = "RCPT TO";

pub(super) const DATA: &str = "DATA";

/// Takes a step of lettre's.
pub(super) async fn step<T>(
    step: &'static str,
    deadline: Instant,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    match timeout_at(deadline, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure { step, cause: Cause::of(&error) }),
        Err(_) => Err(Failure { step, cause: Cause::Late }),
    }
}

/// Takes a step of the system's.
pub(super) async fn io_step<T>(
    step: &'static str,
    deadline: Instant,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Failure> {
    match timeout_at(deadline, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure { step, cause: Cause::Broken(error.to_string()) }),
        Err(_) => Err(Failure { step, cause: Cause::Late }),
    }
}

impl Cause {
    fn of(error: &Error) -> Self {
        if let Some(code) = error.status() {
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            return Self::Answer { code: code.into(), enhanced: enhanced_code(&text) };
        }
        if error.is_response() {
            // Its text would quote what the relay said.
            return Self::Broken(
                "the relay closed the connection or answered something else than SMTP".to_owned(),
            );
        }
        Self::Broken(error.to_string())
    }
}

/// The enhanced status code (RFC 3463) that many relays put first, such as `5.1.1`.
fn enhanced_code(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    (word.split('.').count() == 3 && word.split('.').all(is_number)).then(|| word.to_owned())
}

impl Failure {
    /// Whether the conversation can go on: the relay answered, and not that it is about to hang up.
    pub(super) fn leaves_usable(&self) -> bool {
        matches!(self.cause, Cause::Answer { code, .. } if code != 421)
    }
}

impl From<Failure> for MailError {
    fn from(Failure { step, cause }: Failure) -> Self {
        match cause {
            Cause::Answer { code: 550..=554 | 556, .. } if step == RCPT_TO => Self::Rejected,
            Cause::Answer { code, enhanced } => {
                let enhanced = enhanced.map(|e| format!(" {e}")).unwrap_or_default();
                Self::Unavailable(format!("{step}: the relay answered {code}{enhanced}"))
            }
            Cause::Late => Self::Unavailable(format!("{step}: the relay did not answer in time")),
            Cause::Broken(cause) => Self::Unavailable(format!("{step}: {cause}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: &'static str, code: u16) -> MailError {
        Failure { step, cause: Cause::Answer { code, enhanced: None } }.into()
    }

    #[test]
    fn only_answers_on_the_recipient_reject_it() {
        for code in [550, 551, 552, 553, 554, 556] {
            assert_eq!(at(RCPT_TO, code), MailError::Rejected, "{code}");
            assert_ne!(at("MAIL FROM", code), MailError::Rejected, "{code}");
        }
        // They speak of the conversation: a syntax, a sequence, a missing sign-on.
        for code in [421, 450, 451, 452, 500, 501, 503, 530, 535, 555] {
            assert_ne!(at(RCPT_TO, code), MailError::Rejected, "{code}");
        }
    }

    #[test]
    fn of_what_the_relay_says_only_codes_are_kept() {
        assert_eq!(enhanced_code("5.1.1 <user@example.com> unknown").as_deref(), Some("5.1.1"));
        for text in
            ["", "user@example.com unknown", "<user@example.com>... 5.1.1", "1.2.3.4 said no", "5.1.x"]
        {
            assert_eq!(enhanced_code(text), None, "{text}");
        }
    }
}
