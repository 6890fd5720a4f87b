//! Origins (RFC 6454): linkgate's own, the base of every link, redirect and cookie, and those of other applications.
//!
//! Errors never contain the input, since a URL may hold a password.

use std::net::IpAddr;

use url::{Host, Url};

/// Why an origin is invalid.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidOrigin {
    /// Not an absolute http or https URL.
    #[error("is not an http or https URL")]
    NotHttp,
    /// Has a user name or a password.
    #[error("has a user name or password")]
    UserInfo,
    /// Has a path, a query or a fragment.
    #[error("has a path, a query or a fragment")]
    NotBare,
    /// Plain http on a host other than this machine.
    #[error("is plain http on a host other than this machine")]
    Insecure,
    /// Not spelled as browsers spell it: upper case, a default port or a trailing slash.
    #[error("is not spelled as browsers spell origins")]
    NotCanonical,
}

/// The origin at which people and applications reach linkgate, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PublicUrl {
    origin: String,
    host: String,
    is_https: bool,
}

impl PublicUrl {
    /// Parses an origin: https, or http on localhost, `*.localhost`, 127.0.0.0/8 and `[::1]`. One trailing slash is
    /// ignored.
    ///
    /// # Errors
    /// [`InvalidOrigin`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let url = parse_origin(text)?;
        let is_https = url.scheme() == "https";
        let host = url.host().ok_or(InvalidOrigin::NotHttp)?;
        if !is_https && !is_this_machine(&host) {
            return Err(InvalidOrigin::Insecure);
        }
        Ok(Self { origin: url.origin().ascii_serialization(), host: host.to_string(), is_https })
    }

    /// The origin without a trailing slash, as in the `Origin` header of linkgate's own pages. Append a path that begins
    /// with a slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// The host without the port; an IPv6 address is in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the scheme is https.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.is_https
    }
}

/// Checks that this is an http or https origin, byte for byte as browsers write it in the `Origin` header.
///
/// # Errors
/// [`InvalidOrigin`] otherwise.
pub fn check_origin(text: &str) -> Result<(), InvalidOrigin> {
    let url = parse_origin(text)?;
    if url.origin().ascii_serialization() == text { Ok(()) } else { Err(InvalidOrigin::NotCanonical) }
}

fn parse_origin(text: &str) -> Result<Url, InvalidOrigin> {
    // The parser repairs all of these silently, which would turn a typing error into another URL.
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '*')) {
        return Err(InvalidOrigin::NotHttp);
    }
    let (scheme, rest) = text.split_once("://").ok_or(InvalidOrigin::NotHttp)?;
    let url = Url::parse(text).map_err(|_| InvalidOrigin::NotHttp)?;
    let is_http = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    if !is_http || rest.starts_with('/') || url.port() == Some(0) {
        return Err(InvalidOrigin::NotHttp);
    }
    if rest.contains('@') {
        return Err(InvalidOrigin::UserInfo);
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(InvalidOrigin::NotBare);
    }
    Ok(url)
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(v4) => IpAddr::V4(*v4).is_loopback(),
        Host::Ipv6(v6) => IpAddr::V6(*v6).is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_spell_it() {
        for (text, origin, host) in [
            ("https://login.example.com", "https://login.example.com", "login.example.com"),
            ("https://login.example.com/", "https://login.example.com", "login.example.com"),
            ("HTTPS://Login.Example.com:443", "https://login.example.com", "login.example.com"),
            ("https://bücher.example:8443", "https://xn--bcher-kva.example:8443", "xn--bcher-kva.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:8080", "http://[::1]:8080", "[::1]"),
            ("http://localhost", "http://localhost", "localhost"),
            ("http://app.localhost:3000", "http://app.localhost:3000", "app.localhost"),
        ] {
            let url = PublicUrl::parse(text).unwrap_or_else(|e| panic!("{text} {e}"));
            assert_eq!((url.as_str(), url.host()), (origin, host), "{text}");
            assert_eq!(url.is_https(), origin.starts_with("https:"), "{text}");
        }
    }

    #[test]
    fn anything_more_or_less_than_an_origin_is_rejected() {
        use InvalidOrigin::{Insecure, NotBare, NotHttp, UserInfo};
        for (text, reason) in [
            ("", NotHttp),
            ("login.example.com", NotHttp),
            ("ftp://login.example.com", NotHttp),
            ("https:login.example.com", NotHttp),
            ("https:///login.example.com", NotHttp),
            ("https://", NotHttp),
            ("https://*.example.com", NotHttp),
            ("https:\\\\login.example.com", NotHttp),
            ("https://login.exa\tmple.com", NotHttp),
            (" https://login.example.com", NotHttp),
            ("https://login.example.com:0", NotHttp),
            ("https://user:pass@login.example.com", UserInfo),
            ("https://@login.example.com", UserInfo),
            ("https://login.example.com/base", NotBare),
            ("https://login.example.com//", NotBare),
            ("https://login.example.com?", NotBare),
            ("https://login.example.com/#", NotBare),
            ("http://login.example.com", Insecure),
            ("http://127.0.0.1.example.com", Insecure),
            ("http://localhost.example.com", Insecure),
            ("http://192.168.1.5:8080", Insecure),
        ] {
            assert_eq!(PublicUrl::parse(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn an_allowed_origin_is_compared_byte_for_byte() {
        for good in ["https://app.example.com", "http://localhost:5173", "https://app.example.com:8443"] {
            assert_eq!(check_origin(good), Ok(()), "{good}");
        }
        for bad in ["https://app.example.com/", "https://App.example.com", "https://app.example.com:443"] {
            assert_eq!(check_origin(bad), Err(InvalidOrigin::NotCanonical), "{bad}");
        }
        for bad in ["*", "null", "https://*.example.com", "https://app.example.com/path"] {
            assert!(check_origin(bad).is_err(), "{bad}");
        }
    }
}
