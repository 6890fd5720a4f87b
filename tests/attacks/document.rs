//! The tests that `docs/threat-model.md` names exist, and it names every attack.

use std::fs;
use std::path::{Path, PathBuf};

use test_kit::forgeries::RULES;

const DOCUMENT: &str = include_str!("../../docs/threat-model.md");

/// Every file below a directory whose name has this ending.
fn files(directory: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry, end));
        } else if entry.to_str().is_some_and(|name| name.ends_with(end)) {
            found.push(entry);
        }
    }
    found
}

/// The paths of tests in a document, which are in backticks.
fn named(document: &str) -> Vec<&str> {
    let words = document.split('`').skip(1).step_by(2);
    words.filter(|word| word.contains("::") && !word.contains(' ')).collect()
}

/// Whether `suite::module::name` is a test of that module.
fn exists(root: &Path, path: &str) -> bool {
    let parts: Vec<&str> = path.split("::").collect();
    let [suite, modules @ .., name] = parts.as_slice() else { return false };
    let file = root.join("tests").join(suite).join(format!("{}.rs", modules.join("/")));
    let Ok(source) = fs::read_to_string(file) else { return false };
    source.contains(&format!("fn {name}()"))
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = named(DOCUMENT);
    assert!(named.len() > 100, "{} tests named", named.len());
    let missing: Vec<&&str> = named.iter().filter(|path| !exists(root, path)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
    assert!(!exists(root, "attacks::document::no_such_test"), "what is not there is missed");
    for file in DOCUMENT.split('`').filter(|word| word.starts_with("tests/")) {
        assert!(root.join(file).is_file(), "no such file: {file}");
    }
}

#[test]
fn every_attack_is_in_the_threat_model() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks");
    let mut missing = Vec::new();
    // The tests of this file are not attacks.
    for file in files(&root, ".rs").iter().filter(|file| !file.ends_with("document.rs")) {
        let source = fs::read_to_string(file).unwrap();
        for rest in source.split("#[tokio::test").skip(1) {
            let name = rest.split_once("async fn ").unwrap().1.split('(').next().unwrap().to_owned();
            if !DOCUMENT.contains(&format!("::{name}`")) {
                missing.push(format!("{}: {name}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "attacks that the threat model does not name: {missing:#?}");
}

#[test]
fn every_rule_of_the_forgeries_is_in_the_threat_model() {
    for (name, _) in RULES {
        assert!(DOCUMENT.contains(&format!("`token::forgery::{name}`")), "{name}");
    }
}
