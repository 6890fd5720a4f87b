//! Starts an attempt: checks what is asked for, remembers the nonce, mails the link.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::try_join_all;

use super::{ATTEMPT_GRACE, Caller, Client, FlowError, RESEND_INTERVAL, Service};
use crate::domain::attempt::{Attempt, CODE_TRIES, State, Status};
use crate::domain::browser;
use crate::domain::email::EmailAddress;
use crate::domain::ids::{AttemptId, Subject};
use crate::domain::locale::Locale;
use crate::domain::network::Network;
use crate::domain::policy::{CrossDevice, Purpose};
use crate::domain::secret::{ClientSecret, Nonce};
use crate::mailer::MailError;
use crate::store::Created;
use crate::token::{KeyHandle, NetworkHash, Particulars, fresh_attempt_id, fresh_bytes};

/// How long a repeated start waits for the first one's mail.
const REPEAT_WAITS: Duration = Duration::from_secs(12);

/// From so many characters on, an idempotency key may stand for 128 random bits.
const SECRET_KEY_LEN: usize = 22;

/// On whose authority an attempt is started.
#[derive(Clone)]
pub enum Authority {
    /// Nobody's: a browser or a script.
    Anyone,
    /// A back end's; the text tells its keys apart.
    ApiKey(String),
    /// The person's who is signed in.
    Session(Subject),
}

/// What only a back end may ask for.
#[derive(Default, Clone)]
pub struct BackEndOptions {
    /// The subject of the session to come.
    pub subject: Option<Subject>,
    /// The end user's address.
    pub client_ip: Option<IpAddr>,
    /// The end user's `User-Agent`.
    pub client_user_agent: Option<String>,
    /// Another policy than the deployment's.
    pub cross_device: Option<CrossDevice>,
    /// No mail: the link is in the answer.
    pub undelivered: bool,
    /// The redirect carries a ticket.
    pub ticket: bool,
    /// Another life of the link than the deployment's.
    pub expires_in: Option<TimeDelta>,
}

/// A request for an attempt.
pub struct StartRequest {
    /// As typed.
    pub email_address: String,
    /// What for.
    pub purpose: Purpose,
    /// Where the opener ends.
    pub redirect_url: Option<String>,
    /// The language of mails and pages.
    pub locale: Option<Locale>,
    /// Repeats with the same key and content get the same attempt.
    pub idempotency_key: Option<String>,
    /// On whose authority.
    pub authority: Authority,
    /// What a back end adds.
    pub back_end: BackEndOptions,
}

/// An attempt that was started.
pub struct Started {
    /// Its id.
    pub id: AttemptId,
    /// Its status: `pending`, or, for a repeated request, whatever it has become.
    pub status: Status,
    /// What for.
    pub purpose: Purpose,
    /// As typed.
    pub email_address: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When the newest link ends.
    pub expires_at: DateTime<Utc>,
    /// When another mail may be asked for.
    pub resend_after: DateTime<Utc>,
    /// What the requester polls with.
    pub attempt_token: String,
    /// The policy.
    pub cross_device: CrossDevice,
    /// The link, when no mail was to be sent.
    pub link: Option<String>,
    /// The secret of a client that had none.
    pub new_client: Option<ClientSecret>,
}

