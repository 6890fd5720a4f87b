//! The composition root: the only module that depends on all others.

mod files;
mod keys;

use std::error::Error;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::Data;
use chrono::TimeDelta;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Fault, StoreUrl, read_secret_file};
use crate::domain::email::EmailAddress;
use crate::domain::secret_text::SecretText;
use crate::flow::{Services, Settings, Waiters};
use crate::http::ops::{self, OpsState};
use crate::http::{self, HttpSettings, HttpState};
use crate::mailer::{Mailer, MailerSettings, TransportSettings};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::measured::Measured;
use crate::store::memory::MemoryStore;
use crate::store::redis::{InvalidOptions, RedisOptions, RedisStore};
use crate::token::{TokenSettings, Tokens};

/// Why linkgate did not start, or stopped: a text for the operator.
pub type AppError = Box<dyn Error + Send + Sync>;

/// The assembled service, before it listens.
pub struct App {
    http: Data<HttpState>,
    ops: Data<OpsState>,
    waiters: Arc<Waiters>,
    tokens: Arc<Tokens>,
    metrics: Arc<Metrics>,
    keys_file: Option<std::path::PathBuf>,
    clock: Arc<dyn Clock>,
}

/// The listening servers.
pub struct Running {
    /// The listener for people and applications.
    pub addr: SocketAddr,
    /// The listener for probes and metrics.
    pub ops_addr: Option<SocketAddr>,
    waiters: Arc<Waiters>,
    servers: Vec<Server>,
}

