//! Opens links. Opening one changes nothing, however often and by whatever client. [`super::decide`] confirms a link,
//! [`super::reissue`] mails another.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::error::FlowError;
use super::issuer::Issuer;
use super::parts::Parts;
use super::sessions::Sessions;
use crate::domain::attempt::{Refusal, Status};
use crate::domain::policy::{Confirm, Opener};
use crate::domain::redirect::RedirectUrl;
use crate::store::StepError;
use crate::token::Link;

/// How long a link's page waits for the store. The page needs no answer: the decision asks the store again.
const STORE_PATIENCE: Duration = Duration::from_millis(300);

/// An authentic link and its page.
pub struct OpenedLink {
    /// The link.
    pub link: Link,
    /// The page, or why the link does not work.
    pub page: Result<LinkPage, FlowError>,
}

/// How this opener may confirm a working link.
pub struct LinkPage {
    /// How the opener relates to the requester.
    pub opener: Opener,
    /// How the opener may confirm.
    pub confirm: Confirm,
    /// The status of the attempt; `pending` if the store did not answer in time.
    pub status: Status,
    /// Whether the opener may sign in on this device instead.
    pub sign_in_here: bool,
    /// The confirmation id that a decision must carry, bound to the opener's client.
    pub confirmation: String,
}

/// The use cases of openers.
pub struct Links {
    pub(super) parts: Arc<Parts>,
    pub(super) issuer: Arc<Issuer>,
    pub(super) sessions: Arc<Sessions>,
}

impl Links {
    /// Checks that a link is authentic. It may have expired or been used.
    ///
    /// # Errors
    /// [`FlowError::LinkMalformed`].
    pub fn read(&self, token: &str) -> Result<Link, FlowError> {
        self.parts.tokens.check_link(token).map_err(|_| FlowError::LinkMalformed)
    }

    /// Checks a link's signature, its expiry and, if the store answers in time, that it still works.
    ///
    /// # Errors
    /// [`FlowError::LinkMalformed`] if the link is not authentic.
    pub async fn open(&self, token: &str, caller: &Caller) -> Result<OpenedLink, FlowError> {
        let link = self.read(token)?;
        let page = self.page(&link, caller).await;
        Ok(OpenedLink { link, page })
    }

    /// The URL to which the link redirects, if it names one and the operator's list still has it.
    #[must_use]
    pub fn redirect_of(&self, link: &Link) -> Option<RedirectUrl> {
        self.parts.settings.check_redirect(link.particulars.redirect_url.as_deref()?).ok()
    }

    async fn page(&self, link: &Link, caller: &Caller) -> Result<LinkPage, FlowError> {
        let now = self.parts.now();
        check_unexpired(link, now)?;
        let status = self.check_usable(link, now).await?;
        let (opener, confirm) = self.relation(link, caller);
        Ok(LinkPage {
            opener,
            confirm,
            status,
            sign_in_here: self.may_sign_in_here(link, confirm, caller),
            confirmation: link.key.sign_confirmation(&link.nonce, caller.client.as_ref()),
        })
    }

    /// Checks with the store that the link still works. A store that does not answer within [`STORE_PATIENCE`] counts
    /// as `pending`.
    pub(super) async fn check_usable(&self, link: &Link, now: DateTime<Utc>) -> Result<Status, FlowError> {
        let reading = self.parts.store.read(link.particulars.attempt);
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

    /// How the opener relates to the requester, and how it may confirm.
    pub(super) fn relation(&self, link: &Link, caller: &Caller) -> (Opener, Confirm) {
        let particulars = &link.particulars;
        // As all keys hash it: a resent link carries the network as an older key hashed it.
        let networks = || self.issuer.limits.network_hashes(&caller.network);
        let opener = if particulars.fingerprint.is_some() && particulars.fingerprint == caller.client {
            Opener::SameClient
        } else if particulars.network.is_some_and(|network| networks().contains(&network)) {
            Opener::SameNetwork
        } else {
            Opener::OtherNetwork
        };
        let policy = particulars.cross_device.unwrap_or(self.parts.settings.cross_device);
        (opener, policy.confirm(opener))
    }

    /// Whether the opener may take the session instead of the requester. An opener without a client secret can hold a
    /// session only by a ticket: its choice would take the requester's session away for nothing.
    pub(super) fn may_sign_in_here(&self, link: &Link, confirm: Confirm, caller: &Caller) -> bool {
        self.parts.settings.opener_session
            && link.particulars.purpose.signs_in()
            && (caller.client.is_some() || link.particulars.ticket)
            && matches!(confirm, Confirm::Approve | Confirm::RelayCode)
    }
}

pub(super) fn check_unexpired(link: &Link, now: DateTime<Utc>) -> Result<(), FlowError> {
    if now < link.expires_at { Ok(()) } else { Err(FlowError::LinkExpired) }
}
