//! Issues an attempt: takes the permits, writes the attempt, mails its first link.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::error::FlowError;
use super::limits::{Limits, MailRequest, Permission, Permits};
use super::pace::Pace;
use super::parts::Parts;
use super::settings::{ATTEMPT_GRACE, RESEND_INTERVAL};
use super::waiters::Waiters;
use crate::domain::attempt::{Attempt, CODE_TRIES, State};
use crate::domain::ids::AttemptId;
use crate::domain::secret::Nonce;
use crate::mailer::{LinkMail, MailError, Mailer};
use crate::metrics::MailOutcome;
use crate::store::Created;
use crate::token::{NetworkHash, Particulars, fresh_bytes};

/// How long a repeated start waits for the first one's mail.
const REPEAT_WAITS: Duration = Duration::from_secs(12);

/// An attempt to be issued.
#[expect(clippy::struct_excessive_bools, reason = "the four are independent of each other")]
pub(super) struct NewAttempt {
    pub(super) particulars: Particulars,
    /// The requester's network, as each key of the ring hashes it, the active key first. Empty if unknown.
    pub(super) networks: Vec<NetworkHash>,
    /// Whether the requester's client has verified the address before.
    pub(super) has_verified: bool,
    pub(super) link_ttl: TimeDelta,
    pub(super) by_api_key: bool,
    /// Whether the request may come again and then gets the same attempt.
    pub(super) repeatable: bool,
    /// Whether the link is mailed, not returned.
    pub(super) deliver: bool,
}

/// An attempt that is in the store and, if it was to be delivered, with the relay.
pub(super) struct Issued {
    pub(super) attempt: Attempt,
    /// The URL of the link; `None` if an earlier request has mailed it.
    pub(super) link_url: Option<String>,
}

/// Issues attempts and, in [`super::replace`], further links of an attempt.
pub(super) struct Issuer {
    pub(super) parts: Arc<Parts>,
    pub(super) limits: Limits,
    pub(super) mailer: Arc<Mailer>,
    pub(super) pace: Pace,
    pub(super) waiters: Arc<Waiters>,
}

impl Issuer {
    /// Issues the attempt, or finds the one that an earlier request has issued.
    ///
    /// # Errors
    /// [`FlowError::RateLimited`], [`FlowError::DomainRefused`], [`FlowError::StoreUnavailable`];
    /// [`FlowError::MailRejected`] and [`FlowError::MailUnavailable`] leave no attempt behind.
    pub(super) async fn issue(&self, new: &NewAttempt) -> Result<Issued, FlowError> {
        let permits = match self.permission(new).await? {
            Permission::Granted(permits) => permits,
            Permission::UsedUp(left) => {
                // A repetition sends no mail and gets the same answer as before.
                let existing = self.issued_before(new).await?.ok_or(FlowError::RateLimited(left))?;
                return self.repeat(new, existing).await;
            }
        };
        let issued = self.create_and_mail(new).await;
        let mailed = match &issued {
            Ok(issued) => issued.link_url.is_some(),
            // The relay has seen the mail: it counts.
            Err(error) => matches!(error, FlowError::MailRejected),
        };
        if !mailed {
            self.limits.give_back(permits).await;
        }
        issued
    }

    async fn permission(&self, new: &NewAttempt) -> Result<Permission, FlowError> {
        let email = new.particulars.email.canonical();
        if !new.deliver {
            self.limits.check_denied(email, &new.networks).await?;
            return Ok(Permission::Granted(Permits::default()));
        }
        let request = MailRequest {
            email,
            networks: &new.networks,
            // A back end acts for many people: its own limit would lock all of them out.
            client: new.particulars.fingerprint.filter(|_| new.has_verified || !new.by_api_key),
            has_verified: new.has_verified,
        };
        self.limits.take(&request).await
    }

    async fn issued_before(&self, new: &NewAttempt) -> Result<Option<Attempt>, FlowError> {
        if !new.repeatable {
            return Ok(None);
        }
        let existing = self.parts.store.read(new.particulars.attempt).await?;
        Ok(existing.filter(|existing| !existing.is_abandoned(self.parts.now_secs())))
    }

    /// Answers a repetition as the first request was answered.
    async fn repeat(&self, new: &NewAttempt, existing: Attempt) -> Result<Issued, FlowError> {
        let attempt =
            if existing.mailing { self.wait_for_mail(new.particulars.attempt).await? } else { existing };
        let link_url = (!new.deliver).then(|| self.first_link_url(new, &attempt));
        Ok(Issued { attempt, link_url })
    }

