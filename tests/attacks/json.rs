//! Bodies that one parser reads in one way and another parser in another, and bodies that none should read.
//!
//! Every case goes to the start of an attempt. To each other route that reads a body goes the first case of each rule.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use test_kit::app::{Answer, REDIRECT, TestApp, answer};
use test_kit::requests::{SECRET, assert_not_echoed, assert_untouched, plain, plain_with, with_key};
use test_kit::wire::{ask, post};

/// A start with every field that a back end may send.
fn full() -> Value {
    plain_with(&json!({
        "redirect_url": REDIRECT,
        "locale": "en",
        "sub": "customer-1",
        "cross_device": "approve",
        "client": { "ip": "203.0.113.9", "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" },
    }))
}

/// Each route that reads a body, with a valid one.
fn routes() -> Vec<(Method, &'static str, Value)> {
    vec![
        (Method::POST, "/v1/attempts", full()),
        (Method::POST, "/v1/tickets/redeem", json!({ "ticket": "a-ticket-that-is-none" })),
        (Method::POST, "/v1/session/token", json!({ "renewal_token": "a-renewal-that-is-none" })),
        (Method::DELETE, "/v1/session", json!({ "renewal_token": "a-renewal-that-is-none" })),
        (Method::POST, "/v/e30.e30.AAAA", json!({ "decision": "approve", "confirmation": "none-of-ours" })),
    ]
}

fn send(app: &TestApp, method: Method, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let request = with_key(app.script(SECRET).request(method, path));
    request.header("Content-Type", "application/json").body(body)
}

#[track_caller]
fn assert_refused(answer: &Answer, statuses: &[u16], what: &str) {
    assert!(statuses.contains(&answer.status.as_u16()), "{what}: {} {}", answer.status, answer.raw);
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
}

/// What is wrong with a body, and the body.
type Case = (String, Vec<u8>);

/// Sends bodies that are made from a valid one. Each is refused as malformed, and not echoed.
async fn refuse(app: &TestApp, cases: impl Fn(&str) -> Vec<Case>) {
    for (method, path, good) in routes() {
        let cases = cases(&good.to_string());
        let count = if path == "/v1/attempts" { cases.len() } else { 1 };
        for (how, body) in cases.into_iter().take(count) {
            let shown = String::from_utf8_lossy(&body).into_owned();
            let refused = answer(send(app, method.clone(), path, body)).await;
            assert_eq!(refused.status.as_u16(), 400, "{method} {path}, {how}: {}", refused.raw);
            refused.expect_problem(400, "invalid_request");
            assert_not_echoed(&refused, &shown);
        }
    }
    assert_untouched(app).await;
}

fn case(how: impl Into<String>, body: impl Into<Vec<u8>>) -> Case {
    (how.into(), body.into())
}

