//! The manifests as data: the committed ones, the overlays as `kubectl` renders them, and broken copies.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde::Deserialize as _;
use serde_json::{Value, json};

/// The name of linkgate's own objects.
pub(crate) const NAME: &str = "linkgate";

static NOTHING: Value = Value::Null;

/// A file of the repository.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The text of a file.
pub(crate) fn text(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap_or_else(|e| panic!("{relative}: {e}"))
}

/// Reports a skipped part of a test. It bypasses the test harness, which hides the output of passing tests.
pub(crate) fn skipped(what: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}: {reason}");
}

/// The documents of a file in YAML.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let documents = serde_yaml_ng::Deserializer::from_str(text);
    let documents = documents.map(|document| Value::deserialize(document).unwrap());
    documents.filter(|document| !document.is_null()).collect()
}

/// The objects of one deployment.
#[derive(Clone)]
pub(crate) struct Objects {
    /// Their origin.
    pub(crate) from: String,
    pub(crate) all: Vec<Value>,
}

impl Objects {
    pub(crate) fn parse(from: &str, text: &str) -> Self {
        Self { from: from.to_owned(), all: documents(text) }
    }

    /// `install.yaml`.
    pub(crate) fn install() -> Self {
        Self::parse("install.yaml", &text("deploy/kubernetes/install.yaml"))
    }

    /// All of a kind.
    pub(crate) fn of<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        let kind = kind.to_owned();
        self.all.iter().filter(move |object| object["kind"] == *kind)
    }

    /// The object with this kind and name, or null.
    pub(crate) fn get(&self, kind: &str, name: &str) -> &Value {
        self.of(kind).find(|object| object["metadata"]["name"] == name).unwrap_or(&NOTHING)
    }

    pub(crate) fn deployment(&self) -> &Value {
        self.get("Deployment", NAME)
    }

    /// The specification of linkgate's pods.
    pub(crate) fn pod(&self) -> &Value {
        &self.deployment()["spec"]["template"]["spec"]
    }

    pub(crate) fn pod_labels(&self) -> &Value {
        &self.deployment()["spec"]["template"]["metadata"]["labels"]
    }

    pub(crate) fn container(&self) -> &Value {
        &self.pod()["containers"][0]
    }

    /// The number of the container's port with this name, or null.
    pub(crate) fn port(&self, name: &str) -> &Value {
        let ports = list(&self.container()["ports"]);
        ports.iter().find(|port| port["name"] == name).map_or(&NOTHING, |port| &port["containerPort"])
    }

    /// Whether it runs `linkgate dev`, which needs no secrets.
    pub(crate) fn is_dev(&self) -> bool {
        self.container()["args"] == json!(["dev"])
    }

    /// The environment of the container.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        for source in list(&self.container()["envFrom"]) {
            let name = string(&source["configMapRef"]["name"]);
            let data = self.get("ConfigMap", name)["data"].as_object();
            let data = data.unwrap_or_else(|| panic!("{}: no ConfigMap {name}", self.from));
            variables.extend(data.iter().map(|(name, value)| (name.clone(), string(value).to_owned())));
        }
        for variable in list(&self.container()["env"]) {
            variables.insert(string(&variable["name"]).to_owned(), string(&variable["value"]).to_owned());
        }
        variables
    }

    /// A copy in which `Kind/name/path/within` has this value, or is removed if the value is null.
    pub(crate) fn broken(&self, place: &str, value: Value) -> Self {
        let mut words = place.split('/');
        let (kind, name) = (words.next().unwrap(), words.next().unwrap());
        let mut copy = self.clone();
        let matches = |object: &Value| object["kind"] == kind && object["metadata"]["name"] == name;
        let found = copy.all.iter().position(matches).unwrap_or_else(|| panic!("{kind}/{name} is not there"));
        let words: Vec<&str> = words.collect();
        let Some((last, path)) = words.split_last() else {
            copy.all.remove(found);
            return copy;
        };
        let parent = path.iter().fold(&mut copy.all[found], |at, word| {
            if let Ok(index) = word.parse::<usize>() { &mut at[index] } else { &mut at[*word] }
        });
        match (parent, last.parse::<usize>()) {
            (Value::Array(items), Ok(index)) if value.is_null() => drop(items.remove(index)),
            (Value::Array(items), Ok(index)) if index == items.len() => items.push(value),
            (Value::Array(items), Ok(index)) => items[index] = value,
            (Value::Object(members), _) if value.is_null() => {
                assert!(members.remove(*last).is_some(), "{place} is not there");
            }
            (parent, _) => parent[*last] = value,
        }
        copy
    }
}