/// An attempt about to be started.
pub(super) struct Plan {
    pub(super) particulars: Particulars,
    pub(super) email: EmailAddress,
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
    /// Starts an attempt. It exists, and the relay has its mail, when this returns.
    ///
    /// # Errors
    /// What is wrong with the request; [`FlowError::MailUnavailable`] leaves no attempt behind, and
    /// [`FlowError::StoreUnavailable`] none that was mailed, unless the store fails right after the mail.
    pub async fn start(&self, request: StartRequest, caller: Caller) -> Result<Started, FlowError> {
        if !self.settings.purposes.contains(&request.purpose) {
            return Err(FlowError::PurposeDisabled);
        }
        let email =
            EmailAddress::parse(&request.email_address).map_err(|_| FlowError::InvalidEmailAddress)?;
        if let Some(url) = &request.redirect_url {
            self.settings.redirect_urls.check(url).map_err(|_| FlowError::RedirectNotAllowed)?;
        }
        let subject = subject_of(&request)?;
        let key = self.tokens.active_key();
        let network = asking_network(&request, &caller);
        if let Some(network) = &network {
            self.refuse_if_denied(&email, network).await?;
        }
        let network = network.map(|network| key.network_hash(&network));

        let (client, new_client) = requester(&key, &request, caller.client, network);
        let id = match &request.idempotency_key {
            Some(idempotency) => derive_id(&key, &request, idempotency, client.as_ref()),
            None => fresh_attempt_id(self.now()),
        };
        let browser = match (&request.back_end.client_user_agent, &request.authority) {
            (Some(user_agent), _) => browser::describe(user_agent),
            (None, Authority::ApiKey(_)) => None,
            (None, _) => caller.browser,
        };
        let plan = Plan {
            particulars: Particulars {
                attempt: id,
                email: request.email_address.clone(),
                purpose: request.purpose,
                fingerprint: client.map(|client| client.fingerprint),
                network,
                browser,
                redirect_url: request.redirect_url.clone(),
                locale: request.locale.or(caller.locale).unwrap_or(self.settings.default_locale),
                cross_device: request.back_end.cross_device,
                ticket: request.back_end.ticket,
                subject,
            },
            email,
            lives: request.back_end.expires_in.unwrap_or_else(|| self.link_lives()),
            by_api_key: matches!(request.authority, Authority::ApiKey(_)),
            repeatable: request.idempotency_key.is_some(),
            deliver: !request.back_end.undelivered,
        };
        let planted = self.plant(&plan).await?;
        Ok(self.started(&plan, planted, new_client))
    }

