//! A cheap HTTP/1.1 client that keeps a number of requests in flight, on its own thread.
//!
//! It parses only the HTTP that linkgate and its peers send: a status, headers, and a body with a length or in chunks.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{JoinSet, LocalSet};

/// The timeout of a response; the benches send nothing that takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// How many loopback addresses connections originate from, in turn: fresh connections would exhaust the ports of one.
const SOURCES: u8 = 100;

/// A response: its head is the status line and the headers.
#[derive(Default, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a string field of a JSON body.
    pub(crate) fn text(&self, member: &str) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        body[member].as_str().unwrap_or_else(|| panic!("no {member} in {}", self.body)).to_owned()
    }

    /// The part of the body between `before` and `after`.
    pub(crate) fn between(&self, before: &str, after: &str) -> String {
        let rest = self.body.split_once(before).unwrap_or_else(|| panic!("no {before} in {}", self.body)).1;
        rest.split_once(after).map_or(rest, |(found, _)| found).to_owned()
    }

    /// The value of the cookie that the response sets under this name.
    pub(crate) fn cookie(&self, name: &str) -> String {
        let start = format!("{name}=");
        let cookies = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = cookies
            .filter(|(header, _)| header.eq_ignore_ascii_case("set-cookie"))
            .filter_map(|(_, value)| value.strip_prefix(&start));
        let value = values.next().unwrap_or_else(|| panic!("no cookie {name} in {}", self.head));
        value.split(';').next().unwrap_or_default().to_owned()
    }
}

/// The requests of one run, and how to send them.
pub(crate) struct Load<'a> {
    /// The targets, which connections take in turn.
    pub(crate) addrs: &'a [SocketAddr],
    /// Complete requests, each sent once.
    pub(crate) requests: &'a [Vec<u8>],
    /// The number of concurrent requests.
    pub(crate) in_flight: usize,
    /// Whether each request opens its own connection.
    pub(crate) fresh: bool,
    /// The expected statuses; any other fails the run.
    pub(crate) expect: &'a [u16],
}

/// The outcome of a run.
pub(crate) struct Results {
    /// In the order of the requests.
    pub(crate) answers: Vec<Answer>,
    /// One per request, unordered.
    pub(crate) latencies: Vec<Duration>,
    /// The time from the first request to the last response.
    pub(crate) wall: Duration,
}

/// Sends all requests, on a separate thread with its own runtime.
pub(crate) fn drive(load: &Load<'_>) -> Results {
    std::thread::scope(|scope| {
        let driving = scope.spawn(|| block_on(run(load)));
        driving.join().unwrap_or_else(|_| panic!("the driver failed"))
    })
}

/// Runs `work` to completion on a runtime confined to this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, work)
}

async fn run(load: &Load<'_>) -> Results {
    let requests: Rc<Vec<Vec<u8>>> = Rc::new(load.requests.to_vec());
    let answers = Rc::new(RefCell::new(vec![Answer::default(); requests.len()]));
    let latencies = Rc::new(RefCell::new(Vec::with_capacity(requests.len())));
    let next = Rc::new(Cell::new(0));
    let (fresh, expect) = (load.fresh, load.expect.to_vec());
    let mut connections = Vec::new();
    for n in 0..load.in_flight {
        let addr = load.addrs[n % load.addrs.len()];
        connections.push((addr, if fresh { None } else { Some(Connection::open(addr).await) }));
    }
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (addr, mut connection) in connections {
        let (requests, answers, latencies, next, expect) =
            (requests.clone(), answers.clone(), latencies.clone(), next.clone(), expect.clone());
        tasks.spawn_local(async move {
            while next.get() < requests.len() {
                let index = next.replace(next.get() + 1);
                let sent = Instant::now();
                let mut used = match connection.take() {
                    Some(connection) => connection,
                    None => Connection::open(addr).await,
                };
                let answer = used.exchange(&requests[index]).await;
                latencies.borrow_mut().push(sent.elapsed());
                let what = String::from_utf8_lossy(&requests[index]);
                assert!(expect.contains(&answer.status), "{what}\n{}\n{}", answer.head, answer.body);
                answers.borrow_mut()[index] = answer;
                connection = (!fresh).then_some(used);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let wall = begun.elapsed();
    Results { answers: answers.take(), latencies: latencies.take(), wall }
}

/// A connection, with the bytes read beyond the last response.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        thread_local!(static NEXT: Cell<u8> = const { Cell::new(0) });
        let source = NEXT.replace((NEXT.get() + 1) % SOURCES);
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::new(127, 0, 0, source + 2), 0).into()).unwrap();
        let stream = socket.connect(addr).await.unwrap_or_else(|error| panic!("{addr}: {error}"));
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Answer {
        self.send(request).await;
        self.answer().await
    }

    pub(crate) async fn send(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.unwrap();
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        let reading = async {
            let end = loop {
                if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                    break at;
                }
                self.more().await;
            };
            let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
            self.buffer.drain(..end + 4);
            let status = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0);
            let body = self.body(&head, status).await;
            Answer { status, head, body: String::from_utf8_lossy(&body).into_owned() }
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("no response in time"))
    }

    async fn body(&mut self, head: &str, status: u16) -> Vec<u8> {
        let header = |name: &str| {
            let mut values = head.lines().filter_map(|line| line.split_once(':'));
            values.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        if header("transfer-encoding").is_some() {
            let mut body = Vec::new();
            loop {
                let end = loop {
                    match find(&self.buffer, b"\r\n") {
                        Some(at) => break at,
                        None => self.more().await,
                    }
                };
                let size = std::str::from_utf8(&self.buffer[..end]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                self.buffer.drain(..end + 2);
                body.extend(self.take(size).await);
                self.take(2).await;
                if size == 0 {
                    return body;
                }
            }
        }
        let length = header("content-length").and_then(|length| length.parse().ok());
        self.take(if status == 204 { 0 } else { length.unwrap_or(0) }).await
    }

    async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            self.more().await;
        }
        self.buffer.drain(..count).collect()
    }

    async fn more(&mut self) {
        let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
        let sofar = String::from_utf8_lossy(&self.buffer);
        assert!(read > 0, "the connection was closed: {sofar}");
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Builds a request. `headers` are whole lines without the line ends.
pub(crate) fn request(method: &str, path: &str, host: SocketAddr, headers: &[&str], body: &str) -> Vec<u8> {
    use std::fmt::Write as _;
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    for header in headers {
        let _ = write!(text, "{header}\r\n");
    }
    if !body.is_empty() || method == "POST" {
        let _ = write!(text, "Content-Length: {}\r\n", body.len());
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}
