//! See `linkgate_fuzz::smtp_url`.
#![no_main]

use linkgate_fuzz::{cases, smtp_url};

libfuzzer_sys::fuzz_target!(init: cases::write(smtp_url::seeds), |data: &[u8]| smtp_url::check(data));
