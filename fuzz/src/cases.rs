//! The case files that all suites share.

use std::path::Path;

use serde_json::Value;

/// `tests/cases/email_addresses.json`.
pub const ADDRESSES: &str = include_str!("../../tests/cases/email_addresses.json");

/// `tests/cases/redirect_urls.json`.
pub const REDIRECTS: &str = include_str!("../../tests/cases/redirect_urls.json");

/// The variable that names a directory for the seeds of a target.
const SEEDS: &str = "LINKGATE_FUZZ_SEEDS";

/// Writes the seeds where `LINKGATE_FUZZ_SEEDS` says, if it does. A target does so before its corpora are read, so that
/// the directory can be one of them.
pub fn write(seeds: fn() -> Vec<Vec<u8>>) {
    let Some(directory) = std::env::var_os(SEEDS) else { return };
    for (number, seed) in seeds().into_iter().enumerate() {
        std::fs::write(Path::new(&directory).join(format!("seed-{number:02}")), seed)
            .expect("a directory for seeds");
    }
}

/// The strings of a case file, but for the very long ones: mutations of those are as good as any other.
#[must_use]
pub fn seeds(file: &str) -> Vec<Vec<u8>> {
    strings(file).into_iter().map(String::into_bytes).filter(|text| text.len() <= 512).collect()
}

/// Every string of a case file, however deep; names of fields are left out.
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
