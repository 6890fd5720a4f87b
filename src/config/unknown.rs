//! Unknown settings.

use super::fault::Fault;
use super::setting::{FILE_SUFFIX, PREFIX, Setting};

/// The fault of a variable that has the prefix of a setting but is unknown.
pub(super) fn check(settings: &[&Setting], name: &str, value: &str) -> Option<Fault> {
    let suffix = name.strip_prefix(PREFIX)?;
    let known: Vec<String> = settings
        .iter()
        .flat_map(|s| [Some(s.name.to_owned()), s.secret.then(|| s.file_name())])
        .flatten()
        .collect();
    if known.iter().any(|known| known == name) || is_service_link(suffix, value) {
        return None;
    }
    let public = name.strip_suffix(FILE_SUFFIX).filter(|base| settings.iter().any(|s| s.name == *base));
    if let Some(base) = public {
        return Some(Fault::new(
            name,
            "does not exist, since only secrets can come from files",
            format!("set {base}"),
        ));
    }
    let wanted = suffix.to_ascii_uppercase();
    let nearest = known.iter().min_by_key(|known| distance(&wanted, &known[PREFIX.len()..]))?;
    Some(Fault::new(name, "does not exist", format!("did you mean {nearest}? Rename or remove it")))
}

/// Whether Kubernetes set this variable. In each pod next to a service named "linkgate" or "linkgate-…", it sets
/// `LINKGATE_PORT=tcp://10.0.0.1:8080`, `LINKGATE_SERVICE_HOST` and others, which an operator cannot rename.
fn is_service_link(suffix: &str, value: &str) -> bool {
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let ends = |end: &str| suffix == end || suffix.ends_with(&format!("_{end}"));
    let contains = |part: &str| suffix.starts_with(part) || suffix.contains(&format!("_{part}"));
    if ends("SERVICE_HOST") || ends("ADDR") && contains("PORT_") {
        return value.parse::<std::net::IpAddr>().is_ok();
    }
    if ends("SERVICE_PORT") || contains("SERVICE_PORT_") || ends("PORT") && contains("PORT_") {
        return value.parse::<u16>().is_ok();
    }
    if ends("PROTO") && contains("PORT_") {
        return matches!(value, "tcp" | "udp" | "sctp");
    }
    is_url && (ends("PORT") || contains("PORT_"))
}

/// The edit distance of two names, at most 2 if one is the first words of the other (`MAIL` for `MAIL_URL`).
fn distance(wanted: &str, known: &str) -> usize {
    let is_beginning = known.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('_'));
    let edits = strsim::levenshtein(wanted, known);
    if is_beginning { edits.min(2) } else { edits }
}
