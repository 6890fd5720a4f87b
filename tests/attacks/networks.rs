//! `X-Forwarded-For` and similar headers: which of them place a client in a network.

use chrono::TimeDelta;
use serde_json::json;

use test_kit::app::{TestApp, answer};
use test_kit::requests::token_of;
use test_kit::wire::ask;

/// The requester's IP address.
const HERE: &str = "203.0.113.7";

/// How a client with these header lines may confirm an attempt from [`HERE`] under `adaptive`: `approve` in the same
/// network, `relay_code` in another.
async fn confirm(app: &TestApp, link: &str, lines: &[u8]) -> String {
    let mut request =
        format!("GET /v/{} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n", token_of(link)).into_bytes();
    request.extend_from_slice(lines);
    request.extend_from_slice(b"\r\n");
    let answer = ask(app, request).await;
    answer.expect(200).text("confirm")
}

async fn forwarded(app: &TestApp, link: &str, value: &str) -> String {
    confirm(app, link, format!("X-Forwarded-For: {value}\r\n").as_bytes()).await
}

/// A link that was started from [`HERE`].
async fn link(app: &TestApp) -> String {
    app.browser_at(HERE).sign_in("ann@example.com").await;
    app.link("ann@example.com")
}

#[tokio::test]
async fn a_forged_hop_does_not_count_and_the_one_that_our_proxies_add_does() {
    let app = TestApp::with(&[("LINKGATE_TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8")]).await;
    let link = link(&app).await;
    for (value, wanted) in [
        ("203.0.113.99", "approve"),
        ("198.51.100.9", "relay_code"),
        ("203.0.113.7, 198.51.100.9", "relay_code"),
        ("203.0.113.7, 198.51.100.9, 10.0.0.1", "relay_code"),
        ("203.0.113.7,203.0.113.7,\t198.51.100.9", "relay_code"),
        ("198.51.100.9, 203.0.113.7, 10.0.0.1, 10.0.0.2", "approve"),
        ("203.0.113.7, 127.0.0.1, 198.51.100.9", "relay_code"),
    ] {
        assert_eq!(forwarded(&app, &link, value).await, wanted, "{value}");
    }
    let lines = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 198.51.100.9\r\n";
    assert_eq!(confirm(&app, &link, lines.as_bytes()).await, "relay_code", "the last header is the nearest");
}

#[tokio::test]
async fn without_trusted_proxies_nobody_is_elsewhere_by_saying_so() {
    let app = TestApp::with(&[("LINKGATE_TRUSTED_PROXIES", "")]).await;
    let link = link(&app).await;
    // The requester claimed 203.0.113.7, and is at 127.0.0.1, as all clients here.
    for value in ["198.51.100.9", "203.0.113.7", "::1", "unknown"] {
        assert_eq!(forwarded(&app, &link, value).await, "approve", "{value}");
    }
    // A trusted proxy that is not the peer changes nothing either.
    let app = TestApp::with(&[("LINKGATE_TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8")]).await;
    let link = self::link(&app).await;
    assert_eq!(forwarded(&app, &link, "198.51.100.9, 10.0.0.1").await, "approve");
}

#[tokio::test]
async fn no_other_header_says_where_somebody_is() {
    let app = TestApp::start().await;
    let link = link(&app).await;
    for name in [
        "X-Real-IP",
        "X-Client-IP",
        "Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "CF-Connecting-IPv6",
        "Fastly-Client-IP",
        "X-Cluster-Client-IP",
        "X-Forwarded",
        "Forwarded-For",
        "X-Originating-IP",
        "X-Remote-IP",
        "X-Remote-Addr",
        "X-Azure-ClientIP",
        "X-ProxyUser-Ip",
        "X-Original-Forwarded-For",
        "Via",
        "Fly-Client-IP",
    ] {
        let lines = format!("X-Forwarded-For: 198.51.100.9\r\n{name}: {HERE}\r\n");
        assert_eq!(confirm(&app, &link, lines.as_bytes()).await, "relay_code", "{name}");
    }
    let lines = format!("X-Forwarded-For: 198.51.100.9\r\nForwarded: for={HERE}\r\n");
    assert_eq!(confirm(&app, &link, lines.as_bytes()).await, "relay_code");
}

#[tokio::test]
async fn a_thousand_hops_bring_nobody_nearer() {
    let app = TestApp::with(&[("LINKGATE_TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8")]).await;
    let link = link(&app).await;
    let proxies = vec!["10.0.0.1"; 1000].join(",");
    assert_eq!(forwarded(&app, &link, &format!("{HERE},{proxies}")).await, "relay_code");
    let forged = vec![HERE; 1000].join(",");
    assert_eq!(forwarded(&app, &link, &format!("{forged},198.51.100.9")).await, "relay_code");
    let empty = ",".repeat(1000);
    assert_eq!(forwarded(&app, &link, &format!("{HERE}{empty}198.51.100.9")).await, "relay_code");
    // As many headers as the server accepts.
    let lines = format!("X-Forwarded-For: {HERE}\r\n").repeat(80) + "X-Forwarded-For: 198.51.100.9\r\n";
    assert_eq!(confirm(&app, &link, lines.as_bytes()).await, "relay_code");
    // Hops within the limit still count.
    let proxies = vec!["10.0.0.1"; 40].join(",");
    assert_eq!(forwarded(&app, &link, &format!("{HERE},{proxies}")).await, "approve");
}

