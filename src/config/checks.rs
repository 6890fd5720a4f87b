//! Reads the whole configuration, with the rules between its settings.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::dev::reachable;
use super::fault::Fault;
use super::reader::Reader;
use super::setting::{PREFIX, human};
use super::settings::{Config, OPS_ADDR, SETTINGS};
use super::values::{self, StoreUrl};
use crate::domain::limit::{DomainRules, Limit, MailLimits};
use crate::domain::public_url::PublicUrl;

/// A longer life of links causes a warning.
const LONG_LINK_TTL: Duration = Duration::from_mins(10);

impl Config {
    /// Reads the configuration from these variables. Variables without the prefix `LINKGATE_` are ignored.
    ///
    /// # Errors
    /// Every fault.
    pub fn from_vars(vars: &BTreeMap<String, String>) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::new(SETTINGS, vars);
        reader.reject_unknown();
        let config = Self::read(&mut reader).map(Self::with_derived);
        if let Some(config) = &config {
            config.reject_shared_port(&mut reader);
        }
        reader.finish(config)
    }

    /// Reads the configuration from the environment.
    ///
    /// # Errors
    /// Every fault.
    pub fn from_env() -> Result<Self, Vec<Fault>> {
        Self::from_vars(&environment())
    }

    /// Fills in the values that derive from the public URL.
    fn with_derived(mut self) -> Self {
        let own = self.public_url.as_str();
        if self.audience.is_empty() {
            self.audience.push(own.to_owned());
        }
        if self.app_name.is_empty() {
            self.app_name = self.public_url.host().to_owned();
        }
        for origin in std::mem::replace(&mut self.allowed_origins, vec![own.to_owned()]) {
            if !self.allowed_origins.contains(&origin) {
                self.allowed_origins.push(origin);
            }
        }
        self
    }

    fn reject_shared_port(&self, reader: &mut Reader<'_>) {
        let (public, ops) = (self.listen_addr, self.ops_addr);
        let overlap = public.ip() == ops.ip() || public.ip().is_unspecified() || ops.ip().is_unspecified();
        if overlap && public.port() == ops.port() && ops.port() != 0 {
            let problem = "uses the port of LINKGATE_LISTEN_ADDR";
            reader.add(Fault::new(OPS_ADDR.name, problem, "give each a port of its own"));
        }
    }

    /// The limits on mails.
    #[must_use]
    pub fn mail_limits(&self) -> MailLimits {
        let per_minute = |count| Limit { count, window: Duration::from_mins(1) };
        MailLimits {
            per_address: self.mails_per_address.clone(),
            per_network: self.mails_per_network.clone(),
            per_client: self.mails_per_client.clone(),
            overall: self.mails_per_minute.map(per_minute).into_iter().collect(),
        }
    }

    /// The domains that get mails.
    #[must_use]
    pub fn domains(&self) -> DomainRules {
        DomainRules { allowed: self.allowed_domains.clone(), blocked: self.blocked_domains.clone() }
    }

    /// Settings that are allowed but risky.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let memory = matches!(self.store, StoreUrl::Memory);
        let foreign = |origin: &String| origin.starts_with("http:") && PublicUrl::parse(origin).is_err();
        let long_lived = format!(
            "LINKGATE_LINK_TTL is above {}: anybody who reads the mailbox can sign in with a link until it expires",
            human(LONG_LINK_TTL)
        );
        let warnings = [
            (
                memory && !self.dev,
                "LINKGATE_STORE_URL=memory:// supports one replica only, and a restart ends all pending attempts",
            ),
            (
                !self.public_url.is_https() && !self.dev,
                "LINKGATE_PUBLIC_URL is plain http: use it on this machine only",
            ),
            (
                self.public_url.is_https() && self.trusted_proxies.is_empty(),
                "LINKGATE_TRUSTED_PROXIES is empty: behind a proxy, all clients seem to be in its network and get the \
                 approve page instead of a relay code",
            ),
            (
                self.mail_url.expose().starts_with("mailbox:") && !self.dev,
                "LINKGATE_MAIL_URL=mailbox:// sends nothing: it is for `linkgate dev`",
            ),
            (
                self.allowed_origins.iter().any(foreign),
                "LINKGATE_ALLOWED_ORIGINS has a plain http origin: anybody on its network can act as its pages",
            ),
            (self.link_ttl > LONG_LINK_TTL, &long_lived),
            (
                !self.store_fence && !memory,
                "LINKGATE_STORE_FENCE=off: after a fail-over or a restore of the store, a used link may work again",
            ),
        ];
        warnings.into_iter().filter(|(applies, _)| *applies).map(|(_, text)| text.to_owned()).collect()
    }
}

/// The `LINKGATE_` variables of the environment. Invalid UTF-8 becomes U+FFFD, which no setting accepts.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(|(name, value)| (lossy(name), lossy(value)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

/// The address at which this machine reaches the operations listener, for the health check.
///
/// # Errors
/// The fault in `LINKGATE_OPS_ADDR`.
pub fn ops_addr(vars: &BTreeMap<String, String>) -> Result<SocketAddr, Vec<Fault>> {
    let mut reader = Reader::new(SETTINGS, vars);
    let address = reader.read(&OPS_ADDR, values::address);
    reader.finish(address).map(reachable)
}
