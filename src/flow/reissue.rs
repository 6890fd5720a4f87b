//! "Send me a new link", asked for with a link that does not work any more.

use chrono::{DateTime, TimeDelta, Utc};

use super::link::email_of;
use super::plant::Plan;
use super::resend::ResendError;
use super::{Caller, FlowError, RESEND_INTERVAL, Service};
use crate::domain::attempt::Refusal;
use crate::domain::browser;
use crate::domain::policy::CrossDevice;
use crate::store::StepError;
use crate::token::{Link, Particulars};

/// A new link was mailed.
pub struct Reissued {
    /// To whom.
    pub email_address: String,
    /// When the new link ends.
    pub expires_at: DateTime<Utc>,
}

impl Service {
    /// Mails a new link: of the same attempt while somebody waits for it, otherwise of a new attempt whose requester
    /// is this opener, since nobody waits elsewhere.
    ///
    /// # Errors
    /// [`FlowError::ResendTooSoon`], [`FlowError::RateLimited`] after "This wasn't me", what
    /// [`Service::start`] gives.
    pub async fn reissue(&self, link: &Link, caller: &Caller) -> Result<Reissued, FlowError> {
        let particulars = &link.particulars;
        if !self.settings.purposes.contains(&particulars.purpose) {
            return Err(FlowError::PurposeDisabled);
        }
        if particulars.redirect_url.is_some() && self.redirect_of(link).is_none() {
            return Err(FlowError::RedirectNotAllowed);
        }
        let email = email_of(link)?;
        let now = self.second();
        let lives = link.expires_at - link.issued_at;
        let again = self.send_again(particulars, &email, lives, caller, now).await;
        let expires_at = match again {
            Ok(attempt) => attempt.expires_at,
            Err(ResendError::Flow(error)) => return Err(error),
            Err(ResendError::Step(StepError::Refused(
                Refusal::Lost | Refusal::Superseded | Refusal::Over(_),
            ))) => self.start_over(link, caller, now).await?,
            Err(ResendError::Step(error)) => return Err(FlowError::for_opener(error, now)),
        };
        Ok(Reissued { email_address: email.as_str().to_owned(), expires_at })
    }

    /// Whether [`Service::reissue`] can help the opener of a link that has ended.
    #[must_use]
    pub fn may_start_over(&self, link: &Link) -> bool {
        may_start_over(link, self.now())
    }

    async fn start_over(
        &self,
        link: &Link,
        caller: &Caller,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, FlowError> {
        if !may_start_over(link, now) {
            return Err(FlowError::LinkExpired);
        }
        let email = email_of(link)?;
        let key = self.tokens.active_key();
        let networks = self.hashes_of(&caller.network);
        // One id for each link and interval: pressing the button again sends no second mail within it.
        let interval = now.timestamp() / RESEND_INTERVAL.num_seconds();
        let attempt = key.derive_attempt_id(&[b"reissue", link.nonce.as_bytes(), &interval.to_be_bytes()]);
        let plan = Plan {
            particulars: Particulars {
                attempt,
                fingerprint: caller.client.as_ref().map(|client| client.fingerprint),
                network: networks.first().copied(),
                browser: caller.user_agent.as_deref().and_then(browser::describe),
                // Nobody waits but the opener, and only its own client can be signed in.
                cross_device: Some(CrossDevice::SameClient),
                ..link.particulars.clone()
            },
            known: self.knows(caller, &email),
            networks,
            email,
            lives: self.link_lives(),
            by_api_key: false,
            repeatable: true,
            deliver: true,
        };
        Ok(self.plant(&plan).await?.attempt.expires_at)
    }
}

/// How long after its end a link may still ask for a new attempt. An old mailbox is no mandate for ever.
const ASKS_AGAIN_FOR: TimeDelta = TimeDelta::hours(24);

/// Whether a new attempt may take the place of this link's. Not for an address to verify, since nobody would hold the
/// attempt token that its proof is redeemed with; and not for what a back end ordered, a subject or a ticket: the
/// order was for that attempt.
fn may_start_over(link: &Link, now: DateTime<Utc>) -> bool {
    let particulars = &link.particulars;
    let ordered = particulars.subject.is_some() || particulars.ticket;
    particulars.purpose.signs_in() && !ordered && now < link.expires_at + ASKS_AGAIN_FOR
}
