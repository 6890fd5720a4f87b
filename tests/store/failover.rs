//! Real failovers: by Sentinels, within a cluster, with the old master alive behind a partition, and back to the first
//! process. They may lose pending records, and never make a used one work again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use linkgate::domain::attempt::Refusal;
use linkgate::store::StepError;
use linkgate::store::redis::{RedisOptions, RedisStore};

use crate::bench::{Bench, VERIFY, attempt, confirmation, eventually_within, nonce, refusal};
use test_kit::proxy::{Mode, Proxy};
use test_kit::redis_groups::{ClusterGroup, LOGIN, SentinelGroup, add_user, info, wait_until};
use test_kit::redis_server::{RedisServer, free_port};

/// How long a failover may take, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn open(url: &str) -> RedisStore {
    RedisStore::connect(&RedisOptions { url: url.to_owned(), fence: true, ca_pem: None }).unwrap()
}

/// An attempt that was verified, and a ticket that was consumed.
struct Used {
    id: linkgate::domain::ids::AttemptId,
    link: linkgate::domain::secret::Nonce,
    ticket: linkgate::domain::secret::Nonce,
}

impl Used {
    async fn on(bench: &Bench) -> Self {
        let ((id, pending), ticket) = (bench.started().await, nonce());
        bench.store.settle(id, &pending.nonce, confirmation(), &VERIFY, bench.now()).await.unwrap();
        bench.store.put_ticket(&ticket, Duration::from_mins(1)).await.unwrap();
        assert!(bench.store.consume_ticket(&ticket).await.unwrap());
        Self { id, link: pending.nonce, ticket }
    }

    /// Asserts that neither works again, however often it is tried.
    async fn stays_used(&self, bench: &Bench) {
        for _ in 0..3 {
            let again = bench.store.settle(self.id, &self.link, confirmation(), &VERIFY, bench.now()).await;
            assert!(again.is_err(), "the link works again");
            assert!(
                !bench.store.consume_ticket(&self.ticket).await.unwrap_or(false),
                "the ticket works again"
            );
        }
    }
}

/// Asserts that a new attempt can be started and verified.
async fn works(bench: &Bench) {
    let (id, pending) = bench.started().await;
    bench.store.settle(id, &pending.nonce, confirmation(), &VERIFY, bench.now()).await.unwrap();
}

