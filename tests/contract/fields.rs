//! Fields with values of the wrong type, form or size.

use mailparse::MailHeaderMap as _;
use reqwest::Method;
use serde_json::{Value, json};

use test_kit::app::{API_KEY, REDIRECT, TestApp, answer};
use test_kit::requests::{
    OTHER_SECRET, SECRET, assert_not_echoed, assert_untouched, plain, plain_with, start_raw, token_of,
    with_key,
};

#[tokio::test]
async fn a_value_of_the_wrong_type_is_refused_in_each_field() {
    let app = TestApp::start().await;
    let client = app.script(SECRET);
    let wrong = |kind: &str| -> Vec<Value> {
        let all = [
            ("string", json!("tricky text")),
            ("number", json!(600)),
            ("bool", json!(true)),
            ("array", json!(["sign_in"])),
            ("object", json!({ "sign_in": null })),
            ("object", json!({ "approve": null })),
            ("object", json!({ "$ne": "" })),
        ];
        all.into_iter().filter(|(name, _)| *name != kind).map(|(_, value)| value).collect()
    };
    let fields = [
        ("email_address", "string"),
        ("purpose", "no"),
        ("redirect_url", "string"),
        ("locale", "string"),
        ("sub", "string"),
        ("client", "no"),
        ("cross_device", "no"),
        ("deliver", "bool"),
        ("ticket", "bool"),
        ("expires_in", "number"),
    ];
    for (field, kind) in fields {
        for value in wrong(kind) {
            let answer =
                answer(with_key(client.post("/v1/attempts")).json(&plain_with(&json!({ field: value }))))
                    .await;
            assert_eq!(answer.status.as_u16(), 400, "{field}: {value}: {}", answer.raw);
            answer.expect_problem(400, "invalid_request");
        }
    }
    for field in ["ip", "user_agent"] {
        for value in wrong("string") {
            let body = plain_with(&json!({ "client": { field: value } }));
            answer(with_key(client.post("/v1/attempts")).json(&body))
                .await
                .expect_problem(400, "invalid_request");
        }
    }
    for field in ["email_address", "purpose"] {
        answer(with_key(client.post("/v1/attempts")).json(&plain_with(&json!({ field: null }))))
            .await
            .expect_problem(400, "invalid_request");
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn a_value_outside_its_range_is_refused() {
    let app = TestApp::start().await;
    let client = app.script(SECRET);
    let wrong = [
        json!({ "purpose": "SIGN_IN" }),
        json!({ "purpose": "" }),
        json!({ "purpose": "sign_in " }),
        json!({ "purpose": "admin" }),
        json!({ "cross_device": "none" }),
        json!({ "cross_device": "" }),
        json!({ "sub": "" }),
        json!({ "sub": "a b" }),
        json!({ "sub": "ä" }),
        json!({ "sub": "x".repeat(256) }),
        json!({ "sub": "a\nb" }),
        json!({ "client": { "ip": "" } }),
        json!({ "client": { "ip": "203.0.113.256" } }),
        json!({ "client": { "ip": "203.0.113.1:80" } }),
        json!({ "client": { "ip": "localhost" } }),
        json!({ "client": { "ip": "203.0.113.0/24" } }),
        json!({ "client": { "ip": "fe80::1%eth0" } }),
        json!({ "expires_in": 59 }),
        json!({ "expires_in": 3601 }),
        json!({ "expires_in": 0 }),
        json!({ "expires_in": -600 }),
        json!({ "expires_in": 600.5 }),
        json!({ "expires_in": 1e3 }),
        json!({ "expires_in": "600" }),
        json!({ "expires_in": u64::MAX }),
        json!({ "ticket": true }),
    ];
    for members in wrong {
        let answer = answer(with_key(client.post("/v1/attempts")).json(&plain_with(&members))).await;
        assert_eq!(answer.status.as_u16(), 400, "{members}: {}", answer.raw);
        answer.expect_problem(400, "invalid_request");
    }
    let huge = r#"{"email_address":"ann@example.com","purpose":"sign_in","expires_in":1e400}"#;
    answer(with_key(start_raw(&client, huge))).await.expect_problem(400, "invalid_request");
    assert_untouched(&app).await;
}

#[tokio::test]
async fn the_edges_of_expires_in_are_kept_to_the_second() {
    let app = TestApp::start().await;
    for seconds in [60_i64, 3600] {
        let body = plain_with(&json!({ "expires_in": seconds, "deliver": false }));
        let attempt = app.script(SECRET).start_with_key(body).await;
        let time = |name: &str| {
            chrono::DateTime::parse_from_rfc3339(attempt.started[name].as_str().unwrap()).unwrap()
        };
        assert_eq!((time("expires_at") - time("created_at")).num_seconds(), seconds);
    }
}

#[tokio::test]
async fn fields_of_back_ends_are_refused_without_a_key_whatever_their_value() {
    let app = TestApp::start().await;
    let client = app.script(SECRET);
    let members = [
        json!({ "sub": "customer-1" }),
        json!({ "client": {} }),
        json!({ "cross_device": "adaptive" }),
        json!({ "deliver": true }),
        json!({ "deliver": false }),
        json!({ "ticket": false }),
        json!({ "expires_in": 600 }),
    ];
    let (start, known) = (API_KEY.split_at(4), API_KEY.to_ascii_uppercase());
    let keys =
        ["wrong-api-key-0123456789", known.as_str(), start.0, start.1, &format!("{API_KEY}x"), "a.b.c.d"];
    for body in members.iter().map(plain_with) {
        answer(client.post("/v1/attempts").json(&body)).await.expect_problem(401, "api_key_invalid");
        for key in keys {
            let answer = answer(client.post("/v1/attempts").bearer_auth(key).json(&body)).await;
            answer.expect_problem(401, "api_key_invalid");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            assert_not_echoed(&answer, key);
        }
    }
    for header in [
        "Basic dGVzdA==",
        "Bearer",
        "Bearer ",
        API_KEY,
        &format!("Token {API_KEY}"),
        &format!("Bearer {API_KEY} x"),
    ] {
        let request = client.post("/v1/attempts").header("Authorization", header).json(&plain());
        answer(request).await.expect_problem(401, "api_key_invalid");
    }
    let twice = client
        .post("/v1/attempts")
        .header("Authorization", "Bearer x")
        .header("Authorization", format!("Bearer {API_KEY}"));
    answer(twice.json(&plain())).await.expect_problem(401, "api_key_invalid");
    assert_untouched(&app).await;
}

#[tokio::test]
async fn an_api_key_with_dots_is_an_api_key() {
    let key = "an-api-key.with.dots-in-it";
    let app = TestApp::with(&[("LINKGATE_API_KEYS", key)]).await;
    let body = plain_with(&json!({ "deliver": false }));
    let started = answer(app.browser().post("/v1/attempts").bearer_auth(key).json(&body)).await;
    assert!(!started.expect(201).text("link").is_empty());
}

#[tokio::test]
async fn a_locale_that_nobody_speaks_falls_back() {
    let app = TestApp::start().await;
    let cases = [
        (Some("xx"), None, false),
        (Some(""), None, false),
        (Some("../../etc/passwd"), None, false),
        (Some("de\r\nBcc: x"), Some("xx"), false),
        (Some("de"), Some("en"), true),
        (Some("DE-at"), None, true),
        (Some("tlh"), Some("de"), true),
        (None, Some("de-CH,en;q=0.5"), true),
        (None, Some(";;q=,,"), false),
        (None, Some("*"), false),
    ];
    for (at, (locale, accepted, is_german)) in cases.into_iter().enumerate() {
        let email = format!("ann{at}@example.com");
        let body = json!({ "email_address": email, "purpose": "sign_in", "locale": locale });
        let request = app.browser().post("/v1/attempts").json(&body);
        let request =
            if let Some(accepted) = accepted { request.header("Accept-Language", accepted) } else { request };
        answer(request).await.expect(201);
        let mail = app.smtp.received().into_iter().find(|mail| mail.rcpt_to == [email.clone()]).unwrap();
        let page = app.browser().open(&app.link(&email)).await;
        assert_eq!(
            page.header("content-language"),
            if is_german { "de" } else { "en" },
            "{locale:?} {accepted:?}"
        );
        let headers = mailparse::parse_mail(&mail.message).unwrap().headers;
        let subject = headers.get_first_value("Subject").unwrap();
        assert_eq!(subject.contains("anmelden"), is_german, "{locale:?} {accepted:?}: {subject}");
        assert!(headers.get_first_value("Bcc").is_none());
    }
}

#[tokio::test]
async fn a_relay_code_that_is_none_is_refused_and_costs_no_try() {
    let app = TestApp::start().await;
    let attempt = app.script(SECRET).start(plain()).await;
    let codes = [
        json!(""),
        json!("12345"),
        json!("1234567"),
        json!("12345a"),
        json!("١٢٣٤٥٦"),
        json!("１２３４５６"),
        json!("-12345"),
        json!("+12345"),
        json!("123 45"),
        json!("123456\n"),
        json!("0x1234"),
        json!("999999999999999999999999"),
        json!(123_456),
        json!(null),
        json!(["123456"]),
        json!({}),
    ];
    for code in codes {
        let answer = answer(attempt.request(Method::POST, "/code").json(&json!({ "code": code }))).await;
        assert_eq!(answer.status.as_u16(), 400, "{code}: {}", answer.raw);
        answer.expect_problem(400, "invalid_request");
    }
    assert_eq!(attempt.status().await.body["code_tries_left"], 5);
}

#[tokio::test]
async fn a_relay_code_may_be_typed_with_spaces_and_hyphens() {
    let app = TestApp::start().await;
    let attempt = app.script(SECRET).start(plain()).await;
    let code =
        app.browser_at("198.51.100.9").press(&app.link("ann@example.com"), "approve").await.relay_code();
    let typed = format!(" {}-{} ", &code[..3], &code[3..]);
    assert_eq!(attempt.enter_code(&typed).await.expect(200).body["status"], "verified");
}

#[tokio::test]
async fn here_is_refused_where_it_is_not_offered_and_a_mismatch_may_press_nothing() {
    let app = TestApp::with(&[("LINKGATE_OPENER_SESSION", "off")]).await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let other = app.browser();
    let link = app.link("ann@example.com");
    let confirmation = other.describe_as_client(&link).await;
    other.decide_json(&link, "here", &confirmation).await.expect_problem(400, "invalid_request");
    assert_eq!(attempt.status().await.body["status"], "pending");

    let body =
        plain_with(&json!({ "cross_device": "same_client", "deliver": false, "redirect_url": REDIRECT }));
    let strict = app.script(SECRET).start_with_key(body).await;
    let link = strict.started["link"].as_str().unwrap();
    let page = other.open(link).await;
    assert!(!page.raw.contains("<form"), "nothing to press");
    let token = token_of(link);
    for decision in ["approve", "deny", "here"] {
        let described = app.script(OTHER_SECRET).describe(link).await.confirmation();
        app.script(OTHER_SECRET)
            .decide_json(&format!("/v/{token}"), decision, &described)
            .await
            .expect_problem(403, "client_mismatch");
    }
    assert_eq!(strict.status().await.body["status"], "pending");
}
