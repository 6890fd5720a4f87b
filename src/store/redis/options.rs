//! Where Redis is, and how far to trust it: the options, and what is made of their URL.

use std::fmt;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo as _, ProtocolVersion, TlsCertificates};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::{Host, Url};

use super::call::reason;

/// The port of a Sentinel that names none.
const SENTINEL_PORT: u16 = 26379;
/// The port of a server that names none.
const REDIS_PORT: u16 = 6379;

/// Where the server is, and how far to trust it. May hold a password: no `Debug`.
pub struct RedisOptions {
    /// One server, `redis://[user:password@]host[:port][/database]`; the master that a Sentinel group names,
    /// `redis+sentinel://[user:password@]host[:port],…/master[/database]`; or a cluster that is found through any of
    /// these nodes, `redis+cluster://[user:password@]host[:port],…`. With `rediss` for `redis`, over TLS.
    pub url: String,
    /// Whether records are bound to the server's present run and history. Without, a restore or a failover may
    /// bring a consumed nonce back; with it, the server must show INFO to scripts. A change of this setting loses
    /// what is pending.
    pub fence: bool,
    /// The certificate authorities to trust instead of the public ones, in PEM.
    pub ca_pem: Option<Vec<u8>>,
}

impl RedisOptions {
    /// Whether they can be used, as far as can be seen without a server.
    ///
    /// # Errors
    /// [`InvalidOptions`].
    pub fn check(&self) -> Result<(), InvalidOptions> {
        Target::parse(self).map(|_| ())
    }
}

/// The options are not usable. Says why without repeating them.
#[derive(Debug)]
pub struct InvalidOptions {
    reason: String,
    in_authorities: bool,
}

impl InvalidOptions {
    /// Whether the fault is in the certificate authorities, not in the URL.
    #[must_use]
    pub fn in_authorities(&self) -> bool {
        self.in_authorities
    }

    fn authorities(reason: &str) -> Self {
        Self { reason: reason.to_owned(), in_authorities: true }
    }
}

impl fmt::Display for InvalidOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for InvalidOptions {}

impl From<&str> for InvalidOptions {
    fn from(reason: &str) -> Self {
        Self { reason: reason.to_owned(), in_authorities: false }
    }
}

/// Host and port of a server. IPv6 without brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Reads `host:port` as servers write it, IPv6 without brackets. Without a host, it is that of `asked`.
    pub(super) fn of_server(text: &str, asked: &Self) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = if host.is_empty() { asked.host.as_str() } else { host };
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }

    /// Reads `host[:port]` as people write it in URLs.
    fn of_person(text: &str, port: u16) -> Result<Self, InvalidOptions> {
        let url = Url::parse(&format!("redis://{text}")).map_err(|_| "has a host that is none")?;
        let bare = url.username().is_empty() && url.password().is_none() && url.path().is_empty();
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() && bare => name.to_owned(),
            Some(Host::Ipv4(ip)) if bare => ip.to_string(),
            Some(Host::Ipv6(ip)) if bare => ip.to_string(),
            _ => return Err("has a host that is none".into()),
        };
        Ok(Self { host, port: url.port().unwrap_or(port) })
    }
}

/// How to reach any server of the deployment: the same login and the same trust for all of them.
#[derive(Clone)]
pub(super) struct Access {
    tls: bool,
    /// As in the URL: percent-encoded, with the `@`.
    login: String,
    database: String,
    ca_pem: Option<Vec<u8>>,
}

impl Access {
    /// A client for the server at this address.
    pub(super) fn client(&self, address: &Address) -> Result<Client, InvalidOptions> {
        self.client_with(&self.login, &self.database, address)
    }

    /// Clients for a Sentinel at this address: without a login, and with it for one that asks for it.
    pub(super) fn sentinel_clients(&self, address: &Address) -> Result<Vec<Client>, InvalidOptions> {
        let logins = if self.login.is_empty() { vec![""] } else { vec!["", self.login.as_str()] };
        logins.into_iter().map(|login| self.client_with(login, "", address)).collect()
    }

