//! Redirect URLs, and the list of those that are allowed.
//!
//! A redirect URL is where a person goes after a link has been verified. One that is not on the operator's list would
//! make linkgate an open redirector that hands out sessions (RFC 9700 section 4.11), so a [`RedirectUrl`] can only be
//! had from [`RedirectAllowList::check`], and differences in how programs read URLs are no way around it: a URL passes
//! only when parsing and serialising it changes no byte.
//!
//! This module must not know requests, tokens or answers, nor what the parameters that it appends mean.

use std::error::Error;
use std::fmt;

use url::{Host, Url, form_urlencoded};

/// The longest redirect URL, in bytes.
const MAX_LENGTH: usize = 2048;

/// A redirect URL that the list has allowed, byte for byte as it was given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedirectUrl(Url);

impl RedirectUrl {
    /// The URL as it was given, and as it was listed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The URL with these parameters appended to its query (`application/x-www-form-urlencoded`, WHATWG URL section 5).
    ///
    /// What else is in the query stays as it is, except parameters that could be taken for linkgate's own: those
    /// whose names begin with `__linkgate_`, also in the eyes of parsers that fold case or punctuation, or that take
    /// `;` for `&`.
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

    /// The origin as it is written in `form-action` of a Content Security Policy: `https://app.example.com`, or the
    /// scheme with its colon for an application's own scheme (CSP Level 3 section 2.3.1).
    #[must_use]
    pub fn origin(&self) -> String {
        if is_web(&self.0) { self.0.origin().ascii_serialization() } else { format!("{}:", self.0.scheme()) }
    }
}

impl fmt::Display for RedirectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The redirect URLs that the operator allows: some exactly, some by a prefix that ends in `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedirectAllowList {
    exact: Vec<String>,
    prefixes: Vec<String>,
}

impl RedirectAllowList {
    /// Builds the list. An entry that ends in `/` allows what begins with it; any other allows itself alone.
    ///
    /// Entries are absolute `https` URLs (`http` on 127.0.0.1, `[::1]` and localhost, RFC 8252 section 7.3) or, exactly
    /// only, URLs of an application's own scheme, named after its domain (`com.example.app://cb`, RFC 8252 section 7.1).
    /// They are written as they serialise, without user, fragment or wildcard. An empty list allows nothing.
    ///
    /// # Errors
    ///
    /// Every entry that breaks these rules, with how to mend it.
    pub fn parse(entries: &[String]) -> Result<Self, Vec<InvalidEntry>> {
        let mut list = Self::default();
        let mut errors = Vec::new();
        for entry in entries {
            match check_entry(entry) {
                Err(remedy) => errors.push(InvalidEntry { entry: entry.clone(), remedy }),
                Ok(()) if entry.ends_with('/') => list.prefixes.push(entry.clone()),
                Ok(()) => list.exact.push(entry.clone()),
            }
        }
        if errors.is_empty() { Ok(list) } else { Err(errors) }
    }

    /// Allows a redirect URL that is listed exactly, or begins with a listed prefix.
    ///
    /// # Errors
    ///
    /// [`RedirectNotAllowed`] when it is neither, is longer than 2048 bytes, would change a byte by being parsed and
    /// serialised, has a user, a fragment, a backslash, white space or a control character, or is allowed by a prefix
    /// but has dot-segments (RFC 3986 section 3.3) or an encoded `/`, `\`, `.` or `;` in its path.
    pub fn check(&self, input: &str) -> Result<RedirectUrl, RedirectNotAllowed> {
        let url = parse_unchanged(input).ok_or(RedirectNotAllowed)?;
        let is_exact = self.exact.iter().any(|entry| entry == input);
        let is_allowed = is_exact
            || (has_plain_path(&url) && self.prefixes.iter().any(|prefix| input.starts_with(prefix)));
        if is_allowed { Ok(RedirectUrl(url)) } else { Err(RedirectNotAllowed) }
    }
}

/// An entry of the allow-list that breaks its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidEntry {
    /// The entry as it was given.
    pub entry: String,
    /// What is wrong and how to mend it, as a sentence without its first capital and full stop.
    pub remedy: String,
}

impl fmt::Display for InvalidEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.entry, self.remedy)
    }
}

impl Error for InvalidEntry {}

/// The redirect URL is not one that the operator allows. Says nothing of the URL, nor of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirectNotAllowed;

