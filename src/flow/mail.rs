//! Mints links and hands their mails to the relay.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use super::pace::Pace;
use super::settings::Settings;
use super::time::now_secs;
use crate::clock::Clock;
use crate::domain::secret::Nonce;
use crate::mailer::{LinkMail, MailError, Mailer};
use crate::metrics::{MailOutcome, Metrics};
use crate::token::{Particulars, Tokens};

/// Mails links.
pub(super) struct LinkMailer {
    pub(super) settings: Arc<Settings>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) mailer: Arc<Mailer>,
    pub(super) pace: Pace,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
}

impl LinkMailer {
    /// The URL of a link. The same arguments give the same URL.
    pub(super) fn link(
        &self,
        particulars: &Particulars,
        nonce: &Nonce,
        issued_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> String {
        let token = self.tokens.mint_link(particulars, nonce, issued_at, expires_at);
        format!("{}/v/{token}", self.settings.public_url)
    }

    /// Hands a link to the relay. A rejection takes as long as an acceptance; see [`Pace`].
    pub(super) async fn send(
        &self,
        particulars: &Particulars,
        link: &str,
        valid_for: TimeDelta,
    ) -> Result<(), MailError> {
        let mail = LinkMail {
            to: particulars.email.canonical(),
            link,
            purpose: particulars.purpose,
            locale: particulars.locale,
            browser: particulars.browser.as_deref(),
            requested_at: now_secs(&*self.clock),
            valid_for: valid_for.to_std().unwrap_or_default(),
        };
        let begun = Instant::now();
        let result = self.mailer.send(&mail).await;
        let outcome = match &result {
            Ok(()) => {
                self.pace.accepted(begun.elapsed());
                MailOutcome::Accepted
            }
            Err(MailError::Rejected) => {
                tokio::time::sleep_until((begun + self.pace.usual()).into()).await;
                log::warn!(
                    "the relay rejected a recipient; if it rejects many, it may not relay for linkgate at all"
                );
                MailOutcome::Rejected
            }
            Err(MailError::Unavailable(_)) => MailOutcome::Unavailable,
        };
        self.metrics.mail(outcome, begun.elapsed());
        result
    }
}
