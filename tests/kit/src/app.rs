//! A real server on port 0, with a real SMTP sink, on a clock that the test moves; and clients with cookie jars of
//! their own.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use linkgate::app::App;
use linkgate::clock::ManualClock;
use linkgate::config::Config;
use reqwest::cookie::{CookieStore as _, Jar};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

pub use crate::answer::{Answer, answer};
use crate::smtp::{Mode, Sink};

/// A key that back ends of the test prove themselves with.
pub const API_KEY: &str = "test-api-key-0123456789";

/// The secret of the only key of the servers' ring.
pub const RING_SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

/// A page that openers may be sent to.
pub const REDIRECT: &str = "https://app.example.com/done";

/// An origin whose pages may call the API.
pub const ORIGIN: &str = "https://app.example.com";

/// Tests ask for more mails, and are more often wrong, than anybody may.
pub const UNLIMITED: [(&str, &str); 5] = [
    ("LINKGATE_MAILS_PER_ADDRESS", "off"),
    ("LINKGATE_MAILS_PER_NETWORK", "off"),
    ("LINKGATE_MAILS_PER_CLIENT", "off"),
    ("LINKGATE_MAILS_PER_MINUTE", "off"),
    ("LINKGATE_REFUSALS_PER_MINUTE", "off"),
];

/// See the module.
pub struct TestApp {
    /// `http://127.0.0.1:<port>`, which is the public URL, too.
    pub url: String,
    /// The operations listener.
    pub ops_url: String,
    /// The service's clock.
    pub clock: ManualClock,
    /// The relay.
    pub smtp: Sink,
    handles: Vec<ServerHandle>,
}

impl TestApp {
    /// A server with the memory store.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A server with these settings besides (or instead of) the usual ones; an empty value unsets one.
    #[expect(clippy::unused_async, reason = "it spawns, and so wants to be called within a runtime")]
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::on(ManualClock::new(noon()), settings)
    }

    /// A server on this clock.
    pub fn on(clock: ManualClock, settings: &[(&str, &str)]) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let smtp = Sink::start(Mode::Accept);
        let public = TcpListener::bind("127.0.0.1:0").unwrap();
        let ops = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", public.local_addr().unwrap());
        let mut vars: BTreeMap<String, String> = [
            ("LINKGATE_PUBLIC_URL", url.as_str()),
            ("LINKGATE_KEYS", "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"),
            ("LINKGATE_STORE_URL", "memory://"),
            ("LINKGATE_MAIL_URL", &smtp.url()),
            ("LINKGATE_MAIL_FROM", "Example <login@example.com>"),
            ("LINKGATE_APP_NAME", "Example"),
            ("LINKGATE_API_KEYS", API_KEY),
            ("LINKGATE_ALLOWED_ORIGINS", ORIGIN),
            ("LINKGATE_REDIRECT_URLS", "https://app.example.com/done,https://app.example.com/p/"),
            ("LINKGATE_TRUSTED_PROXIES", "127.0.0.1"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        for (name, value) in UNLIMITED.iter().chain(settings) {
            vars.insert((*name).to_owned(), (*value).to_owned());
        }
        let config = Config::from_vars(&vars).unwrap_or_else(|faults| panic!("{faults:?}"));
        let app = App::build(config, Arc::new(clock.clone())).unwrap();
        let running = app.listen(public, Some(ops), 1).unwrap();
        let ops_url = format!("http://{}", running.ops_addr.unwrap());
        Self { url, ops_url, clock, smtp, handles: running.spawn() }
    }

    /// Moves the service's clock.
    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// A client with a cookie jar of its own, in the network 203.0.113.0/24, as a browser would be.
    pub fn browser(&self) -> Client {
        self.browser_at("203.0.113.7")
    }

    /// A client with a cookie jar of its own at this address.
    pub fn browser_at(&self, ip: &str) -> Client {
        let jar = Arc::new(Jar::default());
        let builder = reqwest::Client::builder().cookie_provider(jar.clone());
        Client { jar, ..Client::new(&self.url, ip, builder, None) }
    }

    /// A client without cookies that proves itself with `Linkgate-Client`.
    pub fn script(&self, secret: &str) -> Client {
        Client::new(&self.url, "203.0.113.7", reqwest::Client::builder(), Some(secret.to_owned()))
    }

    /// As [`TestApp::script`], at this address.
    pub fn script_at(&self, secret: &str, ip: &str) -> Client {
        Client { ip: ip.to_owned(), ..self.script(secret) }
    }

    /// The links that were mailed to this address, oldest first. In each mail, both parts have the same one.
    pub fn links(&self, to: &str) -> Vec<String> {
        self.smtp
            .received()
            .iter()
            .filter(|mail| mail.rcpt_to == [to])
            .map(|mail| link_of(&mail.message))
            .collect()
    }

    /// The newest link that was mailed to this address.
    pub fn link(&self, to: &str) -> String {
        self.links(to).pop().unwrap_or_else(|| panic!("no mail to {to}"))
    }

    /// The metrics as text.
    pub async fn metrics(&self) -> String {
        reqwest::get(format!("{}/metrics", self.ops_url)).await.unwrap().text().await.unwrap()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        for handle in &self.handles {
            // Stopping begins when the future is made; nobody needs to wait for its end.
            drop(handle.stop(false));
        }
    }
}

/// When tests begin.
pub fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 12, 0, 0).unwrap()
}

