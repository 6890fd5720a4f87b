//! Mails another link of an attempt, which replaces the older ones.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::caller::Caller;
use super::error::FlowError;
use super::issuer::Issuer;
use super::limits::{MailRequest, Permission};
use super::settings::RESEND_INTERVAL;
use crate::domain::attempt::{Attempt, LinkState};
use crate::domain::ids::AttemptId;
use crate::domain::secret::Nonce;
use crate::metrics::AttemptEnd;
use crate::store::StepError;
use crate::token::{Particulars, fresh_bytes};

/// The pauses before each try to restore an older link.
const RESTORE_PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

impl Issuer {
    /// Replaces the newest link and mails the new one, which lives for `link_ttl` or until the attempt ends. Restores
    /// the older link when the mail cannot be sent.
    ///
    /// # Errors
    /// [`FlowError::AttemptOver`] if the attempt takes no other link, [`FlowError::ResendTooSoon`],
    /// [`FlowError::MailUnavailable`], [`FlowError::MailRejected`], [`FlowError::StoreUnavailable`], and those of
    /// [`super::limits::Limits::take`].
    pub(super) async fn replace_link(
        &self,
        particulars: &Particulars,
        link_ttl: TimeDelta,
        caller: &Caller,
        now: DateTime<Utc>,
    ) -> Result<Attempt, FlowError> {
        // Reads before it writes: if the outcome of the write stays unknown, this is the state to restore.
        let existing = self.parts.store.read(particulars.attempt).await?.ok_or(FlowError::AttemptOver)?;
        // The rule that the store applies below, before any permit is taken.
        let replaceable = existing.clone().replace_link(&existing.link(), now);
        replaceable.map_err(|refusal| FlowError::for_requester(refusal.into(), now))?;
        let email = particulars.email.canonical();
        let has_verified = self.limits.has_verified(caller, email);
        let requester = particulars.fingerprint.filter(|_| !existing.by_api_key);
        let client = if has_verified { caller.client } else { requester };
        let networks = particulars.network.as_slice();
        // A denial in another attempt leaves this one as it is, and refuses its mails.
        let permits = match self.limits.take(&MailRequest { email, networks, client, has_verified }).await? {
            Permission::Granted(permits) => permits,
            Permission::UsedUp(left) => return Err(FlowError::RateLimited(left)),
        };
        let replaced = self.replace_and_mail(particulars, link_ttl, &existing, now).await;
        if !matches!(replaced, Ok(_) | Err(FlowError::MailRejected)) {
            self.limits.give_back(permits).await;
        }
        replaced
    }

    async fn replace_and_mail(
        &self,
        particulars: &Particulars,
        link_ttl: TimeDelta,
        existing: &Attempt,
        now: DateTime<Utc>,
    ) -> Result<Attempt, FlowError> {
        let refused = |error| FlowError::for_requester(error, now);
        let id = particulars.attempt;
        let link = LinkState {
            nonce: Nonce::from_bytes(fresh_bytes()),
            expires_at: now + link_ttl,
            resend_after: now + RESEND_INTERVAL,
        };
        let replaced = self.parts.store.replace_link(id, &link, now).await;
        if matches!(replaced, Err(StepError::Unavailable(_))) {
            self.restore_in_background(id, link.nonce, existing.link(), now);
        }
        let (attempt, previous) = replaced.map_err(refused)?;
        let url = self.link_url(particulars, &link.nonce, now, attempt.expires_at);
        match self.mail(particulars, attempt.by_api_key, &url, attempt.expires_at - now).await {
            Ok(()) => Ok(attempt),
            Err(FlowError::MailRejected) => {
                self.parts.store.reject_mail(id, &link.nonce, now).await.map_err(refused)?;
                self.parts.metrics.attempt_ended(particulars.purpose, AttemptEnd::Failed);
                Err(FlowError::MailRejected)
            }
            Err(error) => {
                let restored = self.parts.store.restore_link(id, &link.nonce, &previous, now).await;
                if matches!(restored, Err(StepError::Unavailable(_))) {
                    self.restore_in_background(id, link.nonce, previous, now);
                }
                Err(error)
            }
        }
    }

    /// Restores an older link as soon as the store answers. Its successor was not mailed; without this, the person
    /// would have no working link until another mail may be requested. If the store refuses, the attempt has moved on
    /// without the successor or never had it, and there is nothing to restore.
    fn restore_in_background(&self, id: AttemptId, failed: Nonce, previous: LinkState, now: DateTime<Utc>) {
        let store = self.parts.store.clone();
        tokio::spawn(async move {
            for pause in RESTORE_PAUSES {
                tokio::time::sleep(pause).await;
                let restored = store.restore_link(id, &failed, &previous, now).await;
                if !matches!(restored, Err(StepError::Unavailable(_))) {
                    return;
                }
            }
            log::warn!("an older link was not restored after the mail of its successor failed");
        });
    }
}