/// Checks what needs more than `Config`: templates, the details of URLs, the derivation of keys.
///
/// # Errors
/// Every fault.
pub fn check(config: &Config) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    faults.extend(mailer(config).err());
    faults.extend(tokens(config).err());
    if let StoreUrl::Redis(url) = &config.store {
        let checked = redis_options(config, url)
            .and_then(|options| options.check().map_err(|error| store_fault(&error)));
        faults.extend(checked.err());
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn mailer(config: &Config) -> Result<Mailer, Fault> {
    let transport = TransportSettings::parse(config.mail_url.expose())
        .map_err(|error| Fault::new("LINKGATE_MAIL_URL", "cannot be used", error))?;
    let settings = MailerSettings {
        transport,
        from: config.mail_from.clone(),
        app_name: config.app_name.clone(),
        templates: config.templates.clone(),
    };
    Mailer::new(settings).map_err(|error| {
        let variable = match &error {
            crate::mailer::SetupError::Templates(_) => "LINKGATE_TEMPLATES",
            crate::mailer::SetupError::Transport(_) => "LINKGATE_MAIL_URL",
        };
        Fault::new(variable, "cannot be used", error.to_string())
    })
}

fn tokens(config: &Config) -> Result<Tokens, Fault> {
    let settings = TokenSettings {
        public_url: config.public_url.as_str().to_owned(),
        audience: config.audience.clone(),
        session_alg: config.session_alg,
        subject_salt: config.subject_salt.as_ref().map_or_else(String::new, |salt| salt.expose().to_owned()),
    };
    Tokens::new(&config.keys, settings)
        .map_err(|error| Fault::new("LINKGATE_KEYS", "cannot be used", error.to_string()))
}

fn redis_options(config: &Config, url: &SecretText) -> Result<RedisOptions, Fault> {
    let unreadable = |error: io::Error| {
        let problem = format!("names a file that cannot be read ({})", error.kind());
        Fault::new("LINKGATE_STORE_CA_FILE", problem, "name a PEM file that linkgate can read")
    };
    let ca_pem = config.store_ca_file.as_ref().map(std::fs::read).transpose().map_err(unreadable)?;
    Ok(RedisOptions { url: url.expose().to_owned(), fence: config.store_fence, ca_pem })
}

fn store_fault(error: &InvalidOptions) -> Fault {
    if error.in_authorities() {
        let remedy = "name a file with the authorities' certificates, and use rediss://";
        return Fault::new("LINKGATE_STORE_CA_FILE", format!("cannot be used: they {error}"), remedy);
    }
    let remedy = "use redis://[user:password@]host[:port][/database], redis+sentinel://host,…/master or \
                  redis+cluster://host,…";
    Fault::new("LINKGATE_STORE_URL", format!("is invalid: it {error}"), remedy)
}

fn store(config: &Config, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Store>, AppError> {
    Ok(match &config.store {
        StoreUrl::Memory => Arc::new(MemoryStore::new(clock.clone())),
        StoreUrl::Redis(url) => {
            let options = redis_options(config, url)?;
            let store = RedisStore::connect(&options);
            Arc::new(store.map_err(|error| store_fault(&error))?)
        }
    })
}

impl App {
    /// Assembles the service on this clock. Needs neither store nor relay to be available.
    ///
    /// # Errors
    /// As [`check`].
    pub fn build(config: Config, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        let metrics = Arc::new(Metrics::default());
        let tokens = Arc::new(tokens(&config)?);
        metrics.keyring(&tokens.key_ids());
        metrics.keyring_read(clock.now());
        let mailer = Arc::new(mailer(&config)?);
        let store: Arc<dyn Store> = Arc::new(Measured::new(store(&config, &clock)?, metrics.clone()));
        let public_url = config.public_url.as_str().to_owned();
        let (mail_limits, domains) = (config.mail_limits(), config.domains());
        let settings = Settings {
            public_url: public_url.clone(),
            purposes: config.purposes,
            redirect_urls: config.redirect_urls,
            default_locale: config.default_locale,
            cross_device: config.cross_device,
            opener_session: config.opener_session,
            mail_limits,
            domains,
            // The bounds of the setting keep it within range.
            link_ttl: TimeDelta::from_std(config.link_ttl).unwrap_or(TimeDelta::MAX),
            session_ttl: config.session_ttl,
            session_max_age: config.session_max_age,
        };
        let services = Services::new(settings, tokens.clone(), store, mailer, clock.clone(), metrics.clone());
        let waiters = services.waiters.clone();
        let http = HttpSettings {
            public_url: public_url.into(),
            app_name: config.app_name,
            default_locale: config.default_locale,
            allowed_origins: config.allowed_origins,
            api_keys: config.api_keys,
            trusted_proxies: config.trusted_proxies,
            refusals_per_minute: config.refusals_per_minute,
            dev: config.dev,
        };
        let ops = OpsState::new(services.clone(), clock.clone(), metrics.clone(), config.ready_strict);
        let http = HttpState::new(http, services, tokens.clone(), clock.clone(), metrics.clone());
        Ok(Self {
            http: Data::new(http?),
            ops: Data::new(ops),
            waiters,
            tokens,
            metrics,
            keys_file: config.keys_file,
            clock,
        })
    }

    /// The state of the handlers, for the benches.
    #[doc(hidden)]
    #[must_use]
    pub fn http_state(&self) -> &HttpState {
        &self.http
    }

    /// Listens with this many workers.
    ///
    /// # Errors
    /// If a socket fails.
    pub fn listen(
        self,
        public: TcpListener,
        ops: Option<TcpListener>,
        workers: usize,
    ) -> Result<Running, AppError> {
        let addr = public.local_addr()?;
        let ops_addr = ops.as_ref().map(TcpListener::local_addr).transpose()?;
        let server = http::listen(&self.http, public, workers, files::connections(workers))?;
        let mut servers = vec![server];
        if let Some(listener) = ops {
            servers.push(ops::listen(&self.ops, listener)?);
        }
        tokio::spawn(self.waiters.clone().serve());
        if let Some(file) = self.keys_file {
            let seen = read_secret_file(&file).ok();
            tokio::spawn(keys::follow(file, seen, self.tokens, self.metrics, self.clock));
        }
        Ok(Running { addr, ops_addr, waiters: self.waiters, servers })
    }
}

impl Running {
    /// Serves until the first SIGTERM or SIGINT, then drains: readiness goes off, waiting requests are answered, the
    /// listener stays open for `drain_delay` so that load balancers notice, and requests in flight finish. A second
    /// signal stops at once.
    ///
    /// # Errors
    /// If a socket fails.
    pub async fn serve(self, drain_delay: Duration) -> Result<(), AppError> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let handles: Vec<ServerHandle> = self.servers.iter().map(Server::handle).collect();
        let mut servers = tokio::spawn(futures_util::future::try_join_all(self.servers));
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            ended = &mut servers => return Ok(ended?.map(drop)?),
        }
        log::info!("draining");
        self.waiters.drain();
        let gracefully = async {
            tokio::time::sleep(drain_delay).await;
            for handle in &handles {
                handle.stop(true).await;
            }
        };
        tokio::select! {
            () = gracefully => {}
            _ = terminate.recv() => log::warn!("stopping at once: second signal"),
            _ = interrupt.recv() => log::warn!("stopping at once: second signal"),
        }
        for handle in &handles {
            handle.stop(false).await;
        }
        Ok(servers.await?.map(drop)?)
    }

    /// Serves in the background until a handle stops it; for tests.
    #[must_use]
    pub fn spawn(self) -> Vec<ServerHandle> {
        let handles = self.servers.iter().map(Server::handle).collect();
        self.servers.into_iter().for_each(|server| drop(tokio::spawn(server)));
        handles
    }
}

