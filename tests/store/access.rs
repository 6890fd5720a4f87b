//! Connecting: TLS with a private authority, users with few permissions, wrong passwords.

use std::time::Duration;

use linkgate::store::Store;
use linkgate::store::redis::{RedisOptions, RedisStore};

use crate::bench::{Bench, VERIFY, confirmation, nonce, session_id};
use test_kit::redis_groups::{Authority, LOGIN, SentinelGroup, TlsServer, add_user};
use test_kit::redis_server::RedisServer;

fn open(url: &str, ca_pem: Option<&str>) -> RedisStore {
    let ca_pem = ca_pem.map(|pem| pem.as_bytes().to_vec());
    RedisStore::connect(&RedisOptions { url: url.to_owned(), fence: true, ca_pem }).unwrap()
}

async fn refused(store: &RedisStore) -> String {
    store.ping().await.expect_err("it must not be trusted").reason
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_own_authority_is_trusted() {
    let tls = TlsServer::start();
    open(&tls.url(), Some(&tls.authority.pem)).ping().await.unwrap();
    let both = format!("{}{}", Authority::of("127.0.0.1").pem, tls.authority.pem);
    open(&tls.url(), Some(&both)).ping().await.unwrap();
    let reason = refused(&open(&tls.url(), Some(&Authority::of("127.0.0.1").pem))).await;
    assert!(reason.contains("certificate"), "{reason}");
    let reason = refused(&open(&tls.url(), None)).await;
    assert!(reason.contains("certificate"), "{reason}");
    // A server with a certificate for another name.
    let other = TlsServer::start_as("redis.example.com");
    let reason = refused(&open(&other.url(), Some(&other.authority.pem))).await;
    assert!(reason.contains("certificate"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_by_every_kind_of_redis_without_it() {
    let (tls, group) = (TlsServer::start(), SentinelGroup::start());
    for (url, ca) in [(tls.url(), Some(tls.authority.pem.as_str())), (group.url(), None)] {
        let url = url.replace(LOGIN, "linkgate:wrong-donkey@");
        let reason = refused(&open(&url, ca)).await;
        assert!(reason.contains("password") && !reason.contains("donkey"), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_no_sentinel_knows_is_told() {
    let group = SentinelGroup::start();
    let url = group.url().replace("/mymaster", "/theirs");
    let reason = refused(&open(&url, None)).await;
    assert!(reason.contains("Sentinel"), "{reason}");
    // An unreachable Sentinel does no harm.
    let some = group.url().replacen("127.0.0.1:", "127.0.0.1:1,127.0.0.1:", 1);
    open(&some, None).ping().await.unwrap();
}

/// Runs each verb once; returns whether each worked.
async fn all_verbs(bench: &Bench) -> bool {
    let (id, there) = (crate::bench::attempt_id(), crate::bench::attempt(bench.now()));
    let (store, now, n) = (&bench.store, bench.now(), &there.nonce);
    let ticket = nonce();
    let link = crate::bench::link(now);
    let later = there.resend_after;
    store.create(id, &there, there.ends_at, now).await.is_ok()
        && store.create(id, &there, there.ends_at, now).await.is_ok()
        && store.mail_accepted(id, n).await.is_ok()
        && store.show_code(id, n, now).await.is_ok()
        && store.enter_code(id, n, false, None, now).await.is_ok()
        && store.replace_link(id, &link, later).await.is_ok()
        && store.restore_link(id, &link.nonce, &there.link(), now).await.is_ok()
        && store.settle(id, n, confirmation(), &VERIFY, now).await.is_ok()
        && store.read_many(&[id]).await.is_ok_and(|read| read[0].is_some())
        && store.discard(id, n).await.is_ok()
        && store.put_ticket(&ticket, Duration::from_mins(1)).await.is_ok()
        && store.consume_ticket(&ticket).await.is_ok_and(|consumed| consumed)
        && store.end_session(session_id(), Duration::from_mins(1)).await.is_ok()
        && store.session_ended(session_id()).await.is_ok()
        && store.take_permit(&ticket.encode(), 0, Duration::from_mins(1)).await.is_ok()
        && store.permit_taken(&ticket.encode(), 0).await.is_ok()
        && store.ping().await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_permission_of_the_documentation_is_needed() {
    let server = RedisServer::start();
    add_user(&server, 0);
    let url = format!("redis://{LOGIN}127.0.0.1:{}", server.port());
    let bench = Bench::of(open(&url, None)).await;
    assert!(all_verbs(&bench).await);
    let rules = include_str!("../../docs/redis.md").lines().find(|line| line.starts_with("ACL SETUSER"));
    let commands = rules.unwrap().split(' ').filter_map(|word| word.strip_prefix('+'));
    for command in commands {
        server.command::<()>(&["ACL", "SETUSER", "linkgate", &format!("-{command}")]);
        server.command::<()>(&["SCRIPT", "FLUSH"]);
        let needed = match command {
            // Refused on connecting, not by a verb.
            "ping" | "subscribe" => continue,
            _ => !all_verbs(&bench).await,
        };
        assert!(needed, "{command}");
        server.command::<()>(&["ACL", "SETUSER", "linkgate", &format!("+{command}")]);
        assert!(all_verbs(&bench).await, "{command}");
    }
    let log: Vec<redis::Value> = server.command(&["ACL", "LOG"]);
    println!("{} refusals on the way", log.len());
}
