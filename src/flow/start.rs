//! Starts an attempt: checks the request and identifies the requester; the issuer does the rest.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::attempts::Attempts;
use super::caller::Caller;
use super::error::FlowError;
use super::issuer::{Issued, NewAttempt};
use crate::domain::attempt::Status;
use crate::domain::browser;
use crate::domain::email::TypedAddress;
use crate::domain::ids::{AttemptId, Subject};
use crate::domain::locale::Locale;
use crate::domain::network::Network;
use crate::domain::policy::{CrossDevice, Purpose};
use crate::domain::secret::{ClientSecret, Fingerprint};
use crate::token::{KeyHandle, NetworkHash, Particulars, fingerprint, fresh_attempt_id, fresh_bytes};

/// The length from which an idempotency key may stand for 128 random bits.
const SECRET_KEY_LEN: usize = 22;

/// The authority on which an attempt is started.
#[derive(Clone, Serialize)]
pub enum Authority {
    /// None: a browser or a script.
    Anyone,
    /// A back end, by its API key.
    ApiKey(String),
    /// A person who is signed in.
    Session(Subject),
}

/// Options that only a back end may set.
#[derive(Default, Clone, Serialize)]
pub struct BackEndOptions {
    /// The subject of the future session.
    pub subject: Option<Subject>,
    /// The end user's IP address.
    pub client_ip: Option<IpAddr>,
    /// The end user's `User-Agent`.
    pub client_user_agent: Option<String>,
    /// A policy instead of the deployment's.
    pub cross_device: Option<CrossDevice>,
    /// Whether to return the link instead of mailing it.
    pub undelivered: bool,
    /// Whether the redirect carries a ticket.
    pub ticket: bool,
    /// How long the link lives, instead of the deployment's time.
    pub expires_in: Option<TimeDelta>,
}

/// A request to start an attempt. Serialized only to be hashed into the attempt id: it holds secrets.
#[derive(Serialize)]
pub struct StartRequest {
    /// The address as the person typed it.
    pub email_address: String,
    /// The purpose of the attempt.
    pub purpose: Purpose,
    /// The URL to which the opener is redirected.
    pub redirect_url: Option<String>,
    /// The language of mails and pages.
    pub locale: Option<Locale>,
    /// Repetitions with the same key and content get the same attempt.
    pub idempotency_key: Option<String>,
    /// The authority on which the request is made.
    pub authority: Authority,
    /// Options of a back end.
    pub back_end: BackEndOptions,
}

/// An attempt that was started, with the fields of the API.
#[derive(Serialize)]
#[serde(tag = "object", rename = "attempt")]
pub struct Started {
    /// The attempt.
    pub id: AttemptId,
    /// `pending`; for a repeated request, the present status.
    pub status: Status,
    /// The purpose of the request.
    pub purpose: Purpose,
    /// The address as the person typed it.
    pub email_address: String,
    /// When the attempt was first started.
    pub created_at: DateTime<Utc>,
    /// When the newest link expires.
    pub expires_at: DateTime<Utc>,
    /// When another mail may be requested.
    pub resend_after: DateTime<Utc>,
    /// Authorizes the requester to read, cancel and redeem the attempt.
    pub attempt_token: String,
    /// The policy that applies to the attempt.
    pub cross_device: CrossDevice,
    /// The link, if the back end asked for it instead of a mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The new secret of a requester that had none. It travels in a cookie, never in the body.
    #[serde(skip)]
    pub new_client: Option<ClientSecret>,
}

impl Attempts {
    /// Starts an attempt. When this returns, the store has the attempt and the relay has the mail.
    ///
    /// # Errors
    /// The errors of the request, [`FlowError::RateLimited`], [`FlowError::MailRejected`] (for back ends only),
    /// [`FlowError::MailUnavailable`], [`FlowError::StoreUnavailable`]. None of them leaves an attempt that was mailed,
    /// unless the store fails right after the mail.
    pub async fn start(&self, request: StartRequest, caller: Caller) -> Result<Started, FlowError> {
        self.parts.settings.check_purpose(request.purpose)?;
        let email =
            TypedAddress::parse(&request.email_address).map_err(|_| FlowError::InvalidEmailAddress)?;
        self.issuer.limits.check_domain(email.canonical())?;
        if let Some(url) = &request.redirect_url {
            self.parts.settings.check_redirect(url)?;
        }
        let subject = subject_of(&request)?;
        let (new, new_client) = self.new_attempt(request, email, subject, &caller);
        let issued = self.issuer.issue(&new).await?;
        Ok(self.started(new, issued, new_client))
    }

