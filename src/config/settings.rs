//! The one table of settings. Parsing, the search for misspelled names, `--help` and the README follow it.

use std::fmt::{self, Write as _};
use std::time::Duration;

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What every name begins with.
pub const PREFIX: &str = "LINKGATE_";

/// What the name of a secret's file ends with.
pub const FILE_SUFFIX: &str = "_FILE";

/// What may be written as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any line of text.
    Text,
    /// A URL.
    Url,
    /// An IP address and a port.
    Address,
    /// A directory.
    Directory,
    /// A file.
    File,
    /// `on` or `off`.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Texts, separated by commas.
    List,
    /// How many in what time, or `off`.
    Limits,
    /// How many in a minute, or `off`.
    PerMinute,
    /// A duration within these bounds, both included.
    Duration {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Url => f.write_str("URL"),
            Self::Address => f.write_str("address:port"),
            Self::Directory => f.write_str("directory"),
            Self::File => f.write_str("file"),
            Self::Switch => f.write_str("on, off"),
            Self::Choice(words) => f.write_str(&words.join(", ")),
            Self::List => f.write_str("list"),
            Self::Limits => f.write_str("count/duration list, off"),
            Self::PerMinute => f.write_str("number, off"),
            Self::Duration { min, max } => write!(f, "duration, {} to {}", human(*min), human(*max)),
        }
    }
}

/// What a setting is when nobody sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// It must be set.
    Required,
    /// This value, written as people write it.
    Value(&'static str),
    /// What this describes.
    Derived(&'static str),
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("required"),
            Self::Value(text) | Self::Derived(text) => f.write_str(text),
        }
    }
}

/// A setting.
#[derive(Debug)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// What may be written.
    pub kind: Kind,
    /// What it is when it is not set.
    pub fallback: Fallback,
    /// Whether it holds a secret: then it may come from the file that `<name>_FILE` names.
    pub secret: bool,
    /// What it does, in one line.
    pub about: &'static str,
    /// A value to copy, or, in angle brackets, how to come by one: a secret that can be copied is none.
    pub example: &'static str,
}

impl Setting {
    /// Whether it must be set.
    #[must_use]
    pub fn required(&self) -> bool {
        self.fallback == Fallback::Required
    }

    /// The variable that names the file with the value.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}{FILE_SUFFIX}", self.name)
    }
}

macro_rules! settings {
    ($($name:ident, $kind:expr, $fallback:expr, secret: $secret:literal, $about:literal, $example:literal;)*) => {
        $(pub(super) static $name: Setting = Setting {
            name: concat!("LINKGATE_", stringify!($name)),
            kind: $kind,
            fallback: $fallback,
            secret: $secret,
            about: $about,
            example: $example,
        };)*

        /// All settings, in the order in which people meet them.
        pub static SETTINGS: &[&Setting] = &[$(&$name),*];
    };
}

const fn seconds(min: u64, max: u64) -> Kind {
    Kind::Duration { min: Duration::from_secs(min), max: Duration::from_secs(max) }
}

