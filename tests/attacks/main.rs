//! Attacks, as tests over HTTP: what somebody tries, and what comes of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, unreachable_pub, reason = "names of tests are sentences")]

mod crowd;
mod hosts;
mod http;
mod injection;
mod json;
#[path = "../contract/kit.rs"]
#[allow(dead_code, reason = "this suite uses a part of it")]
mod kit;
mod logs;
mod networks;
mod process;
mod slow;
mod smuggling;
#[path = "../support/mod.rs"]
mod support;
mod wire;