    /// The attempt to issue, and the secret of a client that was created for it.
    fn new_attempt(
        &self,
        request: StartRequest,
        email: TypedAddress,
        subject: Option<Subject>,
        caller: &Caller,
    ) -> (NewAttempt, Option<ClientSecret>) {
        let key = self.parts.tokens.active_key();
        let network = requester_network(&request, caller);
        let networks = network.map_or_else(Vec::new, |network| self.issuer.limits.network_hashes(&network));
        let network = networks.first().copied();
        let new_client = new_client(&key, &request, caller, network);
        let client = caller.client.or_else(|| new_client.as_ref().map(fingerprint));
        let repeatable = request.idempotency_key.is_some();
        let derived = repeatable.then(|| derive_id(&key, &request, client.as_ref())).flatten();
        let by_api_key = matches!(request.authority, Authority::ApiKey(_));
        // Ignore the back end's own User-Agent; it is not the end user's.
        let own = caller.user_agent.as_deref().filter(|_| !by_api_key);
        let browser = request.back_end.client_user_agent.as_deref().or(own).and_then(browser::describe);
        let new = NewAttempt {
            networks,
            has_verified: self.issuer.limits.has_verified(caller, email.canonical()),
            link_ttl: request.back_end.expires_in.unwrap_or(self.parts.settings.link_ttl),
            by_api_key,
            repeatable,
            deliver: !request.back_end.undelivered,
            particulars: Particulars {
                attempt: derived.unwrap_or_else(|| fresh_attempt_id(self.parts.now())),
                email,
                purpose: request.purpose,
                fingerprint: client,
                network,
                browser,
                redirect_url: request.redirect_url,
                locale: request.locale.or(caller.locale).unwrap_or(self.parts.settings.default_locale),
                cross_device: request.back_end.cross_device,
                ticket: request.back_end.ticket,
                subject,
            },
        };
        (new, new_client)
    }

    fn started(&self, new: NewAttempt, issued: Issued, new_client: Option<ClientSecret>) -> Started {
        let (Issued { attempt, link_url }, particulars) = (issued, new.particulars);
        Started {
            id: particulars.attempt,
            status: attempt.status(self.parts.now()),
            purpose: particulars.purpose,
            email_address: particulars.email.as_typed().to_owned(),
            created_at: attempt.created_at,
            expires_at: attempt.expires_at,
            resend_after: attempt.resend_after,
            attempt_token: self.parts.tokens.mint_attempt(&particulars, attempt.created_at, attempt.ends_at),
            cross_device: particulars.cross_device.unwrap_or(self.parts.settings.cross_device),
            link: link_url.filter(|_| !new.deliver),
            new_client,
        }
    }
}

/// The secret for a requester that has none. Back ends get none: an attempt of theirs without a client is redeemed with
/// the attempt token alone.
fn new_client(
    key: &KeyHandle,
    request: &StartRequest,
    caller: &Caller,
    network: Option<NetworkHash>,
) -> Option<ClientSecret> {
    if caller.client.is_some() || matches!(request.authority, Authority::ApiKey(_)) {
        return None;
    }
    // If the first answer got lost, its retry carries no cookie. The secret is derived from the idempotency key, so
    // both requests come from the same client. Anyone who guesses the key becomes that client, so the key must be as
    // hard to guess as a secret (a UUID is).
    let secret_key = request.idempotency_key.as_ref().filter(|text| text.len() >= SECRET_KEY_LEN);
    Some(match secret_key {
        Some(idempotency) => key.derive_client_secret(&[
            idempotency.as_bytes(),
            network.as_ref().map_or(&[][..], |network| network.as_bytes()),
            request.email_address.as_bytes(),
        ]),
        None => ClientSecret::from_bytes(&fresh_bytes()),
    })
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

/// The end user's network. A back end's own is not the end user's.
fn requester_network(request: &StartRequest, caller: &Caller) -> Option<Network> {
    match (&request.authority, request.back_end.client_ip) {
        (_, Some(ip)) => Some(Network::of(ip)),
        (Authority::ApiKey(_), None) => None,
        _ => Some(caller.network),
    }
}

/// The attempt id of a request with an idempotency key. It is a hash of the whole request and the client, so that no
/// other request and no other client gets the same attempt.
fn derive_id(key: &KeyHandle, request: &StartRequest, client: Option<&Fingerprint>) -> Option<AttemptId> {
    let request = serde_json::to_vec(request).ok()?;
    let client = client.map_or(&[][..], |client| client.as_bytes());
    Some(key.derive_attempt_id(&[b"start", client, &request]))
}
