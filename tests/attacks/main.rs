//! What linkgate protects is other people's front door: attacks on it over HTTP, each a test with its own name.
//! `docs/threat-model.md` says what each of them is about.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, unreachable_pub, reason = "names of tests are sentences")]

#[path = "../support/balancer.rs"]
mod balancer;
mod document;
#[allow(dead_code, reason = "no test crate uses all of it")]
#[path = "../faults/fleet.rs"]
mod fleet;
mod leaks;
mod phishing;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/redis.rs"]
mod redis_server;
mod scanners;
#[path = "../support/mod.rs"]
mod support;
mod timing;
