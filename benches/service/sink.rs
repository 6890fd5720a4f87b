//! A minimal mail relay on its own thread, which accepts, counts and discards every mail.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::driver::block_on;

/// A running relay.
pub(crate) struct Sink {
    pub(crate) addr: SocketAddr,
    mails: Arc<AtomicU64>,
}

impl Sink {
    /// Starts the relay, which runs until the process exits.
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let mails = Arc::new(AtomicU64::new(0));
        let counter = mails.clone();
        std::thread::spawn(move || {
            block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    stream.set_nodelay(true).unwrap();
                    tokio::task::spawn_local(converse(stream, counter.clone()));
                }
            });
        });
        Self { addr, mails }
    }

    /// The number of mails accepted so far.
    pub(crate) fn mails(&self) -> u64 {
        self.mails.load(Ordering::Relaxed)
    }
}

/// Serves one connection until the client quits or disconnects.
async fn converse(mut stream: TcpStream, mails: Arc<AtomicU64>) -> Option<()> {
    stream.write_all(b"220 sink\r\n").await.ok()?;
    let (mut buffer, mut answers, mut in_data) = (Vec::new(), Vec::new(), false);
    loop {
        if stream.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
        answers.clear();
        loop {
            let end: &[u8] = if in_data { b"\r\n.\r\n" } else { b"\r\n" };
            let Some(at) = buffer.windows(end.len()).position(|window| window == end) else { break };
            let answer: &[u8] = if in_data {
                mails.fetch_add(1, Ordering::Relaxed);
                in_data = false;
                b"250 taken\r\n"
            } else {
                match &buffer[..4] {
                    b"DATA" => {
                        in_data = true;
                        b"354 go on\r\n"
                    }
                    b"EHLO" => b"250-sink\r\n250 PIPELINING\r\n",
                    b"QUIT" => return None,
                    _ => b"250 ok\r\n",
                }
            };
            buffer.drain(..at + end.len());
            answers.extend_from_slice(answer);
        }
        stream.write_all(&answers).await.ok()?;
    }
}
