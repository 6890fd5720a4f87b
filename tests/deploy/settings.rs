//! The files name no unknown setting, and miss none.
//!
//! The lists of settings in the environment files are generated from the program's table. After a change to it,
//! `BLESS=1 cargo test --test deploy settings` rewrites them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use linkgate::config::{FILE_SUFFIX, PREFIX, SETTINGS};

use crate::environments::{environments, secrets};
use crate::manifests::{path, text};

const BEGIN: &str = "# --- All other settings, with examples ---\n";

/// The file with each deployment's list of settings, and the directory of its secrets.
const LISTS: [(&str, Option<&str>); 2] = [
    ("deploy/kubernetes/base/linkgate.env", Some("/run/secrets/linkgate")),
    // The secrets are in the unit.
    ("deploy/systemd/linkgate.env", None),
];

/// The words of a text that start like a setting.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(PREFIX) {
        let inside_another = text[..at].chars().next_back().is_some_and(|c| is_part(c) || c == '-');
        let name: String = text[at..].chars().take_while(|c| is_part(*c)).collect();
        // `LINKGATE_*` and `LINKGATE_MAIL_…` are not names of settings.
        if !inside_another && !name.ends_with('_') {
            names.insert(name);
        }
    }
    names
}

fn known() -> BTreeSet<String> {
    let files = secrets().map(|setting| setting.file_name());
    SETTINGS.iter().map(|setting| setting.name.to_owned()).chain(files).collect()
}

/// All files of these directories.
fn files_in(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_in(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

#[test]
fn every_setting_that_a_file_of_the_deployment_or_a_document_names_exists() {
    let mut files = files_in(&path("deploy"));
    files.extend(files_in(&path("docs")));
    files.extend(["README.md", "docker-compose.yml"].map(path));
    let mut names = 0;
    for file in files.iter().filter(|file| file.exists()) {
        // Images are not text.
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        let found = named(&text);
        names += found.len();
        let strays: Vec<_> = found.difference(&known()).cloned().collect();
        assert!(strays.is_empty(), "{} names settings that do not exist: {strays:?}", file.display());
    }
    assert!(names > SETTINGS.len(), "hardly any names were found");
}

#[test]
fn names_are_found_in_texts_as_people_write_them() {
    let text = "LINKGATE_KEYS=x, `LINKGATE_KEYS_FILE`; LINKGATE_* and LINKGATE_MAIL_…: MY_LINKGATE_KEY $LINKGATE_BIN2";
    let expected = ["LINKGATE_BIN2", "LINKGATE_KEYS", "LINKGATE_KEYS_FILE"];
    assert!(named(text).iter().eq(expected), "{:?}", named(text));
}

#[test]
fn every_environment_has_the_settings_that_are_required() {
    for (from, environment, serves) in environments() {
        for setting in SETTINGS.iter().filter(|setting| setting.required()) {
            let set =
                environment.contains_key(setting.name) || environment.contains_key(&setting.file_name());
            // `linkgate dev` makes its own.
            let made = !serves && setting.name == "LINKGATE_KEYS";
            assert!(set || made, "{from}: {}{{,{FILE_SUFFIX}}} is not set", setting.name);
        }
        let strays: Vec<_> = environment.keys().filter(|name| name.starts_with(PREFIX)).cloned().collect();
        let strays: Vec<_> = strays.into_iter().filter(|name| !known().contains(name)).collect();
        assert!(strays.is_empty(), "{from}: {strays:?}");
    }
}

/// All settings that the file does not set above the list, each as a comment with an example.
fn list(above: &str, secrets: Option<&str>) -> String {
    let set: BTreeSet<&str> = above
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .collect();
    let mut text = String::from(BEGIN);
    for setting in SETTINGS {
        if set.contains(setting.name) || set.contains(setting.file_name().as_str()) {
            continue;
        }
        let _ = match (setting.secret, secrets) {
            (true, None) => continue,
            (true, Some(directory)) => {
                writeln!(
                    text,
                    "# {}.\n#{}={directory}/{}",
                    setting.about,
                    setting.file_name(),
                    slug(setting.name)
                )
            }
            (false, _) => {
                let default = if setting.required() {
                    String::new()
                } else {
                    format!("; default: {}", setting.fallback)
                };
                writeln!(
                    text,
                    "# {} ({}{default}).\n#{}={}",
                    setting.about, setting.kind, setting.name, setting.example
                )
            }
        };
    }
    text
}

/// The file name of a secret.
pub(crate) fn slug(name: &str) -> String {
    name.trim_start_matches(PREFIX).to_lowercase().replace('_', "-")
}

#[test]
fn the_environment_files_list_all_settings() {
    for (file, secrets) in LISTS {
        let present = text(file);
        let above = present.split_once(BEGIN).map_or(present.as_str(), |(above, _)| above);
        let right = format!("{above}{}", list(above, secrets));
        if present != right && std::env::var_os("BLESS").is_some() {
            std::fs::write(path(file), &right).unwrap();
            continue;
        }
        assert!(present == right, "{file} should end in:\n{}", list(above, secrets));
    }
}

#[test]
fn the_unit_has_a_place_for_every_secret() {
    let unit = text("deploy/systemd/linkgate.service");
    for setting in secrets() {
        let (name, slug) = (setting.file_name(), slug(setting.name));
        let hash = if setting.required() { "" } else { "#" };
        for line in [
            format!("{hash}LoadCredential={slug}:/etc/linkgate/{slug}"),
            format!("{hash}Environment={name}=%d/{slug}"),
        ] {
            assert!(unit.lines().any(|own| own == line), "linkgate.service should have the line {line}");
        }
    }
}

#[test]
fn the_readme_puts_into_the_secret_what_is_read_from_it() {
    let readme = text("deploy/kubernetes/README.md");
    let (_, command) = readme.split_once("create secret generic linkgate-secrets").unwrap();
    let command = command.split_once("```").unwrap().0.split_once("\n\n").map_or(command, |(first, _)| first);
    let put: BTreeSet<&str> = command
        .split("--from-")
        .skip(1)
        .filter_map(|rest| rest.split_once('='))
        .map(|(_, rest)| rest.split(['=', ' ', '\n']).next().unwrap())
        .collect();
    let install = crate::manifests::Objects::install().environment();
    let read = install.iter().filter(|(name, _)| name.ends_with(FILE_SUFFIX) && known().contains(*name));
    let read: BTreeSet<&str> = read.map(|(_, file)| file.rsplit('/').next().unwrap()).collect();
    assert_eq!(put, read);
}
