//! Another mail for the same attempt. Its link supersedes the older ones.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::permits::Asking;
use super::{ATTEMPT_GRACE, AttemptView, Caller, FlowError, RESEND_INTERVAL, Service};
use crate::domain::attempt::{Attempt, LinkState, Refusal};
use crate::domain::email::EmailAddress;
use crate::domain::ids::AttemptId;
use crate::domain::secret::Nonce;
use crate::mailer::MailError;
use crate::store::StepError;
use crate::token::{AttemptGrant, Particulars, fresh_bytes};

/// When to try to put an older link back, each after the one before.
const PUT_BACK_AFTER: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

impl Service {
    /// Mails a new link.
    ///
    /// # Errors
    /// [`FlowError::ResendTooSoon`], [`FlowError::AttemptOver`], [`FlowError::MailUnavailable`] (the older link still
    /// works), [`FlowError::MailRejected`], [`FlowError::StoreUnavailable`].
    pub async fn resend(&self, grant: &AttemptGrant, caller: &Caller) -> Result<AttemptView, FlowError> {
        let email =
            EmailAddress::parse(&grant.particulars.email).map_err(|_| FlowError::AttemptTokenInvalid)?;
        let now = self.second();
        let lives = grant.expires_at - grant.issued_at - ATTEMPT_GRACE;
        let attempt = self.send_again(&grant.particulars, &email, lives, caller, now).await.map_err(
            |error| match error {
                ResendError::Step(error) => FlowError::for_requester(error, now),
                ResendError::Flow(error) => error,
            },
        )?;
        Ok(self.view(grant, Some(attempt)))
    }

    /// Replaces the newest link and mails the new one, which lives so long or until the attempt ends; puts the older
    /// link back when the mail cannot be sent.
    pub(super) async fn send_again(
        &self,
        particulars: &Particulars,
        email: &EmailAddress,
        lives: TimeDelta,
        caller: &Caller,
        now: DateTime<Utc>,
    ) -> Result<Attempt, ResendError> {
        // Read first: when the outcome of a later step stays unknown, this is what is to be put back.
        let there = self.store.read(particulars.attempt).await.map_err(StepError::from)?;
        let there = there.ok_or(StepError::Refused(Refusal::Lost))?;
        if there.status(now).is_over() {
            return self.replace_and_mail(particulars, email, lives, &there, now).await;
        }
        if now < there.resend_after {
            return Err(StepError::Refused(Refusal::TooSoon(there.resend_after)).into());
        }
        let known = self.knows(caller, email);
        let own = particulars.fingerprint.filter(|_| !there.by_api_key);
        let client = if known { caller.fingerprint().copied() } else { own };
        let networks = particulars.network.as_slice();
        // Denied in another attempt: this one may go on, and sends no more mails.
        let permits = self.permits(&Asking { email, networks, client, known }).await??;
        let sent = self.replace_and_mail(particulars, email, lives, &there, now).await;
        if !matches!(sent, Ok(_) | Err(ResendError::Flow(FlowError::MailRejected))) {
            self.give_back(permits).await;
        }
        sent
    }

    async fn replace_and_mail(
        &self,
        particulars: &Particulars,
        email: &EmailAddress,
        lives: TimeDelta,
        there: &Attempt,
        now: DateTime<Utc>,
    ) -> Result<Attempt, ResendError> {
        let id = particulars.attempt;
        let link = LinkState {
            nonce: Nonce::from_bytes(fresh_bytes()),
            expires_at: now + lives,
            resend_after: now + RESEND_INTERVAL,
        };
        let (attempt, previous) = match self.store.replace_link(id, &link, now).await {
            Err(StepError::Unavailable(error)) => {
                self.put_back(id, link.nonce, there.link(), now);
                return Err(StepError::Unavailable(error).into());
            }
            replaced => replaced?,
        };
        let mailed = Particulars { email: email.as_str().to_owned(), ..particulars.clone() };
        let url = self.link_url(&self.tokens.mint_link(&mailed, &link.nonce, now, attempt.expires_at));
        match self.mail(&mailed, email, &url, attempt.expires_at - now).await {
            Ok(()) => Ok(attempt),
            Err(MailError::Rejected) if !attempt.by_api_key => Ok(attempt),
            Err(MailError::Rejected) => {
                self.store.reject_mail(id, &link.nonce, now).await?;
                self.metrics.attempt_ended(particulars.purpose, "failed");
                Err(FlowError::MailRejected.into())
            }
            Err(MailError::Unavailable(reason)) => {
                let restored = self.store.restore_link(id, &link.nonce, &previous, now).await;
                if matches!(restored, Err(StepError::Unavailable(_))) {
                    self.put_back(id, link.nonce, previous, now);
                }
                Err(FlowError::MailUnavailable(reason).into())
            }
        }
    }

    /// Puts an older link back in the background, as soon as the store answers: its successor was not mailed, and
    /// would otherwise leave the person without a link that works until another mail may be asked for. A refusal means
    /// that the attempt went on without the successor, or never had it: nothing to put back.
    fn put_back(&self, id: AttemptId, failed: Nonce, previous: LinkState, now: DateTime<Utc>) {
        let store = self.store.clone();
        tokio::spawn(async move {
            for pause in PUT_BACK_AFTER {
                tokio::time::sleep(pause).await;
                let restored = store.restore_link(id, &failed, &previous, now).await;
                if !matches!(restored, Err(StepError::Unavailable(_))) {
                    return;
                }
            }
            log::warn!("an older link could not be put back after its successor was not mailed");
        });
    }
}

/// Why another mail was not sent: the step, which requester and opener are told of differently, or the mail.
pub(super) enum ResendError {
    Step(StepError),
    Flow(FlowError),
}

impl From<StepError> for ResendError {
    fn from(error: StepError) -> Self {
        Self::Step(error)
    }
}

impl From<FlowError> for ResendError {
    fn from(error: FlowError) -> Self {
        Self::Flow(error)
    }
}
