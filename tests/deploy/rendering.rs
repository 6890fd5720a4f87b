//! Committed files that are generated from others are up to date, and all manifests match the schemas of the API.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::manifests::{Objects, deployments, documents, rendered, skipped, string, text};

/// The packages of the schema checker.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The oldest version of Kubernetes that the manifests support, the one they were written with, and a later one.
const VERSIONS: [&str; 3] = ["1.27", "1.32", "1.36"];

/// Kinds that are not Kubernetes' own, and have no schema there.
const FOREIGN: [&str; 2] = ["monitoring.coreos.com/v1", "gateway.networking.k8s.io/v1"];

#[test]
fn install_yaml_is_the_production_overlay_rendered() {
    let Some(rendered) = rendered("deploy/kubernetes/overlays/production") else { return };
    let same = Objects::install().all == rendered.all;
    assert!(same, "deploy/kubernetes/install.yaml is out of date: run deploy/kubernetes/render");
}

#[test]
fn the_rules_of_the_operator_are_those_of_prometheus() {
    let alerts = documents(&text("deploy/monitoring/prometheus/alerts.yaml"));
    let rule = documents(&text("deploy/kubernetes/components/monitoring/prometheus-rule.yaml"));
    let [alerts, rule] =
        [alerts, rule].map(|documents| <[Value; 1]>::try_from(documents).unwrap()[0].clone());
    let (api, kind) = (string(&rule["apiVersion"]), string(&rule["kind"]));
    assert_eq!((api, kind), ("monitoring.coreos.com/v1", "PrometheusRule"));
    let count = alerts["groups"].as_array().map_or(0, Vec::len);
    assert!(count > 0, "no rules at all");
    assert!(rule["spec"] == alerts, "prometheus-rule.yaml is out of date: run deploy/kubernetes/render");
}

#[test]
fn the_script_that_renders_makes_what_is_kept() {
    // The overlay has its own test; this one is about the text around it.
    let script = text("deploy/kubernetes/render");
    for made in ["install.yaml", "components/monitoring/prometheus-rule.yaml"] {
        let kept = text(&format!("deploy/kubernetes/{made}"));
        let comments: Vec<&str> = kept.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(!comments.is_empty() && script.contains(&comments.join("\n")), "{made}");
    }
}

#[test]
fn every_object_is_what_the_schemas_of_the_api_say() {
    let Some(python) = checker() else { return };
    let directory = tempfile::tempdir().unwrap();
    let check = |name: &str, objects: &[Value], version: &str| {
        // As JSON: the checker reads YAML 1.1, in which `off` is not a text.
        let file = directory.path().join("objects.yaml");
        let texts: Vec<String> = objects.iter().map(ToString::to_string).collect();
        std::fs::write(&file, texts.join("\n---\n")).unwrap();
        let mut command = Command::new(&python);
        command.args(["-m", "kubernetes_validate", "--strict", "--kubernetes-version", version]).arg(&file);
        let output = command.output().unwrap();
        let said = format!("{}{}", shown(&output.stdout), shown(&output.stderr));
        let passed = said.matches(" passed for resource ").count();
        assert!(!output.status.success() || passed == objects.len(), "{name}: {said}");
        (output.status.success(), said)
    };
    let all = deployments().iter().flat_map(|objects| &objects.all);
    let own = |object: &&Value| !FOREIGN.contains(&string(&object["apiVersion"]));
    let all: Vec<Value> = all.filter(own).cloned().collect();
    for version in VERSIONS {
        let (right, said) = check("all", &all, version);
        assert!(right, "Kubernetes {version}: {said}");
    }
    // A misspelled field, one of the wrong type, and one in the wrong place.
    for (place, value) in [
        ("spec/template/spec/terminationGracePeriod", json!(60)),
        ("spec/template/spec/containers/0/ports/0/containerPort", json!("8080")),
        ("spec/template/spec/allowPrivilegeEscalation", json!(false)),
    ] {
        let broken = Objects::install().broken(&format!("Deployment/linkgate/{place}"), value);
        let (right, said) = check(place, &broken.all, VERSIONS[1]);
        assert!(!right, "{place} goes unnoticed: {said}");
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A Python environment with the checker, in the build directory. It is made once.
fn checker() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubernetes-validate");
    let (python, stamp) = (directory.join("bin/python"), directory.join("requirements.txt"));
    let present = std::fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == REQUIREMENTS);
    if present && python.exists() {
        return Some(python);
    }
    let made = ran(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory));
    let asked = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/requirements.txt");
    let installed = made.and_then(|()| {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        pip.args(["--retries", "1", "--timeout", "20", "--requirement"]).arg(asked);
        ran(&mut pip)
    });
    if let Err(reason) = installed {
        skipped("holding the manifests to the schemas of the API", &reason);
        return None;
    }
    std::fs::write(&stamp, REQUIREMENTS).unwrap();
    Some(python)
}

fn ran(command: &mut Command) -> Result<(), String> {
    let Output { status, stdout, stderr } = command.output().map_err(|error| format!("python3: {error}"))?;
    let said = format!("{}{}", shown(&stdout), shown(&stderr));
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason given").to_owned();
    if status.success() { Ok(()) } else { Err(last) }
}
