//! The connections of the public listener.
//!
//! actix closes a connection that is slow with its first head, or idle. It would keep for ever one that is slow with a later
//! head, that sends a body which no route reads, or that does not read its responses. So the socket itself keeps the time
//! ([`timeout_stream`]): how long no request is in flight, and how long a write stalls. Connections whose request only waits
//! are parked ([`parking`]).

pub(crate) mod in_flight;
pub(crate) mod parking;
mod replay_buffer;
mod state;
pub(crate) mod timeout_stream;
