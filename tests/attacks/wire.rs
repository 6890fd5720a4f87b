//! Requests byte for byte, and everything that comes back on their connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use test_kit::app::{Answer, TestApp};

/// How long an answer may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(3);

/// What came back on a connection.
pub(crate) struct Heard {
    /// Whole answers, in their order.
    pub(crate) answers: Vec<Answer>,
    /// Whether the server has ended the connection.
    pub(crate) closed: bool,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
}

impl Heard {
    /// The one answer.
    #[track_caller]
    pub(crate) fn only(&self) -> &Answer {
        assert_eq!(self.answers.len(), 1, "{}", String::from_utf8_lossy(&self.bytes));
        &self.answers[0]
    }

    /// The ids of the requests that were answered.
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.answers.iter().map(|answer| answer.header("x-request-id")).collect()
    }
}

/// Sends these bytes and hears the server out: until it closes, or is silent for three seconds.
pub(crate) async fn say(app: &TestApp, bytes: impl Into<Vec<u8>>) -> Heard {
    say_until(app, bytes, usize::MAX).await
}

/// As [`say`], until there are so many answers.
pub(crate) async fn say_until(app: &TestApp, bytes: impl Into<Vec<u8>>, count: usize) -> Heard {
    let (address, bytes) = (app.url.trim_start_matches("http://").to_owned(), bytes.into());
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The server may have hung up already: what it said counts.
        let _ = stream.write_all(&bytes);
        hear(&mut stream, count)
    })
    .await
    .unwrap()
}

/// One request, and its answer: what comes first.
pub(crate) async fn ask(app: &TestApp, bytes: impl Into<Vec<u8>>) -> Answer {
    let heard = say_until(app, bytes, 1).await;
    assert!(!heard.answers.is_empty(), "no answer: {}", String::from_utf8_lossy(&heard.bytes));
    heard.answers[0].clone()
}

/// Everything that comes until the server closes, is silent, or has answered so often.
pub(crate) fn hear(stream: &mut TcpStream, count: usize) -> Heard {
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

/// The whole answers at the beginning of these bytes. Interim ones (`100 Continue`) do not count.
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

/// A POST of JSON to this path, with these header lines besides (each with its end).
pub(crate) fn post(path: &str, more: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{more}\r\n{body}",
        body.len()
    )
}

/// A GET of this path with these header lines besides (each with its end).
pub(crate) fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n")
}
