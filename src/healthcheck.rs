//! Asks the operations listener of a running linkgate whether it is ready, for images without a shell.
//!
//! Plain HTTP/1.1 over a socket keeps the process cheap: orchestrators start it every few seconds.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The timeout of each step of one request.
const STEP: Duration = Duration::from_secs(2);

/// The pause between two requests.
const PAUSE: Duration = Duration::from_millis(200);

/// How long `--wait` retries.
pub const WAIT: Duration = Duration::from_secs(30);

/// Requests `/readyz` once or, with `wait`, until it answers 200 or [`WAIT`] has passed.
///
/// # Errors
/// Why linkgate is not ready, for people.
pub fn run(target: SocketAddr, wait: bool) -> Result<(), String> {
    let end = Instant::now() + if wait { WAIT } else { Duration::ZERO };
    loop {
        match ask(target) {
            Ok(()) => return Ok(()),
            Err(reason) if Instant::now() + PAUSE >= end => return Err(reason),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

fn ask(target: SocketAddr) -> Result<(), String> {
    let line = status_line(target).map_err(|e| format!("no answer from http://{target}/readyz: {e}"))?;
    match line.split(' ').nth(1) {
        Some("200") if line.starts_with("HTTP/1.") => Ok(()),
        Some("503") => Err(format!("http://{target}/readyz answers 503: linkgate is not ready")),
        _ => Err(format!("the server at http://{target}/readyz is not linkgate's operations listener")),
    }
}

fn status_line(target: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&target, STEP)?;
    stream.set_read_timeout(Some(STEP))?;
    stream.set_write_timeout(Some(STEP))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    // linkgate's status line is short and comes at once; anything longer or slower is another server.
    let mut limited = stream.take(128);
    let mut chunk = [0; 128];
    let end = Instant::now() + STEP;
    while !bytes.contains(&b'\n') && Instant::now() < end {
        match limited.read(&mut chunk)? {
            0 => break,
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answering(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("{e}"));
        let address = listener.local_addr().unwrap_or_else(|e| panic!("{e}"));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        address
    }

    #[test]
    fn only_a_200_is_healthy() {
        assert_eq!(run(answering("HTTP/1.1 200 OK\r\n\r\n{}"), false), Ok(()));
        for (answer, word) in [
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "not ready"),
            ("HTTP/1.1 404 Not Found\r\n\r\n", "is not linkgate"),
            ("SSH-2.0-x 200\r\n", "is not linkgate"),
            ("", "is not linkgate"),
        ] {
            let reason = run(answering(answer), false).err().unwrap_or_default();
            assert!(reason.contains(word), "{answer}: {reason}");
        }
    }

    #[test]
    fn waiting_continues_until_linkgate_is_ready() {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
        let address = address.unwrap_or_else(|e| panic!("{e}"));
        let late = std::thread::spawn(move || {
            std::thread::sleep(PAUSE * 2);
            let listener = TcpListener::bind(address).unwrap_or_else(|e| panic!("{e}"));
            let (mut stream, _) = listener.accept().unwrap_or_else(|e| panic!("{e}"));
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        });
        assert_eq!(run(address, true), Ok(()));
        assert!(late.join().is_ok());
    }

    #[test]
    fn silence_is_not_healthy() {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_or(1, |a| a.port());
        let reason = run(SocketAddr::from(([127, 0, 0, 1], port)), false).err().unwrap_or_default();
        assert!(reason.starts_with("no answer"), "{reason}");
    }
}
