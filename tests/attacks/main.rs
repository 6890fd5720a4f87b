//! The attacks that linkgate withstands, each a test over HTTP on the real server. `docs/threat-model.md` names them
//! beside the threats.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, unreachable_pub, reason = "names of tests are sentences")]

mod clients;
mod cookies;
mod cross_site;
mod crowd;
mod document;
mod forgeries;
mod framing;
mod hosts;
mod http;
mod injection;
mod json;
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
mod redirects;
mod scanners;
mod sizes;
mod slow;
mod smuggling;
mod timing;
