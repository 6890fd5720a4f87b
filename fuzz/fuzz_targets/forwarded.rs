//! See `linkgate_fuzz::forwarded`.
#![no_main]

use linkgate_fuzz::{cases, forwarded};

libfuzzer_sys::fuzz_target!(init: cases::write(forwarded::seeds), |data: &[u8]| forwarded::check(data));
