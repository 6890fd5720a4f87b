//! Holds the arrows between the modules (`docs/architecture.md`), by reading which paths each source file names.
//!
//! Comments and texts in quotes do not count as names; code under `#[cfg(test)]` does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest source file, in lines, without a reason.
const MAX_LINES: usize = 400;

/// Longer files, and why they may be.
const LONGER: [(&str, &str); 0] = [];

/// Crates that are named in some files only. A `*` at the end stands for anything.
const CONFINED: [(&str, &[&str]); 5] = [
    ("jsonwebtoken", &["src/token/*"]),
    ("aws_lc_rs", &["src/token/*"]),
    ("redis", &["src/store/redis*"]),
    ("lettre", &["src/mailer/transport*"]),
    ("actix*", &["src/http/*", "src/app.rs", "src/main.rs"]),
];

/// What `domain` may name besides itself.
const DOMAIN_CRATES: [&str; 14] = [
    "std",
    "core",
    "alloc",
    "serde",
    "chrono",
    "uuid",
    "url",
    "idna",
    "ipnet",
    "woothee",
    "base64",
    "subtle",
    "thiserror",
    "zeroize",
];

/// Which modules of linkgate each may name besides itself; the first match counts. `x::Y` allows only that item.
const ARROWS: [(&str, &[&str]); 17] = [
    ("src/lib.rs", &[]),
    ("src/main.rs", &["app", "config", "logging", "healthcheck", "token", "clock", "domain"]),
    ("src/app.rs", &["*"]),
    ("src/app/*", &["config", "domain", "clock", "metrics", "token"]),
    ("src/domain/*", &["domain"]),
    ("src/config/*", &["config", "domain", "logging::LogFormat"]),
    ("src/token/*", &["token", "domain"]),
    ("src/mailer/*", &["mailer", "domain"]),
    ("src/store/measured.rs", &["store", "domain", "clock", "metrics"]),
    ("src/store/*", &["store", "domain", "clock"]),
    // The trait and the words of the store, not what is behind it; the mailer, not its transports.
    ("src/flow/*", &["flow", "token", "store", "mailer", "domain", "clock", "metrics"]),
    ("src/http/*", &["http", "flow", "token", "domain", "metrics", "clock"]),
    ("src/metrics.rs", &["metrics", "domain"]),
    ("src/metrics/*", &["domain"]),
    ("src/logging.rs", &["domain"]),
    ("src/healthcheck.rs", &[]),
    ("src/clock.rs", &[]),
];

/// Inner parts that only `app` (and they themselves) may name.
const INNER: [(&str, &str); 4] =
    [("store", "redis"), ("store", "memory"), ("store", "measured"), ("mailer", "transport")];

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |prefix| name.starts_with(prefix))
}

/// Identifiers, `::` and single characters of a source text, without comments, texts and character literals.
fn lex(source: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_text(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = rest.find('"').unwrap_or(0) + 1;
            rest[open..].find(&close).map_or(rest.len(), |end| open + end + close.len())
        } else if c == '"' {
            quoted(rest)
        } else if c == '\'' {
            character(rest)
        } else if rest.starts_with("::") {
            out.push("::".to_owned());
            2
        } else if is_word(c) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            out.push(rest[..end].to_owned());
            end
        } else {
            if !c.is_whitespace() {
                out.push(c.to_string());
            }
            c.len_utf8()
        };
        rest = &rest[length..];
    }
    out
}

