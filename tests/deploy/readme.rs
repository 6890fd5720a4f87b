//! The examples in `deploy/kubernetes/README.md` are rendered and checked like a user's own files.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::environments::{BINARY, stand_ins, with_stand_ins};
use crate::manifests::{Objects, documents, everything, path, rendered, string, text};

fn readme() -> String {
    text("deploy/kubernetes/README.md")
}

/// The code block after a mark.
fn block(readme: &str, mark: &str) -> String {
    let (_, rest) = readme.split_once(&format!("<!-- {mark} -->\n```")).unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

fn check_config(objects: &Objects) -> String {
    let files = stand_ins();
    let environment = with_stand_ins(objects.environment(), files.path());
    let output = Command::new(BINARY).arg("check-config").env_clear().envs(environment).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_overlay_of_the_readme_renders_to_a_valid_configuration_of_its_own() {
    // Prints why if it cannot be rendered.
    if rendered("deploy/kubernetes/overlays/production").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    symlink(path(""), directory.path().join("linkgate")).unwrap();
    let script = format!("set -euo pipefail\n{}", block(&readme(), "overlay"));
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(directory.path()).stdin(Stdio::null());
    let output = bash.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rendered = std::fs::read_to_string(directory.path().join("my-linkgate/rendered.yaml")).unwrap();
    let objects = Objects::parse("the README's overlay", &rendered);

    assert_eq!(check_config(&objects), "configuration is valid\n");
    assert_eq!(objects.container()["image"], "registry.example.com/linkgate:0.1.0");
    let environment = objects.environment();
    assert_eq!(environment["LINKGATE_PUBLIC_URL"], "https://login.example.org");
    assert_eq!(environment["LINKGATE_LOG_FORMAT"], "json", "the overlay keeps the settings of its base");
    let ingress = objects.get("Ingress", "linkgate");
    assert_eq!(ingress["spec"]["rules"][0]["host"], "login.example.org");
    assert_eq!(ingress["spec"]["tls"][0]["hosts"][0], "login.example.org");
    assert!(!rendered.contains("example.com/signed-in"), "the example's settings are replaced");
}

#[test]
fn the_patches_of_the_network_policies_are_for_what_is_there() {
    let patches = documents(&block(&readme(), "patch"));
    let patches = patches[0]["patches"].as_array().unwrap();
    assert_eq!(patches.len(), 3);
    for patch in patches {
        let target = everything().get(string(&patch["target"]["kind"]), string(&patch["target"]["name"]));
        assert!(!target.is_null(), "{}", patch["target"]);
        for operation in documents(string(&patch["patch"]))[0].as_array().unwrap() {
            let place = string(&operation["path"]);
            // A replaced value exists; an added one goes into an existing parent.
            let parent = place.rsplit_once('/').unwrap().0;
            let wanted = if operation["op"] == "replace" { place } else { parent };
            assert!(target.pointer(wanted).is_some(), "{place}");
        }
    }
}

#[test]
fn the_store_urls_of_the_readme_are_valid() {
    let readme = readme();
    let (_, rest) = readme.split_once("<!-- store-urls -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- /store-urls -->").unwrap();
    let urls: Vec<&str> =
        table.split('`').filter(|text| text.starts_with("redis") && text.contains("://")).collect();
    for scheme in ["rediss://", "redis://", "redis+sentinel://", "redis+cluster://", "rediss+cluster://"] {
        assert!(urls.iter().any(|url| url.starts_with(scheme)), "no example of {scheme}");
    }
    let install = Objects::install();
    let files = stand_ins();
    let environment = with_stand_ins(install.environment(), files.path());
    for url in urls.into_iter().chain(["redis+sentinel://:PASSWORD@sentinel.redis.svc:26379"]) {
        std::fs::write(files.path().join("LINKGATE_STORE_URL"), url).unwrap();
        let output =
            Command::new(BINARY).arg("check-config").env_clear().envs(&environment).output().unwrap();
        // The last URL lacks the name of its master.
        let right = url.matches('/').count() > 2 || !url.contains("sentinel");
        assert_eq!(output.status.success(), right, "{url}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
