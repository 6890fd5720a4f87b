//! A TCP proxy that fails on demand, as networks, load balancers and dying servers do.
//!
//! It does not read what passes through it, and runs on its own thread, so that tests may block.
//!

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Replaces each reply in [`Mode::Garbage`].
const GARBAGE: &[u8] = b"\x16\x03\x01 HTTP/1.1 400 ?\r\n\r\n$-7\r\n\xff\xfe";

/// What the proxy does to open and to new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes bytes on.
    Pass,
    /// Closes its listener and resets open connections.
    Refuse,
    /// Keeps connections open and passes nothing on, neither bytes nor the end of a connection. Bytes arrive when the
    /// mode changes, as after a network has healed.
    BlackHole,
    /// Delays each piece of a reply.
    Delay(Duration),
    /// Passes requests on, and this many bytes of the replies on each connection; then resets it.
    CutReply(usize),
    /// Passes requests on, and replaces replies by bytes of no protocol.
    Garbage,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    to_server: AtomicU64,
    to_client: AtomicU64,
}

/// A proxy of one port of this machine. When it is dropped, its connections end.
pub struct Proxy {
    port: u16,
    mode: watch::Sender<Mode>,
    cuts: watch::Sender<u64>,
    counts: Arc<Counts>,
}

impl Proxy {
    /// Starts a proxy of this port, on a free one.
    pub fn start(target: u16) -> Self {
        Self::start_on(0, target)
    }

    /// The same on this port; 0 takes a free one.
    pub fn start_on(port: u16, target: u16) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("a socket").port();
        let (mode, cuts) = (watch::Sender::new(Mode::Pass), watch::Sender::new(0));
        let counts = Arc::new(Counts::default());
        let acceptor = Acceptor {
            port,
            target: (Ipv4Addr::LOCALHOST, target).into(),
            mode: mode.subscribe(),
            cuts: cuts.subscribe(),
            counts: Arc::clone(&counts),
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(acceptor.run(listener));
        });
        Self { port, mode, cuts, counts }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the mode, for open connections, too.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Resets all open connections.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::Relaxed)
    }

    pub fn bytes(&self) -> (u64, u64) {
        (self.counts.to_server.load(Ordering::Relaxed), self.counts.to_client.load(Ordering::Relaxed))
    }
}

struct Acceptor {
    port: u16,
    target: SocketAddr,
    mode: watch::Receiver<Mode>,
    cuts: watch::Receiver<u64>,
    counts: Arc<Counts>,
}

impl Acceptor {
    /// Until the proxy is dropped.
    async fn run(mut self, listener: std::net::TcpListener) {
        let mut listener = Some(TcpListener::from_std(listener).expect("a socket"));
        loop {
            let refuses = *self.mode.borrow_and_update() == Mode::Refuse;
            if refuses {
                listener = None;
            } else if listener.is_none() {
                // Another process that took the port in the meantime has to free it within the test's time limit.
                listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await.ok();
            }
            let accept = async {
                match &listener {
                    Some(listener) => listener.accept().await.ok(),
                    None if refuses => std::future::pending().await,
                    None => {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        None
                    }
                }
            };
            tokio::select! {
                changed = self.mode.changed() => if changed.is_err() { return },
                accepted = accept => if let Some((client, _)) = accepted {
                    self.counts.connections.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(self.serve(client));
                },
            }
        }
    }

    fn serve(&self, client: TcpStream) -> impl Future<Output = ()> + use<> {
        let (target, counts) = (self.target, Arc::clone(&self.counts));
        let (mut mode, cuts) = (self.mode.clone(), self.cuts.clone());
        async move {
            // A black hole accepts no new connections either.
            if mode.wait_for(|mode| *mode != Mode::BlackHole).await.is_err() {
                return;
            }
            let Ok(server) = TcpStream::connect(target).await else {
                let _ = client.set_zero_linger();
                return;
            };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let ((client_in, client_out), (server_in, server_out)) =
                (client.into_split(), server.into_split());
            let to_server =
                Pump { mode: mode.clone(), cuts: cuts.clone(), reply: false, counts: Arc::clone(&counts) };
            let to_client = Pump { mode, cuts, reply: true, counts };
            tokio::select! {
                () = to_server.run(client_in, server_out) => {}
                () = to_client.run(server_in, client_out) => {}
            }
        }
    }
}

/// One direction of one connection.
struct Pump {
    mode: watch::Receiver<Mode>,
    cuts: watch::Receiver<u64>,
    reply: bool,
    counts: Arc<Counts>,
}

impl Pump {
    /// Until one end has ended, or both were reset.
    async fn run(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        self.cuts.mark_unchanged();
        let (mut buffer, mut passed) = (vec![0; 16 * 1024], 0);
        let clean = self.pass(&mut from, &mut to, &mut buffer, &mut passed).await;
        if clean.is_some() {
            let _ = to.shutdown().await;
        } else {
            let _ = (from.as_ref().set_zero_linger(), to.as_ref().set_zero_linger());
        }
    }

    /// `None` if the connection has to be reset.
    async fn pass(
        &mut self,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
        buffer: &mut [u8],
        passed: &mut usize,
    ) -> Option<()> {
        loop {
            let present = *self.mode.borrow_and_update();
            let read = async {
                if present == Mode::BlackHole {
                    std::future::pending().await
                } else {
                    from.read(buffer).await
                }
            };
            let length = tokio::select! {
                changed = self.mode.changed() => {
                    changed.ok()?;
                    if *self.mode.borrow() == Mode::Refuse { return None; }
                    *passed = 0;
                    continue;
                }
                _ = self.cuts.changed() => return None,
                read = read => match read.ok()? {
                    0 => return Some(()),
                    length => length,
                },
            };
            let mut piece = &buffer[..length];
            match present {
                Mode::Refuse => return None,
                Mode::Delay(delay) if self.reply => tokio::time::sleep(delay).await,
                Mode::Garbage if self.reply => piece = GARBAGE,
                Mode::CutReply(limit) if self.reply => {
                    piece = &piece[..piece.len().min(limit.saturating_sub(*passed))];
                }
                _ => {}
            }
            to.write_all(piece).await.ok()?;
            *passed += piece.len();
            let counter = if self.reply { &self.counts.to_client } else { &self.counts.to_server };
            counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
            if matches!(present, Mode::CutReply(limit) if self.reply && *passed >= limit) {
                // The bytes that were written have to arrive before the reset.
                tokio::time::sleep(Duration::from_millis(5)).await;
                return None;
            }
        }
    }
}
