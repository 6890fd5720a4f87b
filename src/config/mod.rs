//! The configuration: everything that is set from outside, read once and typed.
//!
//! Pure over a map of variables, apart from reading the files that `*_FILE` variables name. All faults are found
//! together, each with the variable and how to mend it, and none repeats a value. What needs other modules to be
//! checked (templates, the details of the mail URL) is left to `app`.

mod dev;
mod fault;
mod reader;
mod settings;
#[cfg(test)]
mod tests;
mod unknown;
mod values;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use fault::Fault;
pub use reader::read_secret_file;
pub use settings::{
    FILE_SUFFIX, Fallback, Kind, PREFIX, SETTINGS, Setting, help_text, human, markdown_table,
};

use crate::domain::keys::{KeyringEntries, SessionAlg};
use crate::domain::limit::{DomainRules, MailLimits};
use crate::domain::locale::Locale;
use crate::domain::network::TrustedProxies;
use crate::domain::policy::{CrossDevice, Purpose};
use crate::domain::public_url::PublicUrl;
use crate::domain::redirect::RedirectAllowList;
use crate::domain::secret_text::SecretText;
use crate::domain::sender::Sender;
pub use crate::logging::LogFormat;
use reader::Reader;

/// A link that lives longer than this is warned about.
const LONG_LINK_TTL: Duration = Duration::from_mins(10);

/// Where attempts and nonces are kept.
#[derive(Clone)]
pub enum StoreUrl {
    /// In this process: for one replica.
    Memory,
    /// In Redis, at this URL, which may hold a password.
    Redis(SecretText),
}

/// The configuration. It holds secrets and so has no `Debug`.
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Config {
    /// Where people and applications reach linkgate.
    pub public_url: PublicUrl,
    /// Where to listen for them.
    pub listen_addr: SocketAddr,
    /// Where to listen for probes and metrics.
    pub ops_addr: SocketAddr,
    /// Where attempts and nonces are kept.
    pub store: StoreUrl,
    /// A file with the certificate authorities to trust for it, which has not been looked at.
    pub store_ca_file: Option<PathBuf>,
    /// Whether records written before a fail-over or a restore are refused.
    pub store_fence: bool,
    /// The secrets that all keys are derived from.
    pub keys: KeyringEntries,
    /// The file that they came from, to be read again when it changes.
    pub keys_file: Option<PathBuf>,
    /// What session tokens are signed with.
    pub session_alg: SessionAlg,
    /// `aud` of session tokens: at least one.
    pub audience: Vec<String>,
    /// What is mixed into subjects.
    pub subject_salt: Option<SecretText>,
    /// What back ends prove themselves with; may be none.
    pub api_keys: Vec<SecretText>,
    /// Origins that may call the API from browsers, the public URL's own first.
    pub allowed_origins: Vec<String>,
    /// What attempts may be for: at least one, each once.
    pub purposes: Vec<Purpose>,
    /// Where openers may be sent.
    pub redirect_urls: RedirectAllowList,
    /// The mail relay, of which only the scheme has been checked.
    pub mail_url: SecretText,
    /// The sender of mails.
    pub mail_from: Sender,
    /// What mails and pages call the application.
    pub app_name: String,
    /// A directory with mail templates, which has not been looked at.
    pub templates: Option<PathBuf>,
    /// The language when nobody asks for another.
    pub default_locale: Locale,
    /// The policy for links that are opened on another client.
    pub cross_device: CrossDevice,
    /// Whether "sign in on this device instead" is offered.
    pub opener_session: bool,
    /// How long a link works.
    pub link_ttl: Duration,
    /// How long a session token is accepted.
    pub session_ttl: Duration,
    /// How long a session can be renewed, from its beginning.
    pub session_max_age: Duration,
    /// How many mails may be sent.
    pub mail_limits: MailLimits,
    /// How many refusals a network gets in a minute, before they become "too many".
    pub refusals_per_minute: Option<u32>,
    /// Whose addresses get mails.
    pub domains: DomainRules,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// How long to serve on after SIGTERM.
    pub drain_delay: Duration,
    /// Whether a lost store makes `/readyz` answer 503.
    pub ready_strict: bool,
    /// How the log is written.
    pub log_format: LogFormat,
    /// Whether this is `linkgate dev`.
    pub dev: bool,
}

