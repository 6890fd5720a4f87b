//! Alerts and dashboard, held to what the server says of itself: they name nothing that it does not tell, and it tells
//! nothing that nobody looks at.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(clippy::float_cmp, reason = "what is compared is counted")]
#![allow(missing_docs, unreachable_pub, reason = "names of tests are sentences")]

mod live;
mod prometheus;
mod promql;
#[path = "../support/redis.rs"]
mod redis_server;
#[path = "../support/mod.rs"]
mod support;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::live::{REQUEST_ID, drive, driven, storeless};
use crate::prometheus::{Prometheus, has};
use crate::promql::{exposed, named};

/// Labels that Prometheus adds to what it scrapes.
const OF_TARGETS: [&str; 3] = ["job", "namespace", "instance"];

/// What the dashboard does not show, and why.
const NOT_SHOWN: [(&str, &str); 1] =
    [("process_virtual_memory_bytes", "what every client tells, and nothing follows from")];

fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rules, each as it stands.
fn rules() -> Vec<Value> {
    let rules: Value = serde_yaml_ng::from_str(&read("deploy/monitoring/prometheus/alerts.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/monitoring/grafana/dashboard.json")).unwrap()
}

/// The dashboard's queries, each with its panel's title.
fn queries() -> Vec<(String, String)> {
    let board = dashboard();
    let panels = board["panels"].as_array().unwrap().iter();
    let found: Vec<_> = panels
        .flat_map(|panel| {
            let targets = panel["targets"].as_array().cloned().unwrap_or_default();
            targets.into_iter().map(|target| {
                (panel["title"].as_str().unwrap().to_owned(), target["expr"].as_str().unwrap().to_owned())
            })
        })
        .collect();
    assert!(found.len() > 30, "the dashboard has queries");
    found
}

type Exposed = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Everything that a server can expose.
async fn everything() -> Exposed {
    let mut all = exposed(&driven().await.metrics().await);
    for (name, labels) in exposed(&storeless().await.metrics().await) {
        let known = all.entry(name).or_default();
        for (label, values) in labels {
            known.entry(label).or_default().extend(values);
        }
    }
    all
}

/// What is wrong with the names in a query.
fn unknown(query: &str, exposed: &Exposed, recorded: &BTreeSet<String>) -> Vec<String> {
    let named = named(query);
    let mut wrong = Vec::new();
    if named.metrics.is_empty() {
        wrong.push("it names no metric".to_owned());
    }
    let mut labels: BTreeSet<&str> = OF_TARGETS.into_iter().collect();
    for (name, matchers) in &named.metrics {
        if name == "up" || recorded.contains(name) {
            continue;
        }
        let Some(known) = exposed.get(name) else {
            wrong.push(format!("there is no metric {name}"));
            continue;
        };
        labels.extend(known.keys().map(String::as_str));
        for (label, operator, value) in matchers {
            match known.get(label) {
                _ if OF_TARGETS.contains(&label.as_str()) => {}
                None => wrong.push(format!("{name} has no label {label}")),
                Some(values) if operator == "=" && !values.contains(value) => {
                    wrong.push(format!("{label} of {name} is never {value}"));
                }
                Some(values) if operator == "=~" && value == "5.." => {
                    assert!(values.iter().any(|value| value.starts_with('5')), "{values:?}");
                }
                Some(_) => {}
            }
        }
    }
    let strange = named.grouped_by.iter().filter(|label| !labels.contains(label.as_str()));
    wrong.extend(strange.map(|label| format!("nothing has the label {label}")));
    wrong
}

#[tokio::test]
async fn every_query_names_metrics_labels_and_values_that_a_server_exposes() {
    let (exposed, rules) = (everything().await, rules());
    let recorded = rules.iter().filter_map(|rule| Some(rule["record"].as_str()?.to_owned())).collect();
    let of_rules = rules.iter().map(|rule| {
        let name = rule["alert"].as_str().or(rule["record"].as_str()).unwrap();
        (name.to_owned(), rule["expr"].as_str().unwrap().to_owned())
    });
    for (title, query) in queries().into_iter().chain(of_rules) {
        let wrong = unknown(&query, &exposed, &recorded);
        assert!(wrong.is_empty(), "{title}: {wrong:?}\n{query}");
    }
    for (query, complaint) in [
        ("linkgate_no_such_thing", "there is no metric linkgate_no_such_thing"),
        ("linkgate_mails_total{result=\"accepted\"}", "linkgate_mails_total has no label result"),
        ("linkgate_mails_total{outcome=\"good\"}", "outcome of linkgate_mails_total is never good"),
        ("sum by (colour) (linkgate_waiters)", "nothing has the label colour"),
        ("vector(1)", "it names no metric"),
    ] {
        assert_eq!(unknown(query, &exposed, &recorded), [complaint]);
    }
}

#[tokio::test]
async fn every_metric_is_on_the_dashboard_or_has_a_reason_not_to_be() {
    // Of a histogram, one of its parts is enough.
    let family = |name: &str| {
        let parts = ["_bucket", "_count", "_sum"];
        parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name).to_owned()
    };
    let shown: BTreeSet<String> =
        queries().iter().flat_map(|(_, query)| named(query).metrics).map(|(name, _)| family(&name)).collect();
    let exposed: BTreeSet<String> = everything().await.keys().map(|name| family(name)).collect();
    let excused: BTreeSet<String> = NOT_SHOWN.iter().map(|(name, _)| (*name).to_owned()).collect();
    let missing: Vec<_> = exposed.difference(&shown).filter(|name| !excused.contains(*name)).collect();
    assert!(missing.is_empty(), "neither on the dashboard nor excused: {missing:?}");
    for name in &excused {
        assert!(exposed.contains(name) && !shown.contains(name), "{name} needs no excuse");
    }
}

