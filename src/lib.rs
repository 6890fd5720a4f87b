//! linkgate signs people in by email link.
//!
//! The map: [`app`] puts everything together from a [`config`]; [`http`] turns requests into calls of [`flow`], the use
//! cases; these stand on [`store`], [`mailer`] and [`token`]; all of it speaks the words of [`domain`]. The arrows
//! between the modules are in `docs/architecture.md`, and `tests/layers.rs` holds them.

pub mod app;
pub mod clock;
pub mod config;
pub mod domain;
pub mod flow;
pub mod healthcheck;
pub mod http;
pub mod logging;
pub mod mailer;
pub mod metrics;
pub mod store;
pub mod token;
