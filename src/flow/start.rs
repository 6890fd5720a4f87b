//! Starts an attempt: checks what is asked for, remembers the nonce, mails the link.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::try_join_all;

use super::plant::{Plan, Planted};
use super::{Caller, Client, FlowError, Service};
use crate::domain::attempt::Status;
use crate::domain::browser;
use crate::domain::email::EmailAddress;
use crate::domain::ids::{AttemptId, Subject};
use crate::domain::locale::Locale;
use crate::domain::network::Network;
use crate::domain::policy::{CrossDevice, Purpose};
use crate::domain::secret::ClientSecret;
use crate::token::{KeyHandle, NetworkHash, Particulars, fresh_attempt_id, fresh_bytes};

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
        let email = self.addressee(&request.email_address)?;
        if let Some(url) = &request.redirect_url {
            self.settings.redirect_urls.check(url).map_err(|_| FlowError::RedirectNotAllowed)?;
        }
        let subject = subject_of(&request)?;
        let key = self.tokens.active_key();
        let network = asking_network(&request, &caller);
        let networks = network.map_or_else(Vec::new, |network| self.hashes_of(&network));
        let network = networks.first().copied();
        let known = self.knows(&caller, &email);

        let (client, new_client) = requester(&key, &request, caller.client, network);
        let id = match &request.idempotency_key {
            Some(idempotency) => derive_id(&key, &request, idempotency, client.as_ref()),
            None => fresh_attempt_id(self.now()),
        };
        // A back end's own is nobody's browser.
        let own = caller.user_agent.filter(|_| !matches!(request.authority, Authority::ApiKey(_)));
        let user_agent = request.back_end.client_user_agent.as_deref().or(own.as_deref());
        let plan = Plan {
            particulars: Particulars {
                attempt: id,
                email: request.email_address.clone(),
                purpose: request.purpose,
                fingerprint: client.map(|client| client.fingerprint),
                network,
                browser: user_agent.and_then(browser::describe),
                redirect_url: request.redirect_url.clone(),
                locale: request.locale.or(caller.locale).unwrap_or(self.settings.default_locale),
                cross_device: request.back_end.cross_device,
                ticket: request.back_end.ticket,
                subject,
            },
            email,
            networks,
            known,
            lives: request.back_end.expires_in.unwrap_or_else(|| self.link_lives()),
            by_api_key: matches!(request.authority, Authority::ApiKey(_)),
            repeatable: request.idempotency_key.is_some(),
            deliver: !request.back_end.undelivered,
        };
        let planted = self.plant(&plan).await?;
        Ok(self.started(&plan, planted, new_client))
    }

    /// The address that mail is to go to.
    fn addressee(&self, typed: &str) -> Result<EmailAddress, FlowError> {
        let email = EmailAddress::parse(typed).map_err(|_| FlowError::InvalidEmailAddress)?;
        if self.settings.domains.allow(&email) { Ok(email) } else { Err(FlowError::DomainRefused) }
    }

    /// The network as each key of the ring hashes it, that of the active key first.
    pub(super) fn hashes_of(&self, network: &Network) -> Vec<NetworkHash> {
        let active = self.tokens.active_key().network_hash(network);
        let accepted = self.tokens.accepted_keys();
        let others = accepted.iter().map(|key| key.network_hash(network)).filter(|hash| *hash != active);
        std::iter::once(active).chain(others).collect()
    }

    /// Refuses a network while the owner of the address has it denied. The link that was denied may carry the network
    /// as one key of the ring hashed it, and be signed with another.
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
