//! Slow clients, whose connections are ended. All of them run at the same time, so that the tests take as long as the
//! slowest.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use test_kit::app::{TestApp, answer};
use test_kit::requests::SECRET;
use test_kit::wire::get;

/// After this time, a connection counts as kept for ever: the longest limit is 15 s, and machines are busy.
const FOR_EVER: Duration = Duration::from_secs(40);

/// The outcome for one client.
struct Fate {
    /// When the server ended the connection.
    ended: Option<Duration>,
    /// When the first byte of an answer came, of a [`Slow`] client.
    answered: Option<Duration>,
    heard: String,
}

/// A client other than [`Slow`].
type Client = fn(&str) -> Fate;

/// What a slow client sends first, what it sends repeatedly, and at which interval.
struct Slow {
    first: Vec<u8>,
    again: Vec<u8>,
    every: Duration,
}

impl Slow {
    fn silent(first: impl Into<Vec<u8>>) -> Self {
        Self::trickling(first, "")
    }

    fn trickling(first: impl Into<Vec<u8>>, again: impl Into<Vec<u8>>) -> Self {
        Self { first: first.into(), again: again.into(), every: Duration::from_millis(500) }
    }

    fn fast(self) -> Self {
        Self { every: Duration::from_millis(5), ..self }
    }

    /// Sends until the server ends the connection.
    fn run(&self, address: &str) -> Fate {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(self.every)).unwrap();
        stream.write_all(&self.first).unwrap();
        let (begun, mut heard, mut chunk) = (Instant::now(), Vec::new(), [0; 4096]);
        let mut answered = None;
        let ended = loop {
            match stream.read(&mut chunk) {
                Ok(0) => break Some(begun.elapsed()),
                Ok(length) => {
                    answered = answered.or(Some(begun.elapsed()));
                    heard.extend_from_slice(&chunk[..length]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    break Some(begun.elapsed());
                }
                Err(_) => {}
            }
            // If writing fails, the next read says so.
            let _ = stream.write_all(&self.again);
            if begun.elapsed() > FOR_EVER {
                break None;
            }
        };
        Fate { ended, answered, heard: String::from_utf8_lossy(&heard).into_owned() }
    }
}

/// Requests a long document repeatedly and reads nothing.
fn reads_nothing(address: &str) -> Fate {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let requests = get("/openapi.yaml", "").repeat(50);
    let begun = Instant::now();
    let ended = loop {
        match stream.write(requests.as_bytes()) {
            Err(error)
                if !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                break Some(begun.elapsed());
            }
            _ if begun.elapsed() > FOR_EVER => break None,
            _ => {}
        }
    };
    Fate { ended, answered: None, heard: String::new() }
}

/// Requests a long document 400 times (50 MB), and reads it in pieces with pauses, for about 18 s.
fn reads_slowly(address: &str) -> Fate {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let asking = thread::spawn(move || {
        let last = get("/v1/session", "Connection: close\r\nX-Request-Id: the-last\r\n");
        writer.write_all((get("/openapi.yaml", "").repeat(400) + &last).as_bytes())
    });
    let (begun, mut chunk, mut tail) = (Instant::now(), vec![0; 1 << 20], String::new());
    let ended = loop {
        let mut filled = 0;
        while let Ok(length @ 1..) = stream.read(&mut chunk[filled..]) {
            filled += length;
            if filled == chunk.len() {
                break;
            }
        }
        if filled == 0 {
            break Some(begun.elapsed());
        }
        tail = String::from_utf8_lossy(&chunk[filled.saturating_sub(1000)..filled]).into_owned();
        thread::sleep(Duration::from_millis(370));
    };
    let _ = asking.join();
    Fate { ended, answered: None, heard: tail }
}

/// Sends a request every four seconds on one connection, for longer than any limit.
fn asks_now_and_then(address: &str) -> Fate {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let begun = Instant::now();
    for _ in 0..5 {
        stream.write_all(get("/nothing", "").as_bytes()).unwrap();
        let heard = test_kit::wire::hear(&mut stream, 1);
        if heard.answers.is_empty() {
            return Fate { ended: Some(begun.elapsed()), answered: None, heard: String::new() };
        }
        thread::sleep(Duration::from_secs(4));
    }
    let _ = stream.shutdown(Shutdown::Both);
    Fate { ended: None, answered: None, heard: "five answers".to_owned() }
}

