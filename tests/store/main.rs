//! The contract of the store, held by the memory store and by the one on a real Redis alike; and what only the one
//! on Redis has to bear: restarts, rollbacks, silence.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod access;
mod bench;
mod breaks;
mod contract;
mod failover;
mod faults;
mod fence;
mod model;
#[path = "../support/proxy.rs"]
mod proxy;
mod races;
#[path = "../support/redis_groups.rs"]
mod redis_groups;
#[path = "../support/redis.rs"]
mod redis_server;
mod shared;
mod steps;
