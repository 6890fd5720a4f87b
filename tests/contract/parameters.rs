//! Malformed headers, cookies, queries and paths.

use reqwest::Method;

use test_kit::app::{TestApp, answer};
use test_kit::requests::{OTHER_SECRET, SECRET, assert_no_mail, assert_not_echoed, assert_untouched, plain};

#[tokio::test]
async fn a_bad_client_secret_is_refused_and_never_taken_for_none() {
    let app = TestApp::start().await;
    let wrong = [
        "",
        "short",
        &SECRET[..21],
        &"a".repeat(129),
        &format!("{}=", &SECRET[..31]),
        &format!("{} x", &SECRET[..28]),
        "q83vEjRWeJCrze8SNFZ4kA+/q83vEjRW",
        "q83vEjRWeJCrze8SNFZ4kAä",
    ];
    for secret in wrong {
        for request in [
            app.browser().post("/v1/attempts").json(&plain()),
            app.browser().get("/v1/session"),
            app.browser().post("/v1/session/token"),
            app.browser().get("/v/e30.e30.AAAA"),
        ] {
            let answer = answer(request.header("Linkgate-Client", secret)).await;
            answer.expect_problem(400, "invalid_request");
            assert_not_echoed(&answer, secret);
        }
    }
    assert_untouched(&app).await;
    for secret in ["a".repeat(22), "-_".repeat(64)] {
        app.script(&secret).start(plain()).await;
    }
}

#[tokio::test]
async fn two_client_secrets_are_none_that_can_be_trusted() {
    let app = TestApp::start().await;
    let request =
        app.script(SECRET).post("/v1/attempts").header("Linkgate-Client", OTHER_SECRET).json(&plain());
    answer(request).await.expect_problem(400, "invalid_request");
    assert_untouched(&app).await;
}

#[tokio::test]
async fn a_client_cookie_that_makes_no_sense_or_stands_twice_counts_for_nothing() {
    let app = TestApp::start().await;
    let script = app.script(SECRET);
    for cookie in [
        "linkgate-client=x",
        &format!("linkgate-client={SECRET}; linkgate-client={OTHER_SECRET}"),
        "linkgate-client=%00",
    ] {
        let plain_client = app.browser();
        let answer = answer(plain_client.post("/v1/attempts").header("Cookie", cookie).json(&plain())).await;
        assert!(
            answer.expect(201).header("set-cookie").starts_with("linkgate-client="),
            "a fresh one: {cookie}"
        );
        let path = format!("/v1/attempts/{}/redeem", answer.text("id"));
        let redeem = script.post(&path).bearer_auth(answer.text("attempt_token"));
        test_kit::requests::assert_not_echoed(&test_kit::app::answer(redeem).await, SECRET);
    }
}

#[tokio::test]
async fn a_bad_idempotency_key_is_refused() {
    let app = TestApp::start().await;
    let client = app.script(SECRET);
    let long = "k".repeat(256);
    for key in [&b""[..], long.as_bytes(), b"caf\xe9", "schlüssel".as_bytes(), b"a\tb"] {
        let request = client.post("/v1/attempts").header("Idempotency-Key", key).json(&plain());
        answer(request).await.expect_problem(400, "invalid_request");
    }
    let twice = client.post("/v1/attempts").header("Idempotency-Key", "one").header("Idempotency-Key", "two");
    answer(twice.json(&plain())).await.expect_problem(400, "invalid_request");
    assert_untouched(&app).await;
    let request = client.post("/v1/attempts").header("Idempotency-Key", "k".repeat(255)).json(&plain());
    answer(request).await.expect(201);
}

#[tokio::test]
async fn a_bad_wait_or_seen_is_refused_at_once_and_too_long_a_wait_is_cut() {
    let app = TestApp::start().await;
    let attempt = app.script(SECRET).start(plain()).await;
    let wrong = [
        "wait=",
        "wait=x",
        "wait=-1",
        "wait=1.5",
        "wait=1s",
        "wait=0x1",
        "wait=99999999999999999999999",
        "seen=",
        "seen=Pending",
        "seen=done",
        "wait=1&more=1",
        "more",
        "token=x",
        "WAIT=1",
        "wait[]=1",
        "seen=pending%00",
        "wait=1&wait=2",
        "seen=pending&seen=failed",
    ];
    for query in wrong {
        let answer = answer(attempt.request(Method::GET, &format!("?{query}"))).await;
        assert_eq!(answer.status.as_u16(), 400, "{query}: {}", answer.raw);
        answer.expect_problem(400, "invalid_request");
        assert_not_echoed(&answer, query);
    }
    // If the status differs already, the answer comes at once.
    for query in ["?wait=31&seen=failed", "?wait=86400&seen=verified", "?seen=pending", "?wait=0"] {
        answer(attempt.request(Method::GET, query)).await.expect(200);
    }
    // A malformed preference is ignored (RFC 7240, section 2).
    for prefer in ["wait=x", "wait=", "respond-async", "wait=-5", "=;,wait", "wait=\"0\""] {
        let answer = answer(attempt.request(Method::GET, "").header("Prefer", prefer)).await;
        assert_eq!(answer.expect(200).body["status"], "pending");
    }
}

#[tokio::test]
async fn ids_in_paths_are_compared_whole() {
    let app = TestApp::start().await;
    let attempt = app.script(SECRET).start(plain()).await;
    let id = &attempt.id;
    let others = [
        id.to_ascii_uppercase(),
        id[..id.len() - 1].to_owned(),
        format!("{id}0"),
        id.replace("att_", ""),
        id.replace("att_", "sess_"),
        format!("{id}%00"),
        format!("{id}%20"),
        format!("%20{id}"),
        format!("{id}%0a"),
        "att_".to_owned(),
        "%ff".to_owned(),
    ];
    for other in others {
        for (method, path) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::POST, "/resend"),
            (Method::POST, "/redeem"),
            (Method::GET, "/events"),
        ] {
            let request = attempt
                .client
                .request(method, &format!("/v1/attempts/{other}{path}"))
                .bearer_auth(&attempt.token);
            answer(request).await.expect_problem(404, "attempt_not_found");
        }
    }
    assert_eq!(attempt.status().await.body["status"], "pending");
    assert_eq!(app.smtp.received_count(), 1);
}

#[tokio::test]
async fn a_request_id_is_kept_only_when_it_is_harmless() {
    let app = TestApp::start().await;
    for id in ["abc-DEF_1.2", &"x".repeat(64)] {
        let answer = answer(app.browser().get("/v1/session").header("X-Request-Id", id)).await;
        answer.expect_problem(401, "session_required");
        assert_eq!(answer.header("x-request-id"), id);
    }
    for id in ["", "tricky text", "tricky\"text", "<tricky>", &"y".repeat(65), "tricky%0d%0a", "tricky\ttext"]
    {
        let answer = answer(app.browser().get("/v1/session").header("X-Request-Id", id)).await;
        answer.expect_problem(401, "session_required");
        assert_ne!(answer.header("x-request-id"), id);
        assert_not_echoed(&answer, id);
    }
    assert_no_mail(&app);
}
