//! Redirect URLs and the allow-list for them.
//!
//! The opener's browser goes to a redirect URL after a link has been verified. An unlisted URL would make linkgate an open
//! redirector that hands out sessions (RFC 9700 section 4.11), so only [`RedirectAllowList::check`] makes a
//! [`RedirectUrl`]. Differences between URL parsers do not bypass it: a URL passes only if parsing and serialising it
//! changes no byte.

use url::{Host, Url, form_urlencoded};

/// The longest redirect URL, in bytes.
const MAX_LENGTH: usize = 2048;

/// A redirect URL that is on the allow-list, byte for byte as requested.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedirectUrl(Url);

impl RedirectUrl {
    /// The URL as requested.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The URL with these parameters appended to its query (`application/x-www-form-urlencoded`, WHATWG URL section 5).
    ///
    /// The rest of the query is kept, except for parameters that an application could mistake for linkgate's: names that
    /// begin with `__linkgate_`, also for parsers that fold case or punctuation, or that read `;` as `&`.
    #[must_use]
    pub fn with_params(&self, params: &[(&str, &str)]) -> String {
        let mut url = self.0.clone();
        if let Some(query) = self.0.query() {
            let kept: Vec<&str> = query.split('&').filter(|piece| !has_reserved_name(piece)).collect();
            let kept = kept.join("&");
            if kept.len() < query.len() {
                url.set_query((!kept.is_empty()).then_some(&kept));
            }
        }
        if !params.is_empty() {
            url.query_pairs_mut().extend_pairs(params);
        }
        url.into()
    }

    /// The source expression for `form-action` of a Content Security Policy: `https://app.example.com`, or the scheme with
    /// its colon for an application's own scheme (CSP Level 3 section 2.3.1).
    #[must_use]
    pub fn origin(&self) -> String {
        if is_web(&self.0) { self.0.origin().ascii_serialization() } else { format!("{}:", self.0.scheme()) }
    }
}

/// The redirect URLs that the operator allows: exact URLs, and prefixes that end in `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedirectAllowList(Vec<String>);

impl RedirectAllowList {
    /// Builds the list. An entry that ends in `/` allows every URL that begins with it; any other allows only itself.
    ///
    /// Entries are absolute `https` URLs (`http` on 127.0.0.1, `[::1]` and localhost, RFC 8252 section 7.3) or, exactly
    /// only, URLs of an application's own scheme, named after its domain (`com.example.app://cb`, RFC 8252 section 7.1).
    /// They are in serialised form, without user, fragment or wildcard. An empty list allows nothing.
    ///
    /// # Errors
    ///
    /// Every entry that breaks these rules, with its position and remedy.
    pub fn parse(entries: &[String]) -> Result<Self, Vec<InvalidEntry>> {
        let invalid = |(index, entry): (usize, &String)| {
            let remedy = check_entry(entry).err()?;
            Some(InvalidEntry { position: index + 1, entry: entry.clone(), remedy })
        };
        let errors: Vec<_> = entries.iter().enumerate().filter_map(invalid).collect();
        if errors.is_empty() { Ok(Self(entries.to_vec())) } else { Err(errors) }
    }

    /// Allows a redirect URL that is listed exactly, or begins with a listed prefix.
    ///
    /// # Errors
    ///
    /// [`RedirectNotAllowed`] if it is neither, is longer than 2048 bytes, would change a byte when parsed and serialised,
    /// has a user, a fragment, a backslash, white space or a control character, or is allowed by a prefix
    /// but has dot-segments (RFC 3986 section 3.3) or an encoded `/`, `\`, `.` or `;` in its path.
    pub fn check(&self, input: &str) -> Result<RedirectUrl, RedirectNotAllowed> {
        let url = parse_unchanged(input).ok_or(RedirectNotAllowed)?;
        let is_plain = has_plain_path(&url);
        let allows = |entry: &String| {
            let is_prefix = entry.ends_with('/') && is_plain;
            entry == input || is_prefix && input.starts_with(entry)
        };
        if self.0.iter().any(allows) { Ok(RedirectUrl(url)) } else { Err(RedirectNotAllowed) }
    }
}

