//! See `linkgate_fuzz::token`.
#![no_main]

use linkgate_fuzz::{cases, token};

libfuzzer_sys::fuzz_target!(init: cases::write(token::seeds), |data: &[u8]| token::check(data));
