//! Misspelled settings, and variables that look like settings.

use super::fault::Fault;
use super::settings::SETTINGS;
use super::unknown;

fn check(name: &str, value: &str) -> Option<Fault> {
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
        let fault = check(name, "x").unwrap_or_else(|| panic!("{name} passes"));
        assert!(fault.remedy.contains(nearest), "{fault}");
    }
}

#[test]
fn variables_without_the_prefix_are_ignored() {
    for name in ["PATH", "LINKGATE", "linkgate_public_url", "MY_LINKGATE_KEYS"] {
        assert_eq!(check(name, "x"), None, "{name}");
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
        assert_eq!(check(name, value), None, "{name}");
    }
    for (name, value) in [("LINKGATE_PORT", "8080"), ("LINKGATE_SERVICE_HOST", "login.example.com")] {
        assert!(check(name, value).is_some(), "{name}");
    }
}
