//! The contract of the store, held by the memory store and by the one on a real Redis alike; and what only the one
//! on Redis has to bear: restarts, rollbacks, silence.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

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