    fn client_with(&self, login: &str, database: &str, address: &Address) -> Result<Client, InvalidOptions> {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let Address { host, port } = address;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let info =
            format!("{scheme}://{login}{host}:{port}/{database}").into_connection_info().map_err(|_| {
                InvalidOptions::from(
                    "has a login, a host or a database that cannot be used; the database is a number",
                )
            })?;
        // Naming the client library to the server would take one more permission.
        let settings =
            info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        // Without lingering, closing a connection discards what it has not yet sent: a command that its caller has
        // given up must not arrive later.
        let tcp = TcpSettings::default().set_nodelay(true).set_linger_time(Duration::ZERO);
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
        let unusable =
            |error: redis::RedisError| InvalidOptions { reason: reason(&error), in_authorities: false };
        match &self.ca_pem {
            None => Client::open(info).map_err(unusable),
            Some(pem) => {
                let trust = TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) };
                Client::build_with_tls(info, trust).map_err(unusable)
            }
        }
    }
}

/// What the URL leads to.
pub(super) enum Target {
    /// One server.
    Single(Client),
    /// The master that these Sentinels name so.
    Sentinel { sentinels: Vec<Address>, master: String, access: Access },
    /// The cluster that these nodes belong to.
    Cluster { nodes: Vec<Address>, access: Access },
}

impl Target {
    /// Reads the options.
    ///
    /// # Errors
    /// [`InvalidOptions`] when the URL or the certificates cannot be used.
    pub(super) fn parse(options: &RedisOptions) -> Result<Self, InvalidOptions> {
        let (scheme, rest) = options.url.split_once("://").ok_or("is not a URL")?;
        let (tls, kind) = match scheme.split_once('+').unwrap_or((scheme, "")) {
            ("redis", kind) => (false, kind),
            ("rediss", kind) => (true, kind),
            _ => return Err("must begin with redis:// or rediss://".into()),
        };
        // Through these, the client library would let TLS go unverified or RESP3 be turned off.
        if rest.contains(['?', '#']) {
            return Err("must have neither ? nor #; in a password, write them as %3F and %23".into());
        }
        if let Some(pem) = &options.ca_pem {
            if !tls {
                return Err(InvalidOptions::authorities("are of no use without TLS, that is rediss://"));
            }
            check_authorities(pem)?;
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Fails when another thread was faster, which is as good.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority
            .rsplit_once('@')
            .map_or(("", authority), |(_, hosts)| authority.split_at(authority.len() - hosts.len()));
        let port = if kind == "sentinel" { SENTINEL_PORT } else { REDIS_PORT };
        let addresses: Vec<Address> =
            hosts.split(',').map(|host| Address::of_person(host, port)).collect::<Result<_, _>>()?;
        let access = |database: &str| {
            let access = Access {
                tls,
                login: login.to_owned(),
                database: database.to_owned(),
                ca_pem: options.ca_pem.clone(),
            };
            access.client(&addresses[0]).map(|client| (access, client))
        };
        match (kind, &addresses[..]) {
            ("", [_]) => Ok(Self::Single(access(path)?.1)),
            ("", _) => Err("has more than one host: write redis+sentinel:// or redis+cluster://".into()),
            ("sentinel", _) => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err("must end with the name of the master: /mymaster".into());
                }
                let (access, _) = access(database)?;
                Ok(Self::Sentinel { master: master.to_owned(), access, sentinels: addresses })
            }
            ("cluster", _) if matches!(path, "" | "0") => {
                let (access, _) = access("")?;
                Ok(Self::Cluster { access, nodes: addresses })
            }
            ("cluster", _) => Err("must not name a database: a cluster has none but 0".into()),
            _ => Err("must begin with redis://, redis+sentinel:// or redis+cluster://".into()),
        }
    }
}

/// The client library would take a file without a certificate for an empty list, and trust nobody.
fn check_authorities(pem: &[u8]) -> Result<(), InvalidOptions> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let sound = certificate.is_ok_and(|certificate| roots.add(certificate).is_ok());
        if !sound {
            return Err(InvalidOptions::authorities("hold a certificate that cannot be read"));
        }
    }
    if roots.is_empty() { Err(InvalidOptions::authorities("hold no PEM certificate")) } else { Ok(()) }
}