/// Sends two requests on one connection, with a longer pause than an untrusted client may make.
fn asks_again_after_a_while(address: &str) -> Fate {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let begun = Instant::now();
    let mut heard = 0;
    for pause in [13, 0] {
        stream.write_all(get("/nothing", "").as_bytes()).unwrap();
        heard += test_kit::wire::hear(&mut stream, 1).answers.len();
        thread::sleep(Duration::from_secs(pause));
    }
    Fate { ended: Some(begun.elapsed()), answered: None, heard: format!("{heard} answers") }
}

fn slow_clients() -> Vec<(&'static str, Slow)> {
    let head = "GET /v1/session HTTP/1.1\r\nHost: x\r\n";
    let whole = format!("{head}\r\n");
    let json = "Host: x\r\nContent-Type: application/json\r\n";
    let post = |path: &str, more: &str| format!("POST {path} HTTP/1.1\r\n{json}{more}\r\n");
    let bulk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    vec![
        ("nothing", Slow::silent("")),
        ("head", Slow::trickling(head, "X-A: b\r\n")),
        ("head byte by byte", Slow::trickling("", "G")),
        ("second head", Slow::trickling(format!("{whole}GET /v1/se"), "s")),
        ("second head, silent", Slow::silent(format!("{whole}GET /v1/se"))),
        ("idle", Slow::silent(whole)),
        ("body", Slow::trickling(post("/v1/attempts", "Content-Length: 1000\r\n"), " ")),
        (
            "body in chunks",
            Slow::trickling(post("/v1/attempts", "Transfer-Encoding: chunked\r\n"), "1\r\n \r\n"),
        ),
        ("body of a ticket", Slow::silent(post("/v1/tickets/redeem", "Content-Length: 1000\r\n") + "{")),
        ("body of a decision", Slow::silent(post("/v/e30.e30.AAAA", "Content-Length: 1000\r\n") + "{")),
        (
            "body that nobody reads",
            Slow::trickling(format!("{head}Transfer-Encoding: chunked\r\n\r\n"), "1\r\n \r\n"),
        ),
        ("body that nobody reads, silent", Slow::silent(format!("{head}Transfer-Encoding: chunked\r\n\r\n"))),
        (
            "bulk that nobody reads",
            Slow::trickling(post("/v1/attempts/x/redeem", "Transfer-Encoding: chunked\r\n"), bulk).fast(),
        ),
        ("length that nobody reads", Slow::trickling(format!("{head}Content-Length: 16000\r\n\r\n"), " ")),
    ]
}

/// Runs all of them at once, while other clients sign in.
static FATES: LazyLock<BTreeMap<&'static str, Fate>> = LazyLock::new(|| {
    let run = || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        // Untrusted clients connect to one server, a trusted proxy to another.
        let app = runtime.block_on(TestApp::with(&[("LINKGATE_TRUSTED_PROXIES", "192.0.2.1")]));
        let behind = runtime.block_on(TestApp::start());
        let address = app.url.trim_start_matches("http://").to_owned();
        let address_behind = behind.url.trim_start_matches("http://").to_owned();
        let begun = Instant::now();
        let mut clients: Vec<_> = slow_clients()
            .into_iter()
            .map(|(name, slow)| {
                let address = address.clone();
                (name, thread::spawn(move || slow.run(&address)))
            })
            .collect();
        let others: [(&str, Client); 3] = [
            ("reads nothing", reads_nothing),
            ("reads slowly", reads_slowly),
            ("asks now and then", asks_now_and_then),
        ];
        for (name, client) in others {
            let address = address.clone();
            clients.push((name, thread::spawn(move || client(&address))));
        }
        let proxy = address_behind.clone();
        clients.push(("proxy that idles", thread::spawn(move || asks_again_after_a_while(&proxy))));
        let half = Slow::trickling("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "G");
        clients.push(("proxy with half a head", thread::spawn(move || half.run(&address_behind))));
        let (waited, signed_in) = runtime.block_on(async {
            let attempt = app.script(SECRET).start(test_kit::requests::plain()).await;
            let waiting = attempt.request(reqwest::Method::GET, "?wait=12&seen=pending");
            let waiting = tokio::spawn(async move { (answer(waiting).await, begun.elapsed()) });
            let mut signed_in = 0;
            while begun.elapsed() < Duration::from_secs(12) {
                let email = format!("person{signed_in}@example.com");
                let browser = app.browser_at(&format!("10.8.{signed_in}.1"));
                let attempt = browser.sign_in(&email).await;
                browser.press(&app.link(&email), "approve").await.expect(303);
                attempt.redeem().await.expect(200);
                signed_in += 1;
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            (waiting.await.unwrap(), signed_in)
        });
        let mut fates: BTreeMap<_, _> =
            clients.into_iter().map(|(name, client)| (name, client.join().unwrap())).collect();
        let (waited, at) = waited;
        fates.insert(
            "waits",
            Fate { ended: Some(at), answered: None, heard: format!("{} {}", waited.status, waited.raw) },
        );
        fates.insert("people", Fate { ended: None, answered: None, heard: signed_in.to_string() });
        for (name, Fate { ended, heard, .. }) in &fates {
            println!("{name}: {ended:?} {:?}", heard.lines().next().unwrap_or_default());
        }
        fates
    };
    // The tests that wait for it have their own runtimes.
    thread::spawn(run).join().unwrap()
});