async fn is_lost_within(bench: &Bench, id: linkgate::domain::ids::AttemptId) {
    let store = &bench.store;
    eventually_within(PATIENCE, async || matches!(store.read(id).await, Ok(None))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_dies_is_followed_by_its_replica() {
    let mut group = tokio::task::spawn_blocking(SentinelGroup::start).await.unwrap();
    let bench = Bench::of(open(&group.url())).await;
    let used = Used::on(&bench).await;
    let (pending, _) = bench.started().await;
    wait_until("the replica is level", || group.master() == Some(0));

    group.servers[0].kill();
    let begun = Instant::now();
    is_lost_within(&bench, pending).await;
    println!("the new master answers {:?} after the old one was killed", begun.elapsed());
    used.stays_used(&bench).await;
    works(&bench).await;

    // The successor of the first process restarts as a replica, and is promoted.
    let used_there = Used::on(&bench).await;
    group.servers[0].start_again();
    add_user(&group.servers[0], 1);
    wait_until("the old master is a replica", || group.master() == Some(1));
    used.stays_used(&bench).await;
    let pending = bench.started().await.0;
    let begun = Instant::now();
    group.fail_over_to(0);
    is_lost_within(&bench, pending).await;
    println!("and back: {:?}", begun.elapsed());
    used.stays_used(&bench).await;
    used_there.stays_used(&bench).await;
    works(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_brain_has_two_halves_that_know_nothing_of_each_other() {
    // Everything except one half of linkgate's replicas reaches the first master through the proxy.
    let port = free_port();
    let announced = port.to_string();
    let first = RedisServer::start_with(&[
        "--replica-announce-ip",
        "127.0.0.1",
        "--replica-announce-port",
        &announced,
        "--repl-timeout",
        "2",
        "--repl-diskless-sync-delay",
        "0",
    ]);
    let (first_port, proxy) = (first.port(), Proxy::start_on(port, first.port()));
    let group =
        tokio::task::spawn_blocking(move || SentinelGroup::around(first, port, &["--repl-timeout", "2"]));
    let group = group.await.unwrap();
    let near = Bench::of(open(&format!("redis://{LOGIN}127.0.0.1:{first_port}"))).await;
    let far = Bench::of(open(&group.url())).await;
    let used = Used::on(&near).await;
    let (pending, there) = near.started().await;
    let (other, other_there) = near.started().await;
    far.store.read(pending).await.unwrap().unwrap();
    wait_until("the replica is level", || group.master() == Some(0));

    proxy.set(Mode::BlackHole);
    let begun = Instant::now();
    is_lost_within(&far, pending).await;
    println!("the far half has the new master {:?} after the partition", begun.elapsed());
    assert_eq!(info(&group.servers[0], &["INFO", "replication"], "role"), "master", "the old one lives");
    // The near half may verify its link; the far half refuses the same link.
    let press = near.store.settle(pending, &there.nonce, confirmation(), &VERIFY, near.now()).await;
    assert!(press.is_ok());
    let press = far.store.settle(pending, &there.nonce, confirmation(), &VERIFY, far.now()).await;
    assert_eq!(refusal(press), Refusal::Lost);
    used.stays_used(&far).await;
    let far_used = Used::on(&far).await;
    far_used.stays_used(&near).await;
    works(&near).await;
    works(&far).await;

    proxy.set(Mode::Pass);
    wait_until("the old master is demoted", || group.master() == Some(1));
    for bench in [&near, &far] {
        for used in [&used, &far_used] {
            used.stays_used(bench).await;
        }
        let again = bench.store.settle(pending, &there.nonce, confirmation(), &VERIFY, bench.now()).await;
        assert!(again.is_err());
        let again = bench.store.settle(other, &other_there.nonce, confirmation(), &VERIFY, bench.now()).await;
        assert!(again.is_err(), "it was never used, and is void all the same");
    }
    let press = near.store.settle(other, &other_there.nonce, confirmation(), &VERIFY, near.now()).await;
    let roles = [0, 1].map(|n| info(&group.servers[n], &["INFO", "replication"], "role"));
    match press {
        Err(StepError::Unavailable(_)) => {}
        Err(StepError::Refused(refusal)) => panic!("a replica is no authority: {refusal:?}, {roles:?}"),
        Ok(_) => panic!("it works again"),
    }

    // Back to the first process, which was never restarted.
    group.fail_over_to(0);
    let store = Arc::clone(&far.store);
    eventually_within(PATIENCE, async || store.ping().await.is_ok()).await;
    for bench in [&near, &far] {
        used.stays_used(bench).await;
        far_used.stays_used(bench).await;
        let again = bench.store.settle(pending, &there.nonce, confirmation(), &VERIFY, bench.now()).await;
        assert!(again.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_node_that_dies_is_followed_by_its_replica() {
    let mut group = tokio::task::spawn_blocking(ClusterGroup::start).await.unwrap();
    let bench = Bench::of(open(&group.url())).await;
    let mut used = Vec::new();
    let mut pending = Vec::new();
    for _ in 0..12 {
        used.push(Used::on(&bench).await);
        pending.push(bench.started().await.0);
    }
    group.nodes[0].kill();
    let begun = Instant::now();
    // The records of the other masters stay; the dead master's third is lost.
    eventually_within(PATIENCE, async || bench.store.read_many(&pending).await.is_ok()).await;
    println!("the new master answers {:?} after the old one was killed", begun.elapsed());
    let left = bench.store.read_many(&pending).await.unwrap();
    let lost = left.iter().filter(|left| left.is_none()).count();
    println!("{lost} of {} attempts were lost", pending.len());
    assert!(lost > 0 && lost < pending.len());
    for used in &used {
        used.stays_used(&bench).await;
    }
    for _ in 0..12 {
        works(&bench).await;
    }
    // The subscription has moved to another node.
    bench.hears().await;
    let mut changes = bench.store.changes();
    let store = Arc::clone(&bench.store);
    let now = bench.now();
    for _ in 0..6 {
        let (id, there) = bench.started().await;
        store.show_code(id, &there.nonce, now).await.unwrap();
        crate::bench::published(&mut changes, &[id]).await;
    }

    group.nodes[0].start_again();
    add_user(&group.nodes[0], 2);
    wait_until("the old master is a replica", || {
        info(&group.nodes[0], &["INFO", "replication"], "master_link_status") == "up"
    });
    for _ in 0..12 {
        pending.push(bench.started().await.0);
    }
    let begun = Instant::now();
    let mut ordered = None;
    while info(&group.nodes[0], &["INFO", "replication"], "role") != "master" {
        assert!(begun.elapsed() < PATIENCE, "it is the master again");
        // Nodes that have not noticed its return yet refuse for five seconds.
        if ordered.is_none_or(|ordered: Instant| ordered.elapsed() > Duration::from_secs(6)) {
            group.nodes[0].command::<()>(&["CLUSTER", "FAILOVER"]);
            ordered = Some(Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for used in &used {
        used.stays_used(&bench).await;
    }
    for _ in 0..12 {
        let anew = attempt(bench.now());
        let id = crate::bench::attempt_id();
        let create = async || {
            let keep_until = anew.ends_at;
            bench.store.create(id, &anew, keep_until, bench.now()).await.is_ok()
        };
        eventually_within(PATIENCE, create).await;
    }
    println!("and back: {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_is_moved_is_followed() {
    let group = tokio::task::spawn_blocking(ClusterGroup::start).await.unwrap();
    let bench = Bench::of(open(&group.url())).await;
    let (id, there) = bench.started().await;
    let key = format!("lg:a:{}", id.uuid().simple());
    let slot: u16 = group.nodes[0].command(&["CLUSTER", "KEYSLOT", &key]);
    let slot = slot.to_string();
    let names: Vec<String> = (0..3).map(|n| group.nodes[n].command(&["CLUSTER", "MYID"])).collect();
    let serves = |n: usize| -> bool {
        let mine: redis::RedisResult<i64> =
            redis::cmd("EXISTS").arg(&key).query(&mut group.nodes[n].connection());
        mine.is_ok()
    };
    let from = (0..3).find(|n| serves(*n)).unwrap();
    let to = (from + 1) % 3;
    group.nodes[to].command::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &names[from]]);
    group.nodes[from].command::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &names[to]]);
    // Still on the old master.
    assert!(bench.read(id).await == Some(there.clone()));
    let port = group.nodes[to].port().to_string();
    group.nodes[from].command::<()>(&["MIGRATE", "127.0.0.1", &port, &key, "0", "1000"]);
    // On the new master, whose fence does not match records of another process.
    assert!(bench.read(id).await.is_none());
    let mut ids = vec![id; 10];
    ids.extend([bench.started().await.0]);
    assert!(bench.store.read_many(&ids).await.unwrap().iter().flatten().count() == 1);
    bench.create(id, &there).await;
    for n in [to, from] {
        group.nodes[n].command::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &names[to]]);
    }
    assert!(bench.read(id).await == Some(there.clone()));
    assert!(bench.store.settle(id, &there.nonce, confirmation(), &VERIFY, bench.now()).await.is_ok());
}
