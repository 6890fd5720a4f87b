//! The processes that are measured: Redis, replicas of the binary, and their processor time and memory.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::driver::{self, Connection, request};
use crate::sink::Sink;
use test_kit::redis_server::{RedisServer, free_port};

/// The driver is a single client that requests more mails than any rate limit allows.
const UNLIMITED: [(&str, &str); 4] = [
    ("LINKGATE_MAILS_PER_ADDRESS", "off"),
    ("LINKGATE_MAILS_PER_NETWORK", "off"),
    ("LINKGATE_MAILS_PER_CLIENT", "off"),
    ("LINKGATE_MAILS_PER_MINUTE", "off"),
];

/// How long a replica may take to become ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// The API key of the bench's back end.
pub(crate) const API_KEY: &str = "bench-api-key-0123456789abcdef";

/// The redirect URL of all attempts.
pub(crate) const REDIRECT: &str = "https://app.example.com/signed-in";

/// The signing key of all replicas.
pub(crate) const KEYS: &str = "bench:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

/// A child process, killed on drop.
pub(crate) struct Process(Child);

impl Process {
    /// Starts the command and discards its output.
    pub(crate) fn start(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails if the process has already exited.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The processor time of all threads of these processes that still run.
pub(crate) fn cpu(processes: impl IntoIterator<Item = u32>) -> Duration {
    let of = |pid: u32| {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let paths = tasks.flatten().map(|task| task.path().join("schedstat"));
        // A thread may have ended since the directory was read.
        paths.filter_map(|path| on_processor(&std::fs::read_to_string(path).ok()?)).sum::<u64>()
    };
    Duration::from_nanos(processes.into_iter().map(of).sum())
}

/// The processor time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    // The kernel updates a thread's schedstat only when the thread stops running.
    std::thread::sleep(Duration::from_micros(50));
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(on_processor(&text).unwrap())
}

fn on_processor(schedstat: &str) -> Option<u64> {
    schedstat.split(' ').next()?.parse().ok()
}

/// The resident memory of a process, in bytes.
pub(crate) fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// One running linkgate process.
pub(crate) struct Replica {
    pub(crate) addr: SocketAddr,
    ops: SocketAddr,
    process: Process,
}

impl Replica {
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Returns once exactly `count` requests wait on this replica.
    pub(crate) async fn await_waiters(&self, count: usize) {
        let wanted = request("GET", "/metrics", self.ops, &[], "");
        let line = format!("\nlinkgate_waiters {count}\n");
        let begun = Instant::now();
        while !Connection::open(self.ops).await.exchange(&wanted).await.body.contains(&line) {
            assert!(begun.elapsed() < PATIENCE, "the number of waiters never reached {count}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Redis and the replicas that share it.
pub(crate) struct Fleet {
    pub(crate) redis: Rc<RedisServer>,
    pub(crate) replicas: Vec<Replica>,
    /// `LINKGATE_PUBLIC_URL` of all replicas: the address of the first.
    pub(crate) public_url: String,
}

impl Fleet {
    /// Starts this many replicas of the binary, which mail to `sink`, with their own Redis.
    pub(crate) fn start(replicas: usize, sink: &Sink) -> Self {
        Self::on(Rc::new(RedisServer::start()), replicas, sink)
    }

    /// Like `start`, but on the given Redis.
    pub(crate) fn on(redis: Rc<RedisServer>, replicas: usize, sink: &Sink) -> Self {
        let addr = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let addrs: Vec<_> = (0..replicas).map(|_| (addr(), addr())).collect();
        let public_url = format!("http://{}", addrs[0].0);
        let binary = std::env::var("BENCH_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_linkgate").to_owned());
        let start = |(addr, ops): (SocketAddr, SocketAddr)| {
            let mut command = Command::new("sh");
            command
                .args(["-c", "ulimit -n 65536 2> /dev/null; exec \"$0\" serve", &binary])
                .env_clear()
                .env("LINKGATE_PUBLIC_URL", &public_url)
                .env("LINKGATE_LISTEN_ADDR", addr.to_string())
                .env("LINKGATE_OPS_ADDR", ops.to_string())
                .env("LINKGATE_STORE_URL", redis.url())
                .env("LINKGATE_KEYS", KEYS)
                .env("LINKGATE_MAIL_URL", format!("smtp://{}?tls=none", sink.addr))
                .env("LINKGATE_MAIL_FROM", "Example <login@example.com>")
                .env("LINKGATE_APP_NAME", "Example")
                .env("LINKGATE_API_KEYS", API_KEY)
                .env("LINKGATE_REDIRECT_URLS", REDIRECT)
                .envs(UNLIMITED);
            Replica { addr, ops, process: Process::start(&mut command) }
        };
        let replicas: Vec<_> = addrs.into_iter().map(start).collect();
        for replica in &replicas {
            await_status(replica.ops, "/readyz", 200);
        }
        Self { redis, replicas, public_url }
    }

    pub(crate) fn addrs(&self) -> Vec<SocketAddr> {
        self.replicas.iter().map(|replica| replica.addr).collect()
    }

    /// The processor time of all replicas.
    pub(crate) fn cpu(&self) -> Duration {
        cpu(self.replicas.iter().map(Replica::pid))
    }
}

/// The `used_memory` of Redis, in bytes.
pub(crate) fn redis_memory(redis: &RedisServer) -> u64 {
    let info: String = redis.command(&["INFO", "memory"]);
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    line.trim().parse().unwrap()
}

/// Waits until the server responds with this status; fails after `PATIENCE`.
pub(crate) fn await_status(addr: SocketAddr, path: &str, status: u16) {
    let begun = Instant::now();
    let wanted = request("GET", path, addr, &[], "");
    loop {
        assert!(begun.elapsed() < PATIENCE, "{addr} did not become ready");
        if std::net::TcpStream::connect(addr).is_ok() {
            let answer = driver::block_on(async { Connection::open(addr).await.exchange(&wanted).await });
            if answer.status == status {
                return;
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
