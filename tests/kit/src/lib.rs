//! What the tests, benches, examples and fuzz targets share: servers to test against, clients to test with, and forged
//! tokens.
//!
//! A crate and not a module, so that it is compiled once and not into each suite. The fuzz targets use it without the
//! feature `servers`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails the test that called it"
)]

#[cfg(feature = "servers")]
pub mod answer;
#[cfg(feature = "servers")]
pub mod app;
#[cfg(feature = "servers")]
pub mod balancer;
#[cfg(feature = "servers")]
pub mod clock;
#[cfg(feature = "servers")]
pub mod fleet;
pub mod forgeries;
#[cfg(feature = "servers")]
pub mod proof;
#[cfg(feature = "servers")]
pub mod proxy;
#[cfg(feature = "servers")]
pub mod redis_groups;
#[cfg(feature = "servers")]
pub mod redis_server;
#[cfg(feature = "servers")]
pub mod requests;
pub mod smith;
#[cfg(feature = "servers")]
pub mod smtp;
pub mod tokens;
#[cfg(feature = "servers")]
pub mod waiting;
#[cfg(feature = "servers")]
pub mod wire;