/// The number of `#` when a raw text begins here.
fn raw_text(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// The length of a text in quotes.
fn quoted(rest: &str) -> usize {
    let mut escaped = true;
    for (i, c) in rest.char_indices() {
        match c {
            '"' if !escaped && i > 0 => return i + 1,
            '\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// The length of a character literal; of the quote alone for a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), _) => rest[3..].find('\'').map_or(rest.len(), |end| end + 4),
        (Some(_), Some((i, '\''))) => i + 1,
        _ => 1,
    }
}

/// All paths that are named, with `use a::{b, c::d}` spread out, and `self` and `super` resolved from `module`.
fn paths(tokens: &[String], module: &[String]) -> Vec<Vec<String>> {
    let is_name = |token: &str| token.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let mut found = Vec::new();
    for i in (0..tokens.len()).filter(|i| is_name(&tokens[*i])) {
        let before = |n: usize| i.checked_sub(n).map_or("", |i| tokens[i].as_str());
        // `::redis::x` begins a path, `a::redis::x` and `<T>::redis` go on with one.
        let goes_on =
            before(1) == "::" && (is_name(before(2)) && before(2) != "use" || matches!(before(2), ">" | "}"));
        let used = before(1) == "use" || (before(1) == "::" && before(2) == "use");
        let begins = used || tokens.get(i + 1).is_some_and(|next| next == "::");
        if begins && !goes_on {
            spread(tokens, i, &[], &mut found);
        }
    }
    found.into_iter().map(|path| resolve(path, module)).collect()
}

/// Reads the path or group at `i` and all that hangs on it; returns where it ends.
fn spread(tokens: &[String], mut i: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(i) {
        if token == "{" {
            i += 1;
            while tokens.get(i).is_some_and(|token| token != "}") {
                i = if tokens[i] == "," { i + 1 } else { spread(tokens, i, &path, found).max(i + 1) };
            }
            return i + 1;
        }
        path.push(token.clone());
        if tokens.get(i + 1).is_none_or(|next| next != "::") {
            break;
        }
        i += 2;
    }
    found.push(path);
    // `as name` belongs to it.
    if tokens.get(i + 1).is_some_and(|next| next == "as") { i + 3 } else { i + 1 }
}

fn resolve(path: Vec<String>, module: &[String]) -> Vec<String> {
    let supers = path.iter().take_while(|name| *name == "super").count();
    let start = || vec!["crate".to_owned()];
    match path.first().map(String::as_str) {
        Some("linkgate") => start().into_iter().chain(path.into_iter().skip(1)).collect(),
        Some("super") => {
            let kept = module.len().saturating_sub(supers);
            start()
                .into_iter()
                .chain(module[..kept].iter().cloned())
                .chain(path.into_iter().skip(supers))
                .collect()
        }
        Some("self") => {
            start().into_iter().chain(module.iter().cloned()).chain(path.into_iter().skip(1)).collect()
        }
        _ => path,
    }
}

/// The module of `src/a/b.rs` is `a::b`, of `src/a/mod.rs` it is `a`.
fn module_of(file: &str) -> Vec<String> {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    if matches!(inner, "lib" | "main") { Vec::new() } else { inner.split('/').map(str::to_owned).collect() }
}

/// What a file names and must not.
fn violations(
    file: &str,
    source: &str,
    crates: &BTreeSet<String>,
    modules: &BTreeSet<String>,
) -> BTreeSet<String> {
    let mut wrong = BTreeSet::new();
    let Some((_, allowed)) = ARROWS.iter().find(|(pattern, _)| matches(pattern, file)) else {
        return BTreeSet::from([format!("{file} has no place among the arrows")]);
    };
    let module = module_of(file);
    for path in paths(&lex(source), &module) {
        let text = path.join("::");
        let segment = |n: usize| path.get(n).map_or("", String::as_str);
        if segment(0) == "crate" {
            let top = segment(1);
            let listed =
                |entry: &str| entry == "*" || entry == top || entry == format!("{top}::{}", segment(2));
            let own = module.first().is_some_and(|own| own == top);
            let inner = INNER.contains(&(top, segment(2))) && !own && file != "src/app.rs";
            if modules.contains(top) && (inner || !own && !allowed.iter().any(|entry| listed(entry))) {
                wrong.insert(format!("{file} names {text}"));
            }
        } else if crates.contains(segment(0)) {
            let elsewhere = |(name, files): &(&str, &[&str])| {
                matches(name, segment(0)) && !files.iter().any(|pattern| matches(pattern, file))
            };
            let foreign_to_domain = file.starts_with("src/domain/") && !DOMAIN_CRATES.contains(&segment(0));
            if foreign_to_domain || CONFINED.iter().any(elsewhere) {
                wrong.insert(format!("{file} names {text}"));
            }
        }
    }
    wrong
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All source files, by their path from the root, with their text.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{e}")).flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                found.push((name, read(&path)));
            }
        }
    }
    found.sort();
    found
}

/// The crates of the manifest, as they are named in code.
fn crates() -> BTreeSet<String> {
    let manifest = read(&root().join("Cargo.toml"));
    let sections = manifest.split("\n[").filter(|section| {
        section.split(']').next().is_some_and(|name| name.trim_start_matches('[').ends_with("dependencies"))
    });
    let names = sections.flat_map(str::lines).filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    names.map(|name| name.replace('-', "_")).chain(["std", "core", "alloc"].map(str::to_owned)).collect()
}

