//! A hop before Redis that understands its protocol: it replies to every command with an error of Redis, or drops
//! publications, on connections that work otherwise.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the hop does on open and on new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// Passes replies on.
    Itself,
    /// Replies with this error to every command on data; the handshake passes.
    Error(&'static str),
    /// Passes the replies of this many scripts on, then closes the connection instead of the next one.
    NotHowAScriptEnds(usize),
    /// Drops publications.
    NoNews,
    /// Delays each reply, independently of others.
    Late(Duration),
}

/// The hop; it ends when it is dropped.
pub(crate) struct Interpreter {
    port: u16,
    says: watch::Sender<Says>,
}

impl Interpreter {
    /// Starts a hop before this port.
    pub(crate) fn start(target: u16) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let says = watch::Sender::new(Says::Itself);
        let mut heard = says.subscribe();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    tokio::select! {
                        changed = heard.changed() => if changed.is_err() { return },
                        accepted = listener.accept() => {
                            let Ok((client, _)) = accepted else { continue };
                            tokio::spawn(serve(client, target, heard.clone()));
                        }
                    }
                }
            });
        });
        Self { port, says }
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Changes the mode, for open connections, too.
    pub(crate) fn set(&self, says: Says) {
        self.says.send_replace(says);
    }
}

async fn serve(client: TcpStream, target: u16, says: watch::Receiver<Says>) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // One task writes everything to the client.
    let (outbox, letters) = tokio::sync::mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
    let writer = tokio::spawn(deliver(letters, to_client));
    let silent = AtomicBool::new(false);
    let requests = async {
        let (mut buffer, mut chunk, mut scripts) = (Vec::new(), vec![0; 16 * 1024], 0);
        while let Ok(length @ 1..) = from_client.read(&mut chunk).await {
            buffer.extend_from_slice(&chunk[..length]);
            while let Some(end) = command_end(&buffer) {
                let command: Vec<u8> = buffer.drain(..end).collect();
                match *says.borrow() {
                    Says::Error(error) if !is_handshake(&command) => {
                        let reply = format!("-{error}\r\n").into_bytes();
                        let _ = outbox.send((tokio::time::Instant::now(), reply));
                        continue;
                    }
                    _ => {}
                }
                let lost = match *says.borrow() {
                    Says::NotHowAScriptEnds(before) if is_script(&command) => {
                        scripts += 1;
                        scripts > before
                    }
                    _ => false,
                };
                if lost {
                    silent.store(true, Ordering::Relaxed);
                }
                if to_server.write_all(&command).await.is_err() {
                    return;
                }
                if lost {
                    // Until the script has run.
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    return;
                }
            }
        }
    };
    let replies = async {
        let mut chunk = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from_server.read(&mut chunk).await {
            let piece = &chunk[..length];
            if silent.load(Ordering::Relaxed) {
                continue;
            }
            let due = match *says.borrow() {
                // Publications come in separate pieces: nothing else is in flight at that time.
                Says::NoNews if piece.starts_with(b">3\r\n$7\r\nmessage\r\n") => continue,
                Says::Late(by) => tokio::time::Instant::now() + by,
                _ => tokio::time::Instant::now(),
            };
            if outbox.send((due, piece.to_vec())).is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = requests => {}
        () = replies => {}
    }
    writer.abort();
}

async fn deliver(
    mut letters: tokio::sync::mpsc::UnboundedReceiver<(tokio::time::Instant, Vec<u8>)>,
    mut to_client: OwnedWriteHalf,
) {
    while let Some((due, letter)) = letters.recv().await {
        tokio::time::sleep_until(due).await;
        if to_client.write_all(&letter).await.is_err() {
            return;
        }
    }
}

/// The commands that a server still answers while it loads its data, or as a replica.
fn is_handshake(command: &[u8]) -> bool {
    is_one_of(command, &["HELLO", "CLIENT", "SUBSCRIBE", "AUTH"])
}

fn is_script(command: &[u8]) -> bool {
    is_one_of(command, &["EVALSHA", "EVAL"])
}

fn is_one_of(command: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| {
        let start = format!("${}\r\n{word}\r\n", word.len());
        command.windows(start.len()).take(16).any(|window| window.eq_ignore_ascii_case(start.as_bytes()))
    })
}

/// The end of the first command (an array of bulk strings), if it is complete.
fn command_end(buffer: &[u8]) -> Option<usize> {
    let line = |from: usize| {
        let end = buffer[from..].windows(2).position(|pair| pair == b"\r\n")? + from;
        let number: usize = std::str::from_utf8(&buffer[from + 1..end]).ok()?.parse().ok()?;
        Some((number, end + 2))
    };
    if buffer.is_empty() {
        return None;
    }
    let (words, mut at) = line(0)?;
    for _ in 0..words {
        if at >= buffer.len() {
            return None;
        }
        let (length, start) = line(at)?;
        at = start + length + 2;
    }
    (at <= buffer.len()).then_some(at)
}
