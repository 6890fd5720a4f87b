//! Tests of redirect URLs and their allow-list.

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
        ("https://app.example.com;x/cb", "host names"),
        ("https://app.exam$ple.com/", "host names"),
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
    assert_eq!(errors.iter().map(|e| e.entry.as_str()).collect::<Vec<_>>(), ["cb", "javascript:alert(1)"]);
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
