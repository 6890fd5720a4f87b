//! A real server on a free port, with an SMTP sink and a clock that the test moves; and clients, each with a cookie
//! jar.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use linkgate::app::App;
use linkgate::config::Config;
use reqwest::cookie::{CookieStore as _, Jar};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

pub use crate::answer::{Answer, answer};
use crate::clock::ManualClock;
use crate::smtp::{Mode, Sink};

/// The API key of the tests' back ends.
pub const API_KEY: &str = "test-api-key-0123456789";

/// The secret of the only key in the servers' keyring.
pub const RING_SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

/// A listed redirect URL.
pub const REDIRECT: &str = "https://app.example.com/done";

/// A listed origin.
pub const ORIGIN: &str = "https://app.example.com";

/// Tests send more mails, and make more mistakes, than the limits allow.
pub const UNLIMITED: [(&str, &str); 5] = [
    ("LINKGATE_MAILS_PER_ADDRESS", "off"),
    ("LINKGATE_MAILS_PER_NETWORK", "off"),
    ("LINKGATE_MAILS_PER_CLIENT", "off"),
    ("LINKGATE_MAILS_PER_MINUTE", "off"),
    ("LINKGATE_REFUSALS_PER_MINUTE", "off"),
];

pub struct TestApp {
    /// `http://127.0.0.1:<port>`, which is also the public URL.
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
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A server with these settings added to the usual ones, or replacing them; an empty value unsets one.
    #[expect(clippy::unused_async, reason = "it spawns, and so wants to be called within a runtime")]
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::on(ManualClock::new(noon()), settings)
    }

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

    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// A browser with an empty cookie jar, in the network 203.0.113.0/24.
    pub fn browser(&self) -> Client {
        self.browser_at("203.0.113.7")
    }

    /// A browser with an empty cookie jar, at this IP address.
    pub fn browser_at(&self, ip: &str) -> Client {
        let jar = Arc::new(Jar::default());
        let builder = reqwest::Client::builder().cookie_provider(jar.clone());
        Client { jar, ..Client::new(&self.url, ip, builder, None) }
    }

    /// A client without cookies that sends its secret as `Linkgate-Client`.
    pub fn script(&self, secret: &str) -> Client {
        Client::new(&self.url, "203.0.113.7", reqwest::Client::builder(), Some(secret.to_owned()))
    }

    /// As [`TestApp::script`], at this IP address.
    pub fn script_at(&self, secret: &str, ip: &str) -> Client {
        Client { ip: ip.to_owned(), ..self.script(secret) }
    }

    /// The links that were mailed to this address, oldest first.
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

    pub async fn metrics(&self) -> String {
        reqwest::get(format!("{}/metrics", self.ops_url)).await.unwrap().text().await.unwrap()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        for handle in &self.handles {
            // The server begins to stop when the future is made; no test needs to wait for the end.
            drop(handle.stop(false));
        }
    }
}

/// The time at which tests begin.
pub fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 12, 0, 0).unwrap()
}

/// The link in a mail, which must be the same in both parts.
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
    /// A client of the server at `url`, at this IP address; it sends its secret as `Linkgate-Client`.
    pub fn new(url: &str, ip: &str, builder: reqwest::ClientBuilder, secret: Option<String>) -> Self {
        let http = builder.redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { url: url.to_owned(), ip: ip.to_owned(), http, secret, jar: Arc::default() }
    }

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

    /// The `Cookie` header that it sends.
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

    /// Starts an attempt to sign in that redirects to [`REDIRECT`].
    pub async fn sign_in(&self, email: &str) -> Attempt {
        self.start(json!({ "email_address": email, "purpose": "sign_in", "redirect_url": REDIRECT })).await
    }

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

    /// Opens a link as a browser does, and gets the page.
    pub async fn open(&self, link: &str) -> Answer {
        answer(self.get(link).header("Accept", "text/html")).await
    }

    /// Opens a link as an application with its own pages does, and gets the description.
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

    pub async fn status(&self) -> Answer {
        answer(self.request(Method::GET, "")).await
    }

    /// Waits until the status differs from `seen`.
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
