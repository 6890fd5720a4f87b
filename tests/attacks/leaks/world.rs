//! Two replicas of the real binary at `RUST_LOG=trace` over one Redis with one relay, all of whose secrets are planted,
//! and everything that somebody who watches them could see.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpStream};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use linkgate::domain::email::EmailAddress;
use reqwest::RequestBuilder;
use serde_json::Value;
use tempfile::TempDir;

use super::search::{Garden, Place};
use test_kit::app::{Answer, Client, link_of};
use test_kit::fleet::Replica;
use test_kit::redis_server::RedisServer;
use test_kit::smtp::{Mode, Sink, Tls};

/// The redirect URL.
pub(crate) const REDIRECT: &str = "https://app.example.com/p/planted-path-4711?planted=query-7731";

pub(crate) struct World {
    pub(crate) redis: RedisServer,
    pub(crate) smtp: Sink,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) garden: Garden,
    pub(crate) api_key: String,
    /// The problem codes that occurred.
    pub(crate) codes: BTreeSet<String>,
    pub(crate) keys_file: std::path::PathBuf,
    watcher: Watcher,
    errors: Vec<Place>,
    snapshots: Vec<Place>,
    _directory: TempDir,
}

/// A random text that occurs nowhere else.
pub(crate) fn random() -> String {
    let mut bytes = [0; 24];
    rand::fill(&mut bytes).unwrap();
    URL_SAFE_NO_PAD.encode(bytes)
}

impl World {
    pub(crate) async fn start() -> Self {
        let mut garden = Garden::default();
        let [redis_password, mail_password, api_key, salt, key] = [(); 5].map(|()| random());
        for (what, text) in [
            ("the password of Redis", &redis_password),
            ("the password of the relay", &mail_password),
            ("an API key", &api_key),
            ("the subject salt", &salt),
        ] {
            garden.plant(what, text);
        }
        let key_text = URL_SAFE_NO_PAD.encode(&key);
        garden.plant("a key", &key);
        garden.plant("a key, as text", &key_text);
        let directory = tempfile::tempdir().unwrap();
        let keys_file = directory.path().join("keys");
        std::fs::write(&keys_file, format!("planted:{key_text}\n")).unwrap();

        let redis = RedisServer::start_with_password(&redis_password);
        let watcher = Watcher::start(&redis, &redis_password);
        let smtp = Sink::start_with(Mode::Accept, Tls::None, Some(("relay-user", &mail_password)));
        let mail_url = smtp.url().replace("smtp://", &format!("smtp://relay-user:{mail_password}@"));
        let (port, other) = (test_kit::redis_server::free_port(), test_kit::redis_server::free_port());
        let public = format!("http://127.0.0.1:{port}");
        let file = keys_file.display().to_string();
        let redis_url = redis.url();
        let mut replicas = Vec::new();
        for (port, format, purposes) in
            [(port, "json", "sign_in,sign_up,verify_email"), (other, "text", "sign_in,verify_email")]
        {
            replicas.push(Replica::start_on(
                port,
                test_kit::redis_server::free_port(),
                &[
                    ("LINKGATE_PUBLIC_URL", public.as_str()),
                    ("LINKGATE_STORE_URL", &redis_url),
                    ("LINKGATE_KEYS_FILE", &file),
                    ("LINKGATE_MAIL_URL", &mail_url),
                    ("LINKGATE_API_KEYS", &api_key),
                    ("LINKGATE_SUBJECT_SALT", &salt),
                    ("LINKGATE_REDIRECT_URLS", REDIRECT),
                    ("LINKGATE_PURPOSES", purposes),
                    ("LINKGATE_LOG_FORMAT", format),
                    ("RUST_LOG", "trace"),
                ],
            ));
        }
        for replica in &replicas {
            replica.until_probe("/readyz", 200).await;
        }
        garden.plant("a redirect URL", REDIRECT);
        Self {
            redis,
            smtp,
            replicas,
            garden,
            api_key,
            codes: BTreeSet::new(),
            keys_file,
            watcher,
            errors: Vec::new(),
            snapshots: Vec::new(),
            _directory: directory,
        }
    }

    /// A browser that talks to one of the replicas.
    pub(crate) fn browser(&mut self, replica: usize, ip: &str) -> Client {
        self.plant_ip(ip);
        Client::new(&self.replicas[replica].url(), ip, patient().cookie_store(true), None)
    }

