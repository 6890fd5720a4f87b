//! Connections that are parked while a request waits: the request is read a second time when the wait ends. Nothing may
//! be lost, answered twice or misread, whatever surrounds it.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Process;
use test_kit::app::{Attempt, TestApp, answer};
use test_kit::requests::{SECRET, plain};
use test_kit::waiting::AT_ONCE;
use test_kit::wire::{Heard, get, hear, post};

struct Line(TcpStream);

impl Line {
    fn to(app: &TestApp) -> Self {
        let stream = TcpStream::connect(app.url.trim_start_matches("http://")).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        Self(stream)
    }

    fn send(&self, bytes: impl AsRef<[u8]>) {
        (&self.0).write_all(bytes.as_ref()).unwrap();
    }

    async fn hear(&self, count: usize) -> Heard {
        let mut stream = self.0.try_clone().unwrap();
        tokio::task::spawn_blocking(move || hear(&mut stream, count)).await.unwrap()
    }

    /// Everything that comes until the server is silent.
    async fn hear_out(&self) -> Heard {
        self.hear(usize::MAX).await
    }
}

async fn start(app: &TestApp, email: &str) -> Attempt {
    app.script(SECRET).start(json!({ "email_address": email, "purpose": "sign_in" })).await
}

/// A request with this id that waits for the attempt, with these further header lines.
fn waits(name: &str, attempt: &Attempt, more: &str) -> String {
    let lines = format!("X-Request-Id: {name}\r\nAuthorization: Bearer {}\r\n{more}", attempt.token);
    get(&format!("/v1/attempts/{}?wait=20", attempt.id), &lines)
}

/// A request with this id that is answered with 401 at once.
fn asks(name: &str) -> String {
    get("/v1/session", &format!("X-Request-Id: {name}\r\n"))
}

/// A POST with this id whose body looks like a request; it is answered with 400.
fn hides(name: &str) -> String {
    post("/v1/attempts", &format!("X-Request-Id: {name}\r\n"), &asks("hidden"))
}

