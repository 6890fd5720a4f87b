//! Connections that are parked while a request of theirs waits.
//!
//! For each connection, actix-http holds two buffers of 8 KiB, and for each request what the layers around the routes
//! have to remember. A waiter needs none of it. So once a request does nothing but wait, everything is dropped but the
//! socket, the wait and the bytes that the request consists of. When the wait ends, a new dispatcher reads these bytes
//! again, and the request, which finds its answer ready, takes the same way out as any other. What the client sends
//! meanwhile comes after it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_service::Service;
use actix_web::dev::ServiceRequest;
use actix_web::rt::net::TcpStream;
use actix_web::{HttpMessage as _, HttpResponse};
use tokio::io::{AsyncRead as _, ReadBuf};

use super::{Patient, Requests};
use crate::http::context::{Context, current, within};

/// A request that waits.
pub(super) struct Waiting {
    answer: Pin<Box<dyn Future<Output = HttpResponse>>>,
    context: Rc<Context>,
}

/// What a request that was parked finds when it is read again.
pub(super) struct Resumed {
    answer: HttpResponse,
    context: Rc<Context>,
}

/// The answer that a request was parked for.
pub(in crate::http) fn answer(request: &ServiceRequest) -> Option<HttpResponse> {
    Some(request.extensions_mut().remove::<Resumed>()?.answer)
}

/// The context of a request that was parked, which it keeps.
pub(in crate::http) fn context(request: &ServiceRequest) -> Option<Rc<Context>> {
    Some(Rc::clone(&request.extensions().get::<Resumed>()?.context))
}

/// Waits for the answer to this request. If its connection is parked meanwhile, this never ends: the request is read
/// again and finds the [`answer`].
pub(in crate::http) async fn wait(
    request: &ServiceRequest,
    answer: impl Future<Output = HttpResponse> + 'static,
) -> HttpResponse {
    let Some(requests) = request.conn_data::<Rc<Requests>>() else { return answer.await };
    let context = current();
    let answer = Box::pin(within(Rc::clone(&context), answer));
    requests.waiting.replace(Some(Waiting { answer, context }));
    let _withdrawn = Withdrawn(requests);
    std::future::poll_fn(|cx| match &mut *requests.waiting.borrow_mut() {
        Some(waiting) => waiting.answer.as_mut().poll(cx),
        None => Poll::Pending,
    })
    .await
}

/// Ends a wait with the request that waits, unless it was parked.
struct Withdrawn<'r>(&'r Requests);

impl Drop for Withdrawn<'_> {
    fn drop(&mut self) {
        self.0.waiting.take();
    }
}

/// Serves a connection to its end.
pub(super) async fn serve<S>(
    http: Rc<S>,
    io: TcpStream,
    peer: Option<SocketAddr>,
    idle: Duration,
) -> Result<(), DispatchError>
where
    S: Service<(Patient, Option<SocketAddr>), Response = (), Error = DispatchError>,
{
    let (io, requests) = (Rc::new(RefCell::new(io)), Rc::new(Requests::new()));
    loop {
        let patient = Patient::new(&io, &requests, idle);
        let dispatcher = Box::pin(http.call((patient, peer)));
        let Some(Waiting { answer, context }) = until_one_waits(dispatcher, &requests).await? else {
            return Ok(());
        };
        let Some(answer) = parked(answer, &io, &requests).await else { return Ok(()) };
        requests.resumed.replace(Some(Resumed { answer, context }));
    }
}

/// Lets actix serve the connection until it ends, or a request waits that can be parked.
async fn until_one_waits<D>(
    mut dispatcher: Pin<Box<D>>,
    requests: &Requests,
) -> Result<Option<Waiting>, DispatchError>
where
    D: Future<Output = Result<(), DispatchError>>,
{
    std::future::poll_fn(|cx| match dispatcher.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(ended.map(|()| None)),
        Poll::Pending => match requests.park() {
            Some(waiting) => Poll::Ready(Ok(Some(waiting))),
            None => Poll::Pending,
        },
    })
    .await
}

/// The answer that is waited for, unless the client goes away before.
async fn parked(
    mut answer: Pin<Box<dyn Future<Output = HttpResponse>>>,
    io: &RefCell<TcpStream>,
    requests: &Requests,
) -> Option<HttpResponse> {
    std::future::poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(Some(answer));
        }
        let mut tape = requests.tape.borrow_mut();
        let mut room = [0; 1024];
        while tape.has_room() {
            let mut buffer = ReadBuf::new(&mut room);
            match Pin::new(&mut *io.borrow_mut()).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => tape.append(buffer.filled()),
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        Poll::Pending
    })
    .await
}
