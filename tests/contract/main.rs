//! The contract over HTTP: every problem code, invalid input of every kind, and `openapi.yaml` against real responses.
//! Forged tokens, malformed JSON and foreign origins are in `tests/attacks`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, unreachable_pub, reason = "names of tests are sentences")]

mod bodies;
mod cases;
mod codes;
mod document;
mod fields;
mod headers;
mod limits;
mod parameters;
mod problems;
mod routes;
mod schema;
mod shapes;