fn modules(sources: &[(String, String)]) -> BTreeSet<String> {
    sources.iter().filter_map(|(file, _)| module_of(file).into_iter().next()).collect()
}

#[test]
fn every_file_names_only_what_its_layer_may_know() {
    let (sources, crates) = (sources(), crates());
    let modules = modules(&sources);
    let wrong: Vec<String> =
        sources.iter().flat_map(|(file, source)| violations(file, source, &crates, &modules)).collect();
    assert!(wrong.is_empty(), "against the arrows:\n{}", wrong.join("\n"));
}

#[test]
fn a_file_of_more_than_400_lines_has_a_reason() {
    let long: Vec<(String, usize)> = sources()
        .into_iter()
        .map(|(file, source)| (file, source.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .collect();
    for (file, lines) in &long {
        assert!(
            LONGER.iter().any(|(listed, _)| listed == file),
            "{file} has {lines} lines: split it or say why not"
        );
    }
    for (listed, _) in LONGER {
        assert!(
            long.iter().any(|(file, _)| file == listed),
            "{listed} is short enough now: take it off the list"
        );
    }
}

#[test]
fn the_reading_of_the_sources_is_not_blind() {
    let (sources, crates) = (sources(), crates());
    assert!(
        crates.contains("actix_web") && crates.contains("aws_lc_rs") && crates.contains("proptest"),
        "{crates:?}"
    );
    for (name, _) in CONFINED {
        let named = |(file, source): &(String, String)| {
            paths(&lex(source), &module_of(file)).iter().any(|path| matches(name, &path[0]))
        };
        assert!(sources.iter().any(named), "{name} is named somewhere");
    }
}

#[test]
fn a_forbidden_name_is_found_however_it_is_written_and_words_about_it_are_not() {
    let (sources, crates) = (sources(), crates());
    let modules = modules(&sources);
    let wrong = |file: &str, source: &str| violations(file, source, &crates, &modules);
    for (file, source) in [
        ("src/http/links.rs", "use crate::store::AttemptStore;"),
        ("src/http/links.rs", "use crate::{flow::Service, mailer::{Mailer, settings}};"),
        ("src/http/links.rs", "fn f() { super::super::store::f() }"),
        ("src/http/links.rs", "fn f(c: &redis::Client) {}"),
        ("src/http/links.rs", "use ::lettre as post;"),
        ("src/http/mod.rs", "use super::config;"),
        ("src/flow/start.rs", "use actix_web::web;"),
        ("src/flow/start.rs", "use crate::store::redis::RedisStore;"),
        ("src/flow/start.rs", "#[jsonwebtoken::x] struct S;"),
        ("src/flow/start.rs", "let x = '\"'; redis::x(); let y = '\"';"),
        ("src/domain/email.rs", "use tokio::time;"),
        ("src/domain/email.rs", "use crate::token::sha256;"),
        ("src/domain/email.rs", "/* a */ use serde_json::json; // b"),
        ("src/store/mod.rs", "use crate::metrics::Metrics;"),
        ("src/store/memory.rs", "use crate::{clock, token};"),
        ("src/mailer/message.rs", "use lettre::Message;"),
        ("src/mailer/mod.rs", "use crate::flow;"),
        ("src/token/mod.rs", "fn f<'a>(x: &'a str) { crate::http::f(\"\\\"\") }"),
        ("src/config/mod.rs", "use crate::logging::start;"),
        ("src/main.rs", "use linkgate::{app, store};"),
        ("src/somewhere.rs", ""),
    ] {
        assert!(!wrong(file, source).is_empty(), "{file}: {source}");
    }
    for (file, source) in [
        ("src/http/links.rs", "//! Not crate::store::x.\n/// Nor redis::x.\nuse super::state; // lettre::x"),
        ("src/http/links.rs", "const A: &str = \"crate::store::x\"; const B: &str = r#\"\"redis::x\"#;"),
        ("src/flow/start.rs", "use crate::{store::{AttemptStore, Change}, domain::ids};"),
        ("src/config/mod.rs", "use crate::logging::LogFormat;"),
        ("src/store/redis/link.rs", "use redis::Client; use crate::store::redis::x;"),
        ("src/mailer/transport/smtp.rs", "use lettre::Address; use super::super::message::Mail;"),
        ("src/domain/email.rs", "use std::fmt; use super::ids::AttemptId; use idna::uts46;"),
    ] {
        assert_eq!(wrong(file, source), BTreeSet::new(), "{file}: {source}");
    }
}
