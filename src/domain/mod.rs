//! The concepts of linkgate as types, and the rules between them.
//!
//! Pure: no framework, no clock, no store, no randomness. Time is a parameter.

pub mod attempt;
pub mod base64url;
pub mod browser;
pub mod email;
pub mod ids;
pub mod keys;
pub mod limit;
pub mod locale;
pub mod network;
pub mod policy;
pub mod public_url;
pub mod redirect;
pub mod secret;
pub mod secret_text;
pub mod sender;
pub mod time;
pub(crate) mod words;