/// The items of a list, or no items if the value is not a list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text, or an empty one if the value is not a text.
pub(crate) fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether this selector is not empty, and these labels match it.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object();
    wanted.is_some_and(|wanted| {
        !wanted.is_empty() && wanted.iter().all(|(name, value)| labels[name.as_str()] == *value)
    })
}

/// The faults of a deployment.
#[derive(Default)]
pub(crate) struct Faults(pub(crate) Vec<String>);

impl Faults {
    pub(crate) fn unless(&mut self, right: bool, what: impl Into<String>) {
        if !right {
            self.0.push(what.into());
        }
    }
}

/// Asserts that every deployment has a property, and that each of these changes breaks it.
pub(crate) fn hold(property: fn(&Objects) -> Faults, breaks: &[(&str, Value)]) {
    for objects in deployments() {
        let Faults(faults) = property(objects);
        assert!(faults.is_empty(), "{}: {faults:#?}", objects.from);
    }
    let whole = everything();
    assert!(!breaks.is_empty(), "a property that nothing breaks");
    for (place, value) in breaks {
        let kind_and_name: Vec<&str> = place.split('/').take(2).collect();
        if whole.get(kind_and_name[0], kind_and_name[1]).is_null() && !can_render() {
            continue;
        }
        let Faults(faults) = property(&whole.broken(place, value.clone()));
        assert!(!faults.is_empty(), "{place} = {value} goes unnoticed");
    }
}

/// All deployments: `install.yaml` and, if `kubectl` is installed, each overlay and production with all components.
pub(crate) fn deployments() -> &'static [Objects] {
    static ALL: OnceLock<Vec<Objects>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = vec![Objects::install()];
        all.extend(rendered("deploy/kubernetes/overlays/production"));
        all.extend(rendered("deploy/kubernetes/overlays/dev"));
        all.extend(with_all_components());
        all
    })
}

/// The deployment with the most objects.
pub(crate) fn everything() -> &'static Objects {
    deployments().last().unwrap()
}

fn can_render() -> bool {
    deployments().len() > 1
}

/// A directory of the repository as `kubectl kustomize` renders it.
pub(crate) fn rendered(directory: &str) -> Option<Objects> {
    render(&path(directory), directory)
}

/// Production with all components, as users combine them in their own directory.
fn with_all_components() -> Option<Objects> {
    let parent = path("deploy/kubernetes");
    let mut text =
        String::from("namespace: linkgate\nresources: [REPOSITORY/overlays/production]\ncomponents:\n");
    let mut names: Vec<_> =
        std::fs::read_dir(parent.join("components")).unwrap().map(Result::unwrap).collect();
    names.sort_by_key(std::fs::DirEntry::file_name);
    for name in names {
        let _ = writeln!(text, "  - REPOSITORY/components/{}", name.file_name().display());
    }
    // kustomize requires relative paths without symbolic links.
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().canonicalize().unwrap();
    let up = "../".repeat(own.components().count() - 1);
    let repository = format!("{up}{}", parent.canonicalize().unwrap().strip_prefix("/").unwrap().display());
    std::fs::write(own.join("kustomization.yaml"), text.replace("REPOSITORY", &repository)).unwrap();
    render(&own, "production with all components")
}

fn render(directory: &Path, name: &str) -> Option<Objects> {
    if let Err(reason) = kubectl() {
        skipped(&format!("rendering {name}"), reason);
        return None;
    }
    let output = Command::new("kubectl").arg("kustomize").arg(directory).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stderr.is_empty(), "kubectl kustomize {name}: {stderr}");
    Some(Objects::parse(name, &stdout))
}

/// Whether `kubectl` is installed, with a kustomize that knows the features of the overlays.
fn kubectl() -> Result<(), &'static str> {
    static FOUND: OnceLock<Result<(), &'static str>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let output = Command::new("kubectl").args(["version", "--client", "--output=json"]).output();
        let output = output.map_err(|_| "kubectl is not installed")?;
        let version: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let major = string(&version["kustomizeVersion"]).trim_start_matches('v').split('.').next();
        let major = major.and_then(|major| major.parse::<u32>().ok());
        if major.is_some_and(|major| major >= 5) { Ok(()) } else { Err("this kubectl has no kustomize 5") }
    })
}
