//! The use cases, one file each. They know the store, the mailer and the tokens by their interfaces, and nothing of
//! HTTP.

mod admin;
mod cancel;
mod code;
mod confirm;
mod link;
mod pace;
mod permits;
mod plant;
mod redeem;
mod reissue;
mod resend;
mod session;
mod start;
mod status;
mod waiters;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use crate::clock::Clock;
use crate::domain::attempt::{Refusal, Status};
use crate::domain::email::EmailAddress;
use crate::domain::limit::{DomainRules, MailLimits};
use crate::domain::locale::Locale;
use crate::domain::network::Network;
use crate::domain::policy::{CrossDevice, Purpose};
use crate::domain::redirect::RedirectAllowList;
use crate::domain::secret::{AddressMark, ClientSecret, Fingerprint};
use crate::mailer::{LinkMail, MailError, Mailer};
use crate::metrics::Metrics;
use crate::store::{AttemptStore, StepError, Unavailable};
use crate::token::{AttemptGrant, Particulars, TokenError, Tokens};

pub use admin::{AttemptReport, ConfirmedBy};
pub use confirm::{Confirmed, Decision, OpenerSession};
pub use link::{LinkPage, OpenedLink};
pub use redeem::{Redeemed, SessionGrant};
pub use reissue::Reissued;
pub use session::CurrentSession;
pub use start::{Authority, BackEndOptions, StartRequest, Started};
pub use status::AttemptView;
pub use waiters::Waiters;

/// How long after a mail another one may be asked for.
pub const RESEND_INTERVAL: TimeDelta = TimeDelta::seconds(30);

/// How much longer than its first link an attempt token lives.
pub const ATTEMPT_GRACE: TimeDelta = TimeDelta::minutes(5);

/// How long the network that asked may send no mail to an address whose owner said "This wasn't me".
pub const DENIED_FOR: Duration = Duration::from_mins(15);

/// How long a ticket lives.
pub const TICKET_TTL: Duration = Duration::from_mins(1);

/// Why a use case ended without its result. What HTTP makes of it is HTTP's business.
#[derive(Debug)]
pub enum FlowError {
    /// Something in the request makes no sense; the text says what to do.
    InvalidRequest(&'static str),
    /// The address is none that mail can be sent to.
    InvalidEmailAddress,
    /// Addresses of this domain get no mails here.
    DomainRefused,
    /// The redirect URL is not on the list.
    RedirectNotAllowed,
    /// This deployment does not offer the purpose.
    PurposeDisabled,
    /// An API key is needed.
    ApiKeyInvalid,
    /// The attempt token is none, or has expired.
    AttemptTokenInvalid,
    /// A session is needed.
    SessionRequired,
    /// The attempt token belongs to another attempt.
    AttemptNotFound,
    /// Not a link of this deployment.
    LinkMalformed,
    /// The link has expired, or the store lost its attempt.
    LinkExpired,
    /// The link was used.
    LinkUsed,
    /// A newer link of the attempt is the one that works.
    LinkSuperseded,
    /// The attempt of the link was ended.
    LinkCanceled,
    /// The client is not the one that started the attempt.
    ClientMismatch,
    /// A wrong relay code; this many tries are left.
    CodeIncorrect(u8),
    /// The attempt is over.
    AttemptOver,
    /// The attempt is not verified, so there is nothing to redeem.
    NotVerified,
    /// The opener chose to be signed in on the other device.
    SignedInElsewhere,
    /// The ticket is none, has expired or was redeemed.
    TicketInvalid,
    /// The last mail is too recent.
    ResendTooSoon(Duration),
    /// No mail may be sent now.
    RateLimited(Duration),
    /// The relay rejected the recipient.
    MailRejected,
    /// The relay did not take the mail.
    MailUnavailable(String),
    /// The store did not answer.
    StoreUnavailable(Unavailable),
}

impl From<Unavailable> for FlowError {
    fn from(error: Unavailable) -> Self {
        Self::StoreUnavailable(error)
    }
}

impl FlowError {
    /// What an opener learns of a refused step.
    fn for_opener(error: StepError, now: DateTime<Utc>) -> Self {
        match error {
            StepError::Unavailable(error) => Self::StoreUnavailable(error),
            StepError::Refused(Refusal::Lost | Refusal::Over(Status::Expired)) => Self::LinkExpired,
            StepError::Refused(Refusal::Superseded) => Self::LinkSuperseded,
            StepError::Refused(Refusal::Over(Status::Canceled | Status::Failed)) => Self::LinkCanceled,
            StepError::Refused(Refusal::Over(_)) => Self::LinkUsed,
            StepError::Refused(Refusal::TooSoon(after)) => Self::ResendTooSoon(until(after, now)),
        }
    }

