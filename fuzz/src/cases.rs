//! The shared case files.

use std::path::Path;

use serde_json::Value;

/// `tests/cases/email_addresses.json`.
pub const ADDRESSES: &str = include_str!("../../tests/cases/email_addresses.json");

/// `tests/cases/redirect_urls.json`.
pub const REDIRECTS: &str = include_str!("../../tests/cases/redirect_urls.json");

/// The environment variable with the directory for a target's seeds.
const SEEDS: &str = "LINKGATE_FUZZ_SEEDS";

/// Writes the seeds to the directory in `LINKGATE_FUZZ_SEEDS`, if it is set, before libFuzzer reads its corpora: the
/// directory can be one of them.
pub fn write(seeds: fn() -> Vec<Vec<u8>>) {
    let Some(directory) = std::env::var_os(SEEDS) else { return };
    for (number, seed) in seeds().into_iter().enumerate() {
        std::fs::write(Path::new(&directory).join(format!("seed-{number:02}")), seed)
            .expect("a directory for seeds");
    }
}

/// The strings of a case file, except very long ones, whose mutations add nothing.
#[must_use]
pub fn seeds(file: &str) -> Vec<Vec<u8>> {
    strings(file).into_iter().map(String::into_bytes).filter(|text| text.len() <= 512).collect()
}

/// Every string value of a case file, at any depth.
fn strings(file: &str) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.push(text.clone()),
            Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
            Value::Object(fields) => fields.values().for_each(|value| collect(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(file).expect("a case file is JSON"), &mut found);
    found
}
