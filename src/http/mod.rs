//! HTTP: everything between a socket and a use case.
//!
//! `routes` has the route table and the handlers, `request` reads requests, `response` writes responses, `pages` renders
//! what people see, `connection` owns the sockets, `layers` surrounds every route. It knows the use cases and the domain;
//! never the store, the mailer, or the libraries behind them.

#[doc(hidden)]
pub mod bench;
mod connection;
mod context;
mod layers;
mod pages;
mod refusals;
mod request;
mod response;
mod routes;
mod server;
mod state;
mod task;

pub use self::routes::ops;
pub use self::server::listen;
pub use self::state::{HttpSettings, HttpState};
