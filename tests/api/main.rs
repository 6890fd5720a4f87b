//! Behaviour over HTTP, on the real server: what a browser, an app and a back end see.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(clippy::needless_pass_by_value, clippy::float_cmp, reason = "tests read better so")]
#![allow(missing_docs, unreachable_pub, reason = "names of tests are sentences")]

mod admin;
mod back_end;
mod confirming;
mod cross_device;
mod deny;
mod domains;
mod expiry;
mod idempotency;
mod mail_limits;
mod mails;
mod mandate;
mod opening;
mod operation;
mod refusals;
mod relay;
mod resending;
mod rotation;
mod session_tokens;
mod sessions;
mod sign_in;
#[path = "../support/mod.rs"]
mod support;
mod verify_email;
mod waiting;
