//! Email addresses: a canonical address is one ASCII string that means what was typed.

use crate::cases;
use linkgate::domain::email::EmailAddress;
use linkgate::domain::sender::Sender;

/// The input is an address as typed.
pub fn check(data: &[u8]) {
    let Ok(typed) = std::str::from_utf8(data) else { return };
    sender(typed);
    let parsed = EmailAddress::parse(typed);
    assert_eq!(parsed, EmailAddress::parse(&format!(" {typed}  ")), "spaces at the ends count for something");
    let Ok(address) = parsed else { return };
    let canonical = address.as_str();
    form(canonical);
    assert_eq!(address.to_string(), canonical);
    assert_eq!(format!("{}@{}", address.local_part(), address.domain()), canonical);
    assert!(!format!("{address:?}").contains(address.domain()), "Debug prints the address");
    assert_eq!(EmailAddress::parse(canonical).as_ref(), Ok(&address), "parsing twice is not parsing once");
    assert_eq!(EmailAddress::from_canonical(canonical).as_ref(), Ok(&address));
    assert_eq!(
        EmailAddress::from_canonical(typed).is_ok(),
        typed == canonical,
        "only the canonical form is canonical"
    );
    for other_case in [typed.to_ascii_uppercase(), typed.to_ascii_lowercase()] {
        assert_eq!(EmailAddress::parse(&other_case).as_ref(), Ok(&address), "case counts for something");
    }
    reads_as_typed(typed.trim_matches(' '), &address);
    for text in [canonical.to_owned(), format!("Name <{canonical}>"), format!("\"Na, me\"<{typed}>")] {
        assert_eq!(Sender::parse(&text).expect("an address makes a sender").address(), &address);
    }
}

/// RFC 5321, section 4.1.2, without the forms that linkgate rejects.
fn form(canonical: &str) {
    assert!((6..=254).contains(&canonical.len()) || canonical.len() >= "a@b.c".len());
    let (local_part, domain) = canonical.split_once('@').expect("an @");
    assert!((1..=64).contains(&local_part.len()));
    for atom in local_part.split('.') {
        assert!(!atom.is_empty(), "an empty atom");
        assert!(
            atom.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"#$&'*+-/=?^_`{|}~".contains(&b))
        );
    }
    assert!(!local_part.contains("=?"), "an encoded word");
    let labels: Vec<&str> = domain.split('.').collect();
    assert!(labels.len() >= 2, "a host without a domain");
    for label in &labels {
        assert!((1..=63).contains(&label.len()));
        assert!(label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        assert!(!label.starts_with('-') && !label.ends_with('-'));
        assert!(label.get(2..4) != Some("--") || label.starts_with("xn--"), "a reserved label");
    }
    let last = labels[labels.len() - 1];
    assert!(!last.bytes().all(|b| b.is_ascii_digit()), "a number for a top-level domain");
    // To the browsers' URL parser, it contains no IP address, port or path.
    let url = url::Url::parse(&format!("https://{domain}/")).expect("a domain makes a URL");
    assert!(matches!(url.host(), Some(url::Host::Domain(host)) if host == domain), "{url}");
}

/// ASCII labels change in case only; other labels, and only those, become A-labels.
fn reads_as_typed(typed: &str, address: &EmailAddress) {
    let (local_part, domain) = typed.split_once('@').expect("an @");
    assert!(local_part.eq_ignore_ascii_case(address.local_part()));
    let typed: Vec<&str> = domain.split('.').collect();
    let canonical: Vec<&str> = address.domain().split('.').collect();
    assert_eq!(typed.len(), canonical.len(), "another number of labels");
    for (typed, canonical) in typed.into_iter().zip(canonical) {
        if typed.is_ascii() {
            assert!(typed.eq_ignore_ascii_case(canonical), "{typed} has become {canonical}");
        } else {
            assert!(canonical.starts_with("xn--"), "{typed} has become {canonical}");
        }
    }
}

/// A sender's name is always one line.
fn sender(text: &str) {
    let Ok(sender) = Sender::parse(text) else { return };
    form(sender.address().as_str());
    if let Some(name) = sender.name() {
        assert!(!name.is_empty() && !name.chars().any(char::is_control) && !name.contains("=?"));
        assert!(!name.contains(['<', '>', '"', '\\']));
    }
}

/// The seeds: the shared cases.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    cases::seeds(cases::ADDRESSES)
}