    /// A client that sends its secret as a header.
    pub(crate) fn script(&mut self, replica: usize, ip: &str) -> Client {
        let secret = random();
        self.plant_ip(ip);
        self.garden.plant("a client secret", &secret);
        Client::new(&self.replicas[replica].url(), ip, patient(), Some(secret))
    }

    /// An IP address, in every notation.
    pub(crate) fn plant_ip(&mut self, text: &str) {
        self.garden.plant("a client's IP address", text);
        match text.parse().unwrap() {
            IpAddr::V4(v4) => {
                self.garden.plant("a client's IP address, in bytes", v4.octets());
                self.garden.plant("a client's IP address, as a number", v4.to_bits().to_string());
            }
            IpAddr::V6(v6) => {
                self.garden.plant("a client's IP address, in bytes", v6.octets());
                let groups: Vec<String> = v6.segments().iter().map(|group| format!("{group:04x}")).collect();
                self.garden.plant("a client's IP address, in full", groups.join(":"));
            }
        }
    }

    /// An address, as typed and in its canonical form.
    pub(crate) fn address(&mut self, typed: &str) -> String {
        let canonical = EmailAddress::parse(typed).unwrap().as_str().to_owned();
        self.garden.plant("an address, as typed", typed);
        self.garden.plant("an address", &canonical);
        self.garden.plant("the name in an address", canonical.split('@').next().unwrap());
        canonical
    }

    /// The newest link that was mailed to this address, as a path.
    pub(crate) fn link(&mut self, to: &str) -> String {
        let mails = self.smtp.received();
        let mail =
            mails.iter().rfind(|mail| mail.rcpt_to == [to]).unwrap_or_else(|| panic!("no mail to {to}"));
        let link = link_of(&mail.message);
        let path = link[link.find("/v/").unwrap()..].to_owned();
        self.garden.plant_token("a link", &path[3..]);
        path
    }

    /// Sends a request, and records the body of an error.
    pub(crate) async fn ask(&mut self, request: RequestBuilder) -> Answer {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = client.execute(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let raw = response.text().await.unwrap();
        let body: Value = serde_json::from_str(&raw).unwrap_or(Value::Null);
        if status.as_u16() >= 400 {
            if let Some(code) = body["code"].as_str() {
                self.codes.insert(code.to_owned());
            }
            // The forms and links of a page contain its own link, and the application's URL.
            let seen = if body.is_null() { without_attributes(&raw) } else { raw.clone() };
            let told: Vec<String> = headers
                .iter()
                .filter(|(name, _)| *name != "set-cookie")
                .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
                .collect();
            let kind = if path.starts_with("/v/") { "/v/…".to_owned() } else { path };
            let place = format!("what {method} {kind} answers with {status}");
            self.errors.push((place, format!("{}\n\n{seen}", told.join("\n")).into_bytes()));
        }
        Answer { status, headers, body, raw }
    }

    /// Records the contents of Redis.
    pub(crate) fn snapshot(&mut self) {
        let places = dump(&self.redis);
        self.snapshots.extend(places);
    }

    /// Resets the limits on mails.
    pub(crate) fn forget_permits(&self) {
        let keys: Vec<String> = self.redis.command(&["KEYS", "lg:p:*"]);
        for key in keys {
            let _: i64 = self.redis.command(&["DEL", &key]);
        }
    }

    /// Everything visible from outside so far.
    pub(crate) async fn captured(&mut self) -> Vec<Place> {
        let mut places = self.redis_captured();
        places.append(&mut self.logs());
        for (number, replica) in self.replicas.iter().enumerate() {
            for path in ["/metrics", "/readyz", "/livez"] {
                places
                    .push((format!("{path} of replica {number}"), replica.probe(path).await.1.into_bytes()));
            }
        }
        places.extend(self.errors.clone());
        places
    }

    /// The contents and the traffic of Redis.
    pub(crate) fn redis_captured(&mut self) -> Vec<Place> {
        self.snapshot();
        let mut places = self.snapshots.clone();
        places.extend(self.watcher.places());
        places
    }

    pub(crate) fn logs(&self) -> Vec<Place> {
        let logs = self.replicas.iter().enumerate();
        logs.map(|(number, replica)| (format!("the log of replica {number}"), replica.log().into_bytes()))
            .collect()
    }
}

/// Longer than any answer may take.
fn patient() -> reqwest::ClientBuilder {
    reqwest::Client::builder().timeout(std::time::Duration::from_secs(40))
}

fn without_attributes(page: &str) -> String {
    let mut out = String::new();
    for (number, part) in page.split('"').enumerate() {
        if number % 2 == 0 {
            out.push_str(part);
        }
    }
    out
}

/// Every key of Redis with its values, of whatever type.
pub(crate) fn dump(redis: &RedisServer) -> Vec<Place> {
    let mut places = Vec::new();
    let keys: Vec<Vec<u8>> = redis.command(&["KEYS", "*"]);
    let mut connection = redis.connection();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).unwrap();
        let mut command = match kind.as_str() {
            "string" => redis::cmd("GET"),
            "hash" => redis::cmd("HGETALL"),
            "list" => redis::cmd("LRANGE"),
            "set" => redis::cmd("SMEMBERS"),
            "zset" => redis::cmd("ZRANGE"),
            "stream" => redis::cmd("XRANGE"),
            // Expired in the meantime.
            "none" => continue,
            other => panic!("a key of the type {other}"),
        };
        command.arg(&key);
        match kind.as_str() {
            "list" | "zset" => drop(command.arg(0).arg(-1)),
            "stream" => drop(command.arg("-").arg("+")),
            _ => {}
        }
        let value: redis::Value = command.query(&mut connection).unwrap();
        let mut bytes = key.clone();
        flatten(&value, &mut bytes);
        places.push((format!("the key {} of Redis", String::from_utf8_lossy(&key)), bytes));
    }
    places
}

