//! A minimal TCP load balancer: round robin over the replicas that are ready, without affinity.
//!
//! It runs on its own thread, so that tests may block, and stops when it is dropped.
//!

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// How often each replica's readiness is probed.
const PROBES: Duration = Duration::from_millis(50);

/// How long a probe may take.
const PROBE_PATIENCE: Duration = Duration::from_secs(3);

/// How long a connection waits for a replica that is ready.
const CLIENT_PATIENCE: Duration = Duration::from_secs(5);

/// One replica behind the balancer.
struct Backend {
    port: u16,
    ops_port: u16,
    ready: AtomicBool,
    connections: AtomicUsize,
}

pub struct Balancer {
    port: u16,
    backends: Arc<Vec<Backend>>,
    /// Dropping it ends the thread.
    _running: oneshot::Sender<()>,
}

impl Balancer {
    /// Balances these replicas, given by public and operations port. They may start later.
    pub fn start(ports: &[(u16, u16)]) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("a socket").port();
        let backends = ports.iter().map(|(port, ops_port)| Backend {
            port: *port,
            ops_port: *ops_port,
            ready: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        });
        let backends = Arc::new(backends.collect::<Vec<_>>());
        let (running, ended) = oneshot::channel::<()>();
        let serving = backends.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                for number in 0..serving.len() {
                    tokio::spawn(probe(serving.clone(), number));
                }
                tokio::select! {
                    () = accept(listener, serving) => {}
                    _ = ended => {}
                }
            });
        });
        Self { port, backends, _running: running }
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many connections each replica has received.
    pub fn connections(&self) -> Vec<usize> {
        self.backends.iter().map(|backend| backend.connections.load(Ordering::Relaxed)).collect()
    }

    pub fn is_ready(&self, number: usize) -> bool {
        self.backends[number].ready.load(Ordering::Relaxed)
    }
}

async fn accept(listener: std::net::TcpListener, backends: Arc<Vec<Backend>>) {
    let listener = TcpListener::from_std(listener).expect("a socket");
    for first in 0.. {
        let Ok((client, _)) = listener.accept().await else { continue };
        tokio::spawn(serve(client, backends.clone(), first));
    }
}

async fn serve(mut client: TcpStream, backends: Arc<Vec<Backend>>, first: usize) {
    let begun = Instant::now();
    while begun.elapsed() < CLIENT_PATIENCE {
        for number in (first..).take(backends.len()) {
            let backend = &backends[number % backends.len()];
            if !backend.ready.load(Ordering::Relaxed) {
                continue;
            }
            match TcpStream::connect((Ipv4Addr::LOCALHOST, backend.port)).await {
                Ok(mut server) => {
                    backend.connections.fetch_add(1, Ordering::Relaxed);
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    // Either end may close the connection.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    return;
                }
                Err(_) => backend.ready.store(false, Ordering::Relaxed),
            }
        }
        tokio::time::sleep(PROBES).await;
    }
}

/// Probes a replica until the balancer is dropped.
async fn probe(backends: Arc<Vec<Backend>>, number: usize) {
    let backend = &backends[number];
    loop {
        let answer = tokio::time::timeout(PROBE_PATIENCE, ask(backend.ops_port)).await;
        let ready = answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 ")));
        backend.ready.store(ready, Ordering::Relaxed);
        tokio::time::sleep(PROBES).await;
    }
}

async fn ask(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: replica\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
