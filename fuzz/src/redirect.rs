//! Redirect URLs: an allowed URL is listed, means the same to every parser, and keeps appended parameters apart.

use crate::cases;
use linkgate::domain::redirect::{RedirectAllowList, RedirectUrl};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// The list for inputs without their own; it includes that of the shared cases.
const LISTED: [&str; 7] = [
    "https://app.example.com/cb",
    "https://app.example.com/p/",
    "https://app.example.com:8443/q?tenant=1",
    "https://xn--mnchen-3ya.example/",
    "http://localhost:3000/",
    "http://[::1]/cb",
    "com.example.app://cb",
];

/// The appended parameters, in order: those of linkgate, and values that need escapes.
const APPENDED: [(&str, &str); 3] = [
    ("__linkgate_status", "verified"),
    ("__linkgate_session", "sess_0&a=b#c d"),
    ("__linkgate_ticket", "a.b-c_d"),
];

/// The last line of the input is a redirect URL; the lines before it, if any, are the entries of the list.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (entries, input) =
        text.rsplit_once('\n').map_or((None, text), |(entries, input)| (Some(entries), input));
    let listed = RedirectAllowList::parse(&LISTED.map(str::to_owned)).expect("a good list");
    against(&listed, &LISTED, input);
    let Some(entries) = entries else { return };
    let entries: Vec<&str> = entries.split('\n').collect();
    let alone: Vec<bool> =
        entries.iter().map(|entry| RedirectAllowList::parse(&[(*entry).to_owned()]).is_ok()).collect();
    match RedirectAllowList::parse(&entries.iter().map(ToString::to_string).collect::<Vec<_>>()) {
        Ok(list) => {
            assert!(alone.iter().all(|good| *good), "a bad entry hides among others");
            for entry in &entries {
                rules(entry);
                assert!(list.check(entry).is_ok(), "{entry} is on the list and not allowed");
                against(&list, &entries, entry);
            }
            against(&list, &entries, input);
        }
        Err(faults) => {
            assert_eq!(
                faults.len(),
                alone.iter().filter(|good| !**good).count(),
                "one fault for each bad entry"
            );
        }
    }
}

/// The rules for an entry of the list.
fn rules(entry: &str) {
    let url = Url::parse(entry).expect("an entry is a URL");
    assert_eq!(url.as_str(), entry);
    assert!(!entry.contains('*') && !entry.contains('#'));
    match url.scheme() {
        "https" => assert!(url.host().is_some()),
        "http" => assert!(match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }),
        own => assert!(own.contains('.'), "{own} is nobody's scheme"),
    }
}

fn against(list: &RedirectAllowList, entries: &[&str], input: &str) {
    let Ok(allowed) = list.check(input) else { return };
    assert_eq!(allowed.as_str(), input, "an allowed URL has changed");
    assert!(
        input.len() <= 2048 && input.bytes().all(|b| b.is_ascii_graphic()) && !input.contains(['\\', '#'])
    );
    let url = Url::parse(input).expect("an allowed URL is one");
    assert_eq!(url.as_str(), input, "parsing and serialising changes the URL");
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    let entry = entries
        .iter()
        .find(|entry| **entry == input || entry.ends_with('/') && input.starts_with(**entry))
        .expect("nothing on the list allows this");
    let entry = Url::parse(entry).expect("an entry is a URL");
    assert_eq!((url.scheme(), url.host_str(), url.port()), (entry.scheme(), entry.host_str(), entry.port()));
    if !entries.contains(&input) {
        stays_below(&url, &entry);
    }
    origin(&allowed, &url);
    parameters(&allowed, &url);
}

/// A server that decodes the path once, takes `\` for `/` or drops `;` parameters does not leave the prefix.
fn stays_below(url: &Url, prefix: &Url) {
    let path = percent_decode_str(url.path()).decode_utf8_lossy().replace('\\', "/");
    let mut resolved: Vec<&str> = Vec::new();
    for segment in path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()) {
        match segment {
            "." => {}
            ".." => drop(resolved.pop()),
            other => resolved.push(other),
        }
    }
    let prefix = percent_decode_str(prefix.path()).decode_utf8_lossy().into_owned();
    let above: Vec<&str> =
        prefix.trim_end_matches('/').split('/').map(|s| s.split(';').next().unwrap_or_default()).collect();
    assert!(resolved.starts_with(&above), "{url} leaves {prefix}");
}

/// The origin becomes one source in a Content Security Policy.
fn origin(allowed: &RedirectUrl, url: &Url) {
    let origin = allowed.origin();
    assert!(url.as_str().starts_with(&origin), "{origin}");
    assert!(origin.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._:/[]".contains(&b)), "{origin}");
    if matches!(url.scheme(), "http" | "https") {
        assert_eq!(origin, url.origin().ascii_serialization());
    } else {
        assert_eq!(origin, format!("{}:", url.scheme()));
    }
}

fn parameters(allowed: &RedirectUrl, before: &Url) {
    let text = allowed.with_params(&APPENDED);
    assert!(text.bytes().all(|b| b.is_ascii_graphic()), "{text} is not fit for a header");
    let after = Url::parse(&text).expect("a URL with parameters is one");
    assert_eq!(after.as_str(), text);
    let place = |url: &Url| {
        let mut url = url.clone();
        url.set_query(None);
        url
    };
    assert_eq!(place(&after), place(before), "the parameters lead elsewhere");
    let pairs: Vec<(String, String)> = after.query_pairs().into_owned().collect();
    let (kept, own) = pairs.split_at(pairs.len() - APPENDED.len());
    assert!(own.iter().map(|(name, value)| (&**name, &**value)).eq(APPENDED), "{text} lacks linkgate's own");
    for (name, _) in kept {
        let name = name.to_ascii_lowercase();
        assert!(
            !name.starts_with("__linkgate_") && !name.starts_with("..linkgate."),
            "{text} has two of {name}"
        );
    }
    // Parameters other than linkgate's stay, byte for byte and in order.
    let query = before.query().unwrap_or_default();
    let foreign = |piece: &&str| {
        let decoded = percent_decode_str(piece).decode_utf8_lossy().to_ascii_lowercase();
        !decoded.contains("linkgate")
    };
    let mut after = after.query().unwrap_or_default().split('&');
    for piece in query.split('&').filter(foreign).filter(|piece| !piece.is_empty()) {
        assert!(after.any(|other| other == piece), "{piece} is lost in {text}");
    }
    if !query.to_ascii_lowercase().contains("inkgate") && !query.contains('%') {
        assert_eq!(allowed.with_params(&[]), allowed.as_str(), "nothing was appended");
    }
}

/// The seeds: the shared cases, and tricks with lists and parameters.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let own = [
        "https://app.example.com/p/x?a=1&__linkgate_status=verified&b=2",
        "https://app.example.com/p/?a;__LINKGATE_session=x&..linkgate.y=1&[__linkgate_z]=2",
        "https://app.example.com/p/..;/x",
        "https://app.example.com/p/..%3b/x",
        "https://app.example.com/p/%2e%2e/x",
        "com.example.app://cb",
        "https://a.example/b/\nhttps://a.example/c?d=e\nhttps://a.example/b/c",
        "http://127.0.0.1:3000/\nhttp://[::1]/x/\ncom.example.app:/cb\nhttp://127.0.0.1:3000/?%5f%5flinkgate_x",
        "https://*.example.com/\nhttp://example.com/\njavascript:alert(1)\nhttps://a.example",
    ];
    cases::seeds(cases::REDIRECTS).into_iter().chain(own.map(|text| text.as_bytes().to_vec())).collect()
}
