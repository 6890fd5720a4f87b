//! See `linkgate_fuzz::redirect`.
#![no_main]

use linkgate_fuzz::{cases, redirect};

libfuzzer_sys::fuzz_target!(init: cases::write(redirect::seeds), |data: &[u8]| redirect::check(data));
