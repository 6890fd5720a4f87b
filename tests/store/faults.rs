//! A Redis that is absent, stopped, silent or not Redis: an error in time, and the same request works after its return.

use std::sync::Arc;
use std::time::{Duration, Instant};

use linkgate::store::redis::{RedisOptions, RedisStore};
use linkgate::store::{AttemptStore as _, Change, StepError, Store, TicketStore as _};
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

use crate::bench::{Bench, PATIENCE, VERIFY, confirmation, eventually, next_change, open};
use test_kit::redis_server::{RedisServer, free_port};

/// The limit of each verb, 2 s, with a margin for slow machines.
const LIMIT: Duration = Duration::from_millis(2500);

async fn fails_in_time(store: &dyn Store) -> String {
    let begun = Instant::now();
    let error = store.ping().await.expect_err("nobody is there to answer");
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    error.reason
}

async fn told_of_anything(changes: &mut Receiver<Change>) {
    let told = async { while changes.recv().await.unwrap() != Change::Anything {} };
    timeout(PATIENCE, told).await.expect("waiters are to look for themselves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_redis_is_unavailable_and_the_same_request_works_when_it_is_back() {
    let mut bench = Bench::redis().await;
    let (id, pending) = bench.started().await;
    bench.server().kill();
    let begun = Instant::now();
    let press = confirmation();
    let result = bench.store.settle(id, &pending.nonce, press, &VERIFY, bench.now()).await;
    assert!(matches!(result, Err(StepError::Unavailable(_))));
    assert!(bench.store.create(id, &pending, pending.expires_at, bench.now()).await.is_err());
    assert!(bench.store.read_many(&[id]).await.is_err());
    println!("three requests failed in {:?}", begun.elapsed());
    assert!(begun.elapsed() < LIMIT);
    // Long enough for the back-off between connection attempts to reach its maximum.
    while begun.elapsed() < Duration::from_secs(2) {
        let reason = fails_in_time(bench.store.as_ref()).await;
        assert!(reason.contains("refused") || reason.contains("lost") || reason.contains("pipe"), "{reason}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bench.server().start_again();
    let back = Instant::now();
    let store = Arc::clone(&bench.store);
    eventually(async || store.ping().await.is_ok()).await;
    println!("works again {:?} after redis answers", back.elapsed());
    assert!(back.elapsed() < Duration::from_secs(2));
    bench.create(id, &pending).await;
    assert!(bench.store.settle(id, &pending.nonce, press, &VERIFY, bench.now()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_not_there_yet_is_awaited() {
    let mut server = RedisServer::start();
    server.kill();
    let store = open(&server.url());
    let mut changes = store.changes();
    let reason = fails_in_time(&store).await;
    assert!(reason.contains("refused"), "{reason}");
    server.start_again();
    eventually(async || store.ping().await.is_ok()).await;
    told_of_anything(&mut changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_redis_is_unavailable_in_time_and_recovers() {
    let mut bench = Bench::redis().await;
    let (id, pending) = bench.started().await;
    let mut changes = bench.store.changes();
    bench.server().pause();
    for _ in 0..3 {
        fails_in_time(bench.store.as_ref()).await;
    }
    let begun = Instant::now();
    let many = (0..50).map(|_| {
        let store = Arc::clone(&bench.store);
        tokio::spawn(async move { store.ping().await.is_err() })
    });
    for one in many.collect::<Vec<_>>() {
        assert!(one.await.unwrap());
    }
    assert!(begun.elapsed() < LIMIT, "they do not wait for one another");
    bench.server().resume();
    let back = Instant::now();
    let store = Arc::clone(&bench.store);
    eventually(async || store.ping().await.is_ok()).await;
    println!("works again {:?} after the silence", back.elapsed());
    told_of_anything(&mut changes).await;
    assert!(bench.read(id).await == Some(pending));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subscription_survives_a_restart() {
    let mut bench = Bench::redis().await;
    let mut changes = bench.store.changes();
    bench.server().kill();
    bench.server().start_again();
    // Without a request in between.
    told_of_anything(&mut changes).await;
    let (id, pending) = bench.started().await;
    bench.store.show_code(id, &pending.nonce, bench.now()).await.unwrap();
    assert_eq!(next_change(&mut changes).await, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_replaced_at_once() {
    let mut bench = Bench::redis().await;
    let (id, pending) = bench.started().await;
    let mut changes = bench.store.changes();
    for _ in 0..5 {
        bench.server().command::<()>(&["CLIENT", "KILL", "TYPE", "PUBSUB"]);
        told_of_anything(&mut changes).await;
        assert!(bench.read(id).await == Some(pending.clone()));
    }
    let subscriptions: Vec<redis::Value> = bench.server().command(&["PUBSUB", "NUMSUB", "lg:changes"]);
    assert!(subscriptions.contains(&redis::Value::Int(1)), "{subscriptions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_messages_are_passed_over() {
    let mut bench = Bench::redis().await;
    let mut changes = bench.store.changes();
    for message in ["", "x", "att_00000000000000000000000000000001", "0000000000000000000000000000000G", "é"]
    {
        bench.server().command::<()>(&["PUBLISH", "lg:changes", message]);
    }
    let (id, _) = bench.started().await;
    bench.store.cancel(id, bench.now()).await.unwrap();
    assert_eq!(next_change(&mut changes).await, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_without_it() {
    let server = RedisServer::start_with_password("right-horse");
    open(&server.url()).ping().await.unwrap();
    let port = server.port();
    for login in [":wrong-donkey@", "someone:wrong-donkey@", ""] {
        let store = open(&format!("redis://{login}127.0.0.1:{port}"));
        let reason = fails_in_time(&store).await;
        assert!(!reason.contains("donkey") && !reason.contains("someone"), "{reason}");
        assert!(reason.contains("password") || reason.contains("NOAUTH"), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hides_info_is_an_error_that_says_so() {
    let mut bench = Bench::redis().await;
    let server = bench.server();
    server.command::<()>(&["ACL", "SETUSER", "shy", "on", ">secret", "~*", "&*", "+@all", "-info"]);
    let url = format!("redis://shy:secret@127.0.0.1:{}", server.port());
    let store = open(&url);
    let ticket = crate::bench::nonce();
    let error = store.put_ticket(&ticket, Duration::from_mins(1)).await.err().unwrap();
    assert!(error.reason.contains("LINKGATE_STORE_FENCE"), "{}", error.reason);
    let store = RedisStore::connect(&RedisOptions { url, fence: false, ca_pem: None }).unwrap();
    store.put_ticket(&ticket, Duration::from_mins(1)).await.unwrap();
    assert!(store.consume_ticket(&ticket).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_changes_nothing_and_says_so() {
    let mut bench = Bench::redis().await;
    let (id, pending) = bench.started().await;
    bench.server().command::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let result = bench.store.settle(id, &pending.nonce, confirmation(), &VERIFY, bench.now()).await;
    let Err(StepError::Unavailable(error)) = result else { panic!("it cannot have worked") };
    assert!(error.reason.contains("OOM"), "{}", error.reason);
    assert!(bench.read(id).await == Some(pending.clone()));
    bench.server().command::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    assert!(bench.store.settle(id, &pending.nonce, confirmation(), &VERIFY, bench.now()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn something_else_than_redis_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            // Garbage for one request, and nothing for later ones.
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut connection, b"HTTP/1.1 400 secret\r\n\r\n").await;
        }
    });
    let reason = fails_in_time(&open(&url)).await;
    assert!(!reason.contains("secret"), "{reason}");
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_not_spoken_by_a_plain_server_nor_trusted_blindly() {
    let bench = Bench::redis().await;
    let port = bench.redis.as_ref().unwrap().port();
    let store = open(&format!("rediss://127.0.0.1:{port}"));
    fails_in_time(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_cannot_be_used_are_refused_without_being_repeated() {
    let port = free_port();
    for url in [
        "",
        "secret",
        "http://secret@127.0.0.1",
        "unix:///secret",
        "redis://:secret@",
        "redis://:secret@127.0.0.1/notanumber",
        "redis://:secret@127.0.0.1:99999",
        "rediss://:secret@127.0.0.1/#insecure",
        "redis://:secret@127.0.0.1/?protocol=resp2",
    ] {
        let result = RedisStore::connect(&RedisOptions { url: url.to_owned(), fence: true, ca_pem: None });
        let error = result.err().unwrap_or_else(|| panic!("{url} was accepted"));
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    for url in [format!("redis://127.0.0.1:{port}"), format!("rediss://127.0.0.1:{port}")] {
        let options = RedisOptions { url, fence: true, ca_pem: Some(b"no certificate".to_vec()) };
        assert!(RedisStore::connect(&options).is_err());
    }
}
