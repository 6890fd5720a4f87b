//! The real binary as a process, for tests of its log and its open files.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use test_kit::app::{API_KEY, Client, ORIGIN, UNLIMITED};
use test_kit::smtp::{Mode, Sink};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that is killed when dropped.
pub(crate) struct Process {
    /// `http://127.0.0.1:<port>`.
    pub(crate) url: String,
    /// The relay.
    pub(crate) smtp: Sink,
    directory: TempDir,
    child: Child,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Process {
    /// With these settings added to the usual ones, and this soft limit of open files.
    pub(crate) fn start(files: u32, settings: &[(&str, &str)]) -> Self {
        let smtp = Sink::start(Mode::Accept);
        let (port, ops_port) = (free_port(), free_port());
        let url = format!("http://127.0.0.1:{port}");
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -S -n \"$1\" && exec \"$2\" serve", "sh", &files.to_string()])
            .arg(env!("CARGO_BIN_EXE_linkgate"))
            .env_clear()
            .envs([
                ("LINKGATE_PUBLIC_URL", url.as_str()),
                ("LINKGATE_LISTEN_ADDR", &format!("127.0.0.1:{port}")),
                ("LINKGATE_OPS_ADDR", &format!("127.0.0.1:{ops_port}")),
                ("LINKGATE_KEYS", "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"),
                ("LINKGATE_STORE_URL", "memory://"),
                ("LINKGATE_MAIL_URL", &smtp.url()),
                ("LINKGATE_MAIL_FROM", "Example <login@example.com>"),
                ("LINKGATE_APP_NAME", "Example"),
                ("LINKGATE_API_KEYS", API_KEY),
                ("LINKGATE_ALLOWED_ORIGINS", ORIGIN),
                ("LINKGATE_REDIRECT_URLS", "https://app.example.com/done,https://app.example.com/p/"),
                ("LINKGATE_TRUSTED_PROXIES", "127.0.0.1"),
                ("LINKGATE_DRAIN_DELAY", "0s"),
            ])
            .envs(UNLIMITED)
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(directory.path().join("log")).unwrap());
        let child = command.spawn().unwrap();
        let mut process = Self { url, smtp, directory, child };
        let begun = Instant::now();
        while [port, ops_port].iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()) {
            assert!(process.child.try_wait().unwrap().is_none(), "it ended: {:?}", process.log());
            assert!(begun.elapsed() < PATIENCE, "it does not come up");
            std::thread::sleep(Duration::from_millis(10));
        }
        process
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// A browser at this IP address.
    pub(crate) fn browser_at(&self, ip: &str) -> Client {
        let builder = reqwest::Client::builder().cookie_store(true);
        Client::new(&self.url, ip, builder, None)
    }

    /// Its log, byte for byte.
    pub(crate) fn log(&self) -> Vec<u8> {
        std::fs::read(self.directory.path().join("log")).unwrap()
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
