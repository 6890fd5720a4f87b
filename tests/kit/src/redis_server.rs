//! A real `redis-server` from `PATH` on a free loopback port. It is killed when dropped.
//!

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to start, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server process, its port and its directory.
pub struct RedisServer {
    port: u16,
    directory: TempDir,
    password: Option<String>,
    more: Vec<String>,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts a server without persistence, and waits until it is ready.
    pub fn start() -> Self {
        Self::launch(None, &[])
    }

    /// The same, with a password for its default user.
    pub fn start_with_password(password: &str) -> Self {
        Self::launch(Some(password.to_owned()), &[])
    }

    /// The same, with these further arguments. `{dir}` stands for its directory.
    pub fn start_with(more: &[&str]) -> Self {
        Self::launch(None, more)
    }

    /// A Sentinel with this configuration, and this password for its default user.
    pub fn start_sentinel(configuration: &str, password: &str) -> Self {
        // A Sentinel rewrites the file, which has to exist before it starts.
        let directory = tempfile::tempdir().expect("a directory for redis");
        let file = directory.path().join("sentinel.conf");
        std::fs::write(&file, configuration).expect("a file for redis");
        let file = file.display().to_string();
        Self::launch_in(directory, Some(password.to_owned()), vec![file, "--sentinel".to_owned()])
    }

    fn launch(password: Option<String>, more: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory for redis");
        let path = directory.path().display().to_string();
        let more = more.iter().map(|word| word.replace("{dir}", &path)).collect();
        Self::launch_in(directory, password, more)
    }

    fn launch_in(directory: TempDir, password: Option<String>, more: Vec<String>) -> Self {
        let mut server = Self { port: 0, directory, password, more, process: None };
        // Another process may take the port between the check and the use.
        for _ in 0..20 {
            server.port = free_port();
            if server.try_start() {
                return server;
            }
        }
        panic!("redis-server does not start; is it in PATH?");
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process and its directory, for a caller that cleans up in place of `drop`.
    pub fn remains(&self) -> (u32, String) {
        let process = self.process.as_ref().expect("it runs");
        (process.id(), self.directory.path().display().to_string())
    }

    /// Its URL, with the password if it has one.
    pub fn url(&self) -> String {
        let login = self.password.as_ref().map_or_else(String::new, |password| format!(":{password}@"));
        format!("redis://{login}127.0.0.1:{}", self.port)
    }

    /// A connection that bypasses the store. Blocks.
    pub fn connection(&self) -> redis::Connection {
        self.try_connection().expect("a connection to redis")
    }

    /// Sends one command that bypasses the store, and repeats it if the connection breaks: a Sentinel cuts the
    /// connections of a server whose role it changes. Blocks.
    pub fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let begun = Instant::now();
        loop {
            let answer = self.try_connection().and_then(|mut connection| command.query(&mut connection));
            match answer {
                Err(error) if error.is_io_error() && begun.elapsed() < PATIENCE => {}
                answer => return answer.expect("an answer of redis"),
            }
        }
    }

    /// Kills the process (SIGKILL). Saved data stays.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("the process is ours");
            process.wait().expect("the process is ours");
        }
    }

    /// Starts it again after [`Self::kill`], on the same port, with its saved data.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "it still runs");
        let begun = Instant::now();
        while !self.try_start() {
            assert!(begun.elapsed() < PATIENCE, "redis-server does not start again");
        }
    }

    /// Stops it, with its connections open, until [`Self::resume`].
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("it runs");
        let status = Command::new("kill").arg(signal).arg(process.id().to_string()).status();
        assert!(status.expect("kill is everywhere").success());
    }

    fn try_connection(&self) -> redis::RedisResult<redis::Connection> {
        redis::Client::open(self.url())?.get_connection_with_timeout(Duration::from_secs(5))
    }

    /// Whether it started on its port.
    fn try_start(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        let is_sentinel = self.more.iter().any(|word| word == "--sentinel");
        if is_sentinel {
            command.args(&self.more);
        }
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
        if !is_sentinel {
            command.args(["--save", "", "--appendonly", "no"]);
            command.args(&self.more);
        }
        command.args(["--loglevel", "warning", "--dir"]);
        command.arg(self.directory.path());
        if let Some(password) = &self.password {
            command.args(["--requirepass", password]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().expect("redis-server in PATH");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if process.try_wait().expect("the process is ours").is_some() {
                return false;
            }
            let who = self
                .try_connection()
                .and_then(|mut connection| redis::cmd("INFO").arg("server").query::<String>(&mut connection));
            // Another server on the same port would reply, too.
            if who.is_ok_and(|who| who.contains(&format!("\nprocess_id:{}\r", process.id()))) {
                self.process = Some(process);
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // It replies to no one.
        let _ = process.kill();
        let _ = process.wait();
        false
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A free port below those of outgoing connections: a server that restarts finds it free again.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 1000).expect("below 1000") * 12;
    for _ in 0..12_000 {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}
