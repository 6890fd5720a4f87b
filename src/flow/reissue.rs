//! "Send me a new link", requested with a link that no longer works.

use chrono::{DateTime, TimeDelta, Utc};

use super::caller::Caller;
use super::error::FlowError;
use super::issuer::NewAttempt;
use super::links::Links;
use super::settings::RESEND_INTERVAL;
use crate::domain::browser;
use crate::domain::policy::CrossDevice;
use crate::token::{Link, Particulars};

/// How long after its expiry a link may still start a new attempt. A link found in an old mailbox must not work forever.
const RESTARTABLE_FOR: TimeDelta = TimeDelta::hours(24);

/// A new link was mailed.
pub struct Reissued {
    /// The recipient.
    pub email_address: String,
    /// When the new link expires.
    pub expires_at: DateTime<Utc>,
}

impl Links {
    /// Mails a new link: of the same attempt if that is still open, otherwise of a new attempt. The opener becomes the
    /// requester of the new attempt, since nobody else waits for it.
    ///
    /// # Errors
    /// [`FlowError::ResendTooSoon`], [`FlowError::LinkExpired`] if no new attempt may be started, and the errors of
    /// [`super::Attempts::start`].
    pub async fn reissue(&self, link: &Link, caller: &Caller) -> Result<Reissued, FlowError> {
        let particulars = &link.particulars;
        self.parts.settings.check_purpose(particulars.purpose)?;
        if let Some(url) = &particulars.redirect_url {
            self.parts.settings.check_redirect(url)?;
        }
        let now = self.parts.now_secs();
        let link_ttl = link.expires_at - link.issued_at;
        let expires_at = match self.issuer.replace_link(particulars, link_ttl, caller, now).await {
            Err(FlowError::AttemptOver) => self.start_over(link, caller, now).await?,
            replaced => replaced?.expires_at,
        };
        Ok(Reissued { email_address: particulars.email.canonical().as_str().to_owned(), expires_at })
    }

    /// Whether [`Links::reissue`] can start a new attempt in place of this link's. Not for `verify_email`: nobody would
    /// hold the attempt token that redeems the proof. Not for an attempt with a subject or a ticket: a back end ordered
    /// that attempt, and no other.
    #[must_use]
    pub fn may_start_over(&self, link: &Link) -> bool {
        let particulars = &link.particulars;
        let ordered = particulars.subject.is_some() || particulars.ticket;
        particulars.purpose.signs_in() && !ordered && self.parts.now() < link.expires_at + RESTARTABLE_FOR
    }

    async fn start_over(
        &self,
        link: &Link,
        caller: &Caller,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, FlowError> {
        if !self.may_start_over(link) {
            return Err(FlowError::LinkExpired);
        }
        let networks = self.issuer.limits.network_hashes(&caller.network);
        // One id per link and interval: another press within the interval repeats the start and sends no second mail.
        let interval = now.timestamp() / RESEND_INTERVAL.num_seconds();
        let parts: [&[u8]; 3] = [b"reissue", link.nonce.as_bytes(), &interval.to_be_bytes()];
        let new = NewAttempt {
            particulars: Particulars {
                attempt: self.parts.tokens.active_key().derive_attempt_id(&parts),
                fingerprint: caller.client,
                network: networks.first().copied(),
                browser: caller.user_agent.as_deref().and_then(browser::describe),
                // Nobody but the opener waits, so only the opener's own client can be signed in.
                cross_device: Some(CrossDevice::SameClient),
                ..link.particulars.clone()
            },
            networks,
            has_verified: self.issuer.limits.has_verified(caller, link.particulars.email.canonical()),
            link_ttl: self.parts.settings.link_ttl,
            by_api_key: false,
            repeatable: true,
            deliver: true,
        };
        Ok(self.issuer.issue(&new).await?.attempt.expires_at)
    }
}
