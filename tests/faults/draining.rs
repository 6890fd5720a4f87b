//! SIGTERM: readiness ends first, the listener stays open for a while, every request is answered, the exit code is 0.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::people::{Ledger, NEAR, client, path_of, start_by_key, start_request, started, try_answer};
use test_kit::app::{Client, answer};
use test_kit::fleet::{Fleet, Replica};
use test_kit::redis_server::RedisServer;

fn alone(redis: &RedisServer, delay: &str) -> Replica {
    Replica::start(&[
        ("LINKGATE_STORE_URL", &redis.url()),
        ("LINKGATE_DRAIN_DELAY", delay),
        ("RUST_LOG", "info"),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sigterm_readiness_goes_first_and_whoever_waits_is_answered() {
    let redis = RedisServer::start();
    let mut replica = alone(&redis, "2s");
    replica.until_probe("/readyz", 200).await;
    let requester = client(&replica.url(), NEAR);
    let (attempt, _) = start_by_key(&requester, "ann@example.com", json!({})).await;
    let events = tokio::spawn(try_answer(attempt.request(reqwest::Method::GET, "/events")));
    let waiting = tokio::spawn(async move { (attempt.wait("pending").await, attempt) });
    replica.until_waiting(2).await;

    let begun = Instant::now();
    replica.signal("TERM");
    let (answered, attempt) = waiting.await.unwrap();
    assert_eq!(answered.expect(200).body["status"], "pending", "as it is");
    assert_eq!(answered.header("retry-after"), "1");
    println!("a waiter was answered {:?} after SIGTERM", begun.elapsed());
    let events = events.await.unwrap().expect("an event stream ends as it should");
    assert!(events.expect(200).raw.starts_with("event: status\ndata: {"), "{}", events.raw);
    println!("and an event stream was ended {:?} after SIGTERM", begun.elapsed());
    replica.until_probe("/readyz", 503).await;
    assert!(replica.probe("/readyz").await.1.contains("\"draining\":true"));
    assert_eq!(replica.probe("/livez").await.0, 200);
    // New requests are served; long-polls return at once.
    while begun.elapsed() < Duration::from_millis(1500) {
        let answer = attempt.wait("pending").await;
        assert_eq!(answer.expect(200).body["status"], "pending");
        assert_eq!(
            answer.header("connection"),
            "close",
            "no request follows on a connection that is about to end"
        );
    }
    assert_eq!(replica.ended().code(), Some(0), "{}", replica.log());
    println!("ended {:?} after SIGTERM, with a delay of 2 s", begun.elapsed());
    assert!((Duration::from_secs(2)..Duration::from_secs(5)).contains(&begun.elapsed()));
    assert!(replica.log().contains("draining"), "{}", replica.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_answered_by_a_server_that_stops_at_once() {
    let redis = RedisServer::start();
    let mut replica = alone(&redis, "0s");
    replica.until_probe("/readyz", 200).await;
    let mut waiting = Vec::new();
    for number in 0..40 {
        let requester = client(&replica.url(), NEAR);
        let (attempt, _) = start_by_key(&requester, &format!("p{number}@example.com"), json!({})).await;
        waiting.push(tokio::spawn(try_answer(attempt.request(reqwest::Method::GET, "?wait=20"))));
    }
    replica.until_waiting(waiting.len()).await;
    replica.signal("TERM");
    for waiting in waiting {
        let answer = waiting.await.unwrap().expect("an answer");
        assert_eq!(answer.expect(200).body["status"], "pending");
        assert_eq!(answer.header("connection"), "close");
    }
    assert_eq!(replica.ended().code(), Some(0), "{}", replica.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_finish_and_a_second_signal_does_not_wait_for_them() {
    let redis = RedisServer::start();
    for impatient in [false, true] {
        let mut replica = alone(&redis, if impatient { "60s" } else { "0s" });
        replica.until_probe("/readyz", 200).await;
        let requester = client(&replica.url(), NEAR);
        let (attempt, link) = start_by_key(&requester, "ann@example.com", json!({})).await;
        let confirmation = requester.describe(&path_of(&link)).await.confirmation();
        // The store delays the request, which stays in flight.
        redis.pause();
        let body = json!({ "decision": "approve", "confirmation": confirmation });
        let request = requester.post(&path_of(&link)).json(&body);
        let deciding = tokio::spawn(try_answer(request));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let begun = Instant::now();
        replica.signal("TERM");
        tokio::time::sleep(Duration::from_millis(200)).await;
        if impatient {
            replica.signal("TERM");
            // Ended neither by the signal nor by a failure.
            assert_eq!(replica.ended().code(), Some(0), "{}", replica.log());
            println!("ended {:?} after the first of two signals", begun.elapsed());
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
            redis.resume();
            continue;
        }
        redis.resume();
        let answer = deciding.await.unwrap().expect("a request in flight is answered");
        assert!(answer.status == 200 || answer.status == 503, "{}", answer.raw);
        assert_eq!(replica.ended().code(), Some(0), "{}", replica.log());
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        drop(attempt);
    }
}

/// Clients that sign in, one after the other, until `stop` is set. They retry nothing: every request has to succeed.
pub(crate) async fn stream(
    url: String,
    lane: usize,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    ledger: Arc<Ledger>,
) {
    // One client keeps its connections, as most do; the others do not.
    let fresh = |email: &str| {
        let secret = format!("secret-of-{email:-<32}").replace(['@', '.'], "_");
        if lane.is_multiple_of(2) {
            client(&url, NEAR)
        } else {
            Client::new(&url, NEAR, reqwest::Client::builder(), Some(secret))
        }
    };
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let email = format!("p{lane}-{number}@example.com");
        let person = fresh(&email);
        let answer_of = async |what: &str, request| {
            count.fetch_add(1, Ordering::Relaxed);
            try_answer(request).await.unwrap_or_else(|| panic!("{what}: no answer"))
        };
        let begun = answer_of("start", start_request(&person, &email, &json!({}))).await;
        let (attempt, link) = started(&person, begun.expect(201));
        ledger.begun(&attempt.id, &email);
        let path = path_of(&link);
        let waiting = answer_of("wait", attempt.request(reqwest::Method::GET, "?wait=20"));
        let opening = async {
            let page = answer_of("open", person.get(&path).header("Accept", "application/json")).await;
            let body = json!({ "decision": "approve", "confirmation": page.confirmation() });
            answer_of("confirm", person.post(&path).json(&body)).await.expect(200);
            ledger.confirmed(&attempt.id, "the opener");
        };
        let (told, ()) = tokio::join!(waiting, opening);
        // A draining replica answers early, and the requester polls again.
        let mut told = told;
        while told.expect(200).body["status"] == "pending" {
            told = answer_of("wait again", attempt.request(reqwest::Method::GET, "?wait=20")).await;
        }
        ledger.status(&attempt.id, &told);
        let session = answer_of("redeem", attempt.request(reqwest::Method::POST, "/redeem")).await;
        ledger.session(&attempt.id, session.expect(200));
        answer_of("keys", person.get("/.well-known/jwks.json")).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_request() {
    let mut fleet = Fleet::start().await;
    let (stop, count, ledger) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(Ledger::default()));
    let lanes: Vec<_> = (0..8)
        .map(|lane| tokio::spawn(stream(fleet.url(), lane, stop.clone(), count.clone(), ledger.clone())))
        .collect();
    let begun = Instant::now();
    for number in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        fleet.replicas[number].signal("TERM");
        let status = tokio::task::block_in_place(|| fleet.replicas[number].ended());
        assert_eq!(status.code(), Some(0));
        tokio::task::block_in_place(|| fleet.replicas[number].start_again());
        fleet.until_taken_in(number).await;
    }
    let took = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    for lane in lanes {
        lane.await.unwrap();
    }
    let ends = ledger.audit();
    let requests = count.load(Ordering::Relaxed);
    println!(
        "three replicas restarted in {took:?} under {requests} requests, none failed; attempts: {ends:?}"
    );
    assert!(ends.len() == 1 && ends["verified"] > 20, "{ends:?}");
    // All replicas serve again.
    for replica in &fleet.replicas {
        answer(client(&replica.url(), NEAR).get("/.well-known/jwks.json")).await.expect(200);
    }
}