    /// What a requester learns of a refused step.
    fn for_requester(error: StepError, now: DateTime<Utc>) -> Self {
        match error {
            StepError::Unavailable(error) => Self::StoreUnavailable(error),
            StepError::Refused(Refusal::TooSoon(after)) => Self::ResendTooSoon(until(after, now)),
            StepError::Refused(Refusal::Lost | Refusal::Superseded | Refusal::Over(_)) => Self::AttemptOver,
        }
    }
}

/// The time left until `instant`; at least one second, for `Retry-After`.
fn until(instant: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (instant - now).to_std().unwrap_or_default().max(Duration::from_secs(1))
}

/// A client that proved itself.
pub struct Client {
    /// Its secret.
    pub secret: ClientSecret,
    /// The hash of it.
    pub fingerprint: Fingerprint,
}

impl Client {
    /// The client of this secret.
    #[must_use]
    pub fn new(secret: ClientSecret) -> Self {
        let fingerprint = crate::token::fingerprint(&secret);
        Self { secret, fingerprint }
    }
}

/// Who makes a request.
pub struct Caller {
    /// Its client secret, if it sent one.
    pub client: Option<Client>,
    /// Its network, as seen through the trusted proxies.
    pub network: Network,
    /// Its `User-Agent`, where what follows shows its browser.
    pub user_agent: Option<String>,
    /// The language that it asked for.
    pub locale: Option<Locale>,
    /// What it has to prove that it has verified addresses before.
    pub marks: Vec<AddressMark>,
}

impl Caller {
    fn fingerprint(&self) -> Option<&Fingerprint> {
        self.client.as_ref().map(|client| &client.fingerprint)
    }
}

/// Settings of the use cases.
pub struct Settings {
    /// Where links point to, without a trailing slash.
    pub public_url: String,
    /// The application's name, for people.
    pub app_name: String,
    /// What may be asked for.
    pub purposes: Vec<Purpose>,
    /// Where openers may be sent.
    pub redirect_urls: RedirectAllowList,
    /// The language when nobody asks for one.
    pub default_locale: Locale,
    /// The policy for other clients than the requester's.
    pub cross_device: CrossDevice,
    /// Whether "Sign in on this device instead" is offered.
    pub opener_session: bool,
    /// How many mails may be sent.
    pub mail_limits: MailLimits,
    /// Whose addresses get mails.
    pub domains: DomainRules,
    /// How long a link lives.
    pub link_ttl: TimeDelta,
    /// How long session tokens and email proofs live.
    pub session_ttl: Duration,
    /// How long a session lives.
    pub session_max_age: Duration,
}

/// The use cases, over one store, one mailer and one keyring.
pub struct Service {
    settings: Settings,
    tokens: Arc<Tokens>,
    store: Arc<dyn AttemptStore>,
    mailer: Arc<Mailer>,
    clock: Arc<dyn Clock>,
    waiters: Arc<Waiters>,
    metrics: Arc<Metrics>,
    pace: pace::Pace,
}

impl Service {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        settings: Settings,
        tokens: Arc<Tokens>,
        store: Arc<dyn AttemptStore>,
        mailer: Arc<Mailer>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let waiters = Arc::new(Waiters::new(store.clone(), clock.clone(), metrics.clone()));
        Self { settings, tokens, store, mailer, clock, waiters, metrics, pace: pace::Pace::default() }
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Those who wait.
    #[must_use]
    pub const fn waiters(&self) -> &Arc<Waiters> {
        &self.waiters
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The key set that applications verify with, as JSON.
    #[must_use]
    pub fn jwks(&self) -> Arc<str> {
        self.tokens.jwks_text()
    }

    /// The mails of `dev`, newest first, for this recipient or for all; `None` when mail goes elsewhere.
    #[must_use]
    pub fn mailbox(&self, to: Option<&str>) -> Option<Vec<serde_json::Value>> {
        let mails = self.mailer.mailbox()?.list(to);
        Some(mails.iter().filter_map(|mail| serde_json::to_value(mail).ok()).collect())
    }

    /// The mail of this id in the mailbox of `dev`.
    #[must_use]
    pub fn mailbox_mail(&self, id: &str) -> Option<serde_json::Value> {
        serde_json::to_value(self.mailer.mailbox()?.get(id)?).ok()
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`Unavailable`] when it does not.
    pub async fn ping_store(&self) -> Result<(), Unavailable> {
        self.store.ping().await
    }

    /// Checks the attempt token of a request for the attempt named in its path.
    ///
    /// # Errors
    /// [`FlowError::AttemptTokenInvalid`], [`FlowError::AttemptNotFound`].
    pub fn authorize(&self, attempt: &str, token: &str) -> Result<AttemptGrant, FlowError> {
        let grant = self.tokens.check_attempt(token, self.now()).map_err(|error| match error {
            TokenError::Invalid | TokenError::Expired => FlowError::AttemptTokenInvalid,
        })?;
        let named =
            attempt.parse().is_ok_and(|id: crate::domain::ids::AttemptId| id == grant.particulars.attempt);
        if named { Ok(grant) } else { Err(FlowError::AttemptNotFound) }
    }

    /// Now, in whole seconds: what tokens and the store count in.
    fn second(&self) -> DateTime<Utc> {
        self.now().trunc_subsecs(0)
    }

    /// The policy of an attempt.
    fn cross_device(&self, particulars: &Particulars) -> CrossDevice {
        particulars.cross_device.unwrap_or(self.settings.cross_device)
    }

    /// How long links live, unless a back end asks for another time.
    const fn link_lives(&self) -> TimeDelta {
        self.settings.link_ttl
    }

    fn link_url(&self, token: &str) -> String {
        format!("{}/v/{token}", self.settings.public_url)
    }

    /// Hands a link to the relay. That it rejects the recipient is told as late as that it accepts one.
    async fn mail(
        &self,
        particulars: &Particulars,
        to: &EmailAddress,
        link: &str,
        valid_for: TimeDelta,
    ) -> Result<(), MailError> {
        let mail = LinkMail {
            to,
            link,
            purpose: particulars.purpose,
            locale: particulars.locale,
            browser: particulars.browser.as_deref(),
            requested_at: self.second(),
            valid_for: valid_for.to_std().unwrap_or_default(),
        };
        let begun = Instant::now();
        let result = self.mailer.send(&mail).await;
        match &result {
            Ok(()) => self.pace.accepted(begun.elapsed()),
            Err(MailError::Rejected) => tokio::time::sleep_until((begun + self.pace.usual()).into()).await,
            Err(MailError::Unavailable(_)) => {}
        }
        let outcome = match &result {
            Ok(()) => "accepted",
            Err(MailError::Rejected) => {
                log::warn!(
                    "the relay rejected a recipient; when it rejects many, it may not relay for linkgate at all"
                );
                "rejected"
            }
            Err(MailError::Unavailable(_)) => "unavailable",
        };
        self.metrics.mail(outcome, begun.elapsed());
        result
    }
}
