//! The real binary in the environments of the manifests, probed as Kubernetes does.

use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::environments::{BINARY, stand_ins, with_stand_ins};
use crate::manifests::{Objects, list, rendered, string};
use test_kit::redis_server::{RedisServer, free_port};

/// How long a process may take to start or to end, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A container of linkgate: its arguments, its environment and its probes, on loopback ports.
struct Container<'a> {
    objects: &'a Objects,
    public: u16,
    ops: u16,
    files: TempDir,
    process: Child,
}

impl<'a> Container<'a> {
    /// Starts it. Only its addresses and connections differ from the manifests.
    fn start(objects: &'a Objects, redis: Option<&RedisServer>) -> Self {
        let files = stand_ins();
        let (public, ops) = (free_port(), free_port());
        let mut environment = with_stand_ins(objects.environment(), files.path());
        environment.insert("LINKGATE_LISTEN_ADDR".to_owned(), format!("127.0.0.1:{public}"));
        environment.insert("LINKGATE_OPS_ADDR".to_owned(), format!("127.0.0.1:{ops}"));
        if let Some(redis) = redis {
            std::fs::write(files.path().join("LINKGATE_STORE_URL"), redis.url()).unwrap();
            environment.insert("LINKGATE_DRAIN_DELAY".to_owned(), "2s".to_owned());
        }
        let arguments = list(&objects.container()["args"]).iter().map(string);
        let process = Command::new(BINARY)
            .args(arguments)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(files.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { objects, public, ops, files, process }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.files.path().join("log")).unwrap()
    }

    /// The status of a probe of the manifest; nothing before the listener is open.
    async fn probe(&self, name: &str) -> Option<u16> {
        let asked = &self.objects.container()[name]["httpGet"];
        let port = match string(&asked["port"]) {
            "ops" => self.ops,
            "http" => self.public,
            other => panic!("{name} asks the port {other}"),
        };
        let path = string(&asked["path"]);
        Some(reqwest::get(format!("http://127.0.0.1:{port}{path}")).await.ok()?.status().as_u16())
    }

    /// Waits until a probe has this status.
    async fn until(&self, probe: &str, status: u16) {
        let begun = Instant::now();
        while self.probe(probe).await != Some(status) {
            assert!(begun.elapsed() < PATIENCE, "{probe} is never {status}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn terminate(&self) {
        let status = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    async fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probes_of_production_tell_starting_living_and_ready_apart() {
    let install = Objects::install();
    let mut redis = RedisServer::start();
    redis.kill();

    // Without Redis it starts and is alive, but not ready.
    let mut container = Container::start(&install, Some(&redis));
    container.until("startupProbe", 200).await;
    assert_eq!(container.probe("livenessProbe").await, Some(200));
    assert_eq!(container.probe("readinessProbe").await, Some(503));

    redis.start_again();
    container.until("readinessProbe", 200).await;

    // A later outage restarts no replica, and removes none from the service: it would hit all replicas at once.
    redis.kill();
    for _ in 0..3 {
        assert_eq!(container.probe("livenessProbe").await, Some(200));
        assert_eq!(container.probe("readinessProbe").await, Some(200));
    }

    // A terminating pod becomes unready at once, and ends on its own.
    container.terminate();
    container.until("readinessProbe", 503).await;
    assert_eq!(container.probe("livenessProbe").await, Some(200));
    assert_eq!(container.ended().await.code(), Some(0), "{}", container.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_serves_its_demo_with_nothing_but_what_the_overlay_gives_it() {
    let Some(dev) = rendered("deploy/kubernetes/overlays/dev") else { return };
    let container = Container::start(&dev, None);
    container.until("startupProbe", 200).await;
    container.until("readinessProbe", 200).await;
    // As through `kubectl port-forward`: the demo redirects requests for another host name.
    let public_url = dev.environment()["LINKGATE_PUBLIC_URL"].clone();
    let host = public_url.trim_start_matches("http://");
    for path in ["/", "/dev/mailbox"] {
        let request = reqwest::Client::new().get(format!("http://127.0.0.1:{}{path}", container.public));
        let answer = request.header("host", host).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}: {}", container.log());
    }
}
