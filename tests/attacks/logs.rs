//! Callers cannot forge log lines.

use serde_json::{Value, json};

use crate::injection::EVIL;
use crate::process::Process;
use test_kit::app::{API_KEY, answer};

/// The text to search for in the log, in any case: too long to occur in a request id by chance, as "evil" once did.
const MARK: &str = "eviltwin";

/// Sends every evil string to every place that takes a string, byte for byte where a client library would refuse.
async fn provoke(server: &Process) {
    use std::io::Write as _;
    let client = server.browser_at("203.0.113.7");
    for (number, evil) in EVIL.iter().enumerate() {
        let evil = &evil.replace("evil", MARK).replace("Evil", MARK);
        let email = format!("person{number}@example.com");
        let browser = server.browser_at(&format!("10.5.{number}.1"));
        for body in [
            json!({ "email_address": format!("ann{evil}@example.com"), "purpose": "sign_in" }),
            json!({ "email_address": email, "purpose": "sign_in", "locale": evil, "sub": evil }),
            json!({ "email_address": email, "purpose": "sign_in", "client": { "user_agent": evil } }),
            json!({ "email_address": email, "purpose": "sign_in", "redirect_url": format!("https://app.example.com/p/{evil}") }),
            json!({ "email_address": email, "purpose": evil }),
        ] {
            answer(browser.post("/v1/attempts").bearer_auth(API_KEY).json(&body)).await;
        }
        for body in
            [json!({ "ticket": evil }), json!({ "renewal_token": evil }), json!({ (evil.as_str()): evil })]
        {
            answer(client.post("/v1/tickets/redeem").bearer_auth(API_KEY).json(&body)).await;
            answer(client.post("/v1/session/token").json(&body)).await;
        }
        // The text behind a line break is a header, or not HTTP.
        for request in [
            format!("GET /{evil} HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("{evil} / HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("{}{number} / HTTP/1.1\r\nHost: x\r\n\r\n", MARK.to_ascii_uppercase()),
            format!("GET / HTTP/1.1{evil}\r\nHost: x\r\n\r\n"),
            format!("GET /v/e30.e30.AAAA?{} HTTP/1.1\r\nHost: {evil}\r\n\r\n", evil.replace(' ', "+")),
            format!(
                "GET /v/x HTTP/1.1\r\nHost: x\r\nX-Request-Id: {evil}\r\nUser-Agent: {evil}\r\nReferer: {evil}\r\n\r\n"
            ),
            format!(
                "GET /v1/session HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {evil}\r\nX-Forwarded-For: {evil}\r\nCookie: linkgate-session={evil}\r\nOrigin: {evil}\r\n\r\n"
            ),
            format!(
                "POST /v1/attempts HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {evil}\r\nContent-Type: {evil}\r\nContent-Length: 2\r\n\r\n{{}}"
            ),
        ] {
            let request = request + "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
            stream.set_read_timeout(Some(std::time::Duration::from_secs(3))).unwrap();
            let _ = stream.write_all(request.as_bytes());
            tokio::task::spawn_blocking(move || test_kit::wire::hear(&mut stream, 2)).await.unwrap();
        }
    }
    // One more request, whose log line is searched for.
    let last = client.get("/nothing").header("X-Request-Id", "the-last-one");
    answer(last).await.expect(404);
}

#[tokio::test]
async fn a_json_log_is_one_object_a_line_whatever_callers_send() {
    let server = Process::start(1024, &[("LINKGATE_LOG_FORMAT", "json"), ("RUST_LOG", "trace")]);
    provoke(&server).await;
    let log = String::from_utf8(server.log()).expect("the log is UTF-8");
    let mut answers = 0;
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let members = event.as_object().unwrap_or_else(|| panic!("no object: {line}"));
        for name in ["ts", "level", "target", "message"] {
            assert!(members[name].is_string(), "{name} of {line}");
        }
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(!line.to_ascii_lowercase().contains(MARK), "{line:?}");
        assert_ne!(members["level"], "error", "strangers raise no alarm: {line}");
        answers += usize::from(members.contains_key("status"));
    }
    println!("{} lines, {answers} of them of answers", log.lines().count());
    assert!(answers > 500, "{answers}");
    assert!(
        log.contains("\"request_id\":\"the-last-one\"") && log.ends_with('\n'),
        "what is looked for is found"
    );
}

#[tokio::test]
async fn a_text_log_is_one_event_a_line_whatever_callers_send() {
    let server = Process::start(1024, &[("LINKGATE_LOG_FORMAT", "text"), ("RUST_LOG", "trace")]);
    provoke(&server).await;
    let log = String::from_utf8(server.log()).expect("the log is UTF-8");
    for line in log.lines() {
        let (time, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{line:?}");
        assert!(
            ["ERROR", "WARN ", "INFO ", "DEBUG", "TRACE"].iter().any(|level| rest.starts_with(level)),
            "{line:?}"
        );
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(!line.to_ascii_lowercase().contains(MARK), "{line:?}");
    }
    assert!(log.contains("request_id=the-last-one"), "what is looked for is found");
}
