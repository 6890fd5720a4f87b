//! The state that the parts of a connection share: its socket, its requests, and the request that waits.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;

use actix_web::HttpResponse;
use tokio::time::Instant;

use super::replay_buffer::ReplayBuffer;
use crate::http::context::Context;

/// A request that does nothing but wait for its response.
pub(super) struct Waiting {
    pub(super) response: Pin<Box<dyn Future<Output = HttpResponse>>>,
    pub(super) context: Rc<Context>,
}

/// The response to a request that was parked, for when it is read again.
pub(super) struct Resumed {
    pub(super) response: HttpResponse,
    pub(super) context: Rc<Context>,
}

/// The state of a connection.
pub(crate) struct ConnectionState {
    /// How many requests are in flight.
    pub(super) in_flight: Cell<usize>,
    /// Since when no request is in flight.
    pub(super) idle_since: Cell<Instant>,
    /// Since when a head has been arriving.
    pub(super) head_since: Cell<Option<Instant>>,
    /// Since when the client has not been reading what we write.
    pub(super) stalled_since: Cell<Option<Instant>>,
    /// Whether a request asked to close the connection after it.
    pub(super) had_last: Cell<bool>,
    pub(super) replay: RefCell<ReplayBuffer>,
    /// The request in flight, while it only waits.
    pub(super) waiting: RefCell<Option<Waiting>>,
    /// The response to the next request, which was parked.
    pub(super) resumed: RefCell<Option<Resumed>>,
}

impl ConnectionState {
    pub(super) fn new() -> Self {
        Self {
            in_flight: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            head_since: Cell::new(None),
            stalled_since: Cell::new(None),
            had_last: Cell::new(false),
            replay: RefCell::default(),
            waiting: RefCell::default(),
            resumed: RefCell::default(),
        }
    }
}
