//! Waiters on one replica learn of changes made on another: at once by the subscription, and within the re-read interval
//! without it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::interpreter::{Interpreter, Says};
use crate::people::{NEAR, back_end, client, confirm, path_of, start_by_key, start_request, started};
use test_kit::app::answer;
use test_kit::fleet::{Fleet, Replica};
use test_kit::redis_server::RedisServer;

/// The re-read interval, with some margin for busy machines.
const REREAD: Duration = Duration::from_millis(1500 + 700);

/// How soon a change has to reach waiters.
const AT_ONCE: Duration = Duration::from_millis(500);

/// The time from a confirmation on one replica to the answer of the long-poll on another.
async fn told_after(waits_on: &Replica, confirmed_on: &Replica, email: &str) -> Duration {
    let (requester, opener) = (client(&waits_on.url(), NEAR), client(&confirmed_on.url(), NEAR));
    let (attempt, link) = start_by_key(&requester, email, json!({})).await;
    let waiting = async {
        let answer = attempt.wait("pending").await;
        assert_eq!(answer.expect(200).body["status"], "verified");
        Instant::now()
    };
    let confirming = async {
        let confirmation = opener.describe(&path_of(&link)).await.confirmation();
        waits_on.until_waiting(1).await;
        opener.decide_json(&path_of(&link), "approve", &confirmation).await.expect(200);
        Instant::now()
    };
    let (told, confirmed) = tokio::join!(waiting, confirming);
    told.saturating_duration_since(confirmed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_on_one_replica_wakes_the_requester_on_another_at_once() {
    let fleet = Fleet::start().await;
    let mut times = Vec::new();
    for round in 0..20 {
        let (a, b) = (&fleet.replicas[round % 3], &fleet.replicas[(round + 1) % 3]);
        times.push(told_after(a, b, &format!("ann{round}@example.com")).await);
    }
    times.sort();
    println!("told after the opener: median {:?}, longest {:?}", times[10], times[19]);
    assert!(times[10] < AT_ONCE / 5 && times[19] < AT_ONCE, "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_news_the_requester_is_told_within_the_reread_interval_and_afterwards_as_before() {
    let fleet = Fleet::with(1, &[]).await;
    let hop = Interpreter::start(fleet.redis.port());
    let (url, store) = (fleet.url(), format!("redis://127.0.0.1:{}", hop.port()));
    let deaf = Replica::start(&[("LINKGATE_PUBLIC_URL", &url), ("LINKGATE_STORE_URL", &store)]);
    deaf.until_probe("/readyz", 200).await;
    let other = &fleet.replicas[0];

    hop.set(Says::NoNews);
    let mut times = Vec::new();
    for round in 0..3 {
        times.push(told_after(&deaf, other, &format!("ann{round}@example.com")).await);
    }
    println!("told without news after: {times:?}");
    assert!(times.iter().all(|time| *time < REREAD), "{times:?}");

    hop.set(Says::Itself);
    let time = told_after(&deaf, other, "bob@example.com").await;
    println!("told with news again after: {time:?}");
    assert!(time < AT_ONCE, "{time:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_subscription_comes_back_and_loses_nothing() {
    let fleet = Fleet::with(2, &[]).await;
    let (requester, opener) =
        (client(&fleet.replicas[0].url(), NEAR), client(&fleet.replicas[1].url(), NEAR));
    for round in 0..3 {
        let (attempt, link) = start_by_key(&requester, &format!("ann{round}@example.com"), json!({})).await;
        let acting = async {
            fleet.replicas[0].until_waiting(1).await;
            let confirmation = opener.describe(&path_of(&link)).await.confirmation();
            // This replica misses publications from here on.
            let killed: usize = fleet.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            assert_eq!(killed, 2);
            let decide = || {
                let body = json!({ "decision": "approve", "confirmation": confirmation });
                opener.post(&path_of(&link)).json(&body)
            };
            crate::people::insist("confirm", decide).await.expect(200);
            Instant::now()
        };
        let waiting = async {
            assert_eq!(attempt.wait("pending").await.expect(200).body["status"], "verified");
            Instant::now()
        };
        let (confirmed, told) = tokio::join!(acting, waiting);
        let late = told.saturating_duration_since(confirmed);
        println!("told {late:?} after the confirmation, with the subscription killed before it");
        assert!(late < REREAD, "{late:?}");
    }
    let time = told_after(&fleet.replicas[0], &fleet.replicas[1], "bob@example.com").await;
    assert!(time < AT_ONCE, "{time:?}");
}

fn calls(redis: &RedisServer, command: &str) -> u64 {
    let info: String = redis.command(&["INFO", "commandstats"]);
    let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_waiters_cost_redis_one_subscription_and_a_few_reads() {
    const WAITERS: usize = 5000;
    let fleet = Fleet::with(1, &[]).await;
    let (url, redis) = (fleet.replicas[0].url(), &fleet.redis);
    let begun = Instant::now();
    let starts: Vec<_> = (0..50)
        .map(|lane| {
            let url = url.clone();
            tokio::spawn(async move {
                let client = back_end(&url);
                let mut lane_attempts = Vec::new();
                for number in 0..WAITERS / 50 {
                    let email = format!("w{lane}-{number}@example.com");
                    let answer = answer(start_request(&client, &email, &json!({}))).await;
                    answer.expect(201);
                    lane_attempts.push(started(&client, &answer));
                }
                lane_attempts
            })
        })
        .collect();
    let mut attempts = Vec::new();
    for lane in starts {
        attempts.extend(lane.await.unwrap());
    }
    println!("{WAITERS} attempts started within {:?}", begun.elapsed());
    let (last, link) = attempts.pop().unwrap();
    let waiting: Vec<_> = attempts
        .into_iter()
        .map(|(attempt, _)| {
            tokio::spawn(async move { attempt.request(reqwest::Method::GET, "?wait=30").send().await })
        })
        .collect();
    let watched = tokio::spawn(async move { (last.wait("pending").await, Instant::now()) });
    fleet.replicas[0].until_waiting(WAITERS).await;

    let clients: String = redis.command(&["CLIENT", "LIST"]);
    let (subscribed, all) =
        (clients.lines().filter(|line| line.contains(" sub=1 ")).count(), clients.lines().count());
    // One for each worker, the operations listener, the subscription and this test.
    let threads = std::thread::available_parallelism().unwrap().get() + 3;
    assert!(subscribed == 1 && all <= threads, "connections: {clients}");
    let (before, since) = (calls(redis, "evalsha"), Instant::now());
    tokio::time::sleep(Duration::from_secs(4)).await;
    let per_second =
        f64::from(u32::try_from(calls(redis, "evalsha") - before).unwrap()) / since.elapsed().as_secs_f64();
    let batches = per_second / 256.0;
    println!(
        "{WAITERS} waiters: {subscribed} subscription, {per_second:.0} reads/s, in {batches:.1} pipelines/s"
    );
    assert!(batches < 20.0, "more than a few");

    let opener = client(&url, NEAR);
    confirm(&opener, &link).await.expect(200);
    let confirmed = Instant::now();
    let (answer, told) = watched.await.unwrap();
    assert_eq!(answer.body["status"], "verified");
    println!("one of {WAITERS} told {:?} after the opener", told.saturating_duration_since(confirmed));
    assert!(told.saturating_duration_since(confirmed) < Duration::from_secs(1));

    // SIGTERM answers all of them.
    let begun = Instant::now();
    fleet.replicas[0].signal("TERM");
    for waiter in waiting {
        assert_eq!(waiter.await.unwrap().unwrap().status(), 200);
    }
    println!("{WAITERS} waiters answered {:?} after SIGTERM", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(10));
}
