//! The promise of `docs/reliability.md`, held while everything fails that can: replicas that are killed and drained,
//! stores that refuse, fall silent, forget and lie, relays that hang up, clocks that disagree, keys that change.
//!
//! Replicas are the real binary, each with a Redis behind a proxy of its own, behind a balancer without affinity.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/balancer.rs"]
mod balancer;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/redis.rs"]
mod redis_server;
#[path = "../support/mod.rs"]
mod support;

mod chaos;
mod clocks;
mod draining;
mod fence;
mod fleet;
mod interpreter;
mod keys;
mod mail;
mod matrix;
mod matrix_steps;
mod meddled;
mod model;
mod people;
mod permits;
mod property;
mod race;
mod repeats;
mod starting;
mod waking;
mod without_affinity;
