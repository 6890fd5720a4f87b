//! See `linkgate_fuzz::address`.
#![no_main]

use linkgate_fuzz::{address, cases};

libfuzzer_sys::fuzz_target!(init: cases::write(address::seeds), |data: &[u8]| address::check(data));
