//! What the tests, benches and examples share: servers to test against, and clients to test with.
//!
//! A crate and not a module, so that it is compiled once and not into each suite.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test that called it"
)]

pub mod answer;
pub mod app;
pub mod balancer;
pub mod fleet;
pub mod proof;
pub mod proxy;
pub mod redis_groups;
pub mod redis_server;
pub mod requests;
pub mod smtp;
pub mod waiting;
