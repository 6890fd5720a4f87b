//! The table of settings. A row is all that a setting needs: its help text, variable, field of [`Config`] with type,
//! kind, fallback, secrecy, parser and example. `--help`, the documentation and the search for misspelled names follow
//! the table.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;
use super::setting::{Fallback, Kind, Setting};
use super::values::{self, StoreUrl};
use crate::domain::keys::{KeyringEntries, SessionAlg};
use crate::domain::limit::{DomainList, Limit};
use crate::domain::locale::Locale;
use crate::domain::network::TrustedProxies;
use crate::domain::policy::{CrossDevice, Purpose};
use crate::domain::public_url::PublicUrl;
use crate::domain::redirect::RedirectAllowList;
use crate::domain::secret_text::SecretText;
use crate::domain::sender::Sender;
use crate::logging::LogFormat;

const HOUR: Duration = Duration::from_hours(1);

const SWITCH: Kind = Kind::Choice(|| vec!["on", "off"]);
const LIMITS: Kind = Kind::Line("count/duration list, off");
const PER_MINUTE: Kind = Kind::Line("number, off");

/// `required`; `default` and a value as an operator would write it; or `unset` and a description of the value then.
macro_rules! fallback {
    (required) => {
        Fallback::Required
    };
    (default $value:literal) => {
        Fallback::Value($value)
    };
    (unset $what:literal) => {
        Fallback::Derived($what)
    };
}

/// The value of a field, from what was read.
macro_rules! field {
    ($read:ident, unset $what:literal) => {
        $read.unwrap_or_default()
    };
    ($read:ident, $($other:tt)*) => {
        $read?
    };
}

macro_rules! settings {
    ($(
        #[doc = $about:literal]
        $NAME:ident => $field:ident: $type:ty, $kind:expr, $fallback:ident $($text:literal)?, secret: $secret:literal,
        $parse:expr, $example:literal;
    )*) => {
        $(pub(super) static $NAME: Setting = Setting {
            name: concat!("LINKGATE_", stringify!($NAME)),
            kind: $kind,
            fallback: fallback!($fallback $($text)?),
            secret: $secret,
            about: $about.trim_ascii(),
            example: $example,
        };)*

        /// All settings, in the order of the documentation.
        pub static SETTINGS: &[&Setting] = &[$(&$NAME),*];

        /// The configuration: one field per setting. It holds secrets, so it has no `Debug`.
        #[allow(clippy::doc_markdown, reason = "the help texts are for terminals, too")]
        pub struct Config {
            $(#[doc = $about] pub $field: $type,)*
            /// The file that `keys` came from, to be read again when it changes.
            pub keys_file: Option<PathBuf>,
            /// Whether this is `linkgate dev`.
            pub dev: bool,
        }

        impl Config {
            /// Reads all settings. `None` if a required one is missing or one has a fault; the reader has noted why.
            pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
                // All settings are read before the first `?`, so that all faults are found.
                $(let $field = reader.read(&$NAME, $parse);)*
                Some(Self {
                    keys_file: reader.file_of(&KEYS),
                    dev: false,
                    $($field: field!($field, $fallback $($text)?),)*
                })
            }
        }
    };
}