settings! {
    PUBLIC_URL, Kind::Url, Fallback::Required, secret: false,
        "Where people and applications reach linkgate: an https origin (http on this machine only)",
        "https://login.example.com";
    LISTEN_ADDR, Kind::Address, Fallback::Value("0.0.0.0:8080"), secret: false,
        "Where to listen for people and applications", "0.0.0.0:8080";
    OPS_ADDR, Kind::Address, Fallback::Value("127.0.0.1:9090"), secret: false,
        "Where to listen for /livez, /readyz and /metrics; never open it to the public", "0.0.0.0:9090";
    STORE_URL, Kind::Url, Fallback::Required, secret: true,
        "Redis: redis:// (rediss:// over TLS), redis+sentinel://host,…/master, redis+cluster://host,…; or memory:// for a single replica",
        "redis://:password@redis.internal:6379/0";
    STORE_CA_FILE, Kind::File, Fallback::Derived("the public authorities"), secret: false,
        "The certificate authorities, in PEM, that Redis's certificate is checked against", "/etc/linkgate/redis-ca.pem";
    STORE_FENCE, Kind::Switch, Fallback::Value("on"), secret: false,
        "Refuse attempts from before a fail-over or a restore; off only for servers that hide INFO", "off";
    KEYS, Kind::List, Fallback::Required, secret: true,
        "Keys made by `linkgate keys new`: the first signs, all are accepted; its file is re-read when it changes",
        "<what `linkgate keys new` prints>";
    SESSION_ALG, Kind::Choice(&["EdDSA", "ES256"]), Fallback::Value("EdDSA"), secret: false,
        "Algorithm of session tokens", "ES256";
    AUDIENCE, Kind::List, Fallback::Derived("the public URL"), secret: false,
        "The aud of session tokens: the applications that accept them", "https://api.example.com";
    SUBJECT_SALT, Kind::Text, Fallback::Derived("none"), secret: true,
        "Mixed into user ids; set it once or never, since a change renames everybody", "<what `openssl rand -hex 24` prints>";
    API_KEYS, Kind::List, Fallback::Derived("none"), secret: true,
        "What back ends send as bearer token: at least 8 visible characters each", "<what `openssl rand -hex 24` prints>";
    ALLOWED_ORIGINS, Kind::List, Fallback::Derived("the public URL's only"), secret: false,
        "Origins of the web pages that may call the API", "https://app.example.com,https://www.example.com";
    PURPOSES, Kind::List, Fallback::Value("sign_in,sign_up,verify_email"), secret: false,
        "What attempts may be for", "sign_in";
    REDIRECT_URLS, Kind::List, Fallback::Derived("none"), secret: false,
        "Where openers may be sent: exact URLs, or prefixes that end in /", "https://app.example.com/signed-in";
    MAIL_URL, Kind::Url, Fallback::Required, secret: true,
        "The mail relay: smtp:// (STARTTLS) or smtps://; file:///directory writes mails to files",
        "smtp://user:password@smtp.example.com:587";
    MAIL_FROM, Kind::Text, Fallback::Required, secret: false,
        "The sender of the mails", "Example <no-reply@example.com>";
    APP_NAME, Kind::Text, Fallback::Derived("the host of the public URL"), secret: false,
        "What mails and pages call your application: at most 64 characters", "Example";
    TEMPLATES, Kind::Directory, Fallback::Derived("built in"), secret: false,
        "Directory of mail templates of your own", "/etc/linkgate/templates";
    DEFAULT_LOCALE, Kind::Choice(&["en", "de"]), Fallback::Value("en"), secret: false,
        "Language of mails and pages when nobody asks for another", "de";
    CROSS_DEVICE, Kind::Choice(&["adaptive", "approve", "relay_code", "same_client"]),
        Fallback::Value("adaptive"), secret: false,
        "What a link asks for when it is opened on another device", "relay_code";
    OPENER_SESSION, Kind::Switch, Fallback::Value("on"), secret: false,
        "Offer to sign in on the device on which the link was opened", "off";
    LINK_TTL, seconds(1, HOUR), Fallback::Value("10m"), secret: false,
        "How long a link works", "5m";
    SESSION_TTL, seconds(1, HOUR), Fallback::Value("5m"), secret: false,
        "How long a session token is accepted before it must be renewed", "10m";
    SESSION_MAX_AGE, seconds(1, 400 * DAY), Fallback::Value("30d"), secret: false,
        "How long a session can be renewed", "12h";
    MAILS_PER_ADDRESS, Kind::Limits, Fallback::Value("1/30s,5/15m"), secret: false,
        "How many mails one address gets; a client that has verified it before has as many of its own", "1/1m,3/1h";
    MAILS_PER_NETWORK, Kind::Limits, Fallback::Value("30/15m"), secret: false,
        "How many mails one network (IPv4 /24, IPv6 /56) may ask for", "100/15m";
    MAILS_PER_CLIENT, Kind::Limits, Fallback::Value("10/15m"), secret: false,
        "How many mails one browser or app may ask for", "5/15m";
    MAILS_PER_MINUTE, Kind::PerMinute, Fallback::Value("600"), secret: false,
        "How many mails all replicas together send", "6000";
    REFUSALS_PER_MINUTE, Kind::PerMinute, Fallback::Value("120"), secret: false,
        "How many wrong attempt tokens and malformed links one network is told about, by each replica", "off";
    ALLOWED_DOMAINS, Kind::List, Fallback::Derived("all"), secret: false,
        "The only domains whose addresses get mails; *.example.com stands for what lies below it",
        "example.com,*.example.com";
    BLOCKED_DOMAINS, Kind::List, Fallback::Derived("none"), secret: false,
        "Domains whose addresses get no mails, written in the same way", "example.org,*.example.org";
    TRUSTED_PROXIES, Kind::List, Fallback::Derived("none"), secret: false,
        "Proxies whose X-Forwarded-For is believed: CIDR blocks or addresses", "10.0.0.0/8,fd00::/8";
    DRAIN_DELAY, seconds(0, 2 * MINUTE), Fallback::Value("5s"), secret: false,
        "How long to serve on after SIGTERM with readiness off, for load balancers to notice", "10s";
    READY_STRICT, Kind::Switch, Fallback::Value("off"), secret: false,
        "Answer /readyz with 503 also while the store is lost", "on";
    LOG_FORMAT, Kind::Choice(&["text", "json"]), Fallback::Value("text"), secret: false,
        "Format of the log on stderr; RUST_LOG sets its level", "json";
}