fn bind(addr: SocketAddr, variable: &str) -> Result<TcpListener, AppError> {
    TcpListener::bind(addr).map_err(|error| {
        format!("cannot listen on {addr}: {error}; set {variable} to another address").into()
    })
}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// `linkgate serve`.
///
/// # Errors
/// If linkgate cannot start or a socket fails.
pub async fn serve(config: Config) -> Result<(), AppError> {
    files::raise_limit(workers());
    let public = bind(config.listen_addr, "LINKGATE_LISTEN_ADDR")?;
    let ops = bind(config.ops_addr, "LINKGATE_OPS_ADDR")?;
    let (drain_delay, ops_addr) = (config.drain_delay, ops.local_addr()?);
    let running = App::build(config, Arc::new(SystemClock))?.listen(public, Some(ops), workers())?;
    log::info!(addr:% = running.addr, ops_addr:%; "linkgate serves on {}", running.addr);
    running.serve(drain_delay).await
}

/// `linkgate dev`.
///
/// # Errors
/// As [`serve`].
pub async fn dev(config: Config) -> Result<(), AppError> {
    let public = bind(config.listen_addr, "LINKGATE_LISTEN_ADDR")?;
    // The port may be in use on a developer's machine, by Prometheus for instance, and nobody probes a trial server.
    let ops = TcpListener::bind(config.ops_addr).ok();
    let url = config.public_url.as_str().to_owned();
    let running = App::build(config, Arc::new(SystemClock))?.listen(public, ops, workers())?;
    let metrics = |addr| format!("  Metrics            http://{addr}/metrics\n");
    let ops_line = running.ops_addr.map(metrics).unwrap_or_default();
    let banner = format!(
        "\nlinkgate is running as a trial: it stores nothing on disk and sends no mail.\n\n\
         \x20 Demo application   {url}/\n\
         \x20 Mailbox            {url}/dev/mailbox\n\
         \x20 API                {url}/docs\n\
         {ops_line}\n\
         Sign in at the demo with any address, then open the mail in the mailbox. Stop with Ctrl-C.\n\n"
    );
    // A closed stdout is no reason to stop serving.
    let _ = io::stdout().lock().write_all(banner.as_bytes());
    running.serve(Duration::ZERO).await
}

/// `linkgate mail test`.
///
/// # Errors
/// If the relay rejects the recipient or does not accept the mail.
pub async fn mail_test(config: Config, to: EmailAddress) -> Result<(), AppError> {
    let sent = mailer(&config)?.send_test(&to, config.default_locale, SystemClock.now()).await;
    sent.map_err(|error| format!("the mail was not sent: {error}"))?;
    println!("the relay has accepted the mail");
    Ok(())
}
