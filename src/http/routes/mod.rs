//! The handlers, one file for each group of routes.

pub(crate) mod admin;
pub(crate) mod attempts;
pub(crate) mod dev;
pub(crate) mod discovery;
pub(crate) mod links;
pub mod ops;
pub(crate) mod sessions;
pub(crate) mod status;
