//! What the parts of a connection know of each other: its socket, its requests, and the request that waits.

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

/// What a request that was parked finds when it is read again.
pub(super) struct Resumed {
    pub(super) response: HttpResponse,
    pub(super) context: Rc<Context>,
}

/// The state of a connection.
pub(crate) struct ConnectionState {
    /// How many requests are in flight.
    pub(super) in_flight: Cell<usize>,
    /// Since when none is.
    pub(super) idle_since: Cell<Instant>,
    /// Since when an unfinished head arrives.
    pub(super) head_since: Cell<Option<Instant>>,
    /// Since when the client does not read what is written to it.
    pub(super) stalled_since: Cell<Option<Instant>>,
    /// Whether a request said that it is the last one.
    pub(super) had_last: Cell<bool>,
    pub(super) replay: RefCell<ReplayBuffer>,
    /// The request in flight, while it only waits.
    pub(super) waiting: RefCell<Option<Waiting>>,
    /// For the next request, which was parked.
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
