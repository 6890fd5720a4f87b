//! Names that do not exist.

use super::fault::Fault;
use super::settings::{FILE_SUFFIX, PREFIX, SETTINGS};

/// The fault of a variable whose name begins like a setting's and is none.
pub(super) fn check(name: &str, value: &str) -> Option<Fault> {
    let suffix = name.strip_prefix(PREFIX)?;
    if known_names().any(|known| known == name) || is_service_link(suffix, value) {
        return None;
    }
    let public = name.strip_suffix(FILE_SUFFIX).filter(|base| SETTINGS.iter().any(|s| s.name == *base));
    if let Some(base) = public {
        return Some(Fault::new(
            name,
            "does not exist, since only secrets come from files",
            format!("set {base}"),
        ));
    }
    let wanted = suffix.to_ascii_uppercase();
    let nearest = known_names().min_by_key(|known| far(&wanted, &known[PREFIX.len()..]));
    let nearest = nearest.unwrap_or_default();
    Some(Fault::new(name, "does not exist", format!("did you mean {nearest}? Rename or remove it")))
}

fn known_names() -> impl Iterator<Item = String> {
    SETTINGS.iter().flat_map(|s| [Some(s.name.to_owned()), s.secret.then(|| s.file_name())]).flatten()
}

/// Kubernetes sets `LINKGATE_PORT=tcp://10.0.0.1:8080`, `LINKGATE_SERVICE_HOST` and more in each pod next to a
/// service called "linkgate" or "linkgate-…". Nobody asked for them and nobody can rename them.
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

/// How far a name is from a known one. Its first words alone (`MAIL` for `MAIL_URL`) are nearer than they count.
fn far(wanted: &str, known: &str) -> usize {
    let is_beginning = known.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('_'));
    let edits = distance(wanted, known);
    if is_beginning { edits.min(2) } else { edits }
}

/// How many characters must be added, removed or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_single_edits() {
        for (a, b, edits) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("LISTEN", "LITSEN", 2)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn a_misspelled_name_brings_the_nearest_to_mind() {
        for (name, nearest) in [
            ("LINKGATE_PUBLIC_URI", "did you mean LINKGATE_PUBLIC_URL?"),
            ("LINKGATE_KEY", "did you mean LINKGATE_KEYS?"),
            ("LINKGATE_KEY_FILE", "did you mean LINKGATE_KEYS_FILE?"),
            ("LINKGATE_MAIL", "did you mean LINKGATE_MAIL_URL?"),
            ("LINKGATE_link_ttl", "did you mean LINKGATE_LINK_TTL?"),
            ("LINKGATE_APP_NAME_FILE", "set LINKGATE_APP_NAME"),
        ] {
            let fault = check(name, "x").unwrap_or_else(|| panic!("{name} passes"));
            assert!(fault.remedy.contains(nearest), "{fault}");
        }
    }

    #[test]
    fn other_programs_variables_are_none_of_our_business() {
        for name in ["PATH", "LINKGATE", "linkgate_public_url", "MY_LINKGATE_KEYS"] {
            assert_eq!(check(name, "x"), None, "{name}");
        }
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_called_linkgate_is_passed_over() {
        for (name, value) in [
            ("LINKGATE_SERVICE_HOST", "10.0.0.11"),
            ("LINKGATE_SERVICE_PORT", "80"),
            ("LINKGATE_SERVICE_PORT_HTTP", "80"),
            ("LINKGATE_PORT", "tcp://10.0.0.11:80"),
            ("LINKGATE_PORT_80_TCP", "tcp://10.0.0.11:80"),
            ("LINKGATE_PORT_80_TCP_PROTO", "tcp"),
            ("LINKGATE_PORT_80_TCP_PORT", "80"),
            ("LINKGATE_PORT_80_TCP_ADDR", "fd00::11"),
            ("LINKGATE_REDIS_SERVICE_HOST", "10.0.0.12"),
            ("LINKGATE_REDIS_PORT_6379_TCP", "tcp://10.0.0.12:6379"),
        ] {
            assert_eq!(check(name, value), None, "{name}");
        }
        for (name, value) in [("LINKGATE_PORT", "8080"), ("LINKGATE_SERVICE_HOST", "login.example.com")] {
            assert!(check(name, value).is_some(), "{name}");
        }
    }
}
