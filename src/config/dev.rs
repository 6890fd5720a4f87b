//! The defaults of `linkgate dev`, which needs no settings and respects all that are set.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::fault::Fault;
use super::setting::Setting;
use super::settings::{
    APP_NAME, Config, KEYS, LISTEN_ADDR, MAIL_FROM, MAIL_URL, MAILS_PER_ADDRESS, MAILS_PER_CLIENT,
    MAILS_PER_MINUTE, MAILS_PER_NETWORK, PUBLIC_URL, REDIRECT_URLS, REFUSALS_PER_MINUTE, STORE_URL,
};
use crate::domain::public_url::PublicUrl;

impl Config {
    /// The configuration of `linkgate dev`: these variables, and defaults for a developer's machine. `fresh_key` is an
    /// entry for `LINKGATE_KEYS`, made for this run.
    ///
    /// # Errors
    /// Every fault in the variables. If linkgate is to listen on port 0, `LINKGATE_PUBLIC_URL` must be set.
    pub fn dev(overrides: &BTreeMap<String, String>, fresh_key: &str) -> Result<Self, Vec<Fault>> {
        let mut vars = overrides.clone();
        for (setting, value) in [
            (&LISTEN_ADDR, "127.0.0.1:8080"),
            (&STORE_URL, "memory://"),
            (&KEYS, fresh_key),
            (&MAIL_URL, "mailbox://"),
            (&MAIL_FROM, "linkgate demo <demo@linkgate.example>"),
            (&APP_NAME, "linkgate demo"),
            // A developer signs in the same person again and again.
            (&MAILS_PER_ADDRESS, "off"),
            (&MAILS_PER_NETWORK, "off"),
            (&MAILS_PER_CLIENT, "off"),
            (&MAILS_PER_MINUTE, "off"),
            (&REFUSALS_PER_MINUTE, "off"),
        ] {
            set_default(&mut vars, setting, value);
        }

        let listen = vars.get(LISTEN_ADDR.name).and_then(|text| text.trim().parse::<SocketAddr>().ok());
        let unknown_port = !is_set(&vars, &PUBLIC_URL) && listen.is_some_and(|addr| addr.port() == 0);
        // An invalid address is one fault: it must not cause a second one about the public URL.
        let public_url = listen
            .filter(|_| !unknown_port)
            .map_or_else(|| "http://127.0.0.1:8080".to_owned(), |addr| format!("http://{}", reachable(addr)));
        set_default(&mut vars, &PUBLIC_URL, &public_url);
        let public_url = vars.get(PUBLIC_URL.name).map(|text| PublicUrl::parse(text.trim()));
        if let Some(Ok(public_url)) = public_url {
            // The demo's own URL stays allowed beside those of an application.
            let demo = format!("{}/", public_url.as_str());
            let urls = vars.get(REDIRECT_URLS.name).map(|urls| urls.trim()).filter(|urls| !urls.is_empty());
            let urls = urls.map_or_else(|| demo.clone(), |urls| format!("{urls},{demo}"));
            vars.insert(REDIRECT_URLS.name.to_owned(), urls);
        }

        let read = Self::from_vars(&vars).map(|config| Self { dev: true, ..config });
        if !unknown_port {
            return read;
        }
        let mut faults = vec![Fault::new(
            PUBLIC_URL.name,
            "is not set, and cannot be derived from port 0 in LINKGATE_LISTEN_ADDR",
            "set it, or choose a port",
        )];
        faults.extend(read.err().unwrap_or_default());
        Err(faults)
    }
}

fn is_set(vars: &BTreeMap<String, String>, setting: &Setting) -> bool {
    let given = |name: &str| vars.get(name).is_some_and(|value| !value.trim().is_empty());
    given(setting.name) || setting.secret && given(&setting.file_name())
}

fn set_default(vars: &mut BTreeMap<String, String>, setting: &Setting, value: &str) {
    if !is_set(vars, setting) {
        vars.insert(setting.name.to_owned(), value.to_owned());
    }
}

/// The address at which this machine reaches a listener: loopback for a listener on all addresses.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(ip, listen.port())
}