#[tokio::test]
async fn a_garbage_hop_makes_nobody_a_neighbour_and_breaks_nothing() {
    let app = TestApp::start().await;
    let link = link(&app).await;
    let garbage: &[&[u8]] = &[
        b"unknown",
        b"_hidden",
        b"localhost",
        b"203.0.113.7/24",
        b"203.0.113.7/32",
        b"203.0.113.007",
        b"0313.0.0161.7",
        b"0xcb007107",
        b"3405803783",
        b"203.0.28935",
        b"203.0.113.7:99999",
        b"203.0.113.7:-1",
        b"203.0.113.7:",
        b"[203.0.113.7]",
        b"203.0.113.7]",
        b"\"203.0.113.7",
        b"'203.0.113.7'",
        b"for=203.0.113.7",
        b"203.0.113.7;proto=https",
        b"203.0.113.7 198.51.100.9",
        b"203.0.113.7%00",
        b"203.0.113.7%0d%0a",
        b"203.0.113.7\xff",
        b"\xff\xfe",
        b"203.0.113.7\xc2\xa0",
        "２０３.0.113.7".as_bytes(),
        "203。0。113。7".as_bytes(),
        b"::203.0.113.7",
        b"2002:cb00:7107::1",
        b"64:ff9b::203.0.113.7",
        b"::ffff:203.0.113.7%eth0",
        b"::ffff:203.0.113.300",
        b":::::",
        b"${jndi:ldap://127.0.0.1/a}",
        b"<script>alert(1)</script>",
        b"{{7*7}}",
        b"203.0.113.7\t\t1",
    ];
    for hop in garbage {
        for before in [&b""[..], b"203.0.113.7, "] {
            let lines = [b"X-Forwarded-For: ", before, hop, b"\r\n"].concat();
            let shown = String::from_utf8_lossy(&lines).into_owned();
            assert_eq!(confirm(&app, &link, &lines).await, "relay_code", "{shown}");
        }
    }
}

#[tokio::test]
async fn a_mapped_ipv4_address_is_that_address_and_what_only_looks_like_one_is_not() {
    for trusted in ["127.0.0.1", "::ffff:127.0.0.1", "::ffff:127.0.0.0/104"] {
        let app = TestApp::with(&[("LINKGATE_TRUSTED_PROXIES", trusted)]).await;
        let link = link(&app).await;
        for (hop, wanted) in [
            ("::ffff:203.0.113.9", "approve"),
            ("::ffff:cb00:7109", "approve"),
            ("::FFFF:203.0.113.9", "approve"),
            ("[::ffff:203.0.113.9]:443", "approve"),
            ("0:0:0:0:0:ffff:203.0.113.9", "approve"),
            ("::ffff:198.51.100.9", "relay_code"),
            ("::203.0.113.9", "relay_code"),
            ("::ffff:0:203.0.113.9", "relay_code"),
            ("2001:db8::203.0.113.9", "relay_code"),
        ] {
            assert_eq!(forwarded(&app, &link, hop).await, wanted, "{hop} behind {trusted}");
        }
    }
}

#[tokio::test]
async fn whom_an_owner_has_turned_away_does_not_come_back_by_a_header() {
    let app = TestApp::start().await;
    app.browser_at(HERE).sign_in("ann@example.com").await;
    let owner = app.browser_at("198.51.100.9");
    owner.press(&app.link("ann@example.com"), "deny").await.expect(303);
    let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
    let start = |hops: &str| app.browser_at(hops).post("/v1/attempts").json(&body);
    app.advance(TimeDelta::minutes(1));
    for hops in [
        HERE,
        "203.0.113.250",
        "198.51.100.9, 203.0.113.7",
        "::ffff:203.0.113.7",
        "203.0.113.7:1234",
        "198.51.100.9, , 203.0.113.7 ,",
    ] {
        answer(start(hops)).await.expect_problem(429, "rate_limited");
        for (name, value) in [
            ("X-Real-IP", "198.51.100.9"),
            ("Forwarded", "for=198.51.100.9"),
            ("X-Client-IP", "198.51.100.9"),
            ("Host", "evil.example"),
        ] {
            answer(start(hops).header(name, value)).await.expect_problem(429, "rate_limited");
        }
    }
    assert_eq!(app.links("ann@example.com").len(), 1);
    // The owner, in another network, is not locked out.
    answer(start("198.51.100.9")).await.expect(201);
}