settings! {
    /// Where people and applications reach linkgate: an https origin (http on this machine only)
    PUBLIC_URL => public_url: PublicUrl, Kind::Line("URL"), required, secret: false,
        values::public_url, "https://login.example.com";
    /// Where to listen for people and applications
    LISTEN_ADDR => listen_addr: SocketAddr, Kind::Line("address:port"), default "0.0.0.0:8080", secret: false,
        values::address, "0.0.0.0:8080";
    /// Where to listen for /livez, /readyz and /metrics; never open it to the public
    OPS_ADDR => ops_addr: SocketAddr, Kind::Line("address:port"), default "127.0.0.1:9090", secret: false,
        values::address, "0.0.0.0:9090";
    /// Redis: redis:// (rediss:// over TLS), redis+sentinel://host,…/master, redis+cluster://host,…; or memory:// for a single replica
    STORE_URL => store: StoreUrl, Kind::Line("URL"), required, secret: true,
        values::store, "redis://:password@redis.internal:6379/0";
    /// The certificate authorities, in PEM, that must have signed Redis's certificate
    STORE_CA_FILE => store_ca_file: Option<PathBuf>, Kind::Line("file"), unset "the public authorities", secret: false,
        values::path, "/etc/linkgate/redis-ca.pem";
    /// Reject attempts from before a fail-over or a restore; off only for servers that hide INFO
    STORE_FENCE => store_fence: bool, SWITCH, default "on", secret: false,
        values::switch, "off";
    /// Keys made by `linkgate keys new`: the first signs, all are accepted; the file is read again when it changes
    KEYS => keys: KeyringEntries, Kind::List, required, secret: true,
        values::keys, "<what `linkgate keys new` prints>";
    /// Signature algorithm of session tokens
    SESSION_ALG => session_alg: SessionAlg, Kind::Choice(|| SessionAlg::WORDS.to_vec()), default "EdDSA", secret: false,
        values::choice(SessionAlg::ALL, SessionAlg::as_str), "ES256";
    /// The aud of session tokens: the applications that accept them
    AUDIENCE => audience: Vec<String>, Kind::List, unset "the public URL", secret: false,
        values::items, "https://api.example.com";
    /// Hashed into user ids; set it once or never, since a change renames everybody
    SUBJECT_SALT => subject_salt: Option<SecretText>, Kind::Line("text"), unset "none", secret: true,
        |text| Ok(Some(SecretText::new(text.to_owned()))), "<what `openssl rand -hex 24` prints>";
    /// Bearer tokens of back ends: at least 8 visible characters each
    API_KEYS => api_keys: Vec<SecretText>, Kind::List, unset "none", secret: true,
        values::api_keys, "<what `openssl rand -hex 24` prints>";
    /// Origins of the web pages that may call the API
    ALLOWED_ORIGINS => allowed_origins: Vec<String>, Kind::List, unset "the public URL's only", secret: false,
        values::origins, "https://app.example.com,https://www.example.com";
    /// The purposes that attempts may have
    PURPOSES => purposes: Vec<Purpose>, Kind::List, default "sign_in,sign_up,verify_email", secret: false,
        values::purposes, "sign_in";
    /// Where openers may be redirected: exact URLs, or prefixes that end in /
    REDIRECT_URLS => redirect_urls: RedirectAllowList, Kind::List, unset "none", secret: false,
        values::redirect_urls, "https://app.example.com/signed-in";
    /// The mail relay: smtp:// (STARTTLS) or smtps://; file:///directory writes mails to files
    MAIL_URL => mail_url: SecretText, Kind::Line("URL"), required, secret: true,
        values::mail_url, "smtp://user:password@smtp.example.com:587";
    /// The sender of the mails
    MAIL_FROM => mail_from: Sender, Kind::Line("text"), required, secret: false,
        values::sender, "Example <no-reply@example.com>";
    /// The name of your application in mails and pages: at most 64 characters
    APP_NAME => app_name: String, Kind::Line("text"), unset "the host of the public URL", secret: false,
        values::app_name, "Example";
    /// Directory of your own mail templates
    TEMPLATES => templates: Option<PathBuf>, Kind::Line("directory"), unset "built in", secret: false,
        values::path, "/etc/linkgate/templates";
    /// Language of mails and pages if the client asks for no other
    DEFAULT_LOCALE => default_locale: Locale, Kind::Choice(|| Locale::WORDS.to_vec()), default "en", secret: false,
        values::choice(Locale::ALL, Locale::as_str), "de";
    /// How a link is confirmed when it is opened on another device
    CROSS_DEVICE => cross_device: CrossDevice, Kind::Choice(|| CrossDevice::WORDS.to_vec()), default "adaptive", secret: false,
        values::choice(CrossDevice::ALL, CrossDevice::as_str), "relay_code";
    /// Offer to sign in on the device on which the link was opened
    OPENER_SESSION => opener_session: bool, SWITCH, default "on", secret: false,
        values::switch, "off";
    /// How long a link is valid
    LINK_TTL => link_ttl: Duration, Kind::Duration(Duration::from_secs(1), HOUR), default "10m", secret: false,
        values::duration(&LINK_TTL), "5m";
    /// How long a session token is accepted before it must be renewed
    SESSION_TTL => session_ttl: Duration, Kind::Duration(Duration::from_secs(1), HOUR), default "5m", secret: false,
        values::duration(&SESSION_TTL), "10m";
    /// How long a session can be renewed
    SESSION_MAX_AGE => session_max_age: Duration, Kind::Duration(Duration::from_secs(1), Duration::from_hours(400 * 24)),
        default "30d", secret: false,
        values::duration(&SESSION_MAX_AGE), "12h";
    /// How many mails one address gets; a client that has verified the address before has its own allowance
    MAILS_PER_ADDRESS => mails_per_address: Vec<Limit>, LIMITS, default "1/30s,5/15m", secret: false,
        values::limits, "1/1m,3/1h";
    /// How many mails one network (IPv4 /24, IPv6 /56) may request
    MAILS_PER_NETWORK => mails_per_network: Vec<Limit>, LIMITS, default "30/15m", secret: false,
        values::limits, "100/15m";
    /// How many mails one browser or app may request
    MAILS_PER_CLIENT => mails_per_client: Vec<Limit>, LIMITS, default "10/15m", secret: false,
        values::limits, "5/15m";
    /// How many mails all replicas together send
    MAILS_PER_MINUTE => mails_per_minute: Option<u32>, PER_MINUTE, default "600", secret: false,
        values::per_minute, "6000";
    /// How many wrong attempt tokens and malformed links of one network each replica answers before it answers 429
    REFUSALS_PER_MINUTE => refusals_per_minute: Option<u32>, PER_MINUTE, default "120", secret: false,
        values::per_minute, "off";
    /// The only domains whose addresses get mails; *.example.com matches every domain below it
    ALLOWED_DOMAINS => allowed_domains: DomainList, Kind::List, unset "all", secret: false,
        values::domains, "example.com,*.example.com";
    /// Domains whose addresses get no mails, in the same form
    BLOCKED_DOMAINS => blocked_domains: DomainList, Kind::List, unset "none", secret: false,
        values::domains, "example.org,*.example.org";
    /// Proxies whose X-Forwarded-For is trusted: CIDR blocks or addresses
    TRUSTED_PROXIES => trusted_proxies: TrustedProxies, Kind::List, unset "none", secret: false,
        values::proxies, "10.0.0.0/8,fd00::/8";
    /// How long to keep serving after SIGTERM with readiness off, so that load balancers notice
    DRAIN_DELAY => drain_delay: Duration, Kind::Duration(Duration::ZERO, Duration::from_mins(2)), default "5s", secret: false,
        values::duration(&DRAIN_DELAY), "10s";
    /// Answer /readyz with 503 also while the store is unavailable
    READY_STRICT => ready_strict: bool, SWITCH, default "off", secret: false,
        values::switch, "on";
    /// Format of the log on stderr; RUST_LOG sets its level
    LOG_FORMAT => log_format: LogFormat, Kind::Choice(|| LogFormat::WORDS.to_vec()), default "text", secret: false,
        values::choice(LogFormat::ALL, LogFormat::as_str), "json";
}
