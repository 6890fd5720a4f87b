//! Connections that break with requests in flight: repeatable commands are retried, and nothing happens twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use linkgate::domain::attempt::{Refusal, Status};
use linkgate::store::StepError;
use linkgate::store::redis::{RedisOptions, RedisStore};

use crate::bench::{Bench, VERIFY, attempt, attempt_id, confirmation, nonce, refusal};
use test_kit::proxy::{Mode, Proxy};
use test_kit::redis_server::{RedisServer, free_port};

async fn behind_proxy() -> (RedisServer, Proxy, Bench) {
    let server = RedisServer::start();
    let proxy = Proxy::start_on(free_port(), server.port());
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let store = RedisStore::connect(&RedisOptions { url, fence: true, ca_pem: None }).unwrap();
    let bench = Bench::of(store).await;
    (server, proxy, bench)
}

/// Runs flows one after the other; returns how many verbs succeeded, and how many failed.
async fn flows(bench: &Bench, stop: &AtomicBool) -> (usize, usize) {
    let (mut answered, mut failed) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let (id, there, press, ticket) = (attempt_id(), attempt(bench.now()), confirmation(), nonce());
        let (store, now) = (&bench.store, bench.now());
        let settle = async |press| store.settle(id, &there.nonce, press, &VERIFY, now).await;
        let mut note = |ok: bool| if ok { answered += 1 } else { failed += 1 };
        note(store.create(id, &there, there.ends_at, now).await.is_ok());
        note(store.show_code(id, &there.nonce, now).await.is_ok());
        let first = settle(press).await;
        note(first.is_ok());
        if first.is_ok() {
            match settle(confirmation()).await {
                Err(StepError::Refused(refused)) => assert_eq!(refused, Refusal::Over(Status::Verified)),
                Err(StepError::Unavailable(_)) => note(false),
                Ok(_) => panic!("two openers verified one link"),
            }
        }
        note(store.read(id).await.is_ok());
        note(store.put_ticket(&ticket, Duration::from_mins(1)).await.is_ok());
        let consumed = [store.consume_ticket(&ticket).await, store.consume_ticket(&ticket).await];
        assert!(consumed.iter().flatten().filter(|consumed| **consumed).count() <= 1, "a ticket was doubled");
    }
    (answered, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_every_200_ms_are_hardly_noticed() {
    let (_server, proxy, bench) = behind_proxy().await;
    let (bench, stop) = (Arc::new(bench), Arc::new(AtomicBool::new(false)));
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let (bench, stop) = (Arc::clone(&bench), Arc::clone(&stop));
            tokio::spawn(async move { flows(&bench, &stop).await })
        })
        .collect();
    let connections = proxy.connections();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        proxy.cut();
    }
    stop.store(true, Ordering::Relaxed);
    let (mut answered, mut failed) = (0, 0);
    for worker in workers {
        let (more_answered, more_failed) = worker.await.unwrap();
        answered += more_answered;
        failed += more_failed;
    }
    println!(
        "{answered} verbs answered, {failed} not, over {} connections",
        proxy.connections() - connections
    );
    assert!(proxy.connections() - connections > 10, "or else this test shows nothing");
    assert!(failed * 1000 <= answered, "{failed} of {answered} failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_cut_is_asked_for_once_more() {
    let (_server, proxy, bench) = behind_proxy().await;
    for bytes in [0, 1, 20] {
        let (id, there) = bench.started().await;
        proxy.set(Mode::CutReply(bytes));
        let store = Arc::clone(&bench.store);
        let (press, now, link) = (confirmation(), bench.now(), there.nonce);
        let pressed = tokio::spawn(async move { store.settle(id, &link, press, &VERIFY, now).await });
        // The command has arrived, and its reply was lost.
        tokio::time::sleep(Duration::from_millis(15)).await;
        proxy.set(Mode::Pass);
        assert!(pressed.await.unwrap().is_ok(), "{bytes}");
        let other = bench.store.settle(id, &there.nonce, confirmation(), &VERIFY, bench.now()).await;
        assert_eq!(refusal(other), Refusal::Over(Status::Verified));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_the_network_takes_longer_than_the_limit() {
    let (_server, proxy, bench) = behind_proxy().await;
    let faults = [
        Mode::Refuse,
        Mode::BlackHole,
        Mode::CutReply(3),
        Mode::Garbage,
        Mode::Delay(Duration::from_millis(1500)),
    ];
    for fault in faults {
        let (id, there) = bench.started().await;
        proxy.set(fault);
        let mut longest = Duration::ZERO;
        for _ in 0..3 {
            let begun = Instant::now();
            let result = bench.store.settle(id, &there.nonce, confirmation(), &VERIFY, bench.now()).await;
            longest = longest.max(begun.elapsed());
            assert!(result.is_err(), "{fault:?}");
        }
        assert!(longest < Duration::from_millis(2500), "{fault:?} took {longest:?}");
        proxy.set(Mode::Pass);
        let back = Instant::now();
        let store = Arc::clone(&bench.store);
        crate::bench::eventually(async || store.ping().await.is_ok()).await;
        println!("{fault:?}: answered within {longest:?}, works again after {:?}", back.elapsed());
    }
    // A slow connection is not broken.
    proxy.set(Mode::Delay(Duration::from_millis(600)));
    bench.store.ping().await.unwrap();
}