/// JSON pointers to all strings in a document.
fn strings(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::String(_) => vec![at.to_owned()],
        Value::Object(members) => {
            members.iter().flat_map(|(name, value)| strings(value, &format!("{at}/{name}"))).collect()
        }
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn what_is_not_a_string_is_not_taken_for_one() {
    let app = TestApp::start().await;
    for (method, path, good) in routes() {
        let places = strings(&good, "");
        assert!(!places.is_empty());
        for place in places {
            let text = good.pointer(&place).unwrap().clone();
            for wrong in [
                json!([]),
                json!([text]),
                json!([[text]]),
                json!({}),
                json!({ "$ne": null }),
                json!({ "$gt": "" }),
                json!({ "$regex": ".*" }),
                json!({ text.as_str().unwrap(): null }),
                json!({ "toString": text }),
                json!(0),
                json!(1.5),
                json!(true),
            ] {
                let mut body = good.clone();
                *body.pointer_mut(&place).unwrap() = wrong.clone();
                let refused = answer(send(&app, method.clone(), path, body.to_string())).await;
                assert_refused(&refused, &[400], &format!("{path} {place} {wrong}"));
            }
        }
    }
    assert_untouched(&app).await;
    answer(send(&app, Method::POST, "/v1/attempts", full().to_string())).await.expect(201);
}

/// The name of a field with one letter, or all, written as escapes.
fn disguises(name: &str) -> Vec<String> {
    let escape = |c: char, upper: bool| {
        if upper { format!("\\u{:04X}", u32::from(c)) } else { format!("\\u{:04x}", u32::from(c)) }
    };
    let mut all = vec![name.to_owned(), name.chars().map(|c| escape(c, true)).collect()];
    for at in 0..name.len() {
        let letter = name[at..].chars().next().unwrap();
        all.push(format!("{}{}{}", &name[..at], escape(letter, false), &name[at + 1..]));
    }
    all
}

#[tokio::test]
async fn a_member_that_stands_twice_however_it_is_written_mails_nobody() {
    let app = TestApp::start().await;
    let mut sent = 0;
    for (name, first, second) in [
        ("email_address", r#""victim@example.com""#, r#""attacker@example.com""#),
        ("purpose", r#""sign_in""#, r#""verify_email""#),
        ("redirect_url", r#""https://app.example.com/done""#, r#""https://evil.example/""#),
        ("sub", r#""customer-1""#, r#""admin""#),
        ("deliver", "true", "false"),
        ("client", r#"{"ip":"203.0.113.9"}"#, r#"{"ip":"198.51.100.9"}"#),
    ] {
        let mut rest = plain();
        rest.as_object_mut().unwrap().remove(name);
        let rest = rest.to_string();
        let rest = rest.trim_start_matches('{').trim_end_matches('}');
        for disguise in disguises(name) {
            let twice = [
                format!("{{\"{name}\":{first},\"{disguise}\":{second},{rest}}}"),
                format!("{{\"{disguise}\":{second},{rest},\"{name}\":{first}}}"),
                format!("{{\"{disguise}\":null,{rest},\"{name}\":{first}}}"),
            ];
            for body in twice {
                let refused = answer(send(&app, Method::POST, "/v1/attempts", body.clone())).await;
                assert_refused(&refused, &[400], &body);
                assert_not_echoed(&refused, "attacker@example.com");
                sent += 1;
            }
        }
    }
    for inner in ["ip", "user_agent"] {
        for disguise in disguises(inner) {
            let client = format!("{{\"{inner}\":\"203.0.113.9\",\"{disguise}\":\"198.51.100.9\"}}");
            let body = format!(
                "{{\"email_address\":\"a@example.com\",\"purpose\":\"sign_in\",\"client\":{client}}}"
            );
            assert_refused(&answer(send(&app, Method::POST, "/v1/attempts", body)).await, &[400], &client);
        }
    }
    assert!(sent > 100, "{sent}");
    // On every route, its first field: the same again, another before it, the same with an escape.
    for at in 0..3 {
        refuse(&app, |good| {
            let inside = good.trim_end_matches('}');
            let (first, value) = inside[1..].split(',').next().unwrap().split_once(':').unwrap();
            let escaped = format!("\"\\u{:04x}{}", u32::from(first.as_bytes()[1]), &first[2..]);
            let twice = [
                format!("{inside},{first}:{value}}}"),
                format!("{{{first}:null,{}", &good[1..]),
                format!("{inside},{escaped}:{value}}}"),
            ];
            vec![case("twice", twice[at].clone())]
        })
        .await;
    }
}

#[tokio::test]
async fn nesting_as_deep_as_a_body_may_be_long_is_refused_at_once() {
    let app = TestApp::start().await;
    let deep = |open: &str, close: &str| {
        let depth = 16_000 / (open.len() + close.len());
        format!("{}{}", open.repeat(depth), close.repeat(depth))
    };
    let begun = Instant::now();
    refuse(&app, |good| {
        let inside = good.trim_end_matches('}');
        vec![
            case("within", format!("{inside},\"more\":{}", "[".repeat(15_000))),
            case("arrays", deep("[", "]")),
            case("objects", deep("{\"a\":", "}")),
            case("both", deep("[{\"a\":", "}]")),
            case("arrays without end", "[".repeat(16_000)),
            case("objects without end", "{\"a\":".repeat(3_000)),
            case("in a member", format!("{{\"client\":{}}}", deep("[", "]").split_off(100))),
            case("members", format!("{}{{}}{}", "{\"client\":".repeat(1000), "}".repeat(1000))),
        ]
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_number_is_what_is_written_there_and_no_other() {
    let app = TestApp::start().await;
    for number in [
        "1e400",
        "-1e400",
        "99999999999999999999999",
        "18446744073709551676",
        "4294967356",
        "-60",
        "-0",
        "60.5",
        "\"60\"",
        "NaN",
        "Infinity",
        "0x3c",
        "060",
        "+60",
        "6_0",
        "60.",
        ".6e2",
        "6e1e1",
        "٦٠",
        "1e309",
    ] {
        let body = format!(
            "{{\"email_address\":\"ann@example.com\",\"purpose\":\"sign_in\",\"expires_in\":{number}}}"
        );
        assert_refused(&answer(send(&app, Method::POST, "/v1/attempts", body)).await, &[400], number);
    }
    assert_untouched(&app).await;
    let body = plain_with(&json!({ "expires_in": 60 })).to_string();
    answer(send(&app, Method::POST, "/v1/attempts", body)).await.expect(201);
}

#[tokio::test]
async fn only_one_json_object_is_a_body() {
    let app = TestApp::start().await;
    refuse(&app, |good| {
        // serde reads an array of the fields' values as the struct.
        let values = good.split(':').skip(1).map(|rest| rest.split('"').nth(1).unwrap_or_default());
        let array = values.map(|value| format!("{value:?}")).collect::<Vec<_>>().join(",");
        let broken = [
            case("an array of the values", format!("[{array}]")),
            case("in an array", format!("[{good}]")),
            case("single quotes", good.replace('"', "'")),
            case("a comma at the end", good.replace('}', ",}")),
            case("a comment before", format!("/* a-comment */{good}")),
            case("a comma after", format!("{good},")),
            case("trailing bytes", format!("{good} trailing-bytes")),
            case("cut", &good.as_bytes()[..good.len() - 1]),
            case("a control character", good.replace('a', "\u{1}")),
            case("half a surrogate pair", good.replacen(":\"", ":\"\\ud800", 1)),
        ];
        let others = ["{", "}", "null", "true", "0", "\"a string that is no object\"", "[]"];
        let others = others.map(|text| case(text, text));
        broken.into_iter().chain(others).collect()
    })
    .await;
}

#[tokio::test]
async fn bytes_after_the_object_are_not_looked_past() {
    let app = TestApp::start().await;
    let around = [
        "{}", "[]", "null", "0", "\"x\"", ",", "}", "\0", "\u{feff}", "\u{a0}", "\u{2028}", "//", "/**/",
        "\u{c}", "\u{b}", "\u{85}",
    ];
    refuse(&app, |good| {
        let mut all = vec![case("twice", format!("{good}{good}"))];
        for tail in around {
            all.push(case(format!("{tail:?} after"), format!("{good}{tail}")));
            all.push(case(format!("{tail:?} before"), format!("{tail}{good}")));
            all.push(case(format!("{tail:?} on the next line"), format!("{good} \n{tail}")));
        }
        all
    })
    .await;
    let body = format!(" \t\r\n{}\r\n\t ", plain());
    answer(send(&app, Method::POST, "/v1/attempts", body)).await.expect(201);
}

/// The text in encodings other than UTF-8.
fn encodings(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let wider =
        |bytes: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| bytes(u32::from(c))).collect::<Vec<u8>>();
    let with = |mark: &[u8], bytes: Vec<u8>| [mark, &bytes].concat();
    let (before, behind) = text.split_once("ann").unwrap();
    let spliced = |bytes: &[u8]| [before.as_bytes(), bytes, behind.as_bytes()].concat();
    vec![
        ("utf-16be", wide(u16::to_be_bytes)),
        ("utf-16le", wide(u16::to_le_bytes)),
        ("utf-16", with(b"\xfe\xff", wide(u16::to_be_bytes))),
        ("utf-16", with(b"\xff\xfe", wide(u16::to_le_bytes))),
        ("utf-32be", wider(u32::to_be_bytes)),
        ("utf-32", with(b"\xff\xfe\0\0", wider(u32::to_le_bytes))),
        ("utf-8", with(b"\xef\xbb\xbf", text.as_bytes().to_vec())),
        ("utf-7", text.replace('{', "+AHs-").replace('}', "+AH0-").replace('"', "+ACI-").into_bytes()),
        ("utf-7", text.replace('@', "+AEA-").into_bytes()),
        ("iso-8859-1", spliced(b"\xe4")),
        // An overlong `/`, an overlong `"`, a surrogate pair as two sequences of three bytes, a code point beyond the last.
        ("utf-8", spliced(b"\xc0\xaf")),
        ("utf-8", spliced(b"\xe0\x80\xa2")),
        ("utf-8", spliced(b"\xed\xa0\xbd\xed\xb8\x80")),
        ("utf-8", spliced(b"\xf4\x90\x80\x80")),
        ("utf-8", spliced(b"\xff")),
        ("ibm037", text.bytes().map(|b| b.wrapping_add(0x40)).collect()),
    ]
}

#[tokio::test]
async fn only_utf_8_is_read_whatever_the_type_says() {
    let app = TestApp::start().await;
    for (charset, body) in encodings(&plain().to_string()) {
        let types = [
            "application/json".to_owned(),
            "application/json; charset=utf-8".to_owned(),
            format!("application/json; charset={charset}"),
            format!("application/json;charset=utf-8;charset={charset}"),
        ];
        for content_type in types {
            let request = app.script(SECRET).post("/v1/attempts").header("Content-Type", &content_type);
            let refused = answer(request.body(body.clone())).await;
            assert_refused(&refused, &[400, 415, 422], &format!("{charset} as {content_type}"));
        }
    }
    for wrong in [0, 1] {
        refuse(&app, |good| {
            let wide = good.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
            let spliced = [&good.as_bytes()[..good.len() - 2], b"\xff\"}"].concat();
            vec![case("not UTF-8", [wide, spliced][wrong].clone())]
        })
        .await;
    }
}

/// These bytes in a gzip envelope (RFC 1952), stored and not compressed (RFC 1951, section 3.2.4).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let crc = !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    });
    let length = u16::try_from(bytes.len()).unwrap();
    [
        &b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01"[..],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        bytes,
        &crc.to_le_bytes(),
        &u32::from(length).to_le_bytes(),
    ]
    .concat()
}

#[tokio::test]
async fn compressed_bodies_are_refused_and_never_unpacked() {
    let app = TestApp::start().await;
    let packed = gzip(plain().to_string().as_bytes());
    let codings = [
        "gzip",
        "x-gzip",
        "GZIP",
        "deflate",
        "br",
        "zstd",
        "compress",
        "x-unknown-coding",
        "gzip, gzip",
        "identity, gzip",
        "gzip, identity",
        " gzip ",
        "",
    ];
    for (method, path, good) in routes() {
        let count = if path == "/v1/attempts" { codings.len() } else { 1 };
        for coding in &codings[..count] {
            for body in [packed.clone(), good.to_string().into_bytes()] {
                let request = send(&app, method.clone(), path, body).header("Content-Encoding", *coding);
                answer(request).await.expect_problem(415, "unsupported_media_type");
            }
        }
    }
    // Without `Content-Encoding`, and with two that contradict each other.
    assert_refused(&answer(send(&app, Method::POST, "/v1/attempts", packed.clone())).await, &[400], "plain");
    let twice = send(&app, Method::POST, "/v1/attempts", packed)
        .header("Content-Encoding", "identity")
        .header("Content-Encoding", "gzip");
    assert_refused(&answer(twice).await, &[400, 415], "twice");
    assert_untouched(&app).await;
}

#[tokio::test]
async fn a_body_of_two_types_is_of_none() {
    let app = TestApp::start().await;
    let body = plain().to_string();
    for (first, second) in [
        ("application/json", "text/plain"),
        ("text/plain", "application/json"),
        ("application/json", "application/json; charset=utf-16"),
        ("application/json", "application/x-www-form-urlencoded"),
    ] {
        let request = format!(
            "POST /v1/attempts HTTP/1.1\r\nHost: x\r\nContent-Type: {first}\r\nContent-Type: {second}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_refused(&ask(&app, request).await, &[400, 415], &format!("{first} and {second}"));
    }
    assert_untouched(&app).await;
    ask(&app, post("/v1/attempts", "", &body)).await.expect(201);
}

#[tokio::test]
async fn names_that_mean_something_elsewhere_mean_nothing_here() {
    let app = TestApp::start().await;
    let names = [
        "tricky_name",
        "",
        "Purpose",
        "purpose ",
        "__proto__",
        "constructor",
        "prototype",
        "$where",
        "$set",
        "email_address[]",
        "email_address.0",
        "email_address\\u0000",
        "Email_address",
        "emailAddress",
        "EMAIL_ADDRESS",
        "\\ufeffemail_address",
        "email_addr\\u0435ss",
        "attempt_id",
        "id",
        "status",
        "verified",
        "email_verified",
        "is_admin",
        "nonce",
        "_method",
        "@type",
        "class",
    ];
    for value in ["1", "{}", "\"verified\""] {
        refuse(&app, |good| {
            let unknown = |name: &&str| case(*name, format!("{{\"{name}\":{value},{}", &good[1..]));
            let inside = good.trim_end_matches('}');
            let after = |name: &&str| case(*name, format!("{inside},\"{name}\":{value}}}"));
            names.iter().map(unknown).chain(names.iter().map(after)).collect()
        })
        .await;
    }
    let body = plain_with(&json!({ "client": { "id": "x" } })).to_string();
    answer(send(&app, Method::POST, "/v1/attempts", body)).await.expect_problem(400, "invalid_request");
    assert_untouched(&app).await;
}
