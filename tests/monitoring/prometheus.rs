//! A Prometheus from `PATH`, if it is installed. It is killed when dropped.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use test_kit::redis_server::free_port;

/// How long it may take to start, on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Whether this program can be started.
pub(crate) fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

pub(crate) struct Prometheus {
    url: String,
    process: Child,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes these targets every second, as the job `linkgate`, and evaluates these rules.
    pub(crate) async fn start(targets: &[&str], rules: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let targets: Vec<&str> = targets.iter().map(|target| target.trim_start_matches("http://")).collect();
        let config = serde_json::json!({
            "global": { "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s" },
            "rule_files": [rules],
            "scrape_configs": [{ "job_name": "linkgate", "static_configs": [{ "targets": targets }] }],
        });
        let file = directory.path().join("prometheus.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--enable-feature=exemplar-storage")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(directory.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let prometheus = Self { url: format!("http://{address}"), process, _directory: directory };
        let scraped = format!("count(linkgate_ready) == {}", targets.len());
        let begun = Instant::now();
        while prometheus.query(&scraped).await.is_none_or(|found| found.is_empty()) {
            assert!(begun.elapsed() < PATIENCE, "Prometheus has not scraped linkgate");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        prometheus
    }

    /// The result of a query; `None` if the query fails.
    pub(crate) async fn query(&self, query: &str) -> Option<Vec<Value>> {
        let found = self.ask("query", &[("query", query)]).await?;
        found["result"].as_array().cloned()
    }

    /// The `data` of an API response.
    pub(crate) async fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        let url = format!("{}/api/v1/{what}", self.url);
        let answer = reqwest::Client::new().post(url).form(parameters).send().await.ok()?;
        let mut body: Value = answer.json().await.ok()?;
        (body["status"] == "success").then(|| body["data"].take())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