/// An invalid entry of the allow-list.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
#[error("`{entry}`: {remedy}")]
pub struct InvalidEntry {
    /// The position of the entry, counted from 1.
    pub position: usize,
    /// The entry.
    pub entry: String,
    /// The fault and its remedy: a sentence without capital letter and full stop.
    pub remedy: String,
}

/// The redirect URL is not on the operator's allow-list. Contains no part of the URL or the list.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("the redirect URL is not on the allow-list")]
pub struct RedirectNotAllowed;

/// The URL, if it is plain ASCII, has neither user nor fragment, and equals its serialisation.
fn parse_unchanged(input: &str) -> Option<Url> {
    if input.len() > MAX_LENGTH || !input.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#') {
        return None;
    }
    let url = Url::parse(input).ok()?;
    (url.as_str() == input && !has_user(input, &url)).then_some(url)
}

/// Whether the URL has a user or a password, even an empty one before an `@`.
fn has_user(input: &str, url: &Url) -> bool {
    let authority =
        input.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or(""));
    !url.username().is_empty() || url.password().is_some() || authority.contains('@')
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(v4)) => v4 == std::net::Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(v6)) => v6 == std::net::Ipv6Addr::LOCALHOST,
        Some(Host::Domain(domain)) => domain == "localhost",
        None => false,
    }
}

/// Whether nothing in the path leaves a prefix, even for servers that decode first or strip `;` parameters, and for two
/// such servers in a row.
fn has_plain_path(url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    !["%2f", "%5c", "%2e", "%3b"].iter().any(|encoded| path.contains(encoded))
        && !path.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

/// Checks an entry against the rules of the list; the error is its remedy.
fn check_entry(entry: &str) -> Result<(), String> {
    if entry.len() > MAX_LENGTH {
        return Err(format!("longer than {MAX_LENGTH} bytes: shorten it"));
    }
    let Ok(url) = Url::parse(entry) else {
        return Err("not an absolute URL: use one like https://app.example.com/signed-in".to_owned());
    };
    let (web, prefix) = (is_web(&url), entry.ends_with('/'));
    // The parser permits `;` and the like in a host, which would end a directive of a Content Security Policy.
    let odd = |b: u8| !b.is_ascii_alphanumeric() && !b"-._[]:".contains(&b);
    let canonical = format!("write it in its canonical form, {url}");
    let rules = [
        (!entry.contains('*'), "wildcards are not supported: list each URL, or a prefix that ends in `/`"),
        (!has_user(entry, &url), "remove the user name and password before the host"),
        (url.fragment().is_none(), "remove the fragment (from `#` on)"),
        // The required dot excludes `javascript:`, `data:`, `file:` and future schemes.
        (
            web || url.scheme().contains('.'),
            "use https, or a scheme named after a domain of yours, like com.example.app://cb",
        ),
        (
            web || !prefix,
            "a URL of an application's own scheme must be listed exactly: remove the trailing `/`",
        ),
        (
            !web || !url.host_str().is_some_and(|host| host.bytes().any(odd)),
            "the host has characters that are not allowed in host names",
        ),
        (
            url.scheme() != "http" || is_loopback(&url),
            "use https (http is for 127.0.0.1, [::1] and localhost only)",
        ),
        (parse_unchanged(entry).is_some(), &canonical),
        (
            !prefix || url.query().is_none(),
            "a prefix (it ends in `/`) cannot have a query: remove it, or the last `/`",
        ),
        (
            !prefix || has_plain_path(&url),
            "a prefix (it ends in `/`) cannot have dot-segments, %2f, %5c, %2e or %3b in its path",
        ),
    ];
    rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, remedy)| Err(remedy.to_owned()))
}

/// Whether a piece of a query, between two `&`, has a parameter that could be mistaken for linkgate's.
fn has_reserved_name(piece: &str) -> bool {
    piece
        .split(';')
        .flat_map(|part| form_urlencoded::parse(part.as_bytes()))
        .any(|(name, _)| is_reserved(&name))
}

/// PHP reads `..linkgate_x` as `__linkgate_x`, Node.js's `qs` reads `[__linkgate_x]` so, and ASP.NET ignores case.
fn is_reserved(name: &str) -> bool {
    let folded = name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    folded.starts_with('_') && folded.trim_start_matches('_').starts_with("linkgate_")
}

#[cfg(test)]
#[path = "redirect_tests.rs"]
mod tests;
