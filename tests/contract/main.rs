//! The contract over HTTP, as an attacker reads it: every problem code, bad input of every kind, and the API document
//! held against the real answers. Forged tokens and foreign origins are in `tests/attacks`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, unreachable_pub, reason = "names of tests are sentences")]

mod bodies;
mod cases;
mod codes;
mod document;
mod fields;
mod headers;
mod kit;
mod limits;
mod parameters;
mod problems;
mod routes;
mod schema;
mod shapes;
#[path = "../support/mod.rs"]
mod support;
