//! The public listener, and how long its connections are kept for clients that neither ask nor read.
//!
//! actix ends a connection that is slow with its first head, or idle. It would keep, for ever, one that is slow with a
//! later head, that goes on sending a body which no route reads, or that does not read its answers. So the socket
//! itself keeps the time: how long no request is open, and how long what is said to the client waits to be taken.

pub(crate) mod parking;
mod replay_buffer;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::{HttpServiceBuilder, KeepAlive};
use actix_service::{
    IntoServiceFactory as _, ServiceFactory as _, ServiceFactoryExt as _, fn_factory, fn_service, map_config,
};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{AppConfig, Server, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::rt::net::TcpStream;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpMessage as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use self::parking::{Resumed, Waiting};
use self::replay_buffer::Tape;
use crate::http::state::HttpState;

/// How long headers may take to arrive.
const HEADERS_PATIENCE: Duration = Duration::from_secs(5);

/// How long a trusted proxy may keep a connection idle: longer than proxies do (a minute is usual), so that it is they
/// who end it, and never send a request into a connection that ends at that moment.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long no request may be open: an idle connection's time, and, for everybody, that of the next headers.
const SILENCE: Duration = Duration::from_secs(10);

/// How long a client may take to make room for what is said to it: at most 32 KiB and one document.
const READER_PATIENCE: Duration = Duration::from_secs(15);

/// How long a client that is told to go may take to go.
const DISCONNECT_PATIENCE: Duration = Duration::from_secs(1);

/// Connections that may wait to be accepted. Beyond that, clients try again, after a second at the earliest; the standard
/// library asks for 128.
const BACKLOG: i32 = 4096;

/// How long requests in flight may take once the listener is closed, in seconds.
const GRACE: u64 = 30;

/// Serves the public routes on this listener, with so many workers, and so many connections for each of them.
///
/// # Errors
/// What the socket says.
pub(crate) fn listen(
    state: &Data<HttpState>,
    listener: TcpListener,
    workers: usize,
    connections: usize,
) -> io::Result<Server> {
    rustix::net::listen(&listener, BACKLOG)?;
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(connections)
        .shutdown_timeout(GRACE)
        .disable_signals();
    let (state, draining) = (state.clone(), builder.graceful_shutdown_signal());
    let service = move || {
        let proxies = state.clone();
        let app = crate::http::app(&state).into_factory();
        // The host and address in it are for `url_for` and its like, which nobody here asks.
        let app = map_config(app.map_err(|error: Error| error.error_response()), |()| AppConfig::default());
        let draining = draining.clone();
        let http = HttpServiceBuilder::default()
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move {
                    // What can be read at once is answered, even when draining has begun: a request that was parked.
                    tokio::task::yield_now().await;
                    draining.notified().await;
                }
            })
            // The socket keeps this time: a timer of the dispatcher's would be made anew after each answer.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(HEADERS_PATIENCE)
            .client_disconnect_timeout(DISCONNECT_PATIENCE)
            // A client that goes away while it waits gives its place back at once.
            .h1_allow_half_closed(false)
            .on_connect_ext(|connection: &Patient, data| {
                data.insert(Rc::clone(&connection.requests));
            })
            .h1(app);
        fn_factory(move || {
            let (http, proxies) = (http.new_service(()), proxies.clone());
            async move {
                let http = Rc::new(http.await?);
                Ok::<_, ()>(fn_service(move |io: TcpStream| {
                    // A connection that is gone already says so when it is read.
                    let _ = io.set_nodelay(true);
                    let peer = io.peer_addr().ok();
                    let from_proxy = peer.is_some_and(|peer| proxies.trusted_proxies.trusts(peer.ip()));
                    let idle = if from_proxy { KEEP_ALIVE } else { SILENCE };
                    parking::serve(Rc::clone(&http), io, peer, idle)
                }))
            }
        })
    };
    Ok(builder.listen("linkgate", listener, service)?.run())
}

/// The requests of a connection, as its socket wants to know them.
struct Requests {
    open: Cell<usize>,
    /// Since when none is open.
    none_since: Cell<Instant>,
    /// Since when something arrives that is none yet.
    begun: Cell<Option<Instant>>,
    /// Since when something waits to be taken by the client.
    stalled_since: Cell<Option<Instant>>,
    /// Whether one has said that it is the last.
    last: Cell<bool>,
    tape: RefCell<Tape>,
    /// The open one, while it does nothing but wait.
    waiting: RefCell<Option<Waiting>>,
    /// For the next one, which was parked.
    resumed: RefCell<Option<Resumed>>,
}

impl Requests {
    fn new() -> Self {
        Self {
            open: Cell::new(0),
            none_since: Cell::new(Instant::now()),
            begun: Cell::new(None),
            stalled_since: Cell::new(None),
            last: Cell::new(false),
            tape: RefCell::default(),
            waiting: RefCell::default(),
            resumed: RefCell::default(),
        }
    }

