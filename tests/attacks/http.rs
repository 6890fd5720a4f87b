//! Requests that are odd, too long, or not HTTP.

use futures_util::future::join_all;

use test_kit::app::{Answer, TestApp};
use test_kit::requests::{SECRET, assert_no_mail, assert_untouched, plain};
use test_kit::waiting::until;
use test_kit::wire::{Heard, ask, get, post, say};

/// Asserts that an answer of the framework is short, has no content, and is the last of its connection.
#[track_caller]
fn assert_bare(heard: &Heard, what: &str) {
    let answer = heard.only();
    assert!([400, 408, 431].contains(&answer.status.as_u16()), "{what}: {}", answer.status);
    assert!(heard.closed, "{what}: the connection goes on");
    assert_eq!((answer.raw.as_str(), answer.header("content-length")), ("", "0"), "{what}");
    assert!(heard.bytes.len() < 200, "{what}: {} bytes", heard.bytes.len());
    let mut names: Vec<_> = answer.headers.keys().map(reqwest::header::HeaderName::as_str).collect();
    names.retain(|name| !["content-length", "connection", "date"].contains(name));
    assert!(names.is_empty(), "{what}: {names:?}");
}

#[tokio::test]
async fn what_is_no_http_gets_a_short_answer_and_no_second_one() {
    let app = TestApp::start().await;
    let whole = get("/v1/session", "");
    let mut garbage: Vec<Vec<u8>> = vec![
        b"\r\n\r\n\r\nGET\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1 x\r\nHost: x\r\n\r\n".to_vec(),
        b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET / HTTP/1.2\r\nHost: x\r\n\r\n".to_vec(),
        b"GET / HTTP/3\r\nHost: x\r\n\r\n".to_vec(),
        b"GET / http/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"G\0T / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"G\xc3\xa4T / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"(GET) / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: \0\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\nX A: b\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\nX-\xc3\xa4: b\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n".to_vec(),
        b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET x:y:z HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        b"EHLO x\r\nMAIL FROM:<a@example.com>\r\n\r\n".to_vec(),
        b"*1\r\n$4\r\nPING\r\n\r\n".to_vec(),
        b"SSH-2.0-x\r\n\r\n".to_vec(),
        format!("GET /v1/session HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: b\r\n".repeat(200)).into_bytes(),
        format!("GET /v1/session HTTP/1.1\r\nHost: x\r\nX-A: {}\r\n\r\n", "x".repeat(200 * 1024))
            .into_bytes(),
        format!("GET /v1/session HTTP/1.1\r\nHost: x\r\nX-A: {}", "x".repeat(300 * 1024)).into_bytes(),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(300 * 1024)).into_bytes(),
        format!("{} / HTTP/1.1\r\nHost: x\r\n\r\n", "X".repeat(300 * 1024)).into_bytes(),
    ];
    for bytes in &mut garbage {
        // A request behind garbage is not answered: where it begins is unknown.
        bytes.extend_from_slice(whole.as_bytes());
    }
    let said = garbage.into_iter().map(|bytes| {
        let app = &app;
        async move {
            let what = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
            (what, say(app, bytes).await)
        }
    });
    for (what, heard) in join_all(said).await {
        assert_bare(&heard, &what);
    }
    assert_untouched(&app).await;
    ask(&app, whole).await.expect_problem(401, "session_required");
}