/// A duration as it is written in a setting, in the largest unit that fits.
#[must_use]
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm')];
    let fits = units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    fits.map_or_else(|| format!("{seconds}s"), |(unit, letter)| format!("{}{letter}", seconds / unit))
}

/// The settings as they stand in `--help` and in the manual page.
#[must_use]
pub fn help_text() -> String {
    let mut text = String::from("Settings (environment variables; an empty one counts as not set):\n");
    for required in [true, false] {
        text.push_str(if required { "\n Required\n" } else { "\n Optional\n" });
        for setting in SETTINGS.iter().filter(|s| s.required() == required) {
            let _ = writeln!(text, "  {}={}", setting.name, setting.example);
            let _ = writeln!(text, "      {}", setting.about);
            let default = if required { String::new() } else { format!("; default: {}", setting.fallback) };
            let file = if setting.secret { "; secret, also as _FILE" } else { "" };
            let _ = writeln!(text, "      [{}{default}{file}]", setting.kind);
        }
    }
    text.push_str(
        "\nLists are separated by commas. Durations are written like 90s, 10m, 24h or 30d.\n\
         A secret may be kept in a file: LINKGATE_KEYS_FILE=/run/secrets/keys instead of LINKGATE_KEYS.\n\
         RUST_LOG sets the level of the log: error, warn, info (default), debug or trace.",
    );
    text
}

/// The settings as a Markdown table, for the README.
#[must_use]
pub fn markdown_table() -> String {
    let mut text = String::from("| setting | value | default | what it does |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let secret = if setting.secret { " (secret)" } else { "" };
        let default = match setting.fallback {
            Fallback::Required => "**required**".to_owned(),
            Fallback::Value(value) => format!("`{value}`"),
            Fallback::Derived(what) => what.to_owned(),
        };
        let Setting { name, kind, about, .. } = setting;
        let example = if setting.example.starts_with('<') {
            String::new()
        } else {
            format!(". Example: `{}`", setting.example)
        };
        let _ = writeln!(text, "| `{name}`{secret} | {kind} | {default} | {about}{example} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (seconds, text) in [
            (0, "0s"),
            (5, "5s"),
            (60, "1m"),
            (90, "90s"),
            (600, "10m"),
            (3600, "1h"),
            (DAY, "1d"),
            (30 * DAY, "30d"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn the_tables_name_every_setting() {
        for setting in SETTINGS {
            assert!(help_text().contains(&format!("{}={}\n", setting.name, setting.example)));
            assert!(markdown_table().contains(&format!("| `{}`", setting.name)));
            assert!(!setting.about.ends_with('.') && !setting.about.contains('|'), "{}", setting.name);
        }
    }
}
