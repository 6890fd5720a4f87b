//! State that the store loses is lost for good: no used link works again, and waiting requesters learn of it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::people::{NEAR, client, insist, path_of, start_by_key};
use test_kit::fleet::{Fleet, reads_of, until_read_after};

/// Runs `fault` on the fleet after one attempt was confirmed, and checks everything else afterwards.
async fn what_was_used_stays_used(name: &str, save: bool, fault: impl FnOnce(&mut Fleet)) {
    let mut fleet = Fleet::with(2, &[]).await;
    let url = fleet.url();
    let (requester, opener, other) = (client(&url, NEAR), client(&url, NEAR), client(&url, NEAR));
    let (used, used_link) = start_by_key(&requester, "used@example.com", json!({})).await;
    let (pending, pending_link) = start_by_key(&requester, "pending@example.com", json!({})).await;
    let (used_path, pending_path) = (path_of(&used_link), path_of(&pending_link));
    let (press, press_of_other) =
        (opener.describe(&used_path).await.confirmation(), other.describe(&used_path).await.confirmation());
    let pending_press = opener.describe(&pending_path).await.confirmation();
    if save {
        fleet.redis.command::<()>(&["SAVE"]);
    }
    opener.decide_json(&used_path, "approve", &press).await.expect(200);

    let reads = reads_of(&fleet.replicas).await;
    let waiting = tokio::spawn(async move { (pending.wait("pending").await, pending) });
    until_read_after(reads, &fleet.replicas).await;
    tokio::task::block_in_place(|| fault(&mut fleet));
    let begun = Instant::now();
    let (told, pending) = waiting.await.unwrap();
    let took = begun.elapsed();
    assert_eq!(told.expect(200).body["status"], "failed", "{}", told.raw);
    assert_eq!(told.body["failure"], "state_lost");
    println!("{name}: who waited was told state_lost after {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");

    for (who, path, press) in [
        (&opener, &used_path, &press),
        (&other, &used_path, &press_of_other),
        (&opener, &pending_path, &pending_press),
    ] {
        for _ in 0..2 {
            let body = json!({ "decision": "approve", "confirmation": press });
            let refused = insist("confirm", || who.post(path).json(&body)).await;
            refused.expect_problem(410, "link_expired");
        }
        // If the store does not reply in time, the page is shown without its state.
        let begun = Instant::now();
        loop {
            let page = insist("open", || who.get(path).header("Accept", "application/json")).await;
            if page.status != 200 {
                page.expect_problem(410, "link_expired");
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "{}", page.raw);
        }
    }
    for attempt in [&used, &pending] {
        let status = insist("poll", || attempt.request(reqwest::Method::GET, "")).await;
        assert_eq!(status.expect(200).body["failure"], "state_lost");
        insist("redeem", || attempt.request(reqwest::Method::POST, "/redeem"))
            .await
            .expect_problem(409, "attempt_not_verified");
    }
    // New attempts work.
    let (attempt, link) = start_by_key(&requester, "after@example.com", json!({})).await;
    crate::people::confirm(&opener, &link).await.expect(200);
    assert_eq!(attempt.status().await.body["status"], "verified");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_flush_no_used_link_works_again() {
    what_was_used_stays_used("FLUSHALL", false, |fleet| fleet.redis.command::<()>(&["FLUSHALL"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_empty_restart_no_used_link_works_again() {
    what_was_used_stays_used("kill -9 and an empty restart", false, |fleet| {
        fleet.redis.kill();
        fleet.redis.start_again();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_from_before_the_confirmation_no_used_link_works_again() {
    what_was_used_stays_used("restore of an older RDB", true, |fleet| {
        fleet.redis.kill();
        fleet.redis.start_again();
        let keys: Vec<String> = fleet.redis.command(&["KEYS", "lg:a:*"]);
        assert_eq!(keys.len(), 2, "or else this test shows nothing");
        for key in keys {
            let status: String = fleet.redis.command(&["HGET", &key, "s"]);
            assert_eq!(status, "p", "the snapshot is from before the confirmation");
        }
    })
    .await;
}

/// The counterexample: without the fence, the test before this one fails.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_fence_a_restored_link_works_again() {
    let mut fleet = Fleet::with(1, &[("LINKGATE_STORE_FENCE", "off")]).await;
    let url = fleet.url();
    let (requester, opener, other) = (client(&url, NEAR), client(&url, NEAR), client(&url, NEAR));
    let (_, link) = start_by_key(&requester, "used@example.com", json!({})).await;
    let path = path_of(&link);
    let press_of_other = other.describe(&path).await.confirmation();
    fleet.redis.command::<()>(&["SAVE"]);
    crate::people::confirm(&opener, &link).await.expect(200);
    other.decide_json(&path, "approve", &press_of_other).await.expect_problem(410, "link_already_used");
    tokio::task::block_in_place(|| {
        fleet.redis.kill();
        fleet.redis.start_again();
    });
    let body = json!({ "decision": "approve", "confirmation": press_of_other });
    insist("confirm", || other.post(&path).json(&body)).await.expect(200);
}
