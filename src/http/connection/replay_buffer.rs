//! The bytes of a connection from where the request that is open begins, or the next one: for a parked request, to be
//! read again.
//!
//! Read again, a request and all behind it must be what they were the first time, to the byte, since a proxy sends the
//! requests of many people through one connection. So nothing here is parsed a second time in a way of its own: where a
//! request ends is told by what the parser made of it (how many headers, how long a body). Where that leaves a doubt, the
//! tape is lost for the rest of the connection, whose requests then wait without being parked.

use actix_web::dev::RequestHead;
use actix_web::http::{Method, header};
use tokio::io::ReadBuf;

/// Longest tape: no longer heads are taken, and what is sent while one waits for an answer is short.
const LONGEST: usize = 16 * 1024;

/// See the module.
#[derive(Default)]
pub(super) struct Tape {
    bytes: Vec<u8>,
    /// How many of them the parser has.
    read: usize,
    /// How long the open request at the beginning is, if it can be read again; else 0.
    open: usize,
    /// How many bytes of a body are still to come, which nobody reads again.
    body: usize,
    lost: bool,
}

impl Tape {
    /// Gives the parser what it has not read yet. Tells whether that was anything.
    pub(super) fn play(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let length = buffer.remaining().min(self.bytes.len() - self.read);
        if length == 0 {
            return false;
        }
        buffer.put_slice(&self.bytes[self.read..self.read + length]);
        self.read += length;
        if self.lost {
            self.forget(self.read);
        }
        true
    }

    /// Keeps what the parser has read from the socket.
    pub(super) fn record(&mut self, bytes: &[u8]) {
        if self.lost {
            return;
        }
        let body = bytes.len().min(self.body);
        self.body -= body;
        self.bytes.extend_from_slice(&bytes[body..]);
        self.read = self.bytes.len();
        if self.read > LONGEST {
            self.lose();
        }
    }

    /// A request has been made of what stands at the beginning.
    pub(super) fn opened(&mut self, head: &RequestHead) {
        let known = !self.lost && self.open == 0 && self.read == self.bytes.len();
        let lengths = head_length(&self.bytes, head.headers.len()).zip(body_length(head));
        let Some((length, body)) = lengths.filter(|_| known) else { return self.lose() };
        self.open = length;
        // A second reading would say `100 Continue` a second time.
        if body > 0 || head.expect() || !matches!(head.method, Method::GET | Method::HEAD) {
            let whole = length.saturating_add(body);
            self.body = whole.saturating_sub(self.bytes.len());
            self.open = whole - self.body;
            self.closed();
        }
    }

    /// The open request has been answered.
    pub(super) fn closed(&mut self) {
        let over = std::mem::take(&mut self.open);
        self.forget(over);
    }

    /// Whether the open request can be read again.
    pub(super) const fn can_rewind(&self) -> bool {
        self.open > 0
    }

    /// Goes back to the beginning of the open request, for a parser that has read nothing yet.
    pub(super) fn rewind(&mut self) {
        (self.read, self.open) = (0, 0);
        self.bytes.shrink_to_fit();
    }

    /// Whether more can be kept for later.
    pub(super) const fn has_room(&self) -> bool {
        self.bytes.len() < LONGEST
    }

    /// Keeps what nobody reads before the next time.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn lose(&mut self) {
        self.lost = true;
        self.open = 0;
        self.forget(self.read);
    }

    fn forget(&mut self, length: usize) {
        self.bytes.drain(..length);
        self.read -= length;
        if self.bytes.is_empty() {
            // Idle connections are many.
            self.bytes = Vec::new();
        }
    }
}

/// How long the head with so many headers is that these bytes begin with: a line for the request and for each header,
/// and an empty one. The parser also passes lines without a carriage return, and empty ones before the first; here they
/// are not understood.
fn head_length(bytes: &[u8], headers: usize) -> Option<usize> {
    let mut length = 0;
    for lines_left in (0..headers + 2).rev() {
        let line = &bytes[length..][..=memchr::memchr(b'\n', &bytes[length..])?];
        let text = line.strip_suffix(b"\r\n")?;
        if text.is_empty() != (lines_left == 0) {
            return None;
        }
        length += line.len();
    }
    Some(length)
}

/// How long the body of this request is, if that is known from the beginning.
fn body_length(head: &RequestHead) -> Option<usize> {
    let open_ended =
        [header::TRANSFER_ENCODING, header::UPGRADE].iter().any(|name| head.headers.contains_key(name));
    if open_ended || head.method == Method::CONNECT {
        return None;
    }
    let Some(length) = head.headers.get(header::CONTENT_LENGTH) else { return Some(0) };
    length.to_str().ok()?.trim().parse().ok()
}