#[test]
fn the_panels_have_ids_of_their_own_and_do_not_overlap() {
    let board = dashboard();
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in board["panels"].as_array().unwrap() {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let position = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(position("x") + position("w") <= 24, "{title}");
        for x in position("x")..position("x") + position("w") {
            for y in position("y")..position("y") + position("h") {
                assert!(cells.insert((x, y)), "{title} lies on another panel");
            }
        }
    }
    for (title, query) in queries() {
        for variable in ["$job", "$namespace"] {
            assert!(query.contains(variable), "{title} shows all deployments at once: no {variable}");
        }
    }
}

#[test]
fn every_alert_says_how_bad_it_is_and_has_a_section_in_the_runbook() {
    let runbook = read("docs/operations.md");
    let headings: BTreeSet<String> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .collect();
    let tests = read("deploy/monitoring/prometheus/alerts.test.yaml");
    let mut anchors = BTreeSet::new();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        for annotation in ["summary", "description"] {
            assert!(!alert["annotations"][annotation].as_str().unwrap().is_empty(), "{name}");
        }
        let url = alert["annotations"]["runbook_url"].as_str().unwrap();
        let anchor = url.strip_prefix("docs/operations.md#").unwrap_or_else(|| panic!("{name}: {url}"));
        assert_eq!(anchor, name.to_lowercase());
        assert!(headings.contains(anchor), "docs/operations.md has no section for {name}");
        anchors.insert(anchor.to_owned());
        let fires = tests.contains(&format!("- alertname: {name}\n"));
        let stays_silent = tests.contains(&format!("- {{ alertname: {name}, "));
        assert!(fires && stays_silent, "{name} has no test in which it fires, or none in which it does not");
    }
    for heading in headings.iter().filter(|heading| heading.starts_with("linkgate")) {
        assert!(
            anchors.contains(heading),
            "docs/operations.md has a section for {heading}, which is no alert"
        );
    }
}

#[test]
fn the_alerts_fire_when_they_should_and_only_then() {
    if !has("promtool") {
        eprintln!("skipped: promtool, of Debian's package prometheus, is not installed");
        return;
    }
    let directory = file("deploy/monitoring/prometheus");
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]] {
        let output = Command::new("promtool").args(arguments).current_dir(&directory).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("SUCCESS"), "promtool {arguments:?}:\n{text}");
    }
    // A test that promtool passes over in silence would be none.
    let tests = directory.join("alerts.test.yaml");
    let broken = tempfile::tempdir().unwrap();
    std::fs::copy(directory.join("alerts.yaml"), broken.path().join("alerts.yaml")).unwrap();
    let text = std::fs::read_to_string(tests).unwrap().replacen("stale", "1", 1);
    std::fs::write(broken.path().join("alerts.test.yaml"), text).unwrap();
    let output = Command::new("promtool")
        .args(["test", "rules", "alerts.test.yaml"])
        .current_dir(broken.path())
        .output()
        .unwrap();
    assert!(!output.status.success(), "a wrong test does not fail");
}

#[tokio::test]
async fn a_prometheus_understands_what_it_scrapes_and_answers_every_query() {
    if !has("prometheus") {
        eprintln!("skipped: prometheus is not installed");
        return;
    }
    let (app, away) = (driven().await, storeless().await);
    let rules = file("deploy/monitoring/prometheus/alerts.yaml");
    let prometheus = Prometheus::start(&[&app.ops_url, &away.ops_url], &rules).await;
    // What has happened before the first scrape is no increase.
    drive(&app, "example.org").await;
    let seen = "sum(increase(linkgate_mails_total{outcome=\"unavailable\"}[1m])) > 0";
    support::waiting::until(seen, async || {
        prometheus.query(seen).await.is_some_and(|found| !found.is_empty())
    })
    .await;

    for (title, query) in queries() {
        let query = query.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$namespace", ".*");
        let found = prometheus.query(&query).await;
        let found = found.unwrap_or_else(|| panic!("{title}: Prometheus does not understand\n{query}"));
        assert!(!found.is_empty(), "{title}: nothing is found by\n{query}");
    }
    for rule in crate::rules() {
        assert!(prometheus.query(rule["expr"].as_str().unwrap()).await.is_some(), "{rule}");
    }
    // The alerts about one replica know which one it is: the one without a store is not ready, the other one is.
    let down = prometheus.query("up{job=\"linkgate\"} == 0 or linkgate_ready == 0").await.unwrap();
    let [down] = &down[..] else { panic!("one is not ready: {down:?}") };
    assert_eq!(down["metric"]["instance"], away.ops_url.trim_start_matches("http://"));

    let times = [("query", "linkgate_http_request_seconds_bucket"), ("start", "0"), ("end", "99999999999")];
    let exemplars = prometheus.ask("query_exemplars", &times).await.unwrap();
    assert!(exemplars.to_string().contains(REQUEST_ID), "{exemplars}");
}
