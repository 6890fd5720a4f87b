//! Requests byte for byte, and everything that comes back on their connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::app::{Answer, TestApp};

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Everything that came back on a connection.
pub struct Heard {
    /// Whole answers, in order.
    pub answers: Vec<Answer>,
    /// Whether the server closed the connection.
    pub closed: bool,
    /// All bytes.
    pub bytes: Vec<u8>,
}

impl Heard {
    /// The only answer.
    #[track_caller]
    pub fn only(&self) -> &Answer {
        assert_eq!(self.answers.len(), 1, "{}", String::from_utf8_lossy(&self.bytes));
        &self.answers[0]
    }

    pub fn ids(&self) -> Vec<&str> {
        self.answers.iter().map(|answer| answer.header("x-request-id")).collect()
    }
}

/// Sends these bytes and reads until the server closes the connection or is silent for three seconds.
pub async fn say(app: &TestApp, bytes: impl Into<Vec<u8>>) -> Heard {
    say_until(app, bytes, usize::MAX).await
}

/// As [`say`], until there are `count` answers.
pub async fn say_until(app: &TestApp, bytes: impl Into<Vec<u8>>, count: usize) -> Heard {
    say_within(app, bytes, count, PATIENCE).await
}

async fn say_within(app: &TestApp, bytes: impl Into<Vec<u8>>, count: usize, patience: Duration) -> Heard {
    let (address, bytes) = (app.url.trim_start_matches("http://").to_owned(), bytes.into());
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        // The server may have closed the connection already; its answer counts.
        let _ = stream.write_all(&bytes);
        hear(&mut stream, count)
    })
    .await
    .unwrap()
}

/// Sends one request and returns the first answer.
pub async fn ask(app: &TestApp, bytes: impl Into<Vec<u8>>) -> Answer {
    ask_within(app, bytes, PATIENCE).await
}

/// The same, for answers that take longer.
pub async fn ask_within(app: &TestApp, bytes: impl Into<Vec<u8>>, patience: Duration) -> Answer {
    let heard = say_within(app, bytes, 1, patience).await;
    assert!(!heard.answers.is_empty(), "no answer: {}", String::from_utf8_lossy(&heard.bytes));
    heard.answers[0].clone()
}

/// Reads until the server closes the connection, is silent, or has sent `count` answers.
pub fn hear(stream: &mut TcpStream, count: usize) -> Heard {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let (closed, silent) = match stream.read(&mut chunk) {
            Ok(0) => (true, false),
            Ok(length) => {
                bytes.extend_from_slice(&chunk[..length]);
                (false, false)
            }
            Err(error) => match error.kind() {
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => (false, true),
                _ => (true, false),
            },
        };
        let answers = answers(&bytes);
        if closed || silent || answers.len() >= count {
            return Heard { answers, closed, bytes };
        }
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The whole answers at the beginning of these bytes, without interim ones (`100 Continue`).
fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut found = Vec::new();
    while let Some(end) = head_end(bytes) {
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().unwrap_or_default();
        assert!(status.starts_with("HTTP/1."), "no answer begins with {status:?}");
        let status: u16 = status.split(' ').nth(1).unwrap().parse().unwrap();
        bytes = &bytes[end..];
        if status < 200 {
            continue;
        }
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
        }
        let length = headers.get("content-length").map(|value| value.to_str().unwrap().parse().unwrap());
        let Some(length) = length.or((status == 204).then_some(0)).filter(|length| *length <= bytes.len())
        else {
            return found;
        };
        let raw = String::from_utf8_lossy(&bytes[..length]).into_owned();
        bytes = &bytes[length..];
        let body = serde_json::from_str(&raw).unwrap_or(Value::Null);
        found.push(Answer { status: StatusCode::from_u16(status).unwrap(), headers, body, raw });
    }
    found
}

/// A POST of JSON to this path, with these further header lines (each with its line break).
pub fn post(path: &str, more: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{more}\r\n{body}",
        body.len()
    )
}

/// A GET of this path, with these further header lines (each with its line break).
pub fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n")
}