fn flatten(value: &redis::Value, out: &mut Vec<u8>) {
    out.push(b'\n');
    match value {
        redis::Value::BulkString(bytes) => out.extend_from_slice(bytes),
        redis::Value::SimpleString(text) => out.extend_from_slice(text.as_bytes()),
        redis::Value::Array(values) | redis::Value::Set(values) => {
            for value in values {
                flatten(value, out);
            }
        }
        redis::Value::Map(pairs) => {
            for (name, value) in pairs {
                flatten(name, out);
                flatten(value, out);
            }
        }
        redis::Value::Nil => {}
        other => out.extend_from_slice(format!("{other:?}").as_bytes()),
    }
}

/// Records every command that Redis receives (`MONITOR`, commands of scripts included) and every publication.
struct Watcher {
    asked: Arc<Mutex<Vec<u8>>>,
    published: Arc<Mutex<Vec<u8>>>,
}

impl Watcher {
    fn start(redis: &RedisServer, password: &str) -> Self {
        let asked = listen(redis.port(), password, "MONITOR");
        let published = listen(redis.port(), password, "PSUBSCRIBE *");
        Self { asked, published }
    }

    fn places(&self) -> Vec<Place> {
        let asked = self.asked.lock().unwrap().clone();
        let lines: Vec<Vec<u8>> = asked.split(|byte| *byte == b'\n').map(without_time).collect();
        let asked = lines.join(&b'\n');
        let bytes = unescaped(&asked);
        vec![
            ("what Redis was asked".to_owned(), asked),
            ("what Redis was asked, in bytes".to_owned(), bytes),
            ("what Redis published".to_owned(), self.published.lock().unwrap().clone()),
        ]
    }
}

/// A line of `MONITOR` without its time, whose digits could match by chance.
fn without_time(line: &[u8]) -> Vec<u8> {
    let at = line.iter().position(|byte| *byte == b'[').unwrap_or(0);
    line[at..].to_vec()
}

/// Decodes `\xNN`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let code = (rest.len() >= 4 && rest.starts_with(b"\\x"))
            .then(|| std::str::from_utf8(&rest[2..4]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok()));
        if let Some(Some(byte)) = code {
            out.push(byte);
            rest = &rest[4..];
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}

fn listen(port: u16, password: &str, command: &str) -> Arc<Mutex<Vec<u8>>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "AUTH {password}\r\n{command}\r\n").unwrap();
    let mut first = [0; 16];
    // From the reply to AUTH on, so that nothing is missed.
    let length = stream.read(&mut first).unwrap();
    assert!(first[..length].starts_with(b"+OK"));
    let heard = Arc::new(Mutex::new(first[..length].to_vec()));
    let sink = Arc::clone(&heard);
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            sink.lock().unwrap().extend_from_slice(&chunk[..length]);
        }
    });
    heard
}
