//! The values of single metrics.

use chrono::TimeDelta;

use crate::live::REQUEST_ID;
use test_kit::app::{TestApp, answer};
use test_kit::redis_server::RedisServer;
use test_kit::waiting::until;

const LOST: &str = "linkgate_attempts_lost_total{purpose=\"sign_in\"}";

#[tokio::test]
async fn each_answer_that_an_attempt_is_lost_is_counted() {
    let redis = RedisServer::start();
    let app = TestApp::with(&[("LINKGATE_STORE_URL", &redis.url())]).await;
    until("ready", async || app.metric("linkgate_ready").await == 1.0).await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    attempt.status().await.expect(200);
    assert_eq!(app.metric(LOST).await, 0.0);
    redis.command::<()>(&["FLUSHALL"]);
    assert_eq!(attempt.status().await.body["failure"], "state_lost");
    assert_eq!(app.metric(LOST).await, 1.0);
}

#[tokio::test]
async fn a_store_that_goes_and_comes_back_is_seen_though_nobody_probes() {
    let mut redis = RedisServer::start();
    let app = TestApp::with(&[("LINKGATE_STORE_URL", &redis.url()), ("LINKGATE_READY_STRICT", "on")]).await;
    let is = async |value: f64| {
        app.metric("linkgate_store_up").await == value && app.metric("linkgate_ready").await == value
    };
    until("up", async || is(1.0).await).await;
    redis.kill();
    until("down", async || is(0.0).await).await;
    redis.start_again();
    until("up again", async || is(1.0).await).await;
}

#[tokio::test]
async fn who_is_turned_away_is_counted_by_the_limit_that_did_it() {
    const AWAY: &str = "linkgate_waiters_turned_away_total{limit=\"client\"}";
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let wait = async || attempt.wait("pending").await;
    let ninth = async {
        app.waiters(8).await;
        assert_eq!(app.metric(AWAY).await, 0.0);
        attempt.wait("pending").await.expect(200);
        assert_eq!(app.metric(AWAY).await, 1.0);
        attempt.cancel().await.expect(204);
    };
    tokio::join!(wait(), wait(), wait(), wait(), wait(), wait(), wait(), wait(), ninth);
    assert_eq!(app.metric("linkgate_waiters_turned_away_total{limit=\"replica\"}").await, 0.0);
    assert_eq!(app.metric("linkgate_waiters_limit").await, 20_000.0);
}

#[tokio::test]
async fn the_clock_is_the_one_that_decides_what_has_expired() {
    let app = TestApp::start().await;
    let before = app.metric("linkgate_clock_seconds").await;
    app.advance(TimeDelta::milliseconds(90_500));
    assert_eq!(app.metric("linkgate_clock_seconds").await - before, 90.5);
}

#[tokio::test]
async fn the_process_tells_what_all_prometheus_clients_tell() {
    let app = TestApp::start().await;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let uptime = now - app.metric("process_start_time_seconds").await;
    assert!((0.0..86_400.0).contains(&uptime), "{uptime}");
    let memory = app.metric("process_resident_memory_bytes").await;
    assert!((1e6..4e9).contains(&memory), "{memory}");
    let (open, most) = (app.metric("process_open_fds").await, app.metric("process_max_fds").await);
    assert!(open >= 5.0 && open <= most, "{open} of {most}");
    let before = app.metric("process_cpu_seconds_total").await;
    until("time passes", async || app.metric("process_cpu_seconds_total").await > before).await;
    let version = format!("linkgate_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(app.metric(&version).await, 1.0);
}

#[tokio::test]
async fn exemplars_name_a_request_in_a_text_that_may_have_them() {
    let app = TestApp::start().await;
    answer(app.browser().get("/v1/session").header("X-Request-Id", REQUEST_ID)).await.expect(401);
    let answer = reqwest::get(format!("{}/metrics", app.ops_url)).await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let text = answer.text().await.unwrap();
    let exemplar = format!(" # {{request_id=\"{REQUEST_ID}\"}} ");
    let with: Vec<&str> = text.lines().filter(|line| line.contains(&exemplar)).collect();
    let [line] = with[..] else { panic!("one bucket has it: {with:?}") };
    assert!(line.starts_with("linkgate_http_request_seconds_bucket{"), "{line}");
    assert!(text.ends_with("# EOF\n"));
    // At most one for each bucket of a route.
    for n in 0..200 {
        let id = format!("request-{n}");
        app.browser().get("/v1/session").header("X-Request-Id", id).send().await.unwrap();
    }
    let count = app.metrics().await.matches("# {request_id=").count();
    assert!((1..=14).contains(&count), "{count}");
}

/// The number of sign-ins with this end.
async fn ended(app: &TestApp, outcome: &str) -> f64 {
    let name = format!("linkgate_attempts_ended_total{{purpose=\"sign_in\",outcome=\"{outcome}\"}}");
    app.metric(&name).await
}

/// Every step to an end is taken twice within one second, with the same answer.
async fn twice(app: &TestApp) {
    let script = app.script("requester-secret-0123456789");
    let decide_twice = async |email: &str, decision: &str| {
        let attempt = script.sign_in(email).await;
        let link = app.link(email);
        let confirmation = script.describe(&link).await.confirmation();
        for _ in 0..2 {
            script.decide_json(&link, decision, &confirmation).await.expect(200);
        }
        attempt
    };
    decide_twice("ann@example.com", "approve").await;
    assert_eq!(ended(app, "verified").await, 1.0);
    decide_twice("bob@example.com", "deny").await;
    assert_eq!(ended(app, "denied").await, 1.0);
    let canceled = script.sign_in("eve@example.com").await;
    for _ in 0..2 {
        canceled.cancel().await.expect(204);
    }
    assert_eq!(ended(app, "canceled").await, 1.0);
    let coded = script.sign_in("joe@example.com").await;
    let code =
        app.browser_at("198.51.100.9").press(&app.link("joe@example.com"), "approve").await.relay_code();
    for _ in 0..2 {
        coded.enter_code(&code).await.expect(200);
    }
    assert_eq!(ended(app, "verified").await, 2.0);
    assert_eq!(app.metric("linkgate_attempt_verify_seconds_count{purpose=\"sign_in\"}").await, 2.0);
}

#[tokio::test]
async fn an_end_that_is_repeated_is_counted_once() {
    twice(&TestApp::start().await).await;
    let redis = RedisServer::start();
    let app = TestApp::with(&[("LINKGATE_STORE_URL", &redis.url())]).await;
    until("ready", async || app.metric("linkgate_ready").await == 1.0).await;
    twice(&app).await;
}
