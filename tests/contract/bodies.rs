//! Bodies that are not what they should be: broken, of another type, coding or charset.

use reqwest::Method;
use serde_json::json;

use test_kit::app::{Client, TestApp, answer};
use test_kit::requests::{SECRET, assert_not_echoed, assert_untouched, plain, start_raw, with_key};

/// Routes that take JSON, and a body that each would take.
fn json_routes() -> Vec<(Method, &'static str, serde_json::Value)> {
    vec![
        (Method::POST, "/v1/attempts", plain()),
        (Method::POST, "/v1/tickets/redeem", json!({ "ticket": "a-ticket-that-is-none" })),
        (Method::POST, "/v1/session/token", json!({ "renewal_token": "a-renewal-that-is-none" })),
        (Method::DELETE, "/v1/session", json!({ "renewal_token": "a-renewal-that-is-none" })),
        (Method::POST, "/v/e30.e30.AAAA", json!({ "decision": "approve", "confirmation": "none" })),
    ]
}

fn send(
    client: &Client,
    method: &Method,
    path: &str,
    body: impl Into<reqwest::Body>,
) -> reqwest::RequestBuilder {
    with_key(client.request(method.clone(), path)).header("Content-Type", "application/json").body(body)
}

#[tokio::test]
async fn only_one_json_object_is_a_body() {
    let app = TestApp::start().await;
    let client = app.script(SECRET);
    for (method, path, good) in json_routes() {
        let good = good.to_string();
        let array = format!(
            "[{}]",
            good.split(':')
                .skip(1)
                .map(|rest| rest.split('"').nth(1).unwrap_or_default())
                .map(|v| format!("{v:?}"))
                .collect::<Vec<_>>()
                .join(",")
        );
        let bodies: Vec<Vec<u8>> = vec![
            b"{".to_vec(),
            b"}".to_vec(),
            b"null".to_vec(),
            b"true".to_vec(),
            b"0".to_vec(),
            b"\"a string that is no object\"".to_vec(),
            b"[]".to_vec(),
            array.into_bytes(),
            format!("[{good}]").into_bytes(),
            format!("{good}{good}").into_bytes(),
            format!("{good} trailing-bytes").into_bytes(),
            format!("{good}\0").into_bytes(),
            format!("{good},").into_bytes(),
            format!("\u{feff}{good}").into_bytes(),
            good.replace('"', "'").into_bytes(),
            good.replace('}', ",}").into_bytes(),
            format!("/* a-comment */{good}").into_bytes(),
            good.as_bytes()[..good.len() - 1].to_vec(),
            good.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            good.replace('a', "\u{1}").into_bytes(),
            good.replacen(":\"", ":\"\\ud800", 1).into_bytes(),
            [&good.as_bytes()[..good.len() - 2], b"\xff\xfe\"}"].concat(),
            [b"[".repeat(8000), b"]".repeat(8000)].concat(),
            [b"{\"client\":".repeat(1000), b"{}".to_vec(), b"}".repeat(1000)].concat(),
        ];
        for body in bodies {
            let shown = String::from_utf8_lossy(&body).into_owned();
            let answer = answer(send(&client, &method, path, body)).await;
            assert_eq!(answer.status.as_u16(), 400, "{method} {path} {shown:?}: {}", answer.raw);
            answer.expect_problem(400, "invalid_request");
            assert_not_echoed(&answer, &shown);
        }
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn a_body_that_must_be_there_is_missed() {
    let app = TestApp::start().await;
    let client = app.script(SECRET);
    for path in ["/v1/attempts", "/v1/tickets/redeem", "/v/e30.e30.AAAA"] {
        answer(with_key(client.post(path))).await.expect_problem(415, "unsupported_media_type");
        answer(send(&client, &Method::POST, path, "")).await.expect_problem(400, "invalid_request");
    }
    // Where it may be absent, an empty one is as good as none.
    answer(send(&client, &Method::POST, "/v1/session/token", ""))
        .await
        .expect_problem(401, "session_required");
    answer(client.post("/v1/session/token")).await.expect_problem(401, "session_required");
    assert_untouched(&app).await;
}

#[tokio::test]
async fn unknown_and_repeated_members_are_refused_however_they_are_written() {
    let app = TestApp::start().await;
    let client = app.script(SECRET);
    let unknown = [
        r#""tricky_name":1"#,
        r#""Purpose":"sign_up""#,
        r#""purpose ":"sign_up""#,
        r#""":"""#,
        r#""__proto__":{}"#,
    ];
    for (method, path, good) in json_routes() {
        let good = good.to_string();
        let inside = good.trim_end_matches('}');
        let (first, value) = inside[1..].split(',').next().unwrap().split_once(':').unwrap();
        let escaped = format!("\"\\u{:04x}{}", u32::from(first.as_bytes()[1]), &first[2..]);
        let mut bodies: Vec<String> = unknown.iter().map(|member| format!("{inside},{member}}}")).collect();
        bodies.push(format!("{inside},{first}:{value}}}"));
        bodies.push(format!("{{{first}:null,{}", &good[1..]));
        bodies.push(format!("{inside},{escaped}:{value}}}"));
        for body in bodies {
            let answer = answer(send(&client, &method, path, body.clone())).await;
            assert_eq!(answer.status.as_u16(), 400, "{method} {path} {body}: {}", answer.raw);
            answer.expect_problem(400, "invalid_request");
            assert_not_echoed(&answer, "tricky_name");
        }
    }
    for client_object in [
        r#"{"ip":"203.0.113.1","ip":"203.0.113.1"}"#,
        r#"{"ip":"203.0.113.1","\u0069p":"203.0.113.1"}"#,
        r#"{"id":"x"}"#,
    ] {
        let body =
            format!(r#"{{"email_address":"ann@example.com","purpose":"sign_in","client":{client_object}}}"#);
        answer(with_key(start_raw(&client, body))).await.expect_problem(400, "invalid_request");
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn an_escaped_name_that_stands_once_is_the_name() {
    let app = TestApp::start().await;
    let body = r#"{"\u0065mail_address":"ann@example.com","purpose":"\u0073ign_in"}"#;
    answer(start_raw(&app.script(SECRET), body)).await.expect(201);
}

#[tokio::test]
async fn other_content_types_charsets_and_codings_are_refused() {
    let app = TestApp::start().await;
    let client = app.script(SECRET);
    let refused = [
        "text/plain",
        "text/json",
        "application/jsonx",
        "application/json-patch+json",
        "application/problem+json",
        "application/*",
        "*/*",
        "json",
        "",
        ";",
        "multipart/form-data; boundary=x",
        "application/json, text/plain",
        "application/json; charset=iso-8859-1",
        "application/json; charset=utf-16",
        "application/json; charset=utf-7",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json; boundary=x",
        "application/x-json",
        "application /json",
        "application/json\u{a0}",
    ];
    for (method, path, good) in json_routes() {
        for content_type in refused {
            let request = with_key(client.request(method.clone(), path)).header("Content-Type", content_type);
            let answer = answer(request.body(good.to_string())).await;
            assert_eq!(answer.status.as_u16(), 415, "{method} {path} {content_type:?}: {}", answer.raw);
            answer.expect_problem(415, "unsupported_media_type");
        }
        for coding in [
            "gzip",
            "br",
            "deflate",
            "zstd",
            "compress",
            "x-unknown-coding",
            "identity, gzip",
            "gzip, identity",
            "",
        ] {
            let request = send(&client, &method, path, good.to_string()).header("Content-Encoding", coding);
            let answer = answer(request).await;
            assert_eq!(answer.status.as_u16(), 415, "{method} {path} {coding:?}: {}", answer.raw);
            answer.expect_problem(415, "unsupported_media_type");
        }
    }
    // A form where only JSON is taken: what a foreign page could send without a preflight.
    for path in ["/v1/attempts", "/v1/tickets/redeem", "/v1/session/token"] {
        let form =
            with_key(client.post(path)).form(&[("email_address", "ann@example.com"), ("purpose", "sign_in")]);
        answer(form).await.expect_problem(415, "unsupported_media_type");
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn the_ways_to_say_json_in_utf_8_are_all_taken() {
    let app = TestApp::start().await;
    let types = [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json; charset=\"UTF-8\"",
        "application/json ;",
    ];
    for (at, content_type) in types.into_iter().enumerate() {
        let body =
            json!({ "email_address": format!("ann{at}@example.com"), "purpose": "sign_in" }).to_string();
        let request = app.script(SECRET).post("/v1/attempts").header("Content-Type", content_type);
        answer(request.header("Content-Encoding", "identity").body(body)).await.expect(201);
    }
}

#[tokio::test]
async fn a_form_on_a_link_is_read_as_strictly_as_an_object() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let attempt = browser.sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let confirmation = browser.describe(&link).await.confirmation();
    let bodies = [
        String::new(),
        "decision=approve".to_owned(),
        format!("confirmation={confirmation}"),
        format!("decision=approve&decision=deny&confirmation={confirmation}"),
        format!("decision=approve&confirmation={confirmation}&confirmation=x"),
        format!("decision=approve&confirmation={confirmation}&more=1"),
        format!("decision=Approve&confirmation={confirmation}"),
        format!("decision=&confirmation={confirmation}"),
        format!("decision[]=approve&confirmation={confirmation}"),
        format!("{{\"decision\":\"approve\",\"confirmation\":\"{confirmation}\"}}"),
        format!("decision=approve;confirmation={confirmation}"),
    ];
    for body in bodies {
        let request = browser
            .post(&link)
            .header("Origin", &app.url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body.clone());
        let answer = answer(request).await;
        assert_eq!(answer.status.as_u16(), 400, "{body}: {}", answer.raw);
        answer.expect_problem(400, "invalid_request");
        assert_not_echoed(&answer, &confirmation);
    }
    for wrong in
        ["", "x", &confirmation[1..], &confirmation.to_ascii_uppercase(), &format!("{confirmation}A")]
    {
        let answer = browser.decide_json(&link, "approve", wrong).await;
        answer.expect_problem(400, "invalid_request");
    }
    assert_eq!(attempt.status().await.body["status"], "pending");
    browser.decide(&link, "approve", &confirmation).await.expect(303);
}
