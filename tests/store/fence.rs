//! Restarts, flushes and rollbacks of Redis may lose pending records, and never make a used one work again. And the
//! records in Redis are the documented ones.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use linkgate::domain::attempt::{Attempt, Refusal, State};
use linkgate::domain::ids::AttemptId;
use linkgate::store::redis::{RedisOptions, RedisStore};
use linkgate::store::{AttemptStore, Created, Stepped, Store as _, TicketStore as _};

use crate::bench::{
    Bench, VERIFY, attempt, attempt_id, confirmation, eventually, link, nonce, open, refusal, session_id,
};
use test_kit::redis_server::RedisServer;

/// Kills the server and starts it again with its saved data.
async fn restart(bench: &mut Bench) {
    bench.server().kill();
    bench.server().start_again();
    let store = &bench.store;
    eventually(async || store.ping().await.is_ok()).await;
}

async fn is_lost(bench: &Bench, id: AttemptId, attempt: &Attempt) {
    let (store, nonce, now) = (&bench.store, &attempt.nonce, bench.now());
    assert!(bench.read(id).await.is_none());
    assert!(store.read_many(&[id]).await.unwrap() == [None]);
    assert_eq!(refusal(store.settle(id, nonce, confirmation(), &VERIFY, now).await), Refusal::Lost);
    assert_eq!(refusal(store.show_code(id, nonce, now).await), Refusal::Lost);
    assert_eq!(refusal(store.enter_code(id, nonce, true, None, now).await), Refusal::Lost);
    assert_eq!(refusal(store.cancel(id, now).await), Refusal::Lost);
    assert_eq!(refusal(store.replace_link(id, &link(now), attempt.resend_after).await), Refusal::Lost);
    assert_eq!(refusal(store.restore_link(id, nonce, &link(now), now).await), Refusal::Lost);
    assert_eq!(refusal(store.reject_mail(id, nonce, now).await), Refusal::Lost);
    store.mail_accepted(id, nonce).await.unwrap();
    store.discard(id, nonce).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_loses_what_is_pending() {
    let mut bench = Bench::redis().await;
    let (id, pending) = bench.started().await;
    let ticket = nonce();
    bench.store.put_ticket(&ticket, Duration::from_mins(1)).await.unwrap();
    bench.server().command::<()>(&["FLUSHALL"]);
    is_lost(&bench, id, &pending).await;
    assert!(!bench.store.consume_ticket(&ticket).await.unwrap());
    bench.create(id, &pending).await;
    assert!(bench.store.settle(id, &pending.nonce, confirmation(), &VERIFY, bench.now()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_restart_loses_what_is_pending() {
    let mut bench = Bench::redis().await;
    let (id, pending) = bench.started().await;
    restart(&mut bench).await;
    is_lost(&bench, id, &pending).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_from_before_the_confirmation_does_not_make_the_link_work_again() {
    let mut bench = Bench::redis().await;
    let (id, pending) = bench.started().await;
    let ticket = nonce();
    bench.store.put_ticket(&ticket, Duration::from_mins(1)).await.unwrap();
    bench.server().command::<()>(&["SAVE"]);
    bench.store.settle(id, &pending.nonce, confirmation(), &VERIFY, bench.now()).await.unwrap();
    assert!(bench.store.consume_ticket(&ticket).await.unwrap());

    restart(&mut bench).await;
    let key = key(id);
    let status: String = bench.server().command(&["HGET", &key, "s"]);
    assert_eq!(status, "p", "or else this test shows nothing");
    is_lost(&bench, id, &pending).await;
    assert!(!bench.store.consume_ticket(&ticket).await.unwrap());
    let still: bool = bench.server().command(&["EXISTS", &key]);
    assert!(still, "no verb may touch what it cannot vouch for, but create");
    let anew = attempt(bench.now());
    bench.create(id, &anew).await;
    assert!(bench.read(id).await == Some(anew));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_an_append_only_file_loses_what_is_pending_and_what_was_used() {
    for fsync in ["always", "everysec"] {
        let server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", fsync]);
        let mut bench = Bench::on(server).await;
        let ((id, pending), (used, there)) = (bench.started().await, bench.started().await);
        bench.store.settle(used, &there.nonce, confirmation(), &VERIFY, bench.now()).await.unwrap();
        // Written data outlives the process, synced or not. With `everysec`, a slow disk delays writes.
        let server = bench.server();
        let written =
            || server.command::<String>(&["INFO", "persistence"]).contains("\naof_buffer_length:0\r");
        eventually(async || written()).await;
        restart(&mut bench).await;
        let kept: String = bench.server().command(&["HGET", &key(used), "s"]);
        assert_eq!(kept, "v", "or else this test shows nothing");
        is_lost(&bench, id, &pending).await;
        is_lost(&bench, used, &there).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_fence_a_restore_brings_the_link_back() {
    // The counterexample: without the fence, the test before this one fails.
    let mut bench = Bench::redis().await;
    bench.store = std::sync::Arc::new(unfenced(&bench.server().url()));
    let (id, pending) = bench.started().await;
    let fence: String = bench.server().command(&["HGET", &key(id), "f"]);
    assert_eq!(fence, "");
    bench.server().command::<()>(&["SAVE"]);
    bench.store.settle(id, &pending.nonce, confirmation(), &VERIFY, bench.now()).await.unwrap();
    restart(&mut bench).await;
    assert!(bench.store.settle(id, &pending.nonce, confirmation(), &VERIFY, bench.now()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_with_and_without_the_fence_do_not_share_records() {
    let mut bench = Bench::redis().await;
    let other = unfenced(&bench.server().url());
    let (id, _) = bench.started().await;
    assert!(other.read(id).await.unwrap().is_none());
    let ticket = nonce();
    other.put_ticket(&ticket, Duration::from_mins(1)).await.unwrap();
    assert!(!bench.store.consume_ticket(&ticket).await.unwrap());
    assert!(other.consume_ticket(&ticket).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demoted_master_is_no_authority() {
    let mut bench = Bench::redis().await;
    let (id, _) = bench.started().await;
    let nowhere = test_kit::redis_server::free_port().to_string();
    bench.server().command::<()>(&["REPLICAOF", "127.0.0.1", &nowhere]);
    let error = bench.store.read(id).await.err().unwrap();
    assert_eq!(error.reason, "the server answered READONLY");
    assert!(bench.store.cancel(id, bench.now()).await.is_err());
    // Promoted again, it has another history: records from before the other master's time are void.
    bench.server().command::<()>(&["REPLICAOF", "NO", "ONE"]);
    let store = &bench.store;
    eventually(async || store.read(id).await.is_ok()).await;
    assert!(bench.read(id).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn flushed_scripts_are_loaded_again() {
    let mut bench = Bench::redis().await;
    let (id, pending) = bench.started().await;
    for _ in 0..2 {
        bench.server().command::<()>(&["SCRIPT", "FLUSH"]);
        assert!(bench.store.read_many(&[id, attempt_id(), id]).await.unwrap().len() == 3);
        bench.server().command::<()>(&["SCRIPT", "FLUSH"]);
        assert!(bench.read(id).await == Some(pending.clone()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_kind_is_lost_and_may_be_taken_over() {
    let mut bench = Bench::redis().await;
    for foreign in [&["SET", "", "x"][..], &["HSET", "", "n", "x"], &["HSET", "", "f", "0123456789abcdef"]] {
        let (id, anew) = (attempt_id(), attempt(bench.now()));
        let key = key(id);
        let words: Vec<&str> =
            foreign.iter().map(|word| if word.is_empty() { &key } else { *word }).collect();
        bench.server().command::<()>(&words);
        is_lost(&bench, id, &anew).await;
        bench.create(id, &anew).await;
        assert!(bench.read(id).await == Some(anew));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_is_lost() {
    let mut bench = Bench::redis().await;
    for (field, value) in [("s", "?"), ("n", "?"), ("e", ""), ("t", "-1"), ("c", "soon")] {
        let (id, _) = bench.started().await;
        bench.server().command::<()>(&["HSET", &key(id), field, value]);
        assert!(bench.read(id).await.is_none(), "{field}");
    }
    let (id, there) = bench.started().await;
    bench.server().command::<()>(&["HSET", &key(id), "z", "of a later version"]);
    assert!(bench.read(id).await == Some(there));
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_holds_nothing_but_what_it_must() {
    let mut bench = Bench::redis().await;
    let (id, pending) = bench.started().await;
    let key = key(id);
    let fields: BTreeSet<String> = bench.server().command(&["HKEYS", &key]);
    assert_eq!(fields, ["c", "e", "f", "l", "n", "r", "s", "t"].map(str::to_owned).into());
    let nonce_kept: String = bench.server().command(&["HGET", &key, "n"]);
    assert_eq!(nonce_kept, pending.nonce.encode());
    let fence: String = bench.server().command(&["HGET", &key, "f"]);
    assert_eq!(fence, expected_fence(bench.server()));

    bench.store.settle(id, &pending.nonce, confirmation(), &VERIFY, bench.now()).await.unwrap();
    let fields: BTreeSet<String> = bench.server().command(&["HKEYS", &key]);
    assert_eq!(
        fields,
        ["c", "e", "f", "i", "l", "n", "o", "r", "s", "t", "v", "w"].map(str::to_owned).into()
    );

    let (ticket, session) = (nonce(), session_id());
    bench.store.put_ticket(&ticket, Duration::from_mins(1)).await.unwrap();
    bench.store.end_session(session, Duration::from_mins(1)).await.unwrap();
    bench.store.take_permit("aGFzaA", 3, Duration::from_mins(1)).await.unwrap();
    let keys: BTreeSet<String> = bench.server().command(&["KEYS", "*"]);
    let expected = [
        key,
        format!("lg:t:{}", ticket.encode()),
        format!("lg:s:{}", session.uuid().simple()),
        "lg:p:aGFzaA:3".to_owned(),
    ];
    assert_eq!(keys, expected.into());
    for key in keys {
        let left: i64 = bench.server().command(&["TTL", &key]);
        assert!((30..=3600).contains(&left), "{left} s left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_takes_less_than_300_bytes() {
    let mut bench = Bench::redis().await;
    let usual = attempt(bench.now());
    let verbose = Attempt { mailing: true, by_api_key: true, ..usual.clone() };
    let id = attempt_id();
    for (name, attempt) in [("usual", usual), ("verbose", verbose)] {
        let id = AttemptId::from_uuid(uuid::Uuid::from_u128(id.uuid().as_u128() << 64));
        let _ = bench.store.discard(id, &attempt.nonce).await;
        bench.create(id, &attempt).await;
        let key = key(id);
        let kind: String = bench.server().command(&["OBJECT", "ENCODING", &key]);
        let size: u64 = bench.server().command(&["MEMORY", "USAGE", &key]);
        println!("a pending attempt ({name}) takes {size} bytes as a {kind}");
        assert_eq!(kind, "listpack");
        assert!(size < 300, "{size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_step_changes_the_time_to_live() {
    let mut bench = Bench::redis().await;
    let (id, there) = (attempt_id(), attempt(bench.now()));
    let now = bench.now();
    let created = bench.store.create(id, &there, now + TimeDelta::seconds(777), now).await.unwrap();
    assert!(created == Created::Fresh);
    bench.store.mail_accepted(id, &there.nonce).await.unwrap();
    bench.store.show_code(id, &there.nonce, now).await.unwrap();
    bench.store.enter_code(id, &there.nonce, false, None, now).await.unwrap();
    let link = link(now);
    let later = there.resend_after;
    bench.store.replace_link(id, &link, later).await.unwrap();
    bench.store.restore_link(id, &link.nonce, &there.link(), later).await.unwrap();
    let settled = bench.store.settle(id, &there.nonce, confirmation(), &VERIFY, later).await.unwrap();
    assert!(matches!(settled.attempt.state, State::Verified(_)));
    let left: i64 = bench.server().command(&["TTL", &key(id)]);
    assert!((700..=777).contains(&left), "{left} s left");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_on_one_server_are_one_store() {
    let mut bench = Bench::redis().await;
    let other = open(&bench.server().url());
    other.ping().await.unwrap();
    let mut changes = other.changes();
    let (id, pending) = bench.started().await;
    let press = confirmation();
    let settled = bench.store.settle(id, &pending.nonce, press, &VERIFY, bench.now()).await.unwrap();
    assert_eq!(crate::bench::next_change(&mut changes).await, id);
    assert!(other.read(id).await.unwrap() == Some(settled.attempt.clone()));
    let again = other.settle(id, &pending.nonce, press, &VERIFY, bench.now()).await.unwrap();
    assert!(again == Stepped { changed: false, ..settled });
}

/// The fence as `docs/architecture.md` defines it: a hash of the server's `run_id` and `master_replid`.
fn expected_fence(server: &RedisServer) -> String {
    let info: String = server.command(&["INFO", "everything"]);
    let of = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().to_owned()
    };
    let hashed = of("run_id") + &of("master_replid");
    server.command(&["EVAL", "return string.sub(redis.sha1hex(ARGV[1]), 1, 16)", "0", &hashed])
}

fn key(id: AttemptId) -> String {
    format!("lg:a:{}", id.uuid().simple())
}

fn unfenced(url: &str) -> RedisStore {
    RedisStore::connect(&RedisOptions { url: url.to_owned(), fence: false, ca_pem: None }).unwrap()
}
