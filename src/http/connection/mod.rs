//! The connections of the public listener.
//!
//! actix closes a connection that is idle, or slow with its first head. It never closes one that is slow with a later head,
//! that sends a body which no route reads, or that does not read its responses. Therefore the socket has timeouts of its own
//! ([`timeout_stream`]): for the time without a request in flight, and for stalled writes. Connections whose request only
//! waits are parked ([`parking`]).

pub(crate) mod in_flight;
pub(crate) mod parking;
mod replay_buffer;
mod state;
pub(crate) mod timeout_stream;