impl Config {
    /// Reads the configuration from these variables. Those that do not begin with `LINKGATE_` are passed over.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn from_vars(vars: &BTreeMap<String, String>) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::new(vars);
        let config = Self::read(&mut reader);
        if let Some(config) = &config {
            config.refuse_one_port_for_two(&mut reader);
        }
        reader.finish(config)
    }

    /// Reads the configuration from the environment.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn from_env() -> Result<Self, Vec<Fault>> {
        Self::from_vars(&environment())
    }

    /// Values that failed to parse are stood in for by defaults or by `None`: the reader has noted their faults, and
    /// `Reader::finish` lets nothing out that has one.
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let public_url = r.read(&settings::PUBLIC_URL, values::public_url);
        let listen_addr = r.read(&settings::LISTEN_ADDR, values::address);
        let ops_addr = r.read(&settings::OPS_ADDR, values::address);
        let store = r.read(&settings::STORE_URL, values::store);
        let keys = r.read(&settings::KEYS, values::keys);
        let mail_url = r.read(&settings::MAIL_URL, values::mail_url);
        let mail_from = r.read(&settings::MAIL_FROM, values::sender);
        let audience = r.read(&settings::AUDIENCE, values::audience);
        let origins = r.read(&settings::ALLOWED_ORIGINS, values::origins).unwrap_or_default();
        let app_name = r.read(&settings::APP_NAME, values::app_name);
        // The fields are evaluated in the order in which they are written: those with `?` come last, so that all
        // settings have been read before the first of them returns.
        Some(Self {
            store_ca_file: r.read(&settings::STORE_CA_FILE, |text| Ok(PathBuf::from(text))),
            store_fence: r.switch(&settings::STORE_FENCE),
            keys_file: r.file_of(&settings::KEYS),
            session_alg: r.choice(&settings::SESSION_ALG, &SessionAlg::ALL, SessionAlg::as_str),
            subject_salt: r.read(&settings::SUBJECT_SALT, |text| Ok(SecretText::new(text.to_owned()))),
            api_keys: r.read(&settings::API_KEYS, values::api_keys).unwrap_or_default(),
            purposes: r.read(&settings::PURPOSES, values::purposes).unwrap_or_default(),
            redirect_urls: r.read(&settings::REDIRECT_URLS, values::redirect_urls).unwrap_or_default(),
            templates: r.read(&settings::TEMPLATES, |text| Ok(PathBuf::from(text))),
            default_locale: r.choice(&settings::DEFAULT_LOCALE, &Locale::ALL, Locale::as_str),
            cross_device: r.choice(&settings::CROSS_DEVICE, &CrossDevice::ALL, CrossDevice::as_str),
            opener_session: r.switch(&settings::OPENER_SESSION),
            link_ttl: r.duration(&settings::LINK_TTL),
            session_ttl: r.duration(&settings::SESSION_TTL),
            session_max_age: r.duration(&settings::SESSION_MAX_AGE),
            mail_limits: MailLimits {
                per_address: r.read(&settings::MAILS_PER_ADDRESS, values::limits).unwrap_or_default(),
                per_network: r.read(&settings::MAILS_PER_NETWORK, values::limits).unwrap_or_default(),
                per_client: r.read(&settings::MAILS_PER_CLIENT, values::limits).unwrap_or_default(),
                overall: r.read(&settings::MAILS_PER_MINUTE, values::per_minute).unwrap_or_default(),
            },
            refusals_per_minute: r
                .read(&settings::REFUSALS_PER_MINUTE, values::per_minute)
                .and_then(|limits| Some(limits.first()?.count)),
            domains: DomainRules {
                allowed: r.read(&settings::ALLOWED_DOMAINS, values::domains).unwrap_or_default(),
                blocked: r.read(&settings::BLOCKED_DOMAINS, values::domains).unwrap_or_default(),
            },
            trusted_proxies: r.read(&settings::TRUSTED_PROXIES, values::proxies).unwrap_or_default(),
            drain_delay: r.duration(&settings::DRAIN_DELAY),
            ready_strict: r.switch(&settings::READY_STRICT),
            log_format: r.choice(&settings::LOG_FORMAT, &LogFormat::ALL, LogFormat::as_str),
            dev: false,
            audience: audience.or_else(|| Some(vec![public_url.as_ref()?.as_str().to_owned()]))?,
            allowed_origins: with_own_origin(public_url.as_ref()?, origins),
            app_name: app_name.or_else(|| Some(public_url.as_ref()?.host().to_owned()))?,
            public_url: public_url?,
            listen_addr: listen_addr?,
            ops_addr: ops_addr?,
            store: store?,
            keys: keys?,
            mail_url: mail_url?,
            mail_from: mail_from?,
        })
    }

    fn refuse_one_port_for_two(&self, r: &mut Reader<'_>) {
        let (public, ops) = (self.listen_addr, self.ops_addr);
        let overlap = public.ip() == ops.ip() || public.ip().is_unspecified() || ops.ip().is_unspecified();
        if overlap && public.port() == ops.port() && ops.port() != 0 {
            let problem = "takes the port of LINKGATE_LISTEN_ADDR";
            r.add(Fault::new(settings::OPS_ADDR.name, problem, "give each a port of its own"));
        }
    }

    /// What is allowed but better looked at twice.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut warn = |condition: bool, text: &str| {
            if condition {
                warnings.push(text.to_owned());
            }
        };
        let memory = matches!(self.store, StoreUrl::Memory);
        let foreign = |origin: &String| origin.starts_with("http:") && PublicUrl::parse(origin).is_err();
        warn(
            memory && !self.dev,
            "LINKGATE_STORE_URL=memory:// is for one replica, and a restart ends all pending attempts",
        );
        warn(
            !self.public_url.is_https() && !self.dev,
            "LINKGATE_PUBLIC_URL is plain http: fine on this machine, never beyond it",
        );
        warn(
            self.public_url.is_https() && self.trusted_proxies.is_empty(),
            "LINKGATE_TRUSTED_PROXIES is empty: behind a proxy everybody then seems to be in its network, and is shown \
             the approve page instead of a relay code",
        );
        warn(
            self.mail_url.expose().starts_with("mailbox:") && !self.dev,
            "LINKGATE_MAIL_URL=mailbox:// sends nothing: it is for `linkgate dev`",
        );
        warn(
            self.allowed_origins.iter().any(foreign),
            "LINKGATE_ALLOWED_ORIGINS has a plain http origin: whoever is on its network can act as its pages",
        );
        warn(
            self.link_ttl > LONG_LINK_TTL,
            "LINKGATE_LINK_TTL is above 10m: a link in a mailbox is a way in for as long as it lives",
        );
        warn(
            !self.store_fence && !memory,
            "LINKGATE_STORE_FENCE=off: after a fail-over or a restore of the store, a used link may work again",
        );
        warnings
    }
}

fn with_own_origin(public_url: &PublicUrl, others: Vec<String>) -> Vec<String> {
    let mut origins = vec![public_url.origin().to_owned()];
    for origin in others {
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    origins
}

/// The variables of the environment. What is not UTF-8 becomes U+FFFD, which no setting accepts.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(|(name, value)| (lossy(name), lossy(value)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

/// The operations listener alone, where it is reached from this machine: for the health check.
///
/// # Errors
/// The fault in `LINKGATE_OPS_ADDR`.
pub fn ops_addr(vars: &BTreeMap<String, String>) -> Result<SocketAddr, Vec<Fault>> {
    let name = settings::OPS_ADDR.name;
    let vars = vars.iter().filter(|(key, _)| *key == name).map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut reader = Reader::new(&vars);
    let address = reader.read(&settings::OPS_ADDR, values::address);
    reader.finish(address).map(dev::reachable)
}
