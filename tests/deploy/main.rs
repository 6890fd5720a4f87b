//! What is in `deploy/`, and `docker-compose.yml`: rendered, held to the schemas of the API, to what linkgate needs and
//! to the settings that it has, and tried on the real binary.
//!
//! What needs a tool that is not installed is skipped, and says so.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod alive;
mod entrances;
mod environments;
mod kit;
mod readme;
mod rendering;
mod scaling;
mod secrets;
mod settings;
mod systemd;
mod traffic;
mod workload;

#[path = "../support/redis.rs"]
mod redis_server;