    /// Takes the request that waits out of the dispatcher, if it can be read again and all answers before it are gone.
    fn park(&self) -> Option<Waiting> {
        if self.stalled_since.get().is_some() || !self.tape.borrow().can_rewind() {
            return None;
        }
        let waiting = self.waiting.take()?;
        self.tape.borrow_mut().rewind();
        // If it is, it will say so again.
        self.last.set(false);
        Some(waiting)
    }
}

/// A request of a connection, until its answer has been handed over to the last byte. Of another listener's connection, it
/// is nothing.
pub(crate) struct Open(Option<Rc<Requests>>);

impl Open {
    /// Tells the socket that this request is open, from now until this is dropped.
    pub(crate) fn begin(request: &ServiceRequest) -> Self {
        let requests = request.request().conn_data::<Rc<Requests>>();
        if let Some(requests) = requests {
            requests.open.set(requests.open.get() + 1);
            requests.begun.set(None);
            requests.tape.borrow_mut().opened(request.head());
            if let Some(resumed) = requests.resumed.take() {
                request.extensions_mut().insert(resumed);
            }
        }
        Self(requests.cloned())
    }

    /// Whether the request comes after the last one. RFC 9112, section 9.6: what follows a request that ends the connection
    /// is not processed.
    pub(crate) fn is_late(&self, request: &ServiceRequest) -> bool {
        let ends = request.head().connection_type() == ConnectionType::Close;
        let last = self.0.as_ref().map(|requests| &requests.last);
        last.is_some_and(|last| last.replace(ends || last.get()))
    }

    /// Leaves it open until the last byte of this answer.
    pub(crate) fn until_sent(self, response: ServiceResponse<BoxBody>) -> ServiceResponse<WhileOpen> {
        response.map_body(|_, body| WhileOpen { body, _open: self })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(requests) = &self.0 else { return };
        requests.open.set(requests.open.get() - 1);
        requests.none_since.set(Instant::now());
        requests.tape.borrow_mut().closed();
    }
}

/// A body whose request is open until it ends.
pub(crate) struct WhileOpen {
    body: BoxBody,
    _open: Open,
}

impl MessageBody for WhileOpen {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// A socket that is given up when its time is over.
struct Patient {
    io: Rc<RefCell<TcpStream>>,
    requests: Rc<Requests>,
    /// How long it may be idle.
    idle: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl Patient {
    fn new(io: &Rc<RefCell<TcpStream>>, requests: &Rc<Requests>, idle: Duration) -> Self {
        let now = Instant::now();
        requests.none_since.set(now);
        let alarm = Box::pin(tokio::time::sleep_until(now + SILENCE));
        Self { io: Rc::clone(io), requests: Rc::clone(requests), idle, alarm }
    }

    /// Does something with the socket.
    fn io<T>(&self, act: impl FnOnce(Pin<&mut TcpStream>) -> T) -> T {
        act(Pin::new(&mut *self.io.borrow_mut()))
    }

    /// When the connection is given up, if nothing changes.
    fn deadline(&self) -> Option<Instant> {
        match (self.requests.stalled_since.get(), self.requests.begun.get()) {
            (Some(since), _) => Some(since + READER_PATIENCE),
            (None, _) if self.requests.open.get() > 0 => None,
            (None, Some(begun)) => Some(begun + SILENCE),
            (None, None) => Some(self.requests.none_since.get() + self.idle),
        }
    }

    /// Fails when the deadline is over; else the task is woken when it is.
    fn in_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some(deadline) = self.deadline() {
            // An alarm that is too early is set anew only when it rings: most deadlines move on before.
            if self.alarm.is_elapsed() || self.alarm.deadline() > deadline {
                self.alarm.as_mut().reset(deadline);
            }
            if self.alarm.as_mut().poll(cx).is_pending() {
                break;
            }
            if Instant::now() >= deadline {
                // What it did not take, the kernel need not keep either.
                let _ = self.io.borrow().set_zero_linger();
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    /// What was to be said has been taken.
    fn flows(&mut self) {
        if self.requests.stalled_since.take().is_some() && self.requests.open.get() == 0 {
            self.requests.none_since.set(Instant::now());
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.in_time(cx)?;
        let requests = &self.requests;
        if requests.tape.borrow_mut().play(buffer) {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = self.io(|io| io.poll_read(cx, buffer));
        requests.tape.borrow_mut().record(&buffer.filled()[before..]);
        if buffer.filled().len() > before && requests.open.get() == 0 && requests.begun.get().is_none() {
            requests.begun.set(Some(Instant::now()));
        }
        read
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.io(|io| io.poll_write(cx, buffer));
        match &written {
            Poll::Ready(Ok(length)) if *length == buffer.len() => self.flows(),
            Poll::Ready(_) => {}
            Poll::Pending => {
                let since = self.requests.stalled_since.get().unwrap_or_else(Instant::now);
                self.requests.stalled_since.set(Some(since));
            }
        }
        self.in_time(cx)?;
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(cx)?;
        self.io(|io| io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io(|io| io.poll_shutdown(cx))
    }
}
