//! Holds the arrows between the modules (`docs/architecture.md`), by reading which paths each source file names: those
//! between the layers here, those inside of a layer in [`circles`].
//!
//! Comments and string literals do not count as names; code under `#[cfg(test)]` does.

mod circles;
mod source;

use std::collections::BTreeSet;

use source::{Source, crates, sources};

/// The most lines of a source file without a listed reason.
const MAX_LINES: usize = 400;

/// Longer files, with the reason.
const LONGER: [(&str, &str); 0] = [];

/// Crates that only some files may name. A `*` at the end matches any text.
const CONFINED: [(&str, &[&str]); 5] = [
    ("jsonwebtoken", &["src/token/*"]),
    ("aws_lc_rs", &["src/token/*"]),
    ("redis", &["src/store/redis*"]),
    ("lettre", &["src/mailer/transport*"]),
    ("actix*", &["src/http/*", "src/app.rs", "src/main.rs"]),
];

/// The crates that `domain` may name.
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

/// The modules of linkgate that each file may name besides its own; the first match counts. `x::Y` allows only that item.
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
    // The trait and the types of the store, not the implementations; the mailer, not its transports.
    ("src/flow/*", &["flow", "token", "store", "mailer", "domain", "clock", "metrics"]),
    ("src/http/*", &["http", "flow", "token", "domain", "metrics", "clock"]),
    ("src/metrics.rs", &["metrics", "domain"]),
    ("src/metrics/*", &["domain"]),
    ("src/logging.rs", &["domain"]),
    ("src/healthcheck.rs", &[]),
    ("src/clock.rs", &[]),
];

/// Inner modules that only `app` and their own layer may name.
const INNER: [(&str, &str); 4] =
    [("store", "redis"), ("store", "memory"), ("store", "measured"), ("mailer", "transport")];

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |prefix| name.starts_with(prefix))
}

/// The paths that a file names and must not.
fn violations(source: &Source, crates: &BTreeSet<String>, modules: &BTreeSet<String>) -> BTreeSet<String> {
    let file = source.file.as_str();
    let mut wrong = BTreeSet::new();
    let Some((_, allowed)) = ARROWS.iter().find(|(pattern, _)| matches(pattern, file)) else {
        return BTreeSet::from([format!("{file} has no place among the arrows")]);
    };
    for path in source.paths() {
        let text = path.join("::");
        let segment = |n: usize| path.get(n).map_or("", String::as_str);
        if segment(0) == "crate" {
            let top = segment(1);
            let listed =
                |entry: &str| entry == "*" || entry == top || entry == format!("{top}::{}", segment(2));
            let own = source.module.first().is_some_and(|own| own == top);
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

/// The layers.
fn modules(sources: &[Source]) -> BTreeSet<String> {
    sources.iter().filter_map(|source| source.module.first().cloned()).collect()
}

#[test]
fn every_file_names_only_what_its_layer_may_know() {
    let (sources, crates) = (sources(), crates());
    let modules = modules(&sources);
    let wrong: Vec<String> =
        sources.iter().flat_map(|source| violations(source, &crates, &modules)).collect();
    assert!(wrong.is_empty(), "against the arrows:\n{}", wrong.join("\n"));
}

#[test]
fn a_file_of_more_than_400_lines_has_a_reason() {
    let long: Vec<(String, usize)> = sources()
        .into_iter()
        .map(|source| (source.file, source.text.lines().count()))
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
        let named = |source: &Source| source.paths().iter().any(|path| matches(name, &path[0]));
        assert!(sources.iter().any(named), "{name} is named somewhere");
    }
}

#[test]
fn a_forbidden_name_is_found_however_it_is_written_and_words_about_it_are_not() {
    let (sources, crates) = (sources(), crates());
    let modules = modules(&sources);
    let wrong = |file: &str, text: &str| violations(&Source::new(file, text), &crates, &modules);
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
