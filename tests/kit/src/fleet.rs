//! Replicas of the real binary, alone and as a fleet.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::app::{API_KEY, ORIGIN, UNLIMITED};
use crate::balancer::Balancer;
use crate::proxy::Proxy;
use crate::redis_server::{RedisServer, free_port};
use crate::smtp::{Mode, Sink};

/// How long a process may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The key of the replicas.
pub const KEY: &str = "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";

/// The binary that cargo has built beside this test: in `target/<profile>`, where tests are in `deps`.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().with_file_name(format!("linkgate{}", std::env::consts::EXE_SUFFIX))
}

/// A process that serves; it is killed when dropped.
pub struct Replica {
    pub port: u16,
    pub ops_port: u16,
    vars: BTreeMap<String, String>,
    directory: TempDir,
    process: Option<Child>,
}

impl Replica {
    /// Starts one with these settings added to the usual ones, or replacing them, and without a reachable relay. It
    /// listens, and may not be ready yet.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_on(free_port(), free_port(), settings)
    }

    /// The same on these ports.
    pub fn start_on(port: u16, ops_port: u16, settings: &[(&str, &str)]) -> Self {
        let (own, listen, ops) = (
            format!("http://127.0.0.1:{port}"),
            format!("127.0.0.1:{port}"),
            format!("127.0.0.1:{ops_port}"),
        );
        let usual = [
            ("LINKGATE_PUBLIC_URL", own.as_str()),
            ("LINKGATE_LISTEN_ADDR", &listen),
            ("LINKGATE_OPS_ADDR", &ops),
            ("LINKGATE_KEYS", KEY),
            ("LINKGATE_MAIL_URL", "smtp://127.0.0.1:9"),
            ("LINKGATE_MAIL_FROM", "Example <login@example.com>"),
            ("LINKGATE_APP_NAME", "Example"),
            ("LINKGATE_API_KEYS", API_KEY),
            ("LINKGATE_ALLOWED_ORIGINS", ORIGIN),
            ("LINKGATE_REDIRECT_URLS", "https://app.example.com/done"),
            ("LINKGATE_TRUSTED_PROXIES", "127.0.0.1"),
            ("LINKGATE_DRAIN_DELAY", "1s"),
            ("RUST_LOG", "warn"),
        ];
        let mut vars: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in usual.iter().chain(&UNLIMITED).chain(settings) {
            vars.insert((*name).to_owned(), (*value).to_owned());
        }
        if vars.contains_key("LINKGATE_KEYS_FILE") {
            vars.remove("LINKGATE_KEYS");
        }
        let directory = tempfile::tempdir().unwrap();
        let mut replica = Self { port, ops_port, vars, directory, process: None };
        replica.start_again();
        replica
    }

    /// Starts it again after it has ended, on the same ports, with an empty log.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "it still runs");
        let log = File::create(self.log_file()).unwrap();
        let mut command = Command::new(binary());
        command.arg("serve").env_clear().envs(&self.vars);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut process = command.spawn().unwrap();
        let begun = Instant::now();
        // The operations listener is the last to start.
        while [self.port, self.ops_port]
            .iter()
            .any(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_err())
        {
            assert!(process.try_wait().unwrap().is_none(), "it ended: {}", self.log());
            assert!(begun.elapsed() < PATIENCE, "it does not come up: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.process = Some(process);
    }

    /// Its own URL, not the balancer's.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn ops_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ops_port)
    }

    /// Its log since it was started.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap()
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    pub fn id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Waits until it ends on its own.
    pub fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        let begun = Instant::now();
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE * 2, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Requests `/readyz`, `/livez` or `/metrics`.
    pub async fn probe(&self, path: &str) -> (u16, String) {
        let response = reqwest::get(format!("{}{path}", self.ops_url())).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Waits until a probe has this status.
    pub async fn until_probe(&self, path: &str, status: u16) {
        let begun = Instant::now();
        while self.probe(path).await.0 != status {
            assert!(begun.elapsed() < PATIENCE, "{path} is never {status}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until `count` requests wait for a change.
    pub async fn until_waiting(&self, count: usize) {
        let line = format!("linkgate_waiters {count}\n");
        let begun = Instant::now();
        while !self.probe("/metrics").await.1.contains(&line) {
            assert!(begun.elapsed() < PATIENCE, "never came true: {line}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How often this replica has read an attempt. A waiter reads first: when the number grows, the wait has begun.
    pub async fn reads(&self) -> u64 {
        let mark = "linkgate_store_operation_seconds_count{operation=\"read\",outcome=\"ok\"} ";
        let metrics = self.probe("/metrics").await.1;
        metrics.lines().find_map(|line| line.strip_prefix(mark)?.parse().ok()).unwrap_or_default()
    }
}

/// Waits until these replicas together have read attempts more than `reads` times.
pub async fn until_read_after(reads: u64, replicas: &[Replica]) {
    let begun = Instant::now();
    while reads_of(replicas).await <= reads {
        assert!(begun.elapsed() < PATIENCE, "nobody reads");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How often these replicas together have read an attempt.
pub async fn reads_of(replicas: &[Replica]) -> u64 {
    let mut sum = 0;
    for replica in replicas {
        sum += replica.reads().await;
    }
    sum
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Replicas behind a balancer, with one relay and one Redis, which each reaches through its own proxy.
pub struct Fleet {
    pub redis: RedisServer,
    pub proxies: Vec<Proxy>,
    pub smtp: Sink,
    pub replicas: Vec<Replica>,
    pub balancer: Balancer,
}

impl Fleet {
    /// Three replicas, ready.
    pub async fn start() -> Self {
        Self::with(3, &[]).await
    }

    /// `count` replicas with these settings added to the usual ones.
    pub async fn with(count: usize, settings: &[(&str, &str)]) -> Self {
        let redis = RedisServer::start();
        let smtp = Sink::start(Mode::Accept);
        let proxies: Vec<Proxy> = (0..count).map(|_| Proxy::start(redis.port())).collect();
        let ports: Vec<(u16, u16)> = (0..count).map(|_| (free_port(), free_port())).collect();
        let balancer = Balancer::start(&ports);
        let (url, mail) = (balancer.url(), smtp.url());
        let mut replicas = Vec::new();
        for (proxy, (port, ops_port)) in proxies.iter().zip(ports) {
            let store = format!("redis://127.0.0.1:{}", proxy.port());
            let mut all = vec![
                ("LINKGATE_PUBLIC_URL", url.as_str()),
                ("LINKGATE_STORE_URL", &store),
                ("LINKGATE_MAIL_URL", &mail),
            ];
            all.extend(settings);
            replicas.push(Replica::start_on(port, ops_port, &all));
        }
        for replica in &replicas {
            replica.until_probe("/readyz", 200).await;
        }
        let fleet = Self { redis, proxies, smtp, replicas, balancer };
        for number in 0..count {
            fleet.until_taken_in(number).await;
        }
        fleet
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        self.balancer.url()
    }

    pub async fn until_taken_in(&self, number: usize) {
        let begun = Instant::now();
        while !self.balancer.is_ready(number) {
            assert!(begun.elapsed() < PATIENCE, "never ready: {}", self.replicas[number].log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
