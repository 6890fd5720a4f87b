//! The public items of `domain`: the case files of the contract, and properties that hold for any input.
#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::net::IpAddr;

use linkgate::domain::browser;
use linkgate::domain::email::EmailAddress;
use linkgate::domain::network::TrustedProxies;
use linkgate::domain::redirect::RedirectAllowList;
use proptest::prelude::*;
use serde_json::Value;
use url::Url;

const ADDRESSES: &str = include_str!("../cases/email_addresses.json");
const REDIRECTS: &str = include_str!("../cases/redirect_urls.json");

fn cases(file: &str) -> Value {
    serde_json::from_str(file).expect("a case file is JSON")
}

fn list(cases: &Value) -> &Vec<Value> {
    cases.as_array().expect("a list of cases")
}

fn text(case: &Value) -> &str {
    case.as_str().expect("a case that is a string")
}

fn allow_list(entries: &[&str]) -> RedirectAllowList {
    let entries: Vec<String> = entries.iter().map(ToString::to_string).collect();
    RedirectAllowList::parse(&entries).expect("valid entries")
}

#[test]
fn every_address_to_accept_becomes_its_canonical_form() {
    for case in list(&cases(ADDRESSES)["accept"]) {
        let (input, canonical) = (text(&case["in"]), text(&case["canonical"]));
        let address = EmailAddress::parse(input).unwrap_or_else(|error| panic!("{input:?}: {error}"));
        assert_eq!(address.as_str(), canonical, "{input:?}");
        assert_eq!(EmailAddress::from_canonical(canonical).as_ref(), Ok(&address), "{input:?}");
    }
}

#[test]
fn every_address_to_reject_is_rejected() {
    for case in list(&cases(ADDRESSES)["reject"]) {
        assert!(EmailAddress::parse(text(case)).is_err(), "{case}");
    }
}

#[test]
fn every_redirect_url_to_accept_is_allowed_and_every_other_is_not() {
    let cases = cases(REDIRECTS);
    let listed = &cases["allow_list"];
    let entries: Vec<&str> = list(&listed["exact"]).iter().chain(list(&listed["prefix"])).map(text).collect();
    let allow = allow_list(&entries);
    for case in list(&cases["accept"]) {
        assert_eq!(allow.check(text(case)).expect("a case to accept").as_str(), text(case));
    }
    for case in list(&cases["reject"]) {
        // An array or null is not a string: the types of the request refuse it, as the tests over HTTP show.
        let Some(input) = case.as_str() else { continue };
        assert!(allow.check(input).is_err(), "{case}");
    }
}

/// Text that is nearly an address: the relevant parts in any order.
fn nearly_an_address() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => Just("@".to_owned()),
        4 => Just(".".to_owned()),
        4 => "[a-zA-Z0-9]{1,8}",
        2 => "[-_=?%!+ ]",
        2 => "[äÖßığςΣÉ中ा]",
        1 => "(xn--|xn--mnchen-3ya|XN--)",
        1 => "[\u{200b}-\u{200d}\u{ad}\u{301}\u{130}\u{212a}\u{ff21}\u{3002}\u{ff20}\u{2800}]",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
}

