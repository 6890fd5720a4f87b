//! The Secret: files that only linkgate can read, and that follow its changes.

use serde_json::{Value, json};

use linkgate::config::{FILE_SUFFIX, SETTINGS};

use crate::manifests::{Faults, Objects, hold, list, string};

/// The directory of its files, from the mount of its volume; empty in dev.
fn mounts(objects: &Objects) -> Vec<(&Value, &Value)> {
    let volumes = list(&objects.pod()["volumes"]).iter().filter(|volume| !volume["secret"].is_null());
    let all = list(&objects.container()["volumeMounts"]);
    let mounted = |volume: &Value| all.iter().find(|mount| mount["name"] == volume["name"]);
    volumes.filter_map(|volume| Some((volume, mounted(volume)?))).collect()
}

#[test]
fn all_secrets_are_files_of_the_secret() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        if objects.is_dev() {
            faults.unless(list(&objects.pod()["volumes"]).is_empty(), "dev waits for a Secret");
            return faults;
        }
        let mounts = mounts(objects);
        faults.unless(mounts.len() == 1, "not one mounted Secret");
        let environment = objects.environment();
        for setting in SETTINGS.iter().filter(|setting| setting.secret) {
            let name = setting.name;
            faults.unless(!environment.contains_key(name), format!("{name} is in plain sight"));
            let file = environment.get(&setting.file_name());
            faults.unless(file.is_some() || !setting.required(), format!("{name}{FILE_SUFFIX} is not set"));
            for (_, mount) in &mounts {
                let prefix = format!("{}/", string(&mount["mountPath"]));
                let inside = file.is_none_or(|file| file.starts_with(&prefix));
                faults.unless(inside, format!("{name}{FILE_SUFFIX} is not in the Secret"));
            }
        }
        faults.unless(objects.of("Secret").next().is_none(), "a Secret is kept in git");
        faults
    }
    let map = map_name();
    let data = |name: &str| format!("ConfigMap/{map}/data/{name}");
    hold(
        property,
        &[
            (&data("LINKGATE_KEYS"), json!("k:x")),
            (&data("LINKGATE_KEYS_FILE"), Value::Null),
            (&data("LINKGATE_STORE_URL_FILE"), json!("/etc/store-url")),
            (
                "Deployment/linkgate/spec/template/spec/containers/0/volumeMounts/0/mountPath",
                json!("/run/secrets/link"),
            ),
            (
                "Deployment/linkgate/spec/template/spec/volumes/0",
                json!({ "name": "secrets", "emptyDir": {} }),
            ),
        ],
    );
}

fn map_name() -> String {
    let source = &crate::manifests::everything().container()["envFrom"][0]["configMapRef"]["name"];
    string(source).to_owned()
}

#[test]
fn the_files_of_the_secret_can_be_read_by_linkgates_group_and_written_by_nobody() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        for (volume, mount) in mounts(objects) {
            faults.unless(volume["secret"]["defaultMode"] == 0o440, "the mode of its files is not 0440");
            faults.unless(mount["readOnly"] == true, "it is not mounted for reading");
            faults.unless(list(&volume["secret"]["items"]).is_empty(), "only some keys are mounted");
            let optional = &volume["secret"]["optional"];
            faults.unless(*optional != true, "linkgate starts without its secrets, and fails");
            let group = objects.pod()["securityContext"]["fsGroup"].as_u64();
            faults.unless(group > Some(0), "its files are of root's group");
        }
        faults
    }
    let at = |rest: &str| format!("Deployment/linkgate/spec/template/spec/{rest}");
    hold(
        property,
        &[
            (&at("volumes/0/secret/defaultMode"), json!(0o400)),
            (&at("volumes/0/secret/defaultMode"), json!(0o444)),
            (&at("volumes/0/secret/defaultMode"), Value::Null),
            (&at("volumes/0/secret/optional"), json!(true)),
            (&at("containers/0/volumeMounts/0/readOnly"), Value::Null),
            (&at("securityContext/fsGroup"), Value::Null),
        ],
    );
}

#[test]
fn the_files_follow_the_secret_when_it_changes() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        for (_, mount) in mounts(objects) {
            for name in ["subPath", "subPathExpr"] {
                faults.unless(mount[name].is_null(), format!("mounted by {name}, it never changes"));
            }
        }
        let secrets = objects.of("Secret").chain(objects.of("ConfigMap"));
        for object in secrets {
            faults.unless(object["immutable"] != true, "it cannot change");
        }
        faults
    }
    let at =
        |rest: &str| format!("Deployment/linkgate/spec/template/spec/containers/0/volumeMounts/0/{rest}");
    hold(property, &[(&at("subPath"), json!("keys")), (&at("subPathExpr"), json!("keys"))]);
}

#[test]
fn a_changed_setting_rolls_the_pods() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        for source in list(&objects.container()["envFrom"]) {
            let name = string(&source["configMapRef"]["name"]);
            let hash = name.strip_prefix("linkgate-").unwrap_or_default();
            faults.unless(hash.len() == 10, format!("{name} does not end in the hash of its content"));
        }
        faults
    }
    let place = "Deployment/linkgate/spec/template/spec/containers/0/envFrom/0/configMapRef/name";
    hold(property, &[(place, json!("linkgate"))]);
}
