//! All faults at once: replicas are killed at random and connections to Redis are reset all the time, while clients sign
//! in and retry what failed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::people::{Ledger, NEAR, client, insist, path_of, start_request, started};
use test_kit::app::{API_KEY, Client};
use test_kit::fleet::Fleet;

/// How long clients start new attempts.
const STREAM: Duration = Duration::from_secs(12);

/// How often each connection to Redis is reset.
const RESETS: Duration = Duration::from_millis(200);

/// A generator of pseudo-random numbers (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// One sign-in, with two openers who both confirm, and retries until it succeeds.
async fn person(url: &str, email: &str, with_ticket: bool, ledger: &Ledger) {
    let (requester, first, second) = (client(url, NEAR), client(url, NEAR), client(url, NEAR));
    let options = json!({ "ticket": with_ticket });
    let answer = insist("start", || start_request(&requester, email, &options)).await;
    let (attempt, link) = started(&requester, answer.expect(201));
    assert_eq!(answer.body["email_address"], email);
    ledger.begun(&attempt.id, email);
    let path = path_of(&link);
    let press = async |opener: &Client, name: &str| {
        let page = insist("open", || opener.get(&path).header("Accept", "application/json")).await;
        if page.status == 410 {
            page.expect_problem(410, "link_already_used");
            return None;
        }
        assert_eq!(page.expect(200).body["email_address"], email, "somebody else's link");
        let body = json!({ "decision": "approve", "confirmation": page.confirmation() });
        let answer = insist("confirm", || opener.post(&path).json(&body)).await;
        if answer.status != 200 {
            answer.expect_problem(410, "link_already_used");
            return None;
        }
        ledger.confirmed(&attempt.id, name);
        Some(answer)
    };
    let waiting = async {
        loop {
            let told = insist("wait", || attempt.request(Method::GET, "?wait=2")).await;
            ledger.status(&attempt.id, told.expect(200));
            if told.body["status"] != "pending" {
                return told;
            }
        }
    };
    let (one, other, told) = tokio::join!(press(&first, "first"), press(&second, "second"), waiting);
    // `link_already_used` is reported only for a link that was used.
    let ((Some(success), None) | (None, Some(success))) = (one, other) else {
        panic!("{email}: not exactly one success; {}", told.raw);
    };
    assert_eq!(told.body["status"], "verified");
    if with_ticket {
        redeem_ticket(&requester, &attempt.id, &success.text("redirect_url"), ledger).await;
        return;
    }
    for _ in 0..2 {
        let session = insist("redeem", || attempt.request(Method::POST, "/redeem")).await;
        ledger.session(&attempt.id, session.expect(200));
    }
}

/// A ticket works once, or not at all if the first answer was lost.
async fn redeem_ticket(back_end: &Client, id: &str, redirect: &str, ledger: &Ledger) {
    let redirect = url::Url::parse(redirect).unwrap();
    let ticket = redirect.query_pairs().find(|(name, _)| name == "__linkgate_ticket").unwrap().1.into_owned();
    let redeem =
        || back_end.post("/v1/tickets/redeem").bearer_auth(API_KEY).json(&json!({ "ticket": ticket }));
    let first = insist("ticket", redeem).await;
    if first.status == 200 {
        ledger.session(id, &first);
    } else {
        first.expect_problem(410, "ticket_invalid");
    }
    insist("ticket again", redeem).await.expect_problem(410, "ticket_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn dying_replicas_and_resets_double_no_success_and_leave_nobody_waiting() {
    let seed = std::env::var("LINKGATE_FAULTS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| RandomState::new().hash_one("chaos"));
    println!("LINKGATE_FAULTS_SEED={seed}");
    let Fleet { redis, proxies, smtp, mut replicas, balancer } = Fleet::start().await;
    let (url, over) = (balancer.url(), Arc::new(AtomicBool::new(false)));
    let (resets, kills) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));

    let (ends, count) = (over.clone(), resets.clone());
    let resetting = std::thread::spawn(move || {
        while !ends.load(Ordering::Relaxed) {
            std::thread::sleep(RESETS);
            proxies.iter().for_each(test_kit::proxy::Proxy::cut);
            count.fetch_add(proxies.len(), Ordering::Relaxed);
        }
    });
    let (ends, count) = (over.clone(), kills.clone());
    let killing = std::thread::spawn(move || {
        let mut random = Random(seed);
        while !ends.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(200 + random.below(900)));
            let victim = usize::try_from(random.below(3)).unwrap();
            replicas[victim].kill();
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(random.below(400)));
            replicas[victim].start_again();
        }
        replicas
    });

    let (begun, ledger) = (Instant::now(), Arc::new(Ledger::default()));
    let lanes: Vec<_> = (0..12)
        .map(|lane| {
            let (url, ledger) = (url.clone(), ledger.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    if begun.elapsed() > STREAM {
                        return;
                    }
                    person(&url, &format!("p{lane}-{number}@example.com"), number % 3 == 2, &ledger).await;
                }
            })
        })
        .collect();
    let mut results = Vec::new();
    for lane in lanes {
        results.push(lane.await);
    }
    over.store(true, Ordering::Relaxed);
    resetting.join().unwrap();
    let replicas = tokio::task::block_in_place(|| killing.join().unwrap());
    let logs: String = replicas.iter().map(test_kit::fleet::Replica::log).collect();
    assert!(!logs.contains("panicked"), "{logs}");
    for result in results {
        result.unwrap();
    }
    let ends = ledger.audit();
    println!(
        "{} kills, {} resets, within {:?}: {ends:?}",
        kills.load(Ordering::Relaxed),
        resets.load(Ordering::Relaxed),
        begun.elapsed()
    );
    assert!(ends.len() == 1 && ends["verified"] > 50, "{ends:?}");
    drop((redis, smtp));
}
