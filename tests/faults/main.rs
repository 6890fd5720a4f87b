//! The promise of `docs/reliability.md` under faults: replicas that are killed and drained, stores that refuse, fall
//! silent, lose data and lie, relays that hang up, clocks that disagree, keys that change.
//!
//! Replicas are the real binary behind a balancer without affinity; each reaches Redis through its own proxy.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod chaos;
mod clocks;
mod draining;
mod fence;
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