impl fmt::Display for RedirectNotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the redirect URL is not on the list of allowed ones")
    }
}

impl Error for RedirectNotAllowed {}

/// The URL, when it is plain ASCII, has neither user nor fragment, and is written exactly as it serialises.
fn parse_unchanged(input: &str) -> Option<Url> {
    if input.len() > MAX_LENGTH || !input.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#') {
        return None;
    }
    let url = Url::parse(input).ok()?;
    (url.as_str() == input && !has_user(input, &url)).then_some(url)
}

/// Whether there is a user, a password, or an empty one that only an `@` shows.
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

/// Whether nothing in the path climbs out of a prefix, also for servers that decode first or that strip `;` parameters,
/// and for two such servers in a row.
fn has_plain_path(url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    !["%2f", "%5c", "%2e", "%3b"].iter().any(|encoded| path.contains(encoded))
        && !path.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

/// Whether an entry keeps the rules of the list; if not, how to mend it.
fn check_entry(entry: &str) -> Result<(), String> {
    let refuse = |remedy: &str| Err(remedy.to_owned());
    if entry.len() > MAX_LENGTH {
        return refuse("longer than 2048 bytes: shorten it");
    }
    let Ok(url) = Url::parse(entry) else {
        return refuse("not an absolute URL: write one like https://app.example.com/signed-in");
    };
    if entry.contains('*') {
        return refuse("wildcards mean nothing here: list each URL, or a prefix that ends in `/`");
    }
    if has_user(entry, &url) {
        return refuse("remove the user name and password before the host");
    }
    if url.fragment().is_some() {
        return refuse("remove the fragment (from `#` on)");
    }
    if !is_web(&url) {
        return check_own_scheme(entry, &url);
    }
    // The parser lets `;` and the like stand in a host, which would end a directive of a Content Security Policy.
    let odd = |b: u8| !b.is_ascii_alphanumeric() && !b"-._[]:".contains(&b);
    if url.host_str().is_some_and(|host| host.bytes().any(odd)) {
        return refuse("the host has characters that no host name has");
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return refuse("use https (http is for 127.0.0.1, [::1] and localhost only)");
    }
    if parse_unchanged(entry).is_none() {
        return Err(format!("write it in its canonical form, {url}"));
    }
    if entry.ends_with('/') && url.query().is_some() {
        return refuse("a prefix (it ends in `/`) cannot have a query: remove it, or the last `/`");
    }
    if entry.ends_with('/') && !has_plain_path(&url) {
        return refuse(
            "a prefix (it ends in `/`) cannot have dot-segments, %2f, %5c, %2e or %3b in its path",
        );
    }
    Ok(())
}

/// The rules for `com.example.app://cb`. The dot keeps out `javascript:`, `data:`, `file:` and whatever comes next.
fn check_own_scheme(entry: &str, url: &Url) -> Result<(), String> {
    if !url.scheme().contains('.') {
        return Err(
            "use https, or a scheme named after a domain of yours, like com.example.app://cb".to_owned()
        );
    }
    if entry.ends_with('/') {
        return Err(
            "a URL of an application's own scheme is listed exactly: remove the `/` at its end".to_owned()
        );
    }
    if parse_unchanged(entry).is_none() {
        return Err(format!("write it in its canonical form, {url}"));
    }
    Ok(())
}

/// Whether a piece of a query, between two `&`, holds a parameter that could be taken for linkgate's own.
fn has_reserved_name(piece: &str) -> bool {
    piece
        .split(';')
        .flat_map(|part| form_urlencoded::parse(part.as_bytes()))
        .any(|(name, _)| is_reserved(&name))
}

/// PHP reads `..linkgate_x` as `__linkgate_x`, the `qs` of Node.js does so with `[__linkgate_x]`, ASP.NET ignores case.
fn is_reserved(name: &str) -> bool {
    let folded = name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    folded.starts_with('_') && folded.trim_start_matches('_').starts_with("linkgate_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> RedirectAllowList {
        let entries: Vec<String> = entries.iter().map(ToString::to_string).collect();
        RedirectAllowList::parse(&entries).expect("valid entries in a test")
    }

    fn remedy(entry: &str) -> String {
        let errors = RedirectAllowList::parse(&[entry.to_owned()]).expect_err(entry);
        assert_eq!(errors[0].entry, entry);
        errors[0].remedy.clone()
    }

    fn allowed(entry: &str, input: &str) -> RedirectUrl {
        list(&[entry]).check(input).expect("an allowed URL in a test")
    }

    #[test]
    fn an_exact_entry_allows_itself_alone() {
        let list = list(&["https://app.example.com/cb", "https://app.example.com/cb2?x=1"]);
        assert!(list.check("https://app.example.com/cb").is_ok());
        assert!(list.check("https://app.example.com/cb2?x=1").is_ok());
        for input in
            ["https://app.example.com/cb?x=1", "https://app.example.com/cb/", "https://app.example.com/c"]
        {
            assert_eq!(list.check(input), Err(RedirectNotAllowed), "{input}");
        }
    }

    #[test]
    fn a_prefix_allows_itself_and_what_is_below_it() {
        let list = list(&["https://app.example.com/", "https://other.example/p/"]);
        for input in [
            "https://app.example.com/",
            "https://app.example.com/p/x?y=1",
            "https://other.example/p/x?next=../../y&dot=%2e%2F",
        ] {
            assert_eq!(list.check(input).expect(input).as_str(), input);
        }
        for input in ["https://app.example.com", "https://other.example/p", "https://other.example/q/"] {
            assert_eq!(list.check(input), Err(RedirectNotAllowed), "{input}");
        }
    }

    #[test]
    fn nothing_climbs_out_of_a_prefix() {
        let list = list(&["https://app.example.com/p/"]);
        for path in [
            "../x", "./x", "%2e%2e/x", "..%2fx", "a%2Fb", "a%5cb", "a%2Eb", "..;/x", "..%3b/x", ".;a=b/x",
            "x/..;", "a\\b",
        ] {
            assert!(list.check(&format!("https://app.example.com/p/{path}")).is_err(), "{path}");
        }
        assert!(list.check("https://app.example.com/p/..a/b..;c/a.b").is_ok());
    }

    #[test]
    fn users_fragments_and_what_is_not_plain_are_refused() {
        let list = list(&["https://app.example.com/"]);
        for input in [
            "https://app.example.com/#",
            "https://app.example.com/x#y",
            "https://app.example.com/a b",
            "https://app.example.com/a\u{7f}",
            "https://app.example.com/\u{e9}",
            "https://@app.example.com/",
            "https://:@app.example.com/",
            "https://app.example.com:443/",
            "",
        ] {
            assert_eq!(list.check(input), Err(RedirectNotAllowed), "{input}");
        }
    }

    #[test]
    fn a_url_of_2048_bytes_is_the_longest() {
        let list = list(&["https://app.example.com/"]);
        let url = |length: usize| format!("https://app.example.com/{}", "a".repeat(length - 24));
        assert!(list.check(&url(2048)).is_ok());
        assert!(list.check(&url(2049)).is_err());
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert_eq!(RedirectAllowList::default().check("https://app.example.com/"), Err(RedirectNotAllowed));
    }

    #[test]
    fn http_is_for_loopback_only() {
        let list = list(&["http://localhost:3000/", "http://127.0.0.1/cb", "http://[::1]:3000/cb"]);
        assert!(list.check("http://localhost:3000/x").is_ok());
        assert!(list.check("http://localhost:3001/x").is_err());
        for entry in ["http://app.example.com/cb", "http://127.0.0.2/", "http://localhost.example.com/"] {
            assert!(remedy(entry).contains("https"), "{entry}");
        }
    }

    #[test]
    fn an_application_may_have_its_own_scheme_exactly() {
        let list = list(&["com.example.app://cb", "com.example.other:/cb"]);
        assert!(list.check("com.example.app://cb").is_ok());
        assert!(list.check("com.example.other:/cb").is_ok());
        for input in ["com.example.app://cb/x", "com.example.app://cb?x=1", "com.evil.app://cb"] {
            assert_eq!(list.check(input), Err(RedirectNotAllowed), "{input}");
        }
    }

    #[test]
    fn a_bad_entry_is_answered_with_its_remedy() {
        let cases = [
            ("app.example.com/cb", "absolute"),
            ("", "absolute"),
            ("https://app.example.com", "canonical form, https://app.example.com/"),
            ("https://App.example.com/cb", "canonical form, https://app.example.com/cb"),
            ("https://app.example.com:443/cb", "canonical form, https://app.example.com/cb"),
            ("https://app.example.com/a/../cb", "canonical form, https://app.example.com/cb"),
            ("https://münchen.de/cb", "canonical form, https://xn--mnchen-3ya.de/cb"),
            (" https://app.example.com/cb", "canonical form"),
            ("https://*.example.com/cb", "wildcards"),
            ("https://app.example.com;x/cb", "no host name"),
            ("https://app.exam$ple.com/", "no host name"),
            ("https://app.example.com/*", "wildcards"),
            ("https://user:pass@app.example.com/cb", "user name"),
            ("https://user@app.example.com/cb", "user name"),
            ("https://app.example.com/cb#x", "fragment"),
            ("https://app.example.com/p?next=/", "query"),
            ("https://app.example.com/p%2fq/", "%2f"),
            ("https://app.example.com/p%3Bq/", "%3b"),
            ("https://app.example.com/..;/p/", "dot-segments"),
            ("javascript:alert(1)", "scheme"),
            ("file:///etc/passwd", "scheme"),
            ("myapp://cb", "scheme"),
            ("com.example.app://cb/", "exactly"),
            ("com.example.app://a@cb", "user name"),
            ("Com.example.app://cb", "canonical form"),
        ];
        for (entry, expected) in cases {
            let remedy = remedy(entry);
            assert!(remedy.contains(expected), "{entry}: {remedy}");
        }
    }

    #[test]
    fn every_bad_entry_is_reported() {
        let entries = ["cb", "https://app.example.com/cb", "javascript:alert(1)"].map(String::from);
        let errors = RedirectAllowList::parse(&entries).expect_err("two bad entries");
        assert_eq!(
            errors.iter().map(|e| e.entry.as_str()).collect::<Vec<_>>(),
            ["cb", "javascript:alert(1)"]
        );
        assert!(errors[0].to_string().starts_with("`cb`: not an absolute URL"));
    }

    #[test]
    fn parameters_are_appended_and_encoded() {
        let url = allowed("https://app.example.com/cb", "https://app.example.com/cb");
        assert_eq!(url.with_params(&[]), "https://app.example.com/cb");
        assert_eq!(
            url.with_params(&[("__linkgate_status", "verified"), ("x", "a&b=c d")]),
            "https://app.example.com/cb?__linkgate_status=verified&x=a%26b%3Dc+d"
        );
        let app = allowed("com.example.app://cb", "com.example.app://cb");
        assert_eq!(app.with_params(&[("a", "b")]), "com.example.app://cb?a=b");
    }

    #[test]
    fn a_query_that_is_there_stays_as_it_is() {
        let url = allowed("https://app.example.com/", "https://app.example.com/x?y=%41%20b&&z&linkgate_x=1");
        assert_eq!(url.with_params(&[("a", "b")]), "https://app.example.com/x?y=%41%20b&&z&linkgate_x=1&a=b");
    }

    #[test]
    fn parameters_that_look_like_ours_are_removed() {
        for forged in [
            "__linkgate_status=verified",
            "%5F_linkgate_status=verified",
            "__LINKGATE_status=verified",
            "..linkgate_status=verified",
            "+__linkgate.status=verified",
            "[__linkgate_status]=verified",
            "z=1;__linkgate_session=sess_1",
            "__linkgate_ticket",
        ] {
            let url = allowed("https://app.example.com/", &format!("https://app.example.com/x?y=1&{forged}"));
            assert_eq!(url.with_params(&[("a", "b")]), "https://app.example.com/x?y=1&a=b", "{forged}");
            let url = allowed("https://app.example.com/", &format!("https://app.example.com/x?{forged}"));
            assert_eq!(url.with_params(&[]), "https://app.example.com/x", "{forged}");
        }
    }

    #[test]
    fn the_origin_is_written_as_in_a_policy() {
        let origin = |url: &str| allowed(url, url).origin();
        assert_eq!(origin("https://app.example.com/cb"), "https://app.example.com");
        assert_eq!(origin("https://app.example.com:8443/cb"), "https://app.example.com:8443");
        assert_eq!(origin("http://[::1]:3000/cb"), "http://[::1]:3000");
        assert_eq!(origin("com.example.app://cb"), "com.example.app:");
    }
}
