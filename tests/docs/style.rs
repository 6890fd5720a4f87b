//! Form of the documents: the README's length, the length of lines, and an index that is complete.

use std::path::{Path, PathBuf};

use crate::README;
use crate::links::documents;

/// Longest line of prose, in characters. Tables and blocks of code may be longer.
const MAX_COLUMNS: usize = 100;

fn all() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map(|name| root.join(name)).into();
    for directory in ["docs", "deploy"] {
        documents(&root.join(directory), &mut found);
    }
    found.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// The lines of prose that are too long, with their numbers.
fn too_long(text: &str) -> Vec<usize> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced && !line.starts_with('|') && line.chars().count() > MAX_COLUMNS {
            found.push(number + 1);
        }
    }
    found
}

#[test]
fn the_readme_has_at_most_150_lines() {
    let lines = README.lines().count();
    assert!(lines <= 150, "README.md has {lines} lines; move details to docs/");
}

#[test]
fn lines_of_prose_fit_into_100_columns() {
    for (path, text) in all() {
        let lines = too_long(&text);
        assert!(lines.is_empty(), "{}: more than {MAX_COLUMNS} columns: {lines:?}", path.display());
    }
    let long = "word ".repeat(21);
    assert_eq!(too_long(&format!("{long}\n| {long}|\n```\n{long}\n```\n{long}")), [1, 6]);
}

#[test]
fn every_document_is_reachable_from_the_index() {
    let index = include_str!("../../docs/README.md");
    for (path, _) in all() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let Ok(name) = path.strip_prefix(directory) else { continue };
        let name = name.to_str().unwrap();
        assert!(
            name == "README.md" || index.contains(&format!("({name})")),
            "docs/README.md: no link to {name}"
        );
    }
}