#[track_caller]
fn ended(name: &str) -> &'static Fate {
    let fate = &FATES[name];
    assert!(fate.ended.is_some(), "{name}: the connection is kept");
    fate
}

#[test]
fn a_head_that_does_not_arrive_is_given_up() {
    for name in ["nothing", "head", "head byte by byte"] {
        let fate = ended(name);
        assert!(
            fate.heard.starts_with("HTTP/1.1 408 ") && fate.heard.contains("content-length: 0"),
            "{name}: {}",
            fate.heard
        );
    }
}

#[test]
fn a_later_head_that_does_not_arrive_is_given_up_too() {
    for name in ["second head", "second head, silent"] {
        assert!(ended(name).heard.starts_with("HTTP/1.1 401 "), "{name}: the first was answered");
    }
}

#[test]
fn an_idle_connection_is_ended() {
    assert!(ended("idle").heard.starts_with("HTTP/1.1 401 "));
}

#[test]
fn a_body_that_trickles_in_is_given_up_on_every_route_that_reads_one() {
    for name in ["body", "body in chunks", "body of a ticket", "body of a decision"] {
        let fate = ended(name);
        assert!(
            fate.heard.starts_with("HTTP/1.1 400 ") && fate.heard.contains("10 seconds"),
            "{name}: {}",
            fate.heard
        );
        let took = fate.answered.unwrap();
        assert!((Duration::from_secs(9)..Duration::from_secs(13)).contains(&took), "{name}: {took:?}");
    }
}

#[test]
fn a_body_that_no_route_reads_does_not_go_on_for_ever() {
    for name in [
        "body that nobody reads",
        "body that nobody reads, silent",
        "bulk that nobody reads",
        "length that nobody reads",
    ] {
        assert!(ended(name).heard.starts_with("HTTP/1.1 401 "), "{name}: answered before it has ended");
    }
}

#[test]
fn a_client_that_reads_none_of_its_answers_is_given_up() {
    ended("reads nothing");
}

#[test]
fn a_client_that_reads_slowly_gets_all_of_its_answers() {
    let fate = &FATES["reads slowly"];
    assert!(fate.heard.contains("the-last"), "{}", fate.heard);
    assert!(fate.ended.unwrap() > Duration::from_secs(15), "it was not slow enough: {:?}", fate.ended);
}

#[test]
fn a_connection_that_is_used_now_and_then_is_kept() {
    assert_eq!(FATES["asks now and then"].heard, "five answers", "{:?}", FATES["asks now and then"].ended);
}

#[test]
fn a_trusted_proxy_may_keep_a_connection_idle_and_is_no_slower_with_a_head() {
    assert_eq!(FATES["proxy that idles"].heard, "2 answers", "{:?}", FATES["proxy that idles"].ended);
    assert!(ended("proxy with half a head").heard.starts_with("HTTP/1.1 404 "));
}

#[test]
fn who_waits_for_an_answer_is_not_taken_for_slow() {
    let fate = &FATES["waits"];
    assert!(fate.heard.starts_with("200 ") && fate.heard.contains("\"pending\""), "{}", fate.heard);
    assert!(fate.ended.unwrap() > Duration::from_secs(11), "{:?}", fate.ended);
}

#[test]
fn people_sign_in_while_others_are_slow() {
    let signed_in: u32 = FATES["people"].heard.parse().unwrap();
    assert!(signed_in > 3, "{signed_in}");
}
