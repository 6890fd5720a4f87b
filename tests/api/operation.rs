//! Probes, metrics, request ids.

use reqwest::Method;

use test_kit::app::{Answer, TestApp, answer};

async fn ops(app: &TestApp, path: &str) -> Answer {
    answer(reqwest::Client::new().get(format!("{}{path}", app.ops_url))).await
}

#[tokio::test]
async fn probes_answer_on_the_operations_listener_alone() {
    let app = TestApp::start().await;
    ops(&app, "/livez").await.expect(200);
    let ready = ops(&app, "/readyz").await;
    assert_eq!(ready.expect(200).body["status"], "ready");
    assert_eq!(ready.body["store"], "up");
    ops(&app, "/metrics").await.expect(200);
    ops(&app, "/v1/session").await.expect(404);
    for path in ["/livez", "/readyz", "/metrics"] {
        answer(app.browser().get(path)).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn the_metrics_count_what_happens_and_name_nobody() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    app.advance(chrono::TimeDelta::seconds(25));
    attempt.client.press(&app.link("ann@example.com"), "approve").await.expect(303);
    let denied = app.browser().sign_in("bob@example.com").await;
    app.browser_at("198.51.100.9").press(&app.link("bob@example.com"), "deny").await.expect(303);
    denied.status().await.expect(200);
    let canceled = app.browser().sign_in("eve@example.com").await;
    canceled.cancel().await.expect(204);
    attempt.redeem().await.expect(200);
    answer(app.browser().get("/nowhere")).await.expect(404);

    let sign_in =
        |outcome: &str| format!("linkgate_attempts_ended_total{{purpose=\"sign_in\",outcome=\"{outcome}\"}}");
    for (metric, value) in [
        ("linkgate_attempts_started_total{purpose=\"sign_in\"}", 3.0),
        (&sign_in("verified"), 1.0),
        (&sign_in("denied"), 1.0),
        (&sign_in("canceled"), 1.0),
        ("linkgate_attempt_verify_seconds_sum{purpose=\"sign_in\"}", 25.0),
        ("linkgate_attempt_verify_seconds_count{purpose=\"sign_in\"}", 1.0),
        ("linkgate_mails_total{outcome=\"accepted\"}", 3.0),
        ("linkgate_store_up", 1.0),
        ("linkgate_waiters", 0.0),
        ("linkgate_http_requests_total{route=\"/v1/attempts\",method=\"POST\",status=\"201\"}", 3.0),
        ("linkgate_http_requests_total{route=\"/v/{link_token}\",method=\"POST\",status=\"303\"}", 2.0),
        ("linkgate_http_requests_total{route=\"/v1/attempts/{id}\",method=\"DELETE\",status=\"204\"}", 1.0),
        ("linkgate_http_requests_total{route=\"unmatched\",method=\"GET\",status=\"404\"}", 1.0),
        ("linkgate_http_request_seconds_count{route=\"/v1/attempts\"}", 3.0),
    ] {
        assert_eq!(app.metric(metric).await, value, "{metric}");
    }
    let text = app.metrics().await;
    assert!(
        text.contains("linkgate_store_operation_seconds_count{operation=\"create\",outcome=\"ok\"} 3"),
        "{text}"
    );
    for secret in ["example.com", "203.0.113", "198.51.100", "eyJ", &attempt.id] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn mails_are_counted_by_outcome() {
    let app = TestApp::start().await;
    app.smtp.set_mode(test_kit::smtp::Mode::RejectRecipient);
    app.browser().sign_in("ann@example.com").await;
    app.smtp.set_mode(test_kit::smtp::Mode::Defer);
    let body = serde_json::json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
    answer(app.browser().post("/v1/attempts").json(&body)).await.expect(503);
    assert_eq!(app.metric("linkgate_mails_total{outcome=\"rejected\"}").await, 1.0);
    assert_eq!(app.metric("linkgate_mails_total{outcome=\"unavailable\"}").await, 1.0);
    assert_eq!(app.metric("linkgate_mails_total{outcome=\"accepted\"}").await, 0.0);
}

#[tokio::test]
async fn a_request_id_that_is_safe_is_kept_and_any_other_replaced() {
    let app = TestApp::start().await;
    let longest = "a".repeat(64);
    for kept in ["trace-1", "A.b_c-9", &longest] {
        let response = answer(app.browser().get("/v1/session").header("X-Request-Id", kept)).await;
        assert_eq!(response.header("x-request-id"), kept);
        assert_eq!(response.text("request_id"), kept);
    }
    let too_long = "a".repeat(65);
    let mut made = std::collections::BTreeSet::new();
    for replaced in ["", "with space", "semi;colon", "quote\"", "<script>", &too_long] {
        let response = answer(app.browser().get("/v1/session").header("X-Request-Id", replaced)).await;
        let id = response.header("x-request-id").to_owned();
        assert!(id != replaced && (8..=64).contains(&id.len()), "{id}");
        assert_eq!(response.text("request_id"), id);
        made.insert(id);
    }
    assert_eq!(made.len(), 6, "each its own");
    let fine = answer(app.browser().get("/.well-known/jwks.json").header("X-Request-Id", "trace-2")).await;
    assert_eq!(
        fine.expect(200).header("x-request-id"),
        "trace-2",
        "answers that are no problem have it, too"
    );
}

#[tokio::test]
async fn listed_origins_may_call_the_api_with_credentials_and_others_not() {
    let app = TestApp::start().await;
    let preflight = |origin: &'static str| {
        app.browser()
            .request(Method::OPTIONS, "/v1/attempts")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header(
                "Access-Control-Request-Headers",
                "content-type,idempotency-key,authorization,linkgate-client,prefer",
            )
    };
    let listed = answer(preflight("https://app.example.com")).await;
    assert!(listed.status.is_success(), "{}", listed.raw);
    assert_eq!(listed.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(listed.header("access-control-allow-credentials"), "true");
    let unlisted = answer(preflight("https://evil.example")).await;
    assert_eq!(unlisted.header("access-control-allow-origin"), "");

    let body = serde_json::json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
    let start =
        |origin: &'static str| app.browser().post("/v1/attempts").header("Origin", origin).json(&body);
    let answered = answer(start("https://app.example.com")).await;
    assert_eq!(answered.expect(201).header("access-control-allow-origin"), "https://app.example.com");
    assert!(answered.header("access-control-expose-headers").to_lowercase().contains("retry-after"));
    answer(start("https://evil.example")).await.expect_problem(403, "origin_not_allowed");
    answer(start("null")).await.expect_problem(403, "origin_not_allowed");
    assert_eq!(app.links("ann@example.com").len(), 1);
}