/// Text that is often an address, with a domain of unusual letters.
fn often_an_address() -> impl Strategy<Value = String> {
    "[a-zA-Z]{1,5}@([a-zA-Zà-ÿÀ-ÖΑ-Ωα-ωА-я0-9]{1,8}|\\PC{1,3}|xn--[a-z0-9]{1,6})\\.(com|рф|\\pL{2})"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_canonical_address_is_ascii_short_and_canonical_again(
        input in prop_oneof![nearly_an_address(), often_an_address(), any::<String>()]
    ) {
        if let Ok(address) = EmailAddress::parse(&input) {
            let canonical = address.as_str();
            prop_assert!(canonical.is_ascii() && canonical.len() <= 254);
            prop_assert!(!canonical.bytes().any(|b| b.is_ascii_uppercase() || b.is_ascii_whitespace()));
            prop_assert_eq!(EmailAddress::from_canonical(canonical), Ok(address.clone()));
            prop_assert_eq!(format!("{}@{}", address.local_part(), address.domain()), canonical);
        }
    }

    #[test]
    fn an_allowed_redirect_url_is_unchanged_and_of_the_listed_origin(
        head in "(https://app\\.example\\.com/p/|https://app\\.example\\.com|https:/|[a-z]{0,6}://)",
        tail in "([a-z]{0,3}|[/\\\\@#?;:.%&=]{0,2}|%2[ef]|\\.\\./|evil\\.com|\\PC|[\\x00-\\x20]){0,6}",
    ) {
        let input = head + &tail;
        let allow = allow_list(&["https://app.example.com/p/", "https://app.example.com/cb"]);
        if let Ok(allowed) = allow.check(&input) {
            let url = Url::parse(allowed.as_str()).expect("an allowed URL parses");
            prop_assert_eq!(allowed.as_str(), &input);
            prop_assert_eq!(url.as_str(), &input);
            prop_assert_eq!(url.origin().ascii_serialization(), "https://app.example.com");
            prop_assert_eq!(allowed.origin(), "https://app.example.com");
            prop_assert!(url.path().starts_with("/p/") || url.path() == "/cb");
        }
    }

    #[test]
    fn no_string_makes_the_check_of_a_redirect_url_panic(input in any::<String>()) {
        prop_assert!(allow_list(&["https://app.example.com/p/"]).check(&input).is_err());
    }

    #[test]
    fn parameters_change_neither_origin_nor_path_nor_what_was_in_the_query(
        query in "([a-z%.;+_]{0,5}(=[a-z%+]{0,5})?&?){0,4}",
        name in any::<String>(),
        value in any::<String>(),
    ) {
        let input = format!("https://app.example.com/p/x?{query}");
        let allowed = allow_list(&["https://app.example.com/p/"]).check(&input).expect("a query is allowed");
        let before = Url::parse(&input).expect("it was allowed");
        let after = Url::parse(&allowed.with_params(&[(&name, &value)])).expect("the result is a URL");
        prop_assert_eq!(after.origin(), before.origin());
        prop_assert_eq!(after.path(), before.path());
        prop_assert!(after.fragment().is_none() && after.username().is_empty());
        let expected: Vec<_> = before.query_pairs().chain([(name.as_str().into(), value.as_str().into())]).collect();
        prop_assert_eq!(after.query_pairs().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_untrusted_peer_cannot_claim_another_address(
        peer in any::<IpAddr>(),
        claimed in prop::collection::vec(prop_oneof![any::<IpAddr>().prop_map(|ip| ip.to_string()), any::<String>()], 0..5),
    ) {
        let trusted = TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).expect("a valid block");
        prop_assume!(!peer.to_canonical().to_string().starts_with("10."));
        let claimed: Vec<&str> = claimed.iter().map(String::as_str).collect();
        prop_assert_eq!(trusted.client_address(peer, &claimed), peer.to_canonical());
    }

    #[test]
    fn what_a_client_claims_does_not_matter_left_of_an_untrusted_hop(claimed in any::<String>()) {
        let trusted = TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).expect("a valid block");
        let hop: IpAddr = [192, 0, 2, 1].into();
        prop_assert_eq!(trusted.client_address([10, 0, 0, 1].into(), &[&claimed, "192.0.2.1, 10.0.0.2"]), hop);
    }

    #[test]
    fn a_browser_in_words_is_short_and_plain(
        words in prop::collection::vec(
            prop_oneof![
                "(Mozilla/5\\.0|Windows NT [0-9.]{1,4};|Mac OS X|iPhone;|like Mac OS X|Android 1|Linux|CrOS x\\))",
                "(Firefox/1|Chrome/1|Safari/|Version/1|MSIE 1;|Trident/7|Opera|OPR/1|Edge?/1|GSA/1|FxiOS/1|CFNetwork)",
                "(DoCoMo/1|KDDI-|SoftBank/1|PSP|PLAYSTATION 3|Nintendo|Xbox|BB10|BlackBerry|curl/8|Yahoo!|bot)",
                any::<String>(),
            ],
            0..6,
        )
    ) {
        if let Some(description) = browser::describe(&words.join(" ")) {
            prop_assert!((1..=40).contains(&description.len()));
            prop_assert!(description.bytes().all(|b| b.is_ascii_alphanumeric() || b" ./+-".contains(&b)));
        }
    }
}