    /// Writes the attempt, then mails its link.
    pub(super) async fn plant(&self, plan: &Plan) -> Result<Planted, FlowError> {
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
            let attempt = if there.mailing { self.first_mail_of(id).await? } else { there };
            // A link that is handed out instead of mailed is handed out again: minting it is repeatable.
            let link = (!plan.deliver).then(|| self.mint_link(plan, &attempt));
            return Ok(Planted { attempt, link });
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

    /// Refuses this network while the owner of the address has it denied. The link that was denied may carry the
    /// network as one key of the ring hashed it, and be signed with another.
    pub(super) async fn refuse_if_denied(
        &self,
        email: &EmailAddress,
        network: &Network,
    ) -> Result<(), FlowError> {
        let hashes =
            self.tokens.accepted_keys().iter().map(|key| key.network_hash(network)).collect::<Vec<_>>();
        self.refuse_if_hash_denied(email, &hashes).await
    }

    /// The same for a network that only a token knows.
    pub(super) async fn refuse_if_hash_denied(
        &self,
        email: &EmailAddress,
        hashes: &[NetworkHash],
    ) -> Result<(), FlowError> {
        let keys = self.tokens.accepted_keys();
        let permits =
            hashes.iter().flat_map(|hash| keys.iter().map(move |key| denied_permit(key, email, *hash)));
        let taken = permits.map(|permit| async move { self.store.permit_taken(&permit, 0).await });
        match try_join_all(taken).await?.into_iter().flatten().max() {
            Some(left) => Err(FlowError::RateLimited(left.max(Duration::from_secs(1)))),
            None => Ok(()),
        }
    }

    fn started(&self, plan: &Plan, planted: Planted, new_client: Option<ClientSecret>) -> Started {
        let Planted { attempt, link } = planted;
        Started {
            id: plan.particulars.attempt,
            status: attempt.status(self.now()),
            purpose: plan.particulars.purpose,
            email_address: plan.particulars.email.clone(),
            created_at: attempt.created_at,
            expires_at: attempt.expires_at,
            resend_after: attempt.resend_after,
            attempt_token: self.tokens.mint_attempt(&plan.particulars, attempt.created_at, attempt.ends_at),
            cross_device: self.cross_device(&plan.particulars),
            link: if plan.deliver { None } else { link },
            new_client,
        }
    }
}

/// The client that waits, and its secret if it was made just now. A back end that names no client has none.
fn requester(
    key: &KeyHandle,
    request: &StartRequest,
    client: Option<Client>,
    network: Option<NetworkHash>,
) -> (Option<Client>, Option<ClientSecret>) {
    if client.is_some() || matches!(request.authority, Authority::ApiKey(_)) {
        return (client, None);
    }
    // Two first requests with one idempotency key, one of them a retry without the cookie that the lost answer carried,
    // are the same client: its secret follows from the key. So the key has to be as good as a secret (a UUID is); with
    // a shorter one, whoever guesses it would be taken for that client.
    let secret = request.idempotency_key.as_ref().filter(|idempotency| idempotency.len() >= SECRET_KEY_LEN);
    let make = || match secret {
        Some(idempotency) => key.derive_client_secret(&[
            idempotency.as_bytes(),
            network.as_ref().map_or(&[][..], |network| network.as_bytes()),
            request.email_address.as_bytes(),
        ]),
        None => ClientSecret::from_bytes(&fresh_bytes()),
    };
    let client = Client::new(make());
    let secret = ClientSecret::parse(client.secret.expose()).ok();
    (Some(client), secret)
}

/// The permit that a "This wasn't me" takes away from the network that asked.
pub(super) fn denied_permit(key: &KeyHandle, email: &EmailAddress, network: NetworkHash) -> String {
    key.permit_hash(&[b"denied", email.as_str().as_bytes(), network.as_bytes()])
}

fn subject_of(request: &StartRequest) -> Result<Option<Subject>, FlowError> {
    match (&request.authority, &request.back_end.subject) {
        (Authority::Session(subject), _) if request.purpose == Purpose::VerifyEmail => {
            Ok(Some(subject.clone()))
        }
        (Authority::ApiKey(_), Some(subject)) => Ok(Some(subject.clone())),
        _ if request.purpose == Purpose::VerifyEmail => Err(FlowError::SessionRequired),
        _ => Ok(None),
    }
}

fn asking_network(request: &StartRequest, caller: &Caller) -> Option<Network> {
    match (&request.authority, request.back_end.client_ip) {
        (_, Some(ip)) => Some(Network::of(ip)),
        (Authority::ApiKey(_), None) => None,
        _ => Some(caller.network),
    }
}

/// The id of an attempt that may be asked for again. It covers the whole request and the client, so that nobody else
/// and nothing else gets the same attempt.
fn derive_id(
    key: &KeyHandle,
    request: &StartRequest,
    idempotency: &str,
    client: Option<&Client>,
) -> AttemptId {
    let back_end = &request.back_end;
    let (scope, session) = match &request.authority {
        Authority::Anyone => ("", ""),
        Authority::ApiKey(key) => (key.as_str(), ""),
        Authority::Session(subject) => ("", subject.as_str()),
    };
    let options = format!(
        "{:?} {:?} {:?} {} {} {:?}",
        back_end.client_ip,
        back_end.cross_device,
        request.locale,
        back_end.undelivered,
        back_end.ticket,
        back_end.expires_in
    );
    key.derive_attempt_id(&[
        b"start",
        idempotency.as_bytes(),
        scope.as_bytes(),
        session.as_bytes(),
        client.map_or(&[][..], |client| client.fingerprint.as_bytes()),
        request.email_address.as_bytes(),
        request.purpose.as_str().as_bytes(),
        request.redirect_url.as_deref().unwrap_or_default().as_bytes(),
        back_end.subject.as_ref().map_or("", Subject::as_str).as_bytes(),
        back_end.client_user_agent.as_deref().unwrap_or_default().as_bytes(),
        options.as_bytes(),
    ])
}
