//! Puts an attempt into the store and its link into the mail: what every start comes down to.

use std::time::Duration;

use chrono::TimeDelta;

use super::permits::Asking;
use super::{ATTEMPT_GRACE, FlowError, RESEND_INTERVAL, Service};
use crate::domain::attempt::{Attempt, CODE_TRIES, State};
use crate::domain::email::EmailAddress;
use crate::domain::ids::AttemptId;
use crate::domain::secret::Nonce;
use crate::mailer::MailError;
use crate::store::Created;
use crate::token::{NetworkHash, Particulars, fresh_bytes};

/// How long a repeated start waits for the first one's mail.
const REPEAT_WAITS: Duration = Duration::from_secs(12);

/// An attempt about to be started.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Plan {
    pub(super) particulars: Particulars,
    pub(super) email: EmailAddress,
    /// The network that asks, as each key of the ring hashes it.
    pub(super) networks: Vec<NetworkHash>,
    /// Whether the client that asks has verified the address before.
    pub(super) known: bool,
    pub(super) lives: TimeDelta,
    pub(super) by_api_key: bool,
    /// Whether the same start may come again.
    pub(super) repeatable: bool,
    pub(super) deliver: bool,
}

/// What came of a plan.
pub(super) struct Planted {
    pub(super) attempt: Attempt,
    /// `None` when the attempt was there before.
    pub(super) link: Option<String>,
}

impl Service {
    /// Takes the permits, writes the attempt, then mails its link.
    pub(super) async fn plant(&self, plan: &Plan) -> Result<Planted, FlowError> {
        if !plan.deliver {
            self.refuse_if_hash_denied(&plan.email, &plan.networks).await?;
            return self.plant_permitted(plan).await;
        }
        let asking = Asking {
            email: &plan.email,
            networks: &plan.networks,
            // A back end stands for many people, whatever it says of itself.
            client: plan.particulars.fingerprint.filter(|_| plan.known || !plan.by_api_key),
            known: plan.known,
        };
        let permits = match self.permits(&asking).await? {
            Ok(permits) => permits,
            // A repetition sends no mail, and gets what it got before.
            Err(refusal) if plan.repeatable => {
                let there = self.store.read(plan.particulars.attempt).await?;
                let there = there.filter(|there| !there.is_abandoned(self.second())).ok_or(refusal)?;
                return self.planted_before(plan, there).await;
            }
            Err(refusal) => return Err(refusal),
        };
        let planted = self.plant_permitted(plan).await;
        let mailed = match &planted {
            Ok(planted) => planted.link.is_some(),
            // The relay has seen it.
            Err(error) => matches!(error, FlowError::MailRejected),
        };
        if !mailed {
            self.give_back(permits).await;
        }
        planted
    }

    async fn planted_before(&self, plan: &Plan, there: Attempt) -> Result<Planted, FlowError> {
        let attempt = if there.mailing { self.first_mail_of(plan.particulars.attempt).await? } else { there };
        // A link that is handed out instead of mailed is handed out again: minting it is repeatable.
        let link = (!plan.deliver).then(|| self.mint_link(plan, &attempt));
        Ok(Planted { attempt, link })
    }

    async fn plant_permitted(&self, plan: &Plan) -> Result<Planted, FlowError> {
        let now = self.second();
        let nonce = Nonce::from_bytes(fresh_bytes());
        let attempt = Attempt {
            nonce,
            created_at: now,
            expires_at: now + plan.lives,
            ends_at: now + plan.lives + ATTEMPT_GRACE,
            resend_after: now + RESEND_INTERVAL,
            code_tries_left: CODE_TRIES,
            mailing: plan.repeatable && plan.deliver,
            by_api_key: plan.by_api_key,
            state: State::Pending,
        };
        let id = plan.particulars.attempt;
        if let Created::Exists(there) = self.store.create(id, &attempt, attempt.ends_at, now).await? {
            return self.planted_before(plan, there).await;
        }
        let link = self.mint_link(plan, &attempt);
        if plan.deliver {
            self.deliver_first(plan, &attempt, &link).await?;
        }
        self.metrics.attempt_started(plan.particulars.purpose);
        Ok(Planted { attempt: Attempt { mailing: false, ..attempt }, link: Some(link) })
    }

    fn mint_link(&self, plan: &Plan, attempt: &Attempt) -> String {
        let particulars = Particulars { email: plan.email.as_str().to_owned(), ..plan.particulars.clone() };
        let issued_at = attempt.expires_at - plan.lives;
        self.link_url(&self.tokens.mint_link(&particulars, &attempt.nonce, issued_at, attempt.expires_at))
    }

    async fn deliver_first(&self, plan: &Plan, attempt: &Attempt, link: &str) -> Result<(), FlowError> {
        let id = plan.particulars.attempt;
        let failure = match self.mail(&plan.particulars, &plan.email, link, plan.lives).await {
            // A browser must not learn which mailboxes exist.
            Ok(()) => None,
            Err(MailError::Rejected) if !plan.by_api_key => None,
            Err(MailError::Rejected) => Some(FlowError::MailRejected),
            Err(MailError::Unavailable(reason)) => Some(FlowError::MailUnavailable(reason)),
        };
        match failure {
            Some(failure) => {
                if let Err(error) = self.store.discard(id, &attempt.nonce).await {
                    log::warn!(reason:% = error; "an attempt without a mail stays in the store until it expires");
                }
                Err(failure)
            }
            None if attempt.mailing => Ok(self.store.mail_accepted(id, &attempt.nonce).await?),
            None => Ok(()),
        }
    }

    /// Waits for the mail of an attempt that another request is starting at this moment.
    async fn first_mail_of(&self, id: AttemptId) -> Result<Attempt, FlowError> {
        let gone =
            || FlowError::MailUnavailable("the first request with this idempotency key failed".to_owned());
        let waiting = self.waiters.until(id, |attempt| attempt.as_ref().is_none_or(|a| !a.mailing));
        match tokio::time::timeout(REPEAT_WAITS, waiting).await {
            Ok(attempt) => attempt?.ok_or_else(gone),
            Err(_) => Err(gone()),
        }
    }
}
