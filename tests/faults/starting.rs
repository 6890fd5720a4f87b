//! Replicas and Redis may start in any order, and errors at start reveal no secrets.

use std::time::Instant;

use serde_json::json;

use crate::people::{NEAR, client, start_by_key, start_request};
use test_kit::app::answer;
use test_kit::fleet::Replica;
use test_kit::redis_server::RedisServer;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_store_it_is_up_and_not_ready_until_the_store_comes() {
    let mut redis = RedisServer::start();
    redis.kill();
    let replica = Replica::start(&[("LINKGATE_STORE_URL", &redis.url())]);
    assert_eq!(replica.probe("/livez").await.0, 200);
    assert_eq!(replica.probe("/readyz").await.0, 503);
    let requester = client(&replica.url(), NEAR);
    answer(requester.get("/.well-known/jwks.json")).await.expect(200);
    answer(start_request(&requester, "ann@example.com", &json!({}))).await.expect_bad_luck();
    assert!(replica.log().contains("cannot connect to the store"), "{}", replica.log());
    tokio::task::block_in_place(|| redis.start_again());
    let begun = Instant::now();
    replica.until_probe("/readyz", 200).await;
    println!("ready {:?} after the store came", begun.elapsed());
    start_by_key(&requester, "ann@example.com", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_without_the_password() {
    let redis = RedisServer::start_with_password("the-right-one");
    let port = redis.port();
    for login in [":mistyped-secret@", "nobody:mistyped-secret@", ""] {
        let replica = Replica::start(&[("LINKGATE_STORE_URL", &format!("redis://{login}127.0.0.1:{port}"))]);
        let requester = client(&replica.url(), NEAR);
        answer(start_request(&requester, "ann@example.com", &json!({}))).await.expect_bad_luck();
        assert_eq!((replica.probe("/livez").await.0, replica.probe("/readyz").await.0), (200, 503));
        let log = replica.log();
        assert!(log.contains("user name or password"), "{login}: {log}");
        assert!(!log.contains("mistyped") && !log.contains("nobody"), "{login}: {log}");
    }
    let replica = Replica::start(&[("LINKGATE_STORE_URL", &redis.url())]);
    replica.until_probe("/readyz", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_lost_later_turns_readiness_off_only_where_that_is_asked_for() {
    let mut redis = RedisServer::start();
    let start = |strict: &str| {
        Replica::start(&[("LINKGATE_STORE_URL", &redis.url()), ("LINKGATE_READY_STRICT", strict)])
    };
    let (strict, lenient) = (start("on"), start("off"));
    for replica in [&strict, &lenient] {
        replica.until_probe("/readyz", 200).await;
    }
    redis.kill();
    strict.until_probe("/readyz", 503).await;
    let (status, body) = lenient.probe("/readyz").await;
    assert!(status == 200 && body.contains("\"store\":\"down\""), "{status} {body}");
    assert!(lenient.probe("/metrics").await.1.contains("linkgate_store_up 0\n"));
    for replica in [&strict, &lenient] {
        assert_eq!(replica.probe("/livez").await.0, 200);
        answer(client(&replica.url(), NEAR).get("/.well-known/jwks.json")).await.expect(200);
    }
    tokio::task::block_in_place(|| redis.start_again());
    strict.until_probe("/readyz", 200).await;
    let begun = Instant::now();
    while !lenient.probe("/readyz").await.1.contains("\"store\":\"up\"") {
        assert!(begun.elapsed().as_secs() < 10);
    }
}
