//! A socket that closes itself when its client takes too long.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::state::ConnectionState;

/// How long a connection may be idle, and how long any later head may take.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a trusted proxy may keep a connection idle. Proxies usually close after a minute; the proxy must be the one
/// that closes, or it could send a request into a connection that is being closed.
pub(crate) const PROXY_IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a client may leave a response unread: at most 32 KiB and one document.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// A socket with the timeouts above.
pub(crate) struct TimeoutStream {
    io: Rc<RefCell<TcpStream>>,
    pub(crate) state: Rc<ConnectionState>,
    idle_timeout: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl TimeoutStream {
    pub(super) fn new(
        io: &Rc<RefCell<TcpStream>>,
        state: &Rc<ConnectionState>,
        idle_timeout: Duration,
    ) -> Self {
        let now = Instant::now();
        state.idle_since.set(now);
        let alarm = Box::pin(tokio::time::sleep_until(now + IDLE_TIMEOUT));
        Self { io: Rc::clone(io), state: Rc::clone(state), idle_timeout, alarm }
    }

    fn with_io<T>(&self, act: impl FnOnce(Pin<&mut TcpStream>) -> T) -> T {
        act(Pin::new(&mut *self.io.borrow_mut()))
    }

    /// When the connection closes, if nothing changes.
    fn deadline(&self) -> Option<Instant> {
        match (self.state.stalled_since.get(), self.state.head_since.get()) {
            (Some(since), _) => Some(since + WRITE_TIMEOUT),
            (None, _) if self.state.in_flight.get() > 0 => None,
            (None, Some(since)) => Some(since + IDLE_TIMEOUT),
            (None, None) => Some(self.state.idle_since.get() + self.idle_timeout),
        }
    }

    /// Fails once the deadline has passed; until then, the alarm wakes the task at the deadline.
    fn check_deadline(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some(deadline) = self.deadline() {
            // Most deadlines move on before they pass, so an early alarm is reset only when it rings.
            if self.alarm.is_elapsed() || self.alarm.deadline() > deadline {
                self.alarm.as_mut().reset(deadline);
            }
            if self.alarm.as_mut().poll(cx).is_pending() {
                break;
            }
            if Instant::now() >= deadline {
                // The kernel need not keep what the client did not read.
                let _ = self.io.borrow().set_zero_linger();
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    /// The client has read everything that was written.
    fn resume_writing(&self) {
        if self.state.stalled_since.take().is_some() && self.state.in_flight.get() == 0 {
            self.state.idle_since.set(Instant::now());
        }
    }
}

impl AsyncRead for TimeoutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_deadline(cx)?;
        let state = &self.state;
        if state.replay.borrow_mut().replay(buffer) {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = self.with_io(|io| io.poll_read(cx, buffer));
        state.replay.borrow_mut().record(&buffer.filled()[before..]);
        if buffer.filled().len() > before && state.in_flight.get() == 0 && state.head_since.get().is_none() {
            state.head_since.set(Some(Instant::now()));
        }
        read
    }
}

impl AsyncWrite for TimeoutStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.with_io(|io| io.poll_write(cx, buffer));
        match &written {
            Poll::Ready(Ok(length)) if *length == buffer.len() => self.resume_writing(),
            Poll::Ready(_) => {}
            Poll::Pending => {
                let since = self.state.stalled_since.get().unwrap_or_else(Instant::now);
                self.state.stalled_since.set(Some(since));
            }
        }
        self.check_deadline(cx)?;
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_deadline(cx)?;
        self.with_io(|io| io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with_io(|io| io.poll_shutdown(cx))
    }
}
