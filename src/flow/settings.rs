//! Settings of the use cases, and the durations that operators cannot change.

use std::time::Duration;

use chrono::TimeDelta;

use super::error::FlowError;
use crate::domain::limit::{DomainRules, MailLimits};
use crate::domain::locale::Locale;
use crate::domain::policy::{CrossDevice, Purpose};
use crate::domain::redirect::{RedirectAllowList, RedirectUrl};

/// The shortest time between two mails of one attempt.
pub const RESEND_INTERVAL: TimeDelta = TimeDelta::seconds(30);

/// How much longer an attempt token lives than the attempt's first link.
pub const ATTEMPT_GRACE: TimeDelta = TimeDelta::minutes(5);

/// After "This wasn't me": how long the requester's network can send no mail to that address.
pub const DENIED_FOR: Duration = Duration::from_mins(15);

/// How long a ticket lives.
pub const TICKET_TTL: Duration = Duration::from_mins(1);

/// Settings of the use cases.
pub struct Settings {
    /// The base of the links, without a trailing slash.
    pub public_url: String,
    /// The purposes that this deployment offers.
    pub purposes: Vec<Purpose>,
    /// The URLs to which openers may be redirected.
    pub redirect_urls: RedirectAllowList,
    /// The language for requests that name none.
    pub default_locale: Locale,
    /// The policy for openers that are not the requester's client.
    pub cross_device: CrossDevice,
    /// Whether the pages offer "Sign in on this device instead".
    pub opener_session: bool,
    /// The limits on mails.
    pub mail_limits: MailLimits,
    /// The domains that get mail.
    pub domains: DomainRules,
    /// How long a link lives, unless a back end asks for another time.
    pub link_ttl: TimeDelta,
    /// How long session tokens and email proofs live.
    pub session_ttl: Duration,
    /// How long a session lives from its authentication.
    pub session_max_age: Duration,
}

impl Settings {
    pub(super) fn check_purpose(&self, purpose: Purpose) -> Result<(), FlowError> {
        if self.purposes.contains(&purpose) { Ok(()) } else { Err(FlowError::PurposeDisabled) }
    }

    pub(super) fn check_redirect(&self, url: &str) -> Result<RedirectUrl, FlowError> {
        self.redirect_urls.check(url).map_err(|_| FlowError::RedirectNotAllowed)
    }
}