    async fn create_and_mail(&self, new: &NewAttempt) -> Result<Issued, FlowError> {
        let now = self.parts.now_secs();
        let expires_at = now + new.link_ttl;
        let attempt = Attempt {
            nonce: Nonce::from_bytes(fresh_bytes()),
            created_at: now,
            expires_at,
            ends_at: expires_at + ATTEMPT_GRACE,
            resend_after: now + RESEND_INTERVAL,
            code_tries_left: CODE_TRIES,
            mailing: new.repeatable && new.deliver,
            by_api_key: new.by_api_key,
            state: State::Pending,
        };
        let id = new.particulars.attempt;
        if let Created::Exists(existing) = self.parts.store.create(id, &attempt, attempt.ends_at, now).await?
        {
            return self.repeat(new, existing).await;
        }
        let link_url = self.first_link_url(new, &attempt);
        if new.deliver {
            self.mail_first(new, &attempt, &link_url).await?;
        }
        self.parts.metrics.attempt_started(new.particulars.purpose);
        Ok(Issued { attempt: Attempt { mailing: false, ..attempt }, link_url: Some(link_url) })
    }

    fn first_link_url(&self, new: &NewAttempt, attempt: &Attempt) -> String {
        let issued_at = attempt.expires_at - new.link_ttl;
        self.link_url(&new.particulars, &attempt.nonce, issued_at, attempt.expires_at)
    }

    /// Mails the first link. An attempt whose mail fails is removed from the store.
    async fn mail_first(&self, new: &NewAttempt, attempt: &Attempt, link_url: &str) -> Result<(), FlowError> {
        let id = new.particulars.attempt;
        if let Err(error) = self.mail(&new.particulars, new.by_api_key, link_url, new.link_ttl).await {
            if let Err(reason) = self.parts.store.discard(id, &attempt.nonce).await {
                log::warn!(reason:%; "an attempt without a mail stays in the store until it expires");
            }
            return Err(error);
        }
        if attempt.mailing {
            self.parts.store.mail_accepted(id, &attempt.nonce).await?;
        }
        Ok(())
    }

    /// Waits for the first mail of an attempt, which another request is sending now.
    async fn wait_for_mail(&self, id: AttemptId) -> Result<Attempt, FlowError> {
        let failed =
            || FlowError::MailUnavailable("the first request with this idempotency key failed".to_owned());
        let mailed = self.waiters.until(id, |attempt| attempt.as_ref().is_none_or(|a| !a.mailing));
        match tokio::time::timeout(REPEAT_WAITS, mailed).await {
            Ok(attempt) => attempt?.ok_or_else(failed),
            Err(_) => Err(failed()),
        }
    }

    /// The URL of a link. The same arguments give the same URL.
    pub(super) fn link_url(
        &self,
        particulars: &Particulars,
        nonce: &Nonce,
        issued_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> String {
        let token = self.parts.tokens.mint_link(particulars, nonce, issued_at, expires_at);
        format!("{}/v/{token}", self.parts.settings.public_url)
    }

    /// Hands a link to the relay. Only a back end learns that the relay rejects the recipient: browsers must not learn
    /// which mailboxes exist, neither from the answer nor from its time (see [`Pace`]).
    ///
    /// # Errors
    /// [`FlowError::MailRejected`], [`FlowError::MailUnavailable`].
    pub(super) async fn mail(
        &self,
        particulars: &Particulars,
        by_api_key: bool,
        link: &str,
        valid_for: TimeDelta,
    ) -> Result<(), FlowError> {
        let mail = LinkMail {
            to: particulars.email.canonical(),
            link,
            purpose: particulars.purpose,
            locale: particulars.locale,
            browser: particulars.browser.as_deref(),
            requested_at: self.parts.now_secs(),
            valid_for: valid_for.to_std().unwrap_or_default(),
        };
        let begun = Instant::now();
        let (outcome, result) = match self.mailer.send(&mail).await {
            Ok(()) => {
                self.pace.accepted(begun.elapsed());
                (MailOutcome::Accepted, Ok(()))
            }
            Err(MailError::Rejected) => {
                tokio::time::sleep_until((begun + self.pace.usual()).into()).await;
                log::warn!(
                    "the relay rejected a recipient; if it rejects many, it may not relay for linkgate at all"
                );
                let answer = if by_api_key { Err(FlowError::MailRejected) } else { Ok(()) };
                (MailOutcome::Rejected, answer)
            }
            Err(MailError::Unavailable(reason)) => {
                (MailOutcome::Unavailable, Err(FlowError::MailUnavailable(reason)))
            }
        };
        self.parts.metrics.mail(outcome, begun.elapsed());
        result
    }
}
