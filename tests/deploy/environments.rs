//! The environment of each deployment, checked by `linkgate check-config`, with stand-ins for the secret files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use linkgate::config::{FILE_SUFFIX, SETTINGS, Setting};
use serde_json::Value;
use serde_yaml_ng::Value as Yaml;
use tempfile::TempDir;

use crate::manifests::{deployments, string, text};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_linkgate");

pub(crate) type Environment = BTreeMap<String, String>;

/// A key for tests.
const KEY: &str = "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";

pub(crate) fn secrets() -> impl Iterator<Item = &'static &'static Setting> {
    SETTINGS.iter().filter(|setting| setting.secret)
}

/// Stand-ins for the secret files, by the name of the setting.
pub(crate) fn stand_ins() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for setting in secrets() {
        let value = match setting.example {
            _ if setting.name == "LINKGATE_KEYS" => KEY,
            how if how.starts_with('<') => "stands-in-for-a-secret-of-48-characters-or-more--",
            example => example,
        };
        std::fs::write(directory.path().join(setting.name), format!("{value}\n")).unwrap();
    }
    directory
}

/// The environment with the stand-ins for its secret files.
pub(crate) fn with_stand_ins(mut environment: Environment, files: &Path) -> Environment {
    for (name, value) in &mut environment {
        let setting = name.strip_suffix(FILE_SUFFIX).filter(|name| secrets().any(|s| s.name == *name));
        if let Some(setting) = setting {
            *value = files.join(setting).display().to_string();
        }
    }
    environment
}

/// Runs `linkgate check-config` in an environment, without the variables that are not linkgate's.
fn checked(environment: &Environment) -> (Option<i32>, String) {
    let output = Command::new(BINARY)
        .arg("check-config")
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// Every environment, with its origin, and whether the command is `serve`.
pub(crate) fn environments() -> Vec<(String, Environment, bool)> {
    let mut all = Vec::new();
    for objects in deployments() {
        all.push((objects.from.clone(), objects.environment(), !objects.is_dev()));
    }
    for (service, environment) in compose() {
        all.push((format!("docker-compose.yml: {service}"), environment, true));
    }
    all.push(("linkgate.service".to_owned(), unit(), true));
    all
}

/// The environment of `linkgate.service`, with its example file.
fn unit() -> Environment {
    let unit = text("deploy/systemd/linkgate.service");
    let own = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
    let file = text("deploy/systemd/linkgate.env");
    assert!(unit.contains("\nEnvironmentFile=/etc/linkgate/linkgate.env\n"), "the unit reads another file");
    own.chain(file.lines().filter(|line| !line.starts_with('#'))).filter_map(variable).collect()
}

fn variable(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    Some((name.to_owned(), value.to_owned()))
}

/// The environments of linkgate's services in the compose file.
fn compose() -> Vec<(String, Environment)> {
    let mut file: Yaml = serde_yaml_ng::from_str(&text("docker-compose.yml")).unwrap();
    file.apply_merge().unwrap();
    let file = serde_json::to_value(file).unwrap();
    let services = file["services"].as_object().unwrap();
    let own = services.iter().filter(|(name, service)| {
        name.starts_with("linkgate")
            && (service["environment"].is_object() || service["environment"].is_array())
    });
    let found: Vec<_> = own.map(|(name, service)| (name.clone(), listed(&service["environment"]))).collect();
    assert!(!found.is_empty(), "docker-compose.yml has no service of linkgate with an environment");
    found
}

/// A list or a map of variables, as compose accepts them.
fn listed(environment: &Value) -> Environment {
    let value =
        |value: &Value| interpolated(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    match environment {
        Value::Object(map) => map.iter().map(|(name, text)| (name.clone(), value(text))).collect(),
        Value::Array(lines) => {
            lines.iter().filter_map(|line| variable(&interpolated(string(line)))).collect()
        }
        _ => panic!("no environment: {environment}"),
    }
}

/// A text with the defaults of its variables (`${NAME:-default}`). Variables without one are empty, as in compose.
fn interpolated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            after
        } else if let Some((inside, after)) = after.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            let default = inside.split_once(":-").or_else(|| inside.split_once('-'));
            let _ = write!(out, "{}", default.map_or("", |(_, default)| default));
            after
        } else {
            panic!("write ${{NAME:-default}} in docker-compose.yml: {text}");
        };
    }
    out + rest
}

#[test]
fn every_environment_is_a_valid_configuration() {
    let files = stand_ins();
    for (from, environment, serves) in environments() {
        let mut environment = with_stand_ins(environment, files.path());
        if !serves {
            // `linkgate dev` makes it for each run.
            environment.entry("LINKGATE_KEYS".to_owned()).or_insert_with(|| KEY.to_owned());
        }
        let (code, said) = checked(&environment);
        assert_eq!(code, Some(0), "{from}: {said}\n{environment:#?}");
        // Warnings are allowed on a developer's machine, and not in production.
        let in_earnest = environment["LINKGATE_PUBLIC_URL"].starts_with("https://");
        assert!(!in_earnest || said == "configuration is valid\n", "{from}: {said}");
    }
}

#[test]
fn an_environment_with_a_fault_is_no_valid_configuration() {
    let files = stand_ins();
    for (from, environment, _) in environments().into_iter().filter(|(_, _, serves)| *serves) {
        let right = with_stand_ins(environment, files.path());
        for name in ["LINKGATE_PUBLIC_URL", "LINKGATE_MAIL_FROM"] {
            let mut broken = right.clone();
            broken.remove(name);
            assert_eq!(checked(&broken).0, Some(2), "{from}: without {name}");
        }
        let mut broken = right.clone();
        broken.insert("LINKGATE_PUBLIC_URI".to_owned(), String::new());
        assert_eq!(checked(&broken).0, Some(2), "{from}: with a name that does not exist");
    }
}

#[test]
fn compose_files_are_read_as_compose_reads_them() {
    for (text, value) in [
        ("a", "a"),
        ("${PORT:-8080}", "8080"),
        ("http://${HOST-localhost}:${PORT:-80}/", "http://localhost:80/"),
        ("a$$b", "a$b"),
        ("${UNSET}", ""),
    ] {
        assert_eq!(interpolated(text), value);
    }
    let expected = Environment::from([("A".to_owned(), "1".to_owned())]);
    assert_eq!(listed(&serde_json::json!({ "A": 1 })), expected);
    assert_eq!(listed(&serde_json::json!(["A=${X:-1}"])), expected);
}
