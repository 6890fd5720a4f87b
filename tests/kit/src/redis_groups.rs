//! Redis as it is run in production: with TLS, with Sentinels, as a cluster; each with a user that has exactly the
//! permissions that `docs/redis.md` lists.
//!

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::redis_server::{RedisServer, free_port};

/// The user of the stores and its password, which has to be percent-encoded.
pub const LOGIN: &str = "linkgate:p%40ss%3Aw%2Ford@";
const PASSWORD: &str = "p@ss:w/ord";

const PATIENCE: Duration = Duration::from_secs(30);

/// The Sentinels' time limit for each step of a failover.
const FAILOVER: Duration = Duration::from_secs(2);

fn documented(number: usize) -> Vec<String> {
    let lines = include_str!("../../../docs/redis.md").lines().filter(|line| line.starts_with("ACL SETUSER"));
    let line = lines.into_iter().nth(number).expect("the documentation has four");
    line.split_whitespace().map(|word| word.replace("PASSWORD", PASSWORD)).collect()
}

/// Adds the documented user to a server; line `number` has the permissions beyond the common ones.
pub fn add_user(server: &RedisServer, number: usize) {
    for line in [0, number] {
        let words = documented(line);
        server.command::<()>(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// Waits until `condition` holds. Blocks.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A line of INFO or CLUSTER INFO.
pub fn info(server: &RedisServer, question: &[&str], name: &str) -> String {
    let text: String = server.command(question);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

/// A throw-away certificate authority with one server certificate.
pub struct Authority {
    /// The authority's certificate.
    pub pem: String,
    /// The certificate and the key of a server on this machine.
    server: (String, String),
}

impl Authority {
    /// With a certificate for this name.
    pub fn of(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        let issuer = rcgen::Issuer::new(params, key);
        let server_key = rcgen::KeyPair::generate().expect("a key");
        let names = vec![name.to_owned()];
        let server = rcgen::CertificateParams::new(names).expect("names").signed_by(&server_key, &issuer);
        let server = (server.expect("a certificate").pem(), server_key.serialize_pem());
        Self { pem: certificate.pem(), server }
    }

    /// Writes the files into a directory, and gives the arguments that make a server use them.
    fn arguments(&self, directory: &std::path::Path) -> Vec<String> {
        let mut words = vec!["--tls-auth-clients".to_owned(), "no".to_owned()];
        let files = [("ca", &self.pem), ("cert", &self.server.0), ("key", &self.server.1)];
        for (name, pem) in files {
            let file = directory.join(format!("{name}.pem"));
            let mut written = std::fs::File::create(&file).expect("a file");
            written.write_all(pem.as_bytes()).expect("a file");
            words.extend([
                format!("--tls-{}-file", if name == "ca" { "ca-cert" } else { name }),
                file.display().to_string(),
            ]);
        }
        words
    }
}

/// A server with TLS on a second port.
pub struct TlsServer {
    pub server: RedisServer,
    pub authority: Authority,
    pub tls_port: u16,
    _files: tempfile::TempDir,
}

impl TlsServer {
    pub fn start() -> Self {
        Self::start_as("127.0.0.1")
    }

    /// The same with a certificate for this name.
    pub fn start_as(name: &str) -> Self {
        let (authority, files) = (Authority::of(name), tempfile::tempdir().expect("a directory"));
        let tls_port = free_port();
        let mut words = vec!["--tls-port".to_owned(), tls_port.to_string()];
        words.extend(authority.arguments(files.path()));
        let server = RedisServer::start_with(&words.iter().map(String::as_str).collect::<Vec<_>>());
        add_user(&server, 0);
        Self { server, authority, tls_port, _files: files }
    }

    pub fn url(&self) -> String {
        format!("rediss://{LOGIN}127.0.0.1:{}", self.tls_port)
    }
}

/// A master, a replica and three Sentinels that require a login, too.
pub struct SentinelGroup {
    pub servers: [RedisServer; 2],
    pub sentinels: Vec<RedisServer>,
}

impl SentinelGroup {
    pub fn start() -> Self {
        let master = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
        let port = master.port();
        Self::around(master, port, &[])
    }

    /// A group whose members reach `master` through `port`; the replica gets these further arguments.
    pub fn around(master: RedisServer, port: u16, replica: &[&str]) -> Self {
        let port = port.to_string();
        let mut words = vec!["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"];
        words.extend(replica);
        let servers = [master, RedisServer::start_with(&words)];
        for server in &servers {
            add_user(server, 1);
        }
        wait_until("the replica has the data", || {
            info(&servers[1], &["INFO", "replication"], "master_link_status") == "up"
        });
        let configuration = format!(
            "sentinel monitor mymaster 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds mymaster 500\n\
             sentinel failover-timeout mymaster {}\n\
             user linkgate on >{PASSWORD} +sentinel|master\n\
             sentinel sentinel-pass of-sentinels\n",
            FAILOVER.as_millis()
        );
        let sentinels: Vec<RedisServer> =
            (0..3).map(|_| RedisServer::start_sentinel(&configuration, "of-sentinels")).collect();
        for sentinel in &sentinels {
            // The default is ten seconds.
            sentinel.command::<()>(&["SENTINEL", "DEBUG", "info-period", "200", "publish-period", "200"]);
        }
        let group = Self { servers, sentinels };
        wait_until("the sentinels know each other and the replica", || {
            (0..3)
                .all(|n| group.asked(n, "num-other-sentinels") == "2" && group.asked(n, "num-slaves") == "1")
        });
        group
    }

    /// A field of a Sentinel's reply about the master.
    pub fn asked(&self, sentinel: usize, fact: &str) -> String {
        let facts: std::collections::HashMap<String, String> =
            self.sentinels[sentinel].command(&["SENTINEL", "MASTER", "mymaster"]);
        facts.get(fact).cloned().unwrap_or_default()
    }

    pub fn url(&self) -> String {
        let hosts: Vec<String> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        format!("redis+sentinel://{LOGIN}{}/mymaster", hosts.join(","))
    }

    /// The server that is a master and has its replica.
    pub fn master(&self) -> Option<usize> {
        let found = (0..2).find(|n| {
            let replication = |name| info(&self.servers[*n], &["INFO", "replication"], name);
            replication("role") == "master" && replication("connected_slaves") == "1"
        })?;
        Some(found)
    }

    /// Makes the Sentinels promote a server. They abandon a failover that a slow machine does not finish within
    /// `failover-timeout`, and refuse one while another runs: so the command is repeated until it succeeds.
    pub fn fail_over_to(&self, server: usize) {
        let others = self.servers[1 - server].port().to_string();
        let mut ordered: Option<Instant> = None;
        wait_until("the failover is done", || {
            let due = ordered.is_none_or(|ordered| ordered.elapsed() > 2 * FAILOVER);
            if due && self.asked(0, "port") == others {
                let order = redis::cmd("SENTINEL").arg("FAILOVER").arg("mymaster").to_owned();
                if order.query::<()>(&mut self.sentinels[0].connection()).is_ok() {
                    ordered = Some(Instant::now());
                }
            }
            self.master() == Some(server)
        });
    }
}

/// Three masters and three replicas.
pub struct ClusterGroup {
    pub nodes: Vec<RedisServer>,
}

impl ClusterGroup {
    pub fn start() -> Self {
        let start = |_| {
            std::thread::spawn(|| {
                let bus = free_port().to_string();
                let words =
                    ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", &bus];
                let fast = ["--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0"];
                (RedisServer::start_with(&[&words[..], &fast[..]].concat()), bus)
            })
        };
        let starting: Vec<_> = (0..6).map(start).collect();
        let started: Vec<_> = starting.into_iter().map(|node| node.join().expect("a node")).collect();
        let first = started[0].0.port().to_string();
        for (number, (node, _)) in started.iter().enumerate() {
            add_user(node, 2);
            if let Some((from, to)) = [("0", "5460"), ("5461", "10922"), ("10923", "16383")].get(number) {
                node.command::<()>(&["CLUSTER", "ADDSLOTSRANGE", from, to]);
            }
            if number > 0 {
                node.command::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
                node.command::<()>(&["CLUSTER", "MEET", "127.0.0.1", &first, &started[0].1]);
            }
        }
        let nodes: Vec<RedisServer> = started.into_iter().map(|(node, _)| node).collect();
        let known = |node, name| info(node, &["CLUSTER", "INFO"], name);
        wait_until("the nodes know each other", || {
            nodes.iter().all(|node| known(node, "cluster_known_nodes") == "6")
        });
        for number in 0..3 {
            let master: String = nodes[number].command(&["CLUSTER", "MYID"]);
            nodes[number + 3].command::<()>(&["CLUSTER", "REPLICATE", &master]);
        }
        let cluster = Self { nodes };
        wait_until("the cluster stands", || cluster.stands());
        cluster
    }

    /// Whether every node reports that all slots are served, and every replica has its master's data.
    pub fn stands(&self) -> bool {
        self.nodes.iter().enumerate().all(|(number, node)| {
            let state = info(node, &["CLUSTER", "INFO"], "cluster_state") == "ok";
            let synced = number < 3 || info(node, &["INFO", "replication"], "master_link_status") == "up";
            let slots: redis::Value = node.command(&["CLUSTER", "SLOTS"]);
            let redis::Value::Array(ranges) = slots else { return false };
            let replicated =
                |range: &redis::Value| matches!(range, redis::Value::Array(parts) if parts.len() == 4);
            state && synced && ranges.len() == 3 && ranges.iter().all(replicated)
        })
    }

    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis+cluster://{LOGIN}{}", hosts[..3].join(","))
    }
}

/// Ends servers and removes their directories when this process ends in any way: statics are not dropped.
pub struct Reaper {
    _shell: Child,
}

impl Reaper {
    pub fn of<'a>(servers: impl IntoIterator<Item = &'a RedisServer>) -> Self {
        let (processes, directories): (Vec<u32>, Vec<String>) =
            servers.into_iter().map(RedisServer::remains).unzip();
        let processes: Vec<String> = processes.iter().map(ToString::to_string).collect();
        // Its input ends when this process does.
        let script =
            format!("cat >/dev/null; kill -9 {}; rm -rf {}", processes.join(" "), directories.join(" "));
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { _shell: shell.spawn().expect("a shell") }
    }
}
