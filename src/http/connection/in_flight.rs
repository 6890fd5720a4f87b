//! Requests in flight: from their head until the last byte of their response is handed over.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::web::Bytes;
use tokio::time::Instant;

use super::state::ConnectionState;

/// Marks a request as in flight until it is dropped. Without effect for requests of another listener.
pub(crate) struct InFlight(Option<Rc<ConnectionState>>);

impl InFlight {
    /// Counts this request as in flight, and hands a request that was parked its response.
    pub(crate) fn begin(request: &ServiceRequest) -> Self {
        let state = request.request().conn_data::<Rc<ConnectionState>>();
        if let Some(state) = state {
            state.in_flight.set(state.in_flight.get() + 1);
            state.head_since.set(None);
            state.replay.borrow_mut().begin(request.head());
            if let Some(resumed) = state.resumed.take() {
                request.extensions_mut().insert(resumed);
            }
        }
        Self(state.cloned())
    }

    /// Whether an earlier request of the connection was the last one. RFC 9112, section 9.6: requests behind one that
    /// closes the connection are not processed.
    pub(crate) fn is_after_last(&self, request: &ServiceRequest) -> bool {
        let closes = request.head().connection_type() == ConnectionType::Close;
        self.0.as_ref().is_some_and(|state| state.had_last.replace(closes || state.had_last.get()))
    }

    /// Keeps the request in flight until the last byte of this response.
    pub(crate) fn until_sent(self, response: ServiceResponse<BoxBody>) -> ServiceResponse<WhileInFlight> {
        response.map_body(|_, body| WhileInFlight { body, _in_flight: self })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let Some(state) = &self.0 else { return };
        state.in_flight.set(state.in_flight.get() - 1);
        state.idle_since.set(Instant::now());
        state.replay.borrow_mut().end();
    }
}

/// A body whose request is in flight until it ends.
pub(crate) struct WhileInFlight {
    body: BoxBody,
    _in_flight: InFlight,
}

impl MessageBody for WhileInFlight {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
