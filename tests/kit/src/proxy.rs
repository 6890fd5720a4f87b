//! A TCP proxy that fails on demand: what a network, a load balancer or a dying server does to connections.
//!
//! It knows nothing of what passes through it. It runs on a thread of its own, so that tests may block.
//!

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What stands in the place of each reply in [`Mode::Garbage`].
const GARBAGE: &[u8] = b"\x16\x03\x01 HTTP/1.1 400 ?\r\n\r\n$-7\r\n\xff\xfe";

/// What the proxy does, to connections there are and to those to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: bytes pass.
    Pass,
    /// Nobody listens; connections there are get reset.
    Refuse,
    /// Connections stand, and not a byte passes, nor that one has ended. What was sent arrives when the mode changes,
    /// as after a network has healed.
    BlackHole,
    /// Each piece of a reply comes later by this much.
    Delay(Duration),
    /// Requests arrive; of what comes back, this many bytes pass on each connection, then it is reset.
    CutReply(usize),
    /// Requests arrive; what comes back is none of the protocol.
    Garbage,
}

/// What has passed.
#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    to_server: AtomicU64,
    to_client: AtomicU64,
}

/// A proxy before one port of this machine. It ends with its owner, and with it all its connections.
pub struct Proxy {
    port: u16,
    mode: watch::Sender<Mode>,
    cuts: watch::Sender<u64>,
    counts: Arc<Counts>,
}

impl Proxy {
    /// Starts to pass on to this port, from a free one.
    pub fn start(target: u16) -> Self {
        Self::start_on(0, target)
    }

    /// The same from this port, which is free if it is 0.
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

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Does this from now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Resets all connections there are.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// How many bytes have passed to the server, and to its clients.
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
                // Whoever took the port in the meantime gives it back or fails the test by its time limit.
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
            // A server behind a black hole cannot be reached either.
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

    /// `None` when the connection is to be reset.
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
                // What was written is to arrive before the reset.
                tokio::time::sleep(Duration::from_millis(5)).await;
                return None;
            }
        }
    }
}
