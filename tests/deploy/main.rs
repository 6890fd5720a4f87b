//! `deploy/` and `docker-compose.yml`: rendered, checked against the schemas of the API, the needs of linkgate and its
//! settings, and tried on the real binary.
//!
//! A test that needs a tool which is not installed is skipped, and says so.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod alive;
mod entrances;
mod environments;
mod manifests;
mod readme;
mod rendering;
mod scaling;
mod secrets;
mod settings;
mod systemd;
mod traffic;
mod workload;