#[tokio::test]
async fn a_method_is_what_it_says_and_trace_is_nothing() {
    let app = TestApp::start().await;
    let attempt = app.script(SECRET).start(plain()).await;
    let path = format!("/v1/attempts/{}", attempt.id);
    let request = |method: &str, path: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nX-Secret: told-back\r\nConnection: close\r\n\r\n",
            attempt.token
        )
    };
    let long = "M".repeat(5000);
    for method in [
        "TRACE",
        "TRACK",
        "PUT",
        "PATCH",
        "PROPFIND",
        "MOVE",
        "COPY",
        "LOCK",
        "SEARCH",
        "DEBUG",
        "PURGE",
        "BAN",
        "LINK",
        "delete",
        "Delete",
        "get",
        "DELETE1",
        "XDELETE",
        "GET,DELETE",
        "_",
        "!",
        &long,
    ] {
        for path in [path.as_str(), "/v1/session", "/v/e30.e30.AAAA", "/docs", "/.well-known/jwks.json"] {
            // A list of methods is not a method.
            let status = if method.contains(',') { 400 } else { 405 };
            let heard = say(&app, request(method, path)).await;
            let refused: &Answer = heard.only();
            assert_eq!(refused.status.as_u16(), status, "{method:.20} {path}");
            assert!(!String::from_utf8_lossy(&heard.bytes).contains("told-back"), "{method:.20} {path}");
            if status == 405 {
                refused.expect_problem(405, "method_not_allowed");
                assert!(refused.header("allow").len() > 2 && !refused.header("allow").contains("TRACE"));
            }
        }
        let whole_server = say(&app, request(method, "*")).await;
        assert!(whole_server.only().status.is_client_error(), "{method:.20} *");
    }
    for target in ["evil.example:443", "127.0.0.1:22", "http://evil.example/"] {
        let refused = say(&app, request("CONNECT", target)).await;
        assert!(refused.only().status.is_client_error(), "CONNECT {target}: {}", refused.only().status);
    }
    assert_eq!(attempt.status().await.body["status"], "pending");
    // Methods that callers invent do not become labels.
    let metrics = app.metrics().await;
    assert!(
        metrics.contains("method=\"other\"") && !metrics.contains("PROPFIND") && !metrics.contains("MMMM")
    );
}

#[tokio::test]
async fn a_path_that_has_to_be_tidied_up_is_none_of_ours() {
    let app = TestApp::start().await;
    for path in [
        "//",
        "//v1/session",
        "/v1//session",
        "/v1/./session",
        "/./v1/session",
        "/v1/x/../session",
        "/../v1/session",
        "/../../../../etc/passwd",
        "/v1/session/..",
        "/v1/session/.",
        "/v1/session/",
        "/v1/session;x=1",
        "/v1/session%3bx",
        "/v1/session%20",
        "/v1/session%00",
        "/v1/session%0a",
        "/v1/session%3fx=1",
        "/v1/session%23",
        "/v1%2fsession",
        "/v1%2Fsession",
        "/v1%5csession",
        "/v1\\session",
        "/v1/%2e%2e/v1/session",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/..%c0%af..%c0%afetc/passwd",
        "/%c0%ae%c0%ae/etc/passwd",
        "/%252e%252e/%252e%252e/etc/passwd",
        "/..%5c..%5cwindows",
        "/v1/session%",
        "/v1/session%2",
        "/%zz/v1/session",
        "/%u002e/v1/session",
        "/V1/SESSION",
        "/v1/sess\u{131}on",
        "/\u{ff0f}v1/session",
        "/problems/..%2f..%2fopenapi.yaml",
        "/problems/%2e%2e/internal",
        "/problems/internal/../../v1/session",
        "/docs/../openapi.yaml",
        "/.git/config",
        "/metrics",
        "/%6detrics",
        "/readyz",
        "/dev/mailbox",
        "/proc/self/environ",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let answer = ask(&app, request).await;
            if answer.status == 400 {
                // The framework rejects this target.
                assert!(answer.raw.is_empty() || answer.body["code"] == "invalid_request", "{path}");
            } else if method != "GET" && path.starts_with("/problems/") {
                // A GET accepts any target, and finds nothing.
                assert!(answer.status == 404 || answer.status == 405, "{path}: {}", answer.status);
            } else {
                answer.expect_problem(404, "not_found");
            }
        }
    }
    assert_untouched(&app).await;
    ask(&app, get("/v1/session", "")).await.expect_problem(401, "session_required");
}

#[tokio::test]
async fn an_encoded_path_meets_the_same_rules_as_a_plain_one() {
    let app = TestApp::start().await;
    let foreign = "Origin: https://evil.example\r\n";
    for path in ["/v1/session", "/%76%31/session", "/v1/%73ession", "/v1/sessio%6E"] {
        let answer = ask(&app, get(path, foreign)).await;
        assert!(answer.status == 403 || answer.status == 404, "{path}: {}", answer.raw);
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
    }
    for path in ["/v1/attempts", "/%76%31/attempts", "/v1/%61ttempts", "/v1/attempt%73"] {
        let answer = ask(&app, post(path, foreign, &plain().to_string())).await;
        assert!(answer.status == 403 || answer.status == 404, "{path}: {}", answer.raw);
    }
    assert_no_mail(&app);
    // Ids are compared as sent: another spelling of an attempt's id is not found.
    let attempt = app.script(SECRET).start(plain()).await;
    let spelled = attempt.id.replace("att", "at%74");
    let authorized = format!("Authorization: Bearer {}\r\n", attempt.token);
    let answer = ask(&app, get(&format!("/v1/attempts/{spelled}"), &authorized)).await;
    assert!(answer.status == 200 || answer.status == 404, "{}", answer.raw);
    ask(&app, get(&format!("/v1/attempts/{spelled}"), "")).await.expect_problem(401, "attempt_token_invalid");
    for tail in ["%2fevents", "/../x", "%2f..%2fx", "%00", "?seen=pending%00"] {
        let answer = ask(&app, get(&format!("/v1/attempts/{}{tail}", attempt.id), &authorized)).await;
        assert!(answer.status.is_client_error(), "{tail}: {}", answer.raw);
    }
}