/// Waits until `count` requests wait, and their connections are parked where possible.
async fn parked(app: &TestApp, count: usize) {
    app.waiters(count).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[track_caller]
fn assert_heard(heard: &Heard, wanted: &[(&str, u16)], what: &str) {
    let statuses = heard.answers.iter().map(|answer| answer.status.as_u16());
    let got: Vec<_> = heard.ids().into_iter().zip(statuses).collect();
    assert_eq!(got, wanted, "{what}");
}

#[tokio::test]
async fn a_connection_serves_others_before_and_after_one_that_waits() {
    let app = TestApp::start().await;
    for name in ["first", "second", "third"] {
        let attempt = start(&app, &format!("{name}@example.com")).await;
        let line = Line::to(&app);
        for request in [hides("a"), asks("b"), hides("c")] {
            line.send(request);
            assert_eq!(line.hear(1).await.answers.len(), 1);
        }
        line.send(waits("waits", &attempt, ""));
        parked(&app, 1).await;
        attempt.cancel().await.expect(204);
        let heard = line.hear(1).await;
        assert_heard(&heard, &[("waits", 200)], name);
        assert_eq!(heard.only().body["status"], "canceled");
        line.send(asks("d"));
        assert_heard(&line.hear(1).await, &[("d", 401)], name);
    }
}

#[tokio::test]
async fn what_is_sent_behind_one_that_waits_is_answered_after_it_wherever_it_was_cut() {
    let app = TestApp::start().await;
    let behind = hides("one") + &asks("two") + &hides("three");
    let length = behind.len();
    let (first, second) = (hides("one").len(), asks("two").len());
    let cuts =
        [0, 1, 30, first - 20, first, first + 1, first + second - 2, first + second, length - 1, length];
    for (number, cut) in cuts.into_iter().enumerate() {
        let attempt = start(&app, &format!("person{number}@example.com")).await;
        let line = Line::to(&app);
        line.send(waits("waits", &attempt, "") + &behind[..cut]);
        parked(&app, 1).await;
        line.send(&behind[cut..]);
        parked(&app, 1).await;
        attempt.cancel().await.expect(204);
        let heard = line.hear(4).await;
        let wanted = [("waits", 200), ("one", 400), ("two", 401), ("three", 400)];
        assert_heard(&heard, &wanted, &format!("cut at {cut}"));
        assert_eq!(heard.answers[0].body["status"], "canceled");
    }
}

#[tokio::test]
async fn one_that_waits_may_come_in_pieces() {
    let app = TestApp::start().await;
    let attempt = start(&app, "ann@example.com").await;
    let request = asks("before") + &waits("waits", &attempt, "") + &asks("after");
    let line = Line::to(&app);
    for piece in request.as_bytes().chunks(97) {
        line.send(piece);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    parked(&app, 1).await;
    attempt.cancel().await.expect(204);
    assert_heard(&line.hear(3).await, &[("before", 401), ("waits", 200), ("after", 401)], "pieces");
}

#[tokio::test]
async fn the_answer_goes_to_nobody_but_the_one_that_waited_for_it() {
    let app = TestApp::start().await;
    let (ann, bob) = (start(&app, "ann@example.com").await, start(&app, "bob@example.com").await);
    let path = format!("/v1/attempts/{}?wait=20", ann.id);
    let stranger = get(&path, "X-Request-Id: stranger\r\n");
    let line = Line::to(&app);
    line.send(waits("ann", &ann, "") + &waits("bob", &bob, "") + &stranger + &waits("ann-again", &ann, ""));
    parked(&app, 1).await;
    ann.cancel().await.expect(204);
    let heard = line.hear(1).await;
    assert_heard(&heard, &[("ann", 200)], "bob still waits");
    assert_eq!(heard.only().body["email_address"], "ann@example.com");
    parked(&app, 1).await;
    bob.cancel().await.expect(204);
    let heard = line.hear(3).await;
    assert_heard(&heard, &[("bob", 200), ("stranger", 401), ("ann-again", 200)], "the others");
    assert_eq!(heard.answers[0].body["email_address"], "bob@example.com");
    assert_eq!(heard.answers[2].body["email_address"], "ann@example.com");
}

#[tokio::test]
async fn garbage_behind_one_that_waits_does_not_cost_it_its_answer() {
    // A dispatcher of actix would hang up here: the connection is parked.
    let app = TestApp::start().await;
    for (number, at_once) in [true, false].into_iter().enumerate() {
        let attempt = start(&app, &format!("person{number}@example.com")).await;
        let line = Line::to(&app);
        let (with, after) = if at_once { ("\0\0\r\n\r\n", "") } else { ("", "\0\0\r\n\r\n") };
        line.send(waits("waits", &attempt, "") + with);
        parked(&app, 1).await;
        line.send(after);
        parked(&app, 1).await;
        attempt.cancel().await.expect(204);
        let heard = line.hear_out().await;
        assert_eq!(heard.answers[0].expect(200).body["status"], "canceled");
        assert_eq!((heard.answers.len(), heard.answers[1].status.as_u16()), (2, 400));
        assert!(heard.closed);
    }
}

#[tokio::test]
async fn where_a_request_begins_in_doubt_nothing_is_read_twice() {
    let app = TestApp::start().await;
    let bare = |name: &str| asks(name).replace("\r\n", "\n");
    let body = plain().to_string();
    let chunked = format!(
        "POST /v1/attempts HTTP/1.1\r\nHost: x\r\nX-Request-Id: odd\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let upgrade = get("/v1/session", "X-Request-Id: odd\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n");
    let odd = [
        ("chunks", chunked, 201),
        ("an upgrade", upgrade, 401),
        ("bare line feeds", bare("odd"), 401),
        ("an empty line before", format!("\r\n{}", asks("odd")), 401),
        ("an empty line behind", format!("{}\r\n", asks("odd")), 401),
        ("mixed line ends", asks("odd").replacen("\r\n", "\n", 1), 401),
        // To a tape that searches for `\r\n\r\n`, this is one request and a half.
        ("a bare end, and half of what follows", asks("odd").replace("\r\n\r\n", "\r\n\n"), 401),
    ];
    for (number, (what, odd, status)) in odd.into_iter().enumerate() {
        for together in [true, false] {
            let attempt = start(&app, &format!("person{number}-{together}@example.com")).await;
            let line = Line::to(&app);
            let rest = waits("waits", &attempt, "") + &hides("behind");
            let mut wanted = vec![("odd", status), ("waits", 200), ("behind", 400)];
            if together {
                line.send(odd.clone() + &rest);
            } else {
                line.send(&odd);
                let heard = line.hear(1).await;
                assert_heard(&heard, &[wanted.remove(0)], what);
                if heard.only().header("connection") == "upgrade" {
                    // Bytes that have not arrived by now are too late.
                    continue;
                }
                line.send(&rest);
            }
            parked(&app, 1).await;
            attempt.cancel().await.expect(204);
            assert_heard(&line.hear(wanted.len()).await, &wanted, what);
        }
    }
}

#[tokio::test]
async fn a_body_of_one_that_waits_is_no_request() {
    let app = TestApp::start().await;
    let hidden = asks("hidden");
    let attempt = start(&app, "ann@example.com").await;
    let line = Line::to(&app);
    line.send(waits("waits", &attempt, &format!("Content-Length: {}\r\n", hidden.len())) + &hidden[..20]);
    parked(&app, 1).await;
    line.send(&hidden[20..]);
    parked(&app, 1).await;
    attempt.cancel().await.expect(204);
    assert_heard(&line.hear_out().await, &[("waits", 200)], "a body");
}

#[tokio::test]
async fn one_that_waits_is_told_to_go_on_once() {
    let app = TestApp::start().await;
    let attempt = start(&app, "ann@example.com").await;
    let line = Line::to(&app);
    line.send(waits("waits", &attempt, "Expect: 100-continue\r\n") + &asks("behind"));
    parked(&app, 1).await;
    attempt.cancel().await.expect(204);
    let heard = line.hear(2).await;
    assert_heard(&heard, &[("waits", 200), ("behind", 401)], "expects");
    assert_eq!(String::from_utf8_lossy(&heard.bytes).matches("100 Continue").count(), 1);
}

#[tokio::test]
async fn the_last_request_of_a_connection_may_wait() {
    let app = TestApp::start().await;
    let close = |request: String| request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let old = |request: String| request.replace("HTTP/1.1", "HTTP/1.0");
    for (number, last) in [close as fn(String) -> String, old].into_iter().enumerate() {
        let attempt = start(&app, &format!("person{number}@example.com")).await;
        let request = last(waits("waits", &attempt, ""));
        let line = Line::to(&app);
        line.send(request.clone() + &asks("too-late"));
        parked(&app, 1).await;
        attempt.cancel().await.expect(204);
        let heard = line.hear_out().await;
        assert_eq!(heard.answers[0].header("x-request-id"), "waits");
        assert_eq!(heard.answers[0].expect(200).body["status"], "canceled");
        assert!(heard.closed && !heard.ids().contains(&"too-late"), "{request}");
    }
}

#[tokio::test]
async fn who_hangs_up_gives_its_place_back_whatever_it_has_sent() {
    let app = TestApp::start().await;
    let attempt = start(&app, "ann@example.com").await;
    for behind in [String::new(), asks("behind"), "GET /half".to_owned()] {
        let line = Line::to(&app);
        line.send(waits("waits", &attempt, ""));
        parked(&app, 1).await;
        line.send(&behind);
        parked(&app, 1).await;
        let gone = Instant::now();
        drop(line);
        app.waiters(0).await;
        assert!(gone.elapsed() < AT_ONCE, "{behind:?}: {:?}", gone.elapsed());
    }
}

#[tokio::test]
async fn however_much_is_sent_behind_one_that_waits_all_of_it_is_answered() {
    let app = TestApp::start().await;
    let attempt = start(&app, "ann@example.com").await;
    let line = Line::to(&app);
    line.send(waits("waits", &attempt, ""));
    parked(&app, 1).await;
    let names: Vec<_> = (0..800).map(|number| format!("number-{number}")).collect();
    let bulk: String = names.iter().map(|name| asks(name)).collect();
    assert!(bulk.len() > 50_000);
    line.send(bulk);
    parked(&app, 1).await;
    attempt.cancel().await.expect(204);
    let heard = line.hear(801).await;
    assert_eq!(heard.ids()[0], "waits");
    assert_eq!(heard.ids()[1..], names);
}

#[tokio::test]
async fn a_token_that_ends_during_the_wait_has_served() {
    let app = TestApp::start().await;
    let attempt = start(&app, "ann@example.com").await;
    let (told, ()) = app.told(&attempt, "pending", async { app.advance(chrono::TimeDelta::hours(2)) }).await;
    told.expect(200);
    attempt.status().await.expect_problem(401, "attempt_token_invalid");
}

#[tokio::test]
async fn one_that_waits_is_logged_once_with_all_of_its_time() {
    let server = Process::start(1024, &[("LINKGATE_LOG_FORMAT", "json"), ("RUST_LOG", "info")]);
    let attempt = server.browser_at("203.0.113.7").start(plain()).await;
    let request = attempt.request(reqwest::Method::GET, "?wait=1").header("X-Request-Id", "waits");
    answer(request).await.expect(200);
    let unnamed = answer(attempt.request(reqwest::Method::GET, "?wait=1")).await;
    let log = String::from_utf8(server.log()).unwrap();
    for id in ["waits", unnamed.header("x-request-id")] {
        let lines: Vec<Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line: &Value| line["request_id"] == id)
            .collect();
        assert_eq!(lines.len(), 1, "{log}");
        assert!((1000..5000).contains(&lines[0]["duration_ms"].as_u64().unwrap()), "{}", lines[0]);
    }
    assert_eq!(log.matches("/v1/attempts/{id} 200").count(), 2, "{log}");
}
