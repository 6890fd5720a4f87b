//! What must hold for any input, one module for each fuzz target.
//!
//! A target in `fuzz_targets/` hands its bytes to `check` of the module of its name, which panics when something that
//! must hold does not. `seeds` there are the inputs that the
//! corpora began with.

pub mod address;
pub mod cases;
pub mod forwarded;
pub mod redirect;
pub mod smtp_url;
pub mod token;