/// The link in a mail; both parts must agree on it.
pub fn link_of(message: &[u8]) -> String {
    let mail = mailparse::parse_mail(message).unwrap();
    let part = |kind: &str| {
        let part = mail.subparts.iter().find(|part| part.ctype.mimetype == kind).unwrap();
        part.get_body().unwrap()
    };
    let first = |text: &str| {
        let start = text.find("/v/").and_then(|at| text[..at].rfind("http")).unwrap();
        let rest = &text[start..];
        rest[..rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '<')).unwrap_or(rest.len())]
            .to_owned()
    };
    let (text, html) = (first(&part("text/plain")), first(&part("text/html")));
    assert_eq!(text, html, "both parts of a mail have the same link");
    text
}

/// A browser, an app or a script.
#[derive(Clone)]
pub struct Client {
    url: String,
    ip: String,
    http: reqwest::Client,
    secret: Option<String>,
    jar: Arc<Jar>,
}

impl Client {
    /// A client of the server at `url`, at this address; a secret goes out as `Linkgate-Client`.
    pub fn new(url: &str, ip: &str, builder: reqwest::ClientBuilder, secret: Option<String>) -> Self {
        let http = builder.redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { url: url.to_owned(), ip: ip.to_owned(), http, secret, jar: Arc::default() }
    }

    /// A request to a path of the server, or to a whole URL.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        let request = self
            .http
            .request(method, url)
            .header("X-Forwarded-For", &self.ip)
            .header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
        match &self.secret {
            Some(secret) => request.header("Linkgate-Client", secret),
            None => request,
        }
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// Its cookies, as the header that it sends.
    pub fn cookies(&self) -> String {
        let header = self.jar.cookies(&self.url.parse().unwrap());
        header.map_or_else(String::new, |cookies| cookies.to_str().unwrap().to_owned())
    }

    /// The same client, with the same cookies, in another network.
    pub fn moved_to(&self, ip: &str) -> Self {
        Self { ip: ip.to_owned(), ..self.clone() }
    }

    /// Presses "Send me a new link" on the page of a link.
    pub async fn reissue(&self, link: &str) -> Answer {
        let request = self.post(&format!("{link}/reissue")).header("Origin", &self.url);
        answer(request.header("Accept", "text/html")).await
    }

    /// Starts an attempt to sign in that ends at [`REDIRECT`].
    pub async fn sign_in(&self, email: &str) -> Attempt {
        self.start(json!({ "email_address": email, "purpose": "sign_in", "redirect_url": REDIRECT })).await
    }

    /// Starts an attempt.
    pub async fn start(&self, body: Value) -> Attempt {
        let answer = answer(self.post("/v1/attempts").json(&body)).await;
        answer.expect(201);
        Attempt {
            client: self.clone(),
            id: answer.text("id"),
            token: answer.text("attempt_token"),
            started: answer.body,
        }
    }

    /// Starts an attempt as a back end.
    pub async fn start_with_key(&self, body: Value) -> Attempt {
        let answer = answer(self.post("/v1/attempts").bearer_auth(API_KEY).json(&body)).await;
        answer.expect(201);
        Attempt {
            client: self.clone(),
            id: answer.text("id"),
            token: answer.text("attempt_token"),
            started: answer.body,
        }
    }

    /// Opens a link as a browser does: the page.
    pub async fn open(&self, link: &str) -> Answer {
        answer(self.get(link).header("Accept", "text/html")).await
    }

    /// Opens a link as an application with pages of its own does: its description.
    pub async fn describe(&self, link: &str) -> Answer {
        answer(self.get(link).header("Accept", "application/json")).await
    }

    /// Opens the page of a link and presses one of its buttons.
    pub async fn press(&self, link: &str, decision: &str) -> Answer {
        let page = self.open(link).await;
        assert_eq!(page.status, 200, "{}", page.raw);
        self.decide(link, decision, &page.confirmation()).await
    }

    /// Sends a decision by form, as the page does.
    pub async fn decide(&self, link: &str, decision: &str, confirmation: &str) -> Answer {
        let form = [("decision", decision), ("confirmation", confirmation)];
        answer(self.post(link).header("Origin", &self.url).header("Accept", "text/html").form(&form)).await
    }

    /// Sends a decision as JSON.
    pub async fn decide_json(&self, link: &str, decision: &str, confirmation: &str) -> Answer {
        answer(self.post(link).json(&json!({ "decision": decision, "confirmation": confirmation }))).await
    }
}

/// An attempt, with the client that started it.
pub struct Attempt {
    pub client: Client,
    pub id: String,
    pub token: String,
    /// The 201 answer.
    pub started: Value,
}

impl Attempt {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, &format!("/v1/attempts/{}{path}", self.id)).bearer_auth(&self.token)
    }

    /// The attempt as it is now.
    pub async fn status(&self) -> Answer {
        answer(self.request(Method::GET, "")).await
    }

    /// The attempt once its status differs from `seen`.
    pub async fn wait(&self, seen: &str) -> Answer {
        answer(self.request(Method::GET, &format!("?wait=20&seen={seen}"))).await
    }

    pub async fn enter_code(&self, code: &str) -> Answer {
        answer(self.request(Method::POST, "/code").json(&json!({ "code": code }))).await
    }

    pub async fn resend(&self) -> Answer {
        answer(self.request(Method::POST, "/resend")).await
    }

    pub async fn cancel(&self) -> Answer {
        answer(self.request(Method::DELETE, "")).await
    }

    pub async fn redeem(&self) -> Answer {
        answer(self.request(Method::POST, "/redeem")).await
    }
}
