//! Redis in every topology, started once for all tests of the contract, which use different ids.

use std::sync::OnceLock;

use linkgate::store::redis::{RedisOptions, RedisStore};

use test_kit::redis_groups::{ClusterGroup, Reaper, SentinelGroup, TlsServer};
use test_kit::redis_server::RedisServer;

/// One topology, started on first use.
pub(crate) struct Shared {
    start: fn() -> Running,
    running: OnceLock<Running>,
}

struct Running {
    url: String,
    ca_pem: Option<Vec<u8>>,
    _reaper: Reaper,
}

pub(crate) static REDIS: Shared = Shared::new(|| {
    let server = RedisServer::start();
    let (url, reaper) = (server.url(), Reaper::of([&server]));
    std::mem::forget(server);
    Running { url, ca_pem: None, _reaper: reaper }
});

pub(crate) static TLS: Shared = Shared::new(|| {
    let tls = TlsServer::start();
    let (url, ca_pem) = (tls.url(), Some(tls.authority.pem.clone().into_bytes()));
    let reaper = Reaper::of([&tls.server]);
    std::mem::forget(tls.server);
    Running { url, ca_pem, _reaper: reaper }
});

pub(crate) static SENTINEL: Shared = Shared::new(|| {
    let group = SentinelGroup::start();
    let (url, reaper) = (group.url(), Reaper::of(group.servers.iter().chain(&group.sentinels)));
    std::mem::forget(group);
    Running { url, ca_pem: None, _reaper: reaper }
});

pub(crate) static CLUSTER: Shared = Shared::new(|| {
    let cluster = ClusterGroup::start();
    let (url, reaper) = (cluster.url(), Reaper::of(&cluster.nodes));
    std::mem::forget(cluster);
    Running { url, ca_pem: None, _reaper: reaper }
});

impl Shared {
    const fn new(start: fn() -> Running) -> Self {
        Self { start, running: OnceLock::new() }
    }

    pub(crate) fn open(&self) -> RedisStore {
        let running = self.running.get_or_init(self.start);
        let options = RedisOptions { url: running.url.clone(), fence: true, ca_pem: running.ca_pem.clone() };
        RedisStore::connect(&options).unwrap()
    }
}
