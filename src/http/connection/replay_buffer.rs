//! The bytes of a connection from where the request in flight begins, or the next one: for a parked request, to be read
//! again.
//!
//! The second reading must see the same requests, to the byte, since a proxy sends the requests of many people through one
//! connection. Therefore this module does not parse requests itself: the parser's result (how many headers, how long a
//! body) gives the end of a request. Where that leaves a doubt, the buffer is given up for the rest of the connection, whose
//! requests then wait without being parked.

use actix_web::dev::RequestHead;
use actix_web::http::{Method, header};
use tokio::io::ReadBuf;

/// The capacity, in bytes: no longer heads are accepted, and clients send little while they wait for a response.
const CAPACITY: usize = 16 * 1024;

/// See the module.
#[derive(Default)]
pub(super) struct ReplayBuffer {
    bytes: Vec<u8>,
    /// How many of them the parser has read.
    read: usize,
    /// The length of the request in flight at the beginning, if it can be read again; else 0.
    in_flight: usize,
    /// How many bytes of a body are still to come. Bodies are not kept.
    body: usize,
    given_up: bool,
}

impl ReplayBuffer {
    /// Gives the parser the bytes that it has not read yet. Returns whether there were any.
    pub(super) fn replay(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let length = buffer.remaining().min(self.bytes.len() - self.read);
        if length == 0 {
            return false;
        }
        buffer.put_slice(&self.bytes[self.read..self.read + length]);
        self.read += length;
        if self.given_up {
            self.drop_first(self.read);
        }
        true
    }

    /// Keeps bytes that the parser has read from the socket.
    pub(super) fn record(&mut self, bytes: &[u8]) {
        if self.given_up {
            return;
        }
        let body = bytes.len().min(self.body);
        self.body -= body;
        self.bytes.extend_from_slice(&bytes[body..]);
        self.read = self.bytes.len();
        if self.read > CAPACITY {
            self.give_up();
        }
    }

    /// The parser has made a request of the bytes at the beginning.
    pub(super) fn begin(&mut self, head: &RequestHead) {
        let known = !self.given_up && self.in_flight == 0 && self.read == self.bytes.len();
        let lengths = head_length(&self.bytes, head.headers.len()).zip(body_length(head));
        let Some((length, body)) = lengths.filter(|_| known) else { return self.give_up() };
        self.in_flight = length;
        // A second reading would send `100 Continue` a second time.
        if body > 0 || head.expect() || !matches!(head.method, Method::GET | Method::HEAD) {
            let whole = length.saturating_add(body);
            self.body = whole.saturating_sub(self.bytes.len());
            self.in_flight = whole - self.body;
            self.end();
        }
    }

    /// The request in flight has its response.
    pub(super) fn end(&mut self) {
        let length = std::mem::take(&mut self.in_flight);
        self.drop_first(length);
    }

    /// Whether the request in flight can be read again.
    pub(super) const fn can_rewind(&self) -> bool {
        self.in_flight > 0
    }

    /// Goes back to the beginning of the request in flight, for a parser that has read nothing yet.
    pub(super) fn rewind(&mut self) {
        (self.read, self.in_flight) = (0, 0);
        self.bytes.shrink_to_fit();
    }

    /// Whether [`ReplayBuffer::append`] may add more.
    pub(super) const fn has_room(&self) -> bool {
        self.bytes.len() < CAPACITY
    }

    /// Keeps bytes that arrive while the connection is parked.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn give_up(&mut self) {
        self.given_up = true;
        self.in_flight = 0;
        self.drop_first(self.read);
    }

    fn drop_first(&mut self, length: usize) {
        self.bytes.drain(..length);
        self.read -= length;
        if self.bytes.is_empty() {
            // Idle connections are many.
            self.bytes = Vec::new();
        }
    }
}

/// The length of the head, with so many headers, at the beginning of these bytes: a line for the request and for each
/// header, and an empty one. The parser also accepts lines without a carriage return, and empty lines before the first;
/// here they give `None`.
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

/// The length of the body of this request, if its head tells it.
fn body_length(head: &RequestHead) -> Option<usize> {
    let unknown =
        [header::TRANSFER_ENCODING, header::UPGRADE].iter().any(|name| head.headers.contains_key(name));
    if unknown || head.method == Method::CONNECT {
        return None;
    }
    let Some(length) = head.headers.get(header::CONTENT_LENGTH) else { return Some(0) };
    length.to_str().ok()?.trim().parse().ok()
}
