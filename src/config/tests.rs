//! Tests of the configuration over maps of variables.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use super::values::{MAX_APP_NAME, MIN_API_KEY};
use super::*;
use crate::domain::keys::SessionAlg;
use crate::domain::limit::{Limit, MailLimits};
use crate::domain::locale::Locale;
use crate::domain::policy::{CrossDevice, Purpose};
use crate::domain::secret_text::SecretText;
use crate::logging::LogFormat;

const KEY: &str = "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";

const REQUIRED: [(&str, &str); 5] = [
    ("LINKGATE_PUBLIC_URL", "https://login.example.com/"),
    ("LINKGATE_KEYS", KEY),
    ("LINKGATE_STORE_URL", "redis://:hunter2@redis:6379/0"),
    ("LINKGATE_MAIL_URL", "smtp://user:hunter2@smtp.example.com"),
    ("LINKGATE_MAIL_FROM", "Example <no-reply@example.com>"),
];

fn vars(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    REQUIRED.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn valid(more: &[(&str, &str)]) -> Config {
    Config::from_vars(&vars(more)).unwrap_or_else(|faults| panic!("{more:?}: {faults:?}"))
}

fn faults(more: &[(&str, &str)]) -> Vec<Fault> {
    Config::from_vars(&vars(more)).err().unwrap_or_else(|| panic!("{more:?} is valid"))
}

#[test]
fn the_five_required_settings_are_enough() {
    let config = valid(&[("PATH", "/bin")]);
    assert_eq!(config.public_url.as_str(), "https://login.example.com");
    assert_eq!(config.listen_addr.to_string(), "0.0.0.0:8080");
    assert_eq!(config.ops_addr.to_string(), "127.0.0.1:9090");
    assert!(matches!(&config.store, StoreUrl::Redis(url) if url.expose() == "redis://:hunter2@redis:6379/0"));
    assert_eq!(config.audience, ["https://login.example.com"]);
    assert_eq!(config.allowed_origins, ["https://login.example.com"]);
    assert_eq!(config.purposes, Purpose::ALL);
    assert_eq!(config.app_name, "login.example.com");
    assert_eq!(config.mail_from.name(), Some("Example"));
    assert_eq!((config.session_alg, config.default_locale), (SessionAlg::EdDsa, Locale::En));
    assert_eq!((config.cross_device, config.log_format), (CrossDevice::Adaptive, LogFormat::Text));
    assert!(config.store_fence && config.opener_session && !config.ready_strict && !config.dev);
    assert!(config.subject_salt.is_none() && config.api_keys.is_empty() && config.templates.is_none());
    assert!(config.keys_file.is_none());
    let warnings = config.warnings();
    assert!(warnings.len() == 1 && warnings[0].starts_with("LINKGATE_TRUSTED_PROXIES"), "{warnings:?}");
    let minutes = [config.link_ttl, config.session_ttl, config.session_max_age].map(|d| d.as_secs() / 60);
    assert_eq!((minutes, config.drain_delay.as_secs()), ([10, 5, 30 * 24 * 60], 5));
}

#[test]
fn the_examples_of_the_table_are_valid_together_and_so_are_its_defaults() {
    let mut examples: Vec<_> = SETTINGS.iter().map(|s| (s.name, s.example)).collect();
    examples.retain(|(_, example)| !example.starts_with('<'));
    let config = valid(&examples);
    assert_eq!(config.session_alg, SessionAlg::Es256);
    let origins = ["https://login.example.com", "https://app.example.com", "https://www.example.com"];
    assert_eq!(config.allowed_origins, origins);
    for secret in [&settings::KEYS, &settings::API_KEYS] {
        assert_eq!(faults(&[(secret.name, secret.example)]).len(), 1, "{} can be copied", secret.name);
    }
    for setting in SETTINGS {
        if let Fallback::Value(text) = setting.fallback {
            valid(&[(setting.name, text)]);
        }
    }
}

#[test]
fn the_numbers_in_the_help_are_those_that_are_enforced() {
    assert!(settings::API_KEYS.about.contains(&format!("at least {MIN_API_KEY} visible characters")));
    assert!(settings::APP_NAME.about.contains(&format!("at most {MAX_APP_NAME} characters")));
}

#[test]
fn all_faults_are_reported_together_in_the_order_of_the_table() {
    let found = Config::from_vars(&BTreeMap::new()).err().unwrap_or_default();
    let names: Vec<_> = found.iter().map(|f| f.variable.as_str()).collect();
    let required: Vec<_> = SETTINGS.iter().filter(|s| s.required()).map(|s| s.name).collect();
    assert_eq!(names, required);

    let wrong: Vec<_> =
        SETTINGS.iter().filter(|s| s.name != settings::TEMPLATES.name).map(|s| (s.name, "\u{1}")).collect();
    let found = faults(&wrong);
    let names: Vec<_> = found.iter().map(|f| f.variable.as_str()).collect();
    assert_eq!(names, wrong.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn an_invalid_value_is_one_fault_without_the_value() {
    for (name, value) in [
        ("LINKGATE_PUBLIC_URL", "http://user:hunter2@login.example.com/"),
        ("LINKGATE_PUBLIC_URL", "http://hunter2.example.com"),
        ("LINKGATE_LISTEN_ADDR", "hunter2:8080"),
        ("LINKGATE_OPS_ADDR", "127.0.0.1"),
        ("LINKGATE_OPS_ADDR", "127.0.0.1:8080"),
        ("LINKGATE_STORE_URL", "redis://:hunter2@redis/zero"),
        ("LINKGATE_STORE_URL", "rediss://:hunter2@redis/0#insecure"),
        ("LINKGATE_STORE_URL", "redis://"),
        ("LINKGATE_STORE_URL", "memory://hunter2"),
        ("LINKGATE_STORE_URL", "postgres://hunter2"),
        ("LINKGATE_STORE_URL", "redis+proxy://:hunter2@redis"),
        ("LINKGATE_STORE_FENCE", "hunter2"),
        ("LINKGATE_KEYS", "k1:hunter2"),
        ("LINKGATE_SESSION_ALG", "none"),
        ("LINKGATE_AUDIENCE", ",,"),
        ("LINKGATE_API_KEYS", "hunter2"),
        ("LINKGATE_API_KEYS", "hunter2hunter2hunter2,hunter2hunter2hunter2"),
        ("LINKGATE_ALLOWED_ORIGINS", "*"),
        ("LINKGATE_ALLOWED_ORIGINS", "https://app.example.com/"),
        ("LINKGATE_PURPOSES", "hunter2"),
        ("LINKGATE_REDIRECT_URLS", "https://user:hunter2@app.example.com/"),
        ("LINKGATE_MAIL_URL", "http://hunter2"),
        ("LINKGATE_MAIL_FROM", "hunter2"),
        ("LINKGATE_MAIL_FROM", "Example\nBcc: hunter2 <a@example.com>"),
        ("LINKGATE_APP_NAME", "hunter2-hunter2-hunter2-hunter2-hunter2-hunter2-hunter2-hunter2-x"),
        ("LINKGATE_APP_NAME", "\u{fffd}"),
        ("LINKGATE_DEFAULT_LOCALE", "fr"),
        ("LINKGATE_CROSS_DEVICE", "hunter2"),
        ("LINKGATE_LINK_TTL", "0s"),
        ("LINKGATE_LINK_TTL", "61m"),
        ("LINKGATE_SESSION_TTL", "hunter2"),
        ("LINKGATE_SESSION_MAX_AGE", "401d"),
        ("LINKGATE_MAILS_PER_ADDRESS", "hunter2"),
        ("LINKGATE_MAILS_PER_ADDRESS", "0/15m"),
        ("LINKGATE_MAILS_PER_NETWORK", "5/0s"),
        ("LINKGATE_MAILS_PER_NETWORK", "5"),
        ("LINKGATE_MAILS_PER_CLIENT", "1/30s,5/25h"),
        ("LINKGATE_MAILS_PER_MINUTE", "0"),
        ("LINKGATE_REFUSALS_PER_MINUTE", "-1"),
        ("LINKGATE_ALLOWED_DOMAINS", "hunter2"),
        ("LINKGATE_BLOCKED_DOMAINS", "example.com,*"),
        ("LINKGATE_TRUSTED_PROXIES", "10.0.0.0/8,hunter2"),
        ("LINKGATE_DRAIN_DELAY", "121s"),
        ("LINKGATE_LOG_FORMAT", "xml"),
        ("LINKGATE_SUBJECT_SALT_FILE", "/nonexistent/hunter2"),
        ("LINKGATE_APP_NAME_FILE", "hunter2"),
        ("LINKGATE_PUBLIC_URI", "hunter2"),
    ] {
        let found = faults(&[(name, value)]);
        assert_eq!(found.len(), 1, "{name}={value}: {found:?}");
        assert_eq!(found[0].variable, name);
        assert!(!found[0].to_string().contains("hunter2"), "{}", found[0]);
    }
}

#[test]
fn every_invalid_entry_of_a_list_is_named_by_its_position() {
    let found = faults(&[(
        "LINKGATE_REDIRECT_URLS",
        "nonsense, https://app.example.com/cb, http://app.example.com/",
    )]);
    let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("entry 1") && texts[1].contains("entry 3"), "{texts:?}");
}

#[test]
fn an_empty_value_counts_as_not_set_and_values_are_trimmed() {
    let config =
        valid(&[("LINKGATE_LINK_TTL", ""), ("LINKGATE_APP_NAME", "  "), ("LINKGATE_DRAIN_DELAY", " 7s ")]);
    assert_eq!((config.link_ttl.as_secs(), config.drain_delay.as_secs()), (600, 7));
    assert_eq!(config.app_name, "login.example.com");
    assert_eq!(faults(&[("LINKGATE_KEYS", "")])[0].problem, "is not set");
}

#[test]
fn switches_and_lists_are_read_as_people_write_them() {
    let config = valid(&[
        ("LINKGATE_STORE_FENCE", "FALSE"),
        ("LINKGATE_READY_STRICT", "true"),
        ("LINKGATE_PURPOSES", "verify_email, sign_in,sign_in,"),
        ("LINKGATE_ALLOWED_ORIGINS", "https://login.example.com,\nhttp://localhost:5173\n"),
    ]);
    assert!(!config.store_fence && config.ready_strict);
    assert_eq!(config.purposes, [Purpose::SignIn, Purpose::VerifyEmail]);
    assert_eq!(config.allowed_origins, ["https://login.example.com", "http://localhost:5173"]);
}

#[test]
fn limits_are_on_by_default_and_can_be_turned_off() {
    let limit = |count, seconds| Limit { count, window: Duration::from_secs(seconds) };
    let config = valid(&[]);
    assert_eq!(config.mail_limits().per_address, [limit(1, 30), limit(5, 900)]);
    assert_eq!(config.mail_limits().per_network, [limit(30, 900)]);
    assert_eq!(config.mail_limits().per_client, [limit(10, 900)]);
    assert_eq!(config.mail_limits().overall, [limit(600, 60)]);
    assert_eq!(config.refusals_per_minute, Some(120));
    let off = valid(&[("LINKGATE_MAILS_PER_ADDRESS", "off"), ("LINKGATE_REFUSALS_PER_MINUTE", "OFF")]);
    assert!(off.mail_limits().per_address.is_empty() && off.refusals_per_minute.is_none());
    let dev = Config::dev(&BTreeMap::new(), KEY).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert_eq!((dev.mail_limits(), dev.refusals_per_minute), (MailLimits::default(), None));
}

#[test]
fn a_secret_comes_from_a_file_or_from_a_variable_but_not_from_both() {
    let mut file = tempfile::NamedTempFile::new().unwrap_or_else(|e| panic!("{e}"));
    file.write_all(b" pepper \r\n").unwrap_or_else(|e| panic!("{e}"));
    let path = file.path().to_str().unwrap_or_default();
    let config = valid(&[("LINKGATE_SUBJECT_SALT_FILE", path), ("LINKGATE_SUBJECT_SALT", "")]);
    assert_eq!(config.subject_salt.as_ref().map(SecretText::expose), Some(" pepper "));

    let both = faults(&[("LINKGATE_SUBJECT_SALT_FILE", path), ("LINKGATE_SUBJECT_SALT", "x")]);
    assert!(both.len() == 1 && both[0].problem.contains("both"), "{both:?}");

    let bad = faults(&[("LINKGATE_KEYS", ""), ("LINKGATE_KEYS_FILE", path)]);
    assert!(bad.len() == 1 && bad[0].variable == "LINKGATE_KEYS_FILE", "{bad:?}");

    file.as_file().set_len(0).unwrap_or_else(|e| panic!("{e}"));
    for wrong in [path, "/dev/zero", "/nonexistent", "/"] {
        assert_eq!(faults(&[("LINKGATE_SUBJECT_SALT_FILE", wrong)]).len(), 1, "{wrong}");
    }
}

#[test]
fn the_configuration_names_the_file_of_the_keys() {
    let mut file = tempfile::NamedTempFile::new().unwrap_or_else(|e| panic!("{e}"));
    writeln!(file, "{KEY}\nk2:{}", "B".repeat(42) + "A").unwrap_or_else(|e| panic!("{e}"));
    let path = file.path().to_str().unwrap_or_default();
    let config = valid(&[("LINKGATE_KEYS", ""), ("LINKGATE_KEYS_FILE", path)]);
    assert_eq!(config.keys_file.as_deref(), Some(file.path()));
    assert_eq!(config.keys.as_slice().len(), 2);
}

#[test]
fn risky_settings_cause_a_warning() {
    for (more, word) in [
        (("LINKGATE_STORE_URL", "memory://"), "one replica"),
        (("LINKGATE_PUBLIC_URL", "http://localhost:8080"), "plain http"),
        (("LINKGATE_MAIL_URL", "mailbox://"), "sends nothing"),
        (("LINKGATE_ALLOWED_ORIGINS", "http://app.example.com"), "plain http origin"),
        (("LINKGATE_LINK_TTL", "11m"), "above 10m"),
        (("LINKGATE_STORE_FENCE", "off"), "fail-over"),
    ] {
        let warnings = valid(&[more, ("LINKGATE_TRUSTED_PROXIES", "10.0.0.0/8")]).warnings();
        assert!(warnings.len() == 1 && warnings[0].contains(word), "{more:?}: {warnings:?}");
    }
}

fn dev(more: &[(&str, &str)]) -> Result<Config, Vec<Fault>> {
    let vars = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::dev(&vars, KEY)
}

#[test]
fn dev_needs_no_setting_and_respects_those_that_are_set() {
    let config = dev(&[]).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert!(config.dev && matches!(config.store, StoreUrl::Memory) && config.warnings().is_empty());
    assert_eq!(config.public_url.as_str(), "http://127.0.0.1:8080");
    assert_eq!(config.listen_addr.to_string(), "127.0.0.1:8080");
    assert_eq!((config.mail_url.expose(), config.app_name.as_str()), ("mailbox://", "linkgate demo"));
    assert_eq!(config.mail_from.address().as_str(), "demo@linkgate.example");
    assert!(config.redirect_urls.check("http://127.0.0.1:8080/").is_ok());
    let config =
        dev(&[("LINKGATE_REDIRECT_URLS", "http://127.0.0.1:3000/")]).unwrap_or_else(|f| panic!("{f:?}"));
    assert!(config.redirect_urls.check("http://127.0.0.1:3000/").is_ok());
    assert!(config.redirect_urls.check("http://127.0.0.1:8080/").is_ok(), "the demo's own stays");

    for (listen, url) in [
        ("127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("0.0.0.0:3000", "http://127.0.0.1:3000"),
        ("[::]:3000", "http://[::1]:3000"),
        ("127.0.0.1:80", "http://127.0.0.1"),
    ] {
        let config = dev(&[("LINKGATE_LISTEN_ADDR", listen)]).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert_eq!(config.public_url.as_str(), url, "{listen}");
    }
    let config =
        dev(&[("LINKGATE_PUBLIC_URL", "https://dev.example.com"), ("LINKGATE_LISTEN_ADDR", "127.0.0.1:0")])
            .unwrap_or_else(|faults| panic!("{faults:?}"));
    assert!(config.redirect_urls.check("https://dev.example.com/x").is_ok());
}

#[test]
fn dev_reports_faults_once() {
    for (name, value, variable) in [
        ("LINKGATE_LISTEN_ADDR", "127.0.0.1:0", "LINKGATE_PUBLIC_URL"),
        ("LINKGATE_LISTEN_ADDR", "nonsense", "LINKGATE_LISTEN_ADDR"),
        ("LINKGATE_LISTEN_ADDR", "192.168.1.5:8080", "LINKGATE_PUBLIC_URL"),
        ("LINKGATE_PUBLIC_URL", "nonsense", "LINKGATE_PUBLIC_URL"),
        ("LINKGATE_KEYS", "nonsense", "LINKGATE_KEYS"),
        ("LINKGATE_KEYS_FILE", "/nonexistent", "LINKGATE_KEYS_FILE"),
    ] {
        let found = dev(&[(name, value)]).err().unwrap_or_default();
        assert_eq!(
            found.iter().map(|f| f.variable.as_str()).collect::<Vec<_>>(),
            [variable],
            "{name}={value}"
        );
    }
}

#[test]
fn the_health_check_needs_the_operations_address_only() {
    let vars = BTreeMap::from([("LINKGATE_NONSENSE".to_owned(), "x".to_owned())]);
    assert!(ops_addr(&vars).is_ok_and(|addr| addr.to_string() == "127.0.0.1:9090"));
    for (listen, reached) in
        [("0.0.0.0:9", "127.0.0.1:9"), ("[::]:9", "[::1]:9"), ("10.0.0.1:9", "10.0.0.1:9")]
    {
        let vars = BTreeMap::from([("LINKGATE_OPS_ADDR".to_owned(), listen.to_owned())]);
        assert!(ops_addr(&vars).is_ok_and(|addr| addr.to_string() == reached), "{listen}");
    }
    let vars = BTreeMap::from([("LINKGATE_OPS_ADDR".to_owned(), "x".to_owned())]);
    assert_eq!(ops_addr(&vars).err().map(|faults| faults.len()), Some(1));
}

fn unknown_name(name: &str, value: &str) -> Option<Fault> {
    unknown::check(SETTINGS, name, value)
}

#[test]
fn a_misspelled_name_suggests_the_nearest() {
    for (name, nearest) in [
        ("LINKGATE_PUBLIC_URI", "did you mean LINKGATE_PUBLIC_URL?"),
        ("LINKGATE_KEY", "did you mean LINKGATE_KEYS?"),
        ("LINKGATE_KEY_FILE", "did you mean LINKGATE_KEYS_FILE?"),
        ("LINKGATE_MAIL", "did you mean LINKGATE_MAIL_URL?"),
        ("LINKGATE_link_ttl", "did you mean LINKGATE_LINK_TTL?"),
        ("LINKGATE_APP_NAME_FILE", "set LINKGATE_APP_NAME"),
    ] {
        let fault = unknown_name(name, "x").unwrap_or_else(|| panic!("{name} passes"));
        assert!(fault.remedy.contains(nearest), "{fault}");
    }
}

#[test]
fn variables_without_the_prefix_are_ignored() {
    for name in ["PATH", "LINKGATE", "linkgate_public_url", "MY_LINKGATE_KEYS"] {
        assert_eq!(unknown_name(name, "x"), None, "{name}");
    }
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_named_linkgate_are_ignored() {
    for (name, value) in [
        ("LINKGATE_SERVICE_HOST", "10.0.0.11"),
        ("LINKGATE_SERVICE_PORT", "80"),
        ("LINKGATE_SERVICE_PORT_HTTP", "80"),
        ("LINKGATE_PORT", "tcp://10.0.0.11:80"),
        ("LINKGATE_PORT_80_TCP", "tcp://10.0.0.11:80"),
        ("LINKGATE_PORT_80_TCP_PROTO", "tcp"),
        ("LINKGATE_PORT_80_TCP_PORT", "80"),
        ("LINKGATE_PORT_80_TCP_ADDR", "fd00::11"),
        ("LINKGATE_REDIS_SERVICE_HOST", "10.0.0.12"),
        ("LINKGATE_REDIS_PORT_6379_TCP", "tcp://10.0.0.12:6379"),
    ] {
        assert_eq!(unknown_name(name, value), None, "{name}");
    }
    for (name, value) in [("LINKGATE_PORT", "8080"), ("LINKGATE_SERVICE_HOST", "login.example.com")] {
        assert!(unknown_name(name, value).is_some(), "{name}");
    }
}