#[tokio::test]
async fn length_in_every_place_is_refused_and_costs_nothing() {
    let app = TestApp::start().await;
    let long = "x".repeat(16 * 1024);
    let start = plain().to_string();
    for request in [
        post("/v1/attempts", &format!("X-A: {}\r\n", "x".repeat(300)).repeat(60), &start),
        get(&format!("/{long}"), ""),
        get(&format!("/v1/session?{long}"), ""),
        get(&format!("/v/{long}"), ""),
        get(&format!("/v1/attempts/{long}"), ""),
        get("/v1/session", &format!("X-A: {long}\r\n")),
        get("/v1/session", &format!("{long}: a\r\n")),
        get("/v1/session", &format!("Cookie: linkgate-session={long}\r\n")),
        get("/v1/session", &format!("Cookie: {}\r\n", "a=b; ".repeat(4000))),
        get("/v1/session", &format!("Authorization: Bearer {long}\r\n")),
        get("/v1/session", &format!("Accept: {long}\r\n")),
        get("/v1/session", &format!("Accept-Language: {}\r\n", "de-x,".repeat(4000))),
        get("/v1/session", &format!("X-Forwarded-For: {}\r\n", "10.0.0.1,".repeat(4000))),
        get("/v1/session", &format!("X-A: {}\r\n", "x".repeat(200)).repeat(90)),
    ] {
        let what = request[..60].to_owned();
        let refused = ask(&app, request).await;
        assert_eq!(refused.status.as_u16(), 413, "{what}: {}", refused.raw);
        refused.expect_problem(413, "payload_too_large");
        assert!(refused.raw.len() < 1000, "{what}");
    }
    // A head that is just short enough is read.
    ask(&app, get("/v1/session", &format!("X-A: {}\r\n", "x".repeat(15 * 1024))))
        .await
        .expect_problem(401, "session_required");
    let cookies = get("/v1/session", &format!("Cookie: {}\r\n", "a=b; ".repeat(3000)));
    ask(&app, cookies).await.expect_problem(401, "session_required");
    let languages = format!("Accept-Language: {}\r\n", "de-x,".repeat(3000));
    ask(&app, get("/v/e30.e30.AAAA", &languages)).await.expect_problem(400, "link_malformed");
    assert_untouched(&app).await;
}

#[tokio::test]
async fn somebody_who_hangs_up_leaves_nothing_behind() {
    let app = TestApp::start().await;
    let attempt = app.script(SECRET).start(plain()).await;
    let authorized = format!("Authorization: Bearer {}\r\n", attempt.token);
    let address = app.url.trim_start_matches("http://").to_owned();
    for _ in 0..20 {
        let streams: Vec<_> = (0..8)
            .map(|at| {
                let wait = format!("/v1/attempts/{}?wait=30", attempt.id);
                let events = format!("/v1/attempts/{}/events", attempt.id);
                let request = get(if at % 2 == 0 { &wait } else { &events }, &authorized);
                let mut stream = std::net::TcpStream::connect(&address).unwrap();
                std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
                stream
            })
            .collect();
        app.waiters(8).await;
        drop(streams);
        app.waiters(0).await;
    }
    // A client that does not read its events is disconnected at the end.
    let mut deaf = std::net::TcpStream::connect(&address).unwrap();
    let events = get(&format!("/v1/attempts/{}/events", attempt.id), &authorized);
    std::io::Write::write_all(&mut deaf, events.as_bytes()).unwrap();
    app.waiters(1).await;
    attempt.cancel().await.expect(204);
    until("nobody waits", async || app.metrics().await.contains("linkgate_waiters 0\n")).await;
}
