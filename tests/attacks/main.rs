//! The attacks that linkgate is to withstand, each a test over HTTP on the real server. `docs/threat-model.md` names
//! them beside the threats.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, unreachable_pub, reason = "names of tests are sentences")]

#[path = "../support/balancer.rs"]
mod balancer;
mod claims;
mod clients;
mod cookies;
mod cross_site;
mod crowd;
mod document;
#[allow(dead_code, reason = "no test crate uses all of it")]
#[path = "../faults/fleet.rs"]
mod fleet;
mod forge;
mod forgeries;
mod framing;
mod headers;
mod hosts;
mod http;
mod injection;
mod json;
#[path = "../contract/kit.rs"]
mod kit;
mod leaks;
mod login_csrf;
mod logs;
mod misplaced;
mod networks;
mod origins;
mod parked;
mod phishing;
mod places;
mod process;
#[path = "../support/proxy.rs"]
mod proxy;
mod redirects;
#[path = "../support/redis.rs"]
mod redis_server;
mod scanners;
mod sizes;
mod slow;
mod smuggling;
#[path = "../support/mod.rs"]
mod support;
mod timing;
mod wire;
