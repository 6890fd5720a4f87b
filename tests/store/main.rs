//! The contract of the store, for the memory store and for Redis; and the faults that only Redis has: restarts,
//! rollbacks, silence.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod access;
mod bench;
mod breaks;
mod contract;
mod failover;
mod faults;
mod fence;
mod model;
mod races;
mod shared;
mod steps;
