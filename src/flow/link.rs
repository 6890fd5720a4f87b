//! What an opener sees. Looking changes nothing, however often and whoever looks.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Caller, FlowError, Service};
use crate::domain::attempt::{Refusal, Status};
use crate::domain::email::EmailAddress;
use crate::domain::policy::{Confirm, Opener};
use crate::domain::redirect::RedirectUrl;
use crate::store::StepError;
use crate::token::{KeyHandle, Link};

/// How long the page waits for the store before it shows itself without the store's word.
const STORE_PATIENCE: Duration = Duration::from_millis(300);

/// A link that is authentic, and the problem that it has, if any.
pub struct OpenedLink {
    /// The link.
    pub link: Link,
    /// The page to show, or why there is none.
    pub page: Result<LinkPage, FlowError>,
}

/// How a working link may be confirmed by this opener.
pub struct LinkPage {
    /// Who the opener is.
    pub opener: Opener,
    /// What is to be done.
    pub confirm: Confirm,
    /// The status, as far as it is known.
    pub status: Status,
    /// Whether the opener may take the session.
    pub sign_in_here: bool,
    /// Goes back with the decision.
    pub confirmation: String,
}

impl Service {
    /// Reads a link: its signature, its expiry, and, when the store answers quickly, whether it still works.
    ///
    /// # Errors
    /// [`FlowError::LinkMalformed`] when it is not authentic.
    pub async fn open_link(&self, token: &str, caller: &Caller) -> Result<OpenedLink, FlowError> {
        let link = self.read_link(token)?;
        let page = self.page(&link, caller).await;
        Ok(OpenedLink { link, page })
    }

    /// The authentic link, whatever has become of it.
    ///
    /// # Errors
    /// [`FlowError::LinkMalformed`].
    pub fn read_link(&self, token: &str) -> Result<Link, FlowError> {
        self.tokens.check_link(token).map_err(|_| FlowError::LinkMalformed)
    }

    async fn page(&self, link: &Link, caller: &Caller) -> Result<LinkPage, FlowError> {
        let now = self.now();
        still_lives(link, now)?;
        let status = self.peek(link, now).await?;
        let (opener, confirm) = self.relation(link, caller);
        Ok(LinkPage {
            opener,
            confirm,
            status,
            sign_in_here: self.may_sign_in_here(link, confirm, caller),
            confirmation: link.key.sign_confirmation(&link.nonce, caller.fingerprint()),
        })
    }

    /// What the store says of the link, if it says it quickly.
    pub(super) async fn peek(&self, link: &Link, now: DateTime<Utc>) -> Result<Status, FlowError> {
        let reading = self.store.read(link.particulars.attempt);
        let Ok(Ok(attempt)) = tokio::time::timeout(STORE_PATIENCE, reading).await else {
            return Ok(Status::Pending);
        };
        let refused = |refusal| Err(FlowError::for_opener(StepError::Refused(refusal), now));
        match attempt {
            None => refused(Refusal::Lost),
            Some(attempt) if attempt.nonce != link.nonce => refused(Refusal::Superseded),
            Some(attempt) => match attempt.status(now) {
                status if status.is_over() => refused(Refusal::Over(status)),
                status => Ok(status),
            },
        }
    }

    /// Who the opener is, and how it may confirm.
    pub(super) fn relation(&self, link: &Link, caller: &Caller) -> (Opener, Confirm) {
        let particulars = &link.particulars;
        let opener = if particulars.fingerprint.is_some()
            && particulars.fingerprint.as_ref() == caller.fingerprint()
        {
            Opener::SameClient
        } else if self.is_of_network(link, caller) {
            Opener::SameNetwork
        } else {
            Opener::OtherNetwork
        };
        (opener, self.cross_device(particulars).confirm(opener))
    }

    /// A resent link carries the network as an older key hashed it.
    fn is_of_network(&self, link: &Link, caller: &Caller) -> bool {
        let same = |key: &KeyHandle| link.particulars.network == Some(key.network_hash(&caller.network));
        same(&link.key) || self.tokens.accepted_keys().iter().any(same)
    }

    /// Whether the page with the relay code still offers the session to the opener.
    #[must_use]
    pub fn offers_sign_in_here(&self, link: &Link, caller: &Caller) -> bool {
        self.may_sign_in_here(link, Confirm::RelayCode, caller)
    }

    /// An opener that is no client can hold no session, unless by a ticket: its choice would take the requester's
    /// away for nothing.
    pub(super) fn may_sign_in_here(&self, link: &Link, confirm: Confirm, caller: &Caller) -> bool {
        self.settings.opener_session
            && link.particulars.purpose.signs_in()
            && (caller.client.is_some() || link.particulars.ticket)
            && matches!(confirm, Confirm::Approve | Confirm::RelayCode)
    }

    /// Where the opener is sent, if the link says so and the list still allows it.
    #[must_use]
    pub fn redirect_of(&self, link: &Link) -> Option<RedirectUrl> {
        let url = link.particulars.redirect_url.as_deref()?;
        self.settings.redirect_urls.check(url).ok()
    }
}

/// The link's address; links are minted with canonical ones only.
pub(super) fn email_of(link: &Link) -> Result<EmailAddress, FlowError> {
    EmailAddress::from_canonical(&link.particulars.email).map_err(|_| FlowError::LinkMalformed)
}

pub(super) fn still_lives(link: &Link, now: DateTime<Utc>) -> Result<(), FlowError> {
    if now < link.expires_at { Ok(()) } else { Err(FlowError::LinkExpired) }
}
