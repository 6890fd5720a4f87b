//! Many idle connections.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::process::Process;
use test_kit::app::{REDIRECT, link_of};

/// How many connections are tried.
const CROWD: u64 = 5_000;

/// Open files of this process besides the crowd's.
const SPARE: u64 = 500;

/// The soft and the hard limit of open files of this process, from `/proc/self/limits`.
fn limits() -> (u64, u64) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut numbers = line.split_whitespace().skip(3).map(|text| text.parse().unwrap_or(u64::MAX));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// How many connections this process may hold, after raising its limit.
fn crowd() -> usize {
    let (soft, hard) = limits();
    if soft < CROWD + SPARE {
        let wanted = hard.min(CROWD + SPARE);
        let me = std::process::id().to_string();
        // Without this program, the crowd is smaller.
        let _ = Command::new("prlimit").args(["--pid", &me, &format!("--nofile={wanted}:")]).status();
    }
    let (soft, hard) = limits();
    let crowd = soft.saturating_sub(SPARE).min(CROWD);
    println!("open files: {soft} of at most {hard}; a crowd of {crowd}");
    usize::try_from(crowd).unwrap()
}

/// Whether the server keeps this connection.
fn is_open(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0; 1]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[tokio::test]
async fn five_thousand_idle_connections_keep_nobody_from_signing_in() {
    // A usual limit: the server has to raise it on its own.
    let server = Process::start(1024, &[("RUST_LOG", "warn")]);
    let (crowd, before, begun) = (crowd(), server.memory(), Instant::now());
    let mut connections: Vec<TcpStream> = Vec::with_capacity(crowd);
    while connections.len() < crowd {
        connections.push(TcpStream::connect(server.address()).unwrap());
    }
    let connected = begun.elapsed();
    for connection in &connections {
        connection.set_nonblocking(true).unwrap();
    }
    let asked = Instant::now();
    let browser = server.browser_at("203.0.113.7");
    let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in", "redirect_url": REDIRECT });
    let attempt = tokio::time::timeout(Duration::from_mins(1), browser.start(body)).await.unwrap();
    let link = link_of(&server.smtp.received()[0].message);
    browser.press(&link, "approve").await.expect(303);
    attempt.redeem().await.expect(200);
    let took = asked.elapsed();
    let open = connections.iter_mut().map(is_open).filter(|open| *open).count();
    println!(
        "{crowd} connections in {connected:?}, of which {open} were still open when somebody had signed in, in {took:?}; {} KiB more",
        server.memory().saturating_sub(before)
    );
    // Queued behind the crowd, it would take five times as long as idle connections are kept.
    assert!(took < Duration::from_secs(10), "{took:?}");
    // On a machine that is too slow, the first are closed before the last connect.
    assert!(open > crowd / 2 || connected > Duration::from_secs(3), "{open} of {crowd}");
    let log = String::from_utf8_lossy(&server.log()).into_owned();
    assert!(!log.contains("Too many open files") && !log.contains(" ERROR "), "{log}");
    // All of them are closed in the end.
    let begun = Instant::now();
    while connections.iter_mut().any(is_open) {
        assert!(begun.elapsed() < Duration::from_secs(40), "some are kept");
        tokio::time::sleep(Duration::from_millis(100)).await;
        connections.retain_mut(is_open);
    }
}
