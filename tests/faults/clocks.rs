//! Clocks that disagree, and clocks that jump.

use chrono::{DateTime, TimeDelta, Utc};
use linkgate::clock::Clock as _;
use serde_json::json;

use crate::people::{NEAR, client, path_of, start_by_key, start_request, started, try_answer};
use test_kit::app::{Client, TestApp, noon};
use test_kit::clock::ManualClock;
use test_kit::redis_server::RedisServer;

/// Two replicas of one deployment, with different clocks.
fn replica(redis: &RedisServer, clock: &ManualClock) -> TestApp {
    let settings =
        [("LINKGATE_STORE_URL", redis.url()), ("LINKGATE_PUBLIC_URL", "http://127.0.0.1:8080".to_owned())];
    TestApp::on(clock.clone(), &settings.each_ref().map(|(name, value)| (*name, value.as_str())))
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_two_minutes_apart_never_prolong_a_link_beyond_its_life_and_that_difference() {
    let redis = RedisServer::start();
    let (slow, fast) = (ManualClock::new(noon()), ManualClock::new(noon() + TimeDelta::minutes(2)));
    let (behind, ahead) = (replica(&redis, &slow), replica(&redis, &fast));
    let (at_behind, at_ahead) = (client(&behind.url, NEAR), client(&ahead.url, NEAR));
    let mut links = Vec::new();
    for (requester, name) in [(&at_behind, "behind"), (&at_ahead, "ahead")] {
        let (attempt, link) = start_by_key(requester, &format!("{name}@example.com"), json!({})).await;
        links.push((attempt, path_of(&link)));
    }
    let presses = [
        at_behind.describe(&links[0].1).await.confirmation(),
        at_behind.describe(&links[1].1).await.confirmation(),
    ];
    // Minutes after the start, and whether the link of either replica works on the other.
    let expected = [
        (0, [true, true], [true, true]),
        (7, [true, true], [true, true]),
        (8, [true, false], [true, true]),
        (9, [true, false], [true, true]),
        (10, [false, false], [true, false]),
        (11, [false, false], [true, false]),
        (12, [false, false], [false, false]),
        (30, [false, false], [false, false]),
    ];
    for (minutes, of_behind, of_ahead) in expected {
        let since = noon() + TimeDelta::minutes(minutes) - slow.now();
        slow.advance(since);
        fast.advance(since);
        for ((_, link), works) in links.iter().zip([of_behind, of_ahead]) {
            for (opener, works) in [&at_behind, &at_ahead].into_iter().zip(works) {
                let status = opener.describe(link).await.status.as_u16();
                assert_eq!(status, if works { 200 } else { 410 }, "after {minutes} minutes");
            }
        }
    }
    // No replica accepts its confirmation any more.
    for (link, press) in links.iter().map(|(_, link)| link).zip(&presses) {
        for opener in [&at_behind, &at_ahead] {
            opener.decide_json(link, "approve", press).await.expect_problem(410, "link_expired");
        }
    }
}

/// Runs a whole sign-in on any clock: every request is answered, and not with `internal`.
async fn everything(app: &TestApp, now: DateTime<Utc>) {
    let person = client(&app.url, NEAR);
    let sound = async |what: &str, request: reqwest::RequestBuilder| {
        let answer = try_answer(request).await.unwrap_or_else(|| panic!("{what} at {now}: no answer"));
        assert!(answer.status.as_u16() < 500, "{what} at {now}: {}", answer.raw);
        answer
    };
    let begun = sound("start", start_request(&person, "ann@example.com", &json!({}))).await;
    sound("keys", person.get("/.well-known/jwks.json")).await;
    if begun.status != 201 {
        println!("start at {now}: {}", begun.raw);
        return;
    }
    let (attempt, link) = started(&person, &begun);
    let path = path_of(&link);
    sound("page", person.get(&path).header("Accept", "text/html")).await;
    let described = sound("open", person.get(&path).header("Accept", "application/json")).await;
    sound("poll", attempt.request(reqwest::Method::GET, "")).await;
    if described.status == 200 {
        let body = json!({ "decision": "approve", "confirmation": described.confirmation() });
        sound("confirm", person.post(&path).json(&body)).await;
    }
    sound("wait", attempt.request(reqwest::Method::GET, "?wait=1&seen=verified")).await;
    sound("resend", attempt.request(reqwest::Method::POST, "/resend")).await;
    let session = sound("redeem", attempt.request(reqwest::Method::POST, "/redeem")).await;
    let renewal = json!({ "renewal_token": session.body["renewal_token"].as_str().unwrap_or("none") });
    sound("renew", person.post("/v1/session/token").json(&renewal)).await;
    sound("sign out", person.request(reqwest::Method::DELETE, "/v1/session").json(&renewal)).await;
}

/// An attempt that was started before the clock changes is read after it.
async fn begun_before(requester: &Client) -> impl AsyncFn(&str) + use<> {
    let (attempt, link) = start_by_key(requester, "before@example.com", json!({})).await;
    let (requester, path) = (requester.clone(), path_of(&link));
    async move |when: &str| {
        for request in [
            attempt.request(reqwest::Method::GET, ""),
            attempt.request(reqwest::Method::GET, "?wait=1&seen=pending"),
            requester.get(&path).header("Accept", "text/html"),
            requester.post(&format!("{path}/reissue")).header("Accept", "application/json"),
        ] {
            let answer = try_answer(request).await.unwrap_or_else(|| panic!("{when}: no answer"));
            assert!(answer.status.as_u16() < 500, "{when}: {}", answer.raw);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_step_of_the_clock_panics() {
    let redis = RedisServer::start();
    for store in ["memory://", &redis.url()] {
        let clock = ManualClock::new(noon());
        let app = TestApp::on(clock.clone(), &[("LINKGATE_STORE_URL", store)]);
        let again = begun_before(&client(&app.url, NEAR)).await;
        let mut shown = noon();
        for time in [
            "2026-11-22T13:00:00Z",
            "2026-11-22T11:00:00Z",
            "2026-11-22T12:09:59.999999999Z",
            "2036-01-01T00:00:00Z",
            "2038-01-19T03:14:08Z",
            "2016-02-29T23:59:59Z",
            "1970-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1901-12-13T20:45:51Z",
            "0001-01-01T00:00:00Z",
            "2106-02-07T06:28:16Z",
            "9999-12-31T23:59:59Z",
            "+10000-01-01T00:00:00Z",
            "+200000-01-01T00:00:00Z",
            "+262142-12-31T23:00:00Z",
            "2026-11-22T12:00:00Z",
        ] {
            let time: DateTime<Utc> = time.parse().unwrap();
            clock.advance(time - shown);
            shown = time;
            everything(&app, time).await;
            again(&format!("begun before, at {time}")).await;
        }
    }
}
