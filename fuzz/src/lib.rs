//! Properties that hold for any input, one module for each fuzz target.
//!
//! A target in `fuzz_targets/` passes its bytes to `check` in the module of its name, which panics if a property does not
//! hold. `seeds` are the first inputs of each corpus.

pub mod address;
pub mod cases;
pub mod forwarded;
pub mod redirect;
pub mod smtp_url;
pub mod token;
