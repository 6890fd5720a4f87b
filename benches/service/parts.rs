//! Measures the parts of each step in isolation: an HTTP exchange with a server that returns an empty object, our Redis
//! scripts through our Redis client, signatures and seals, rendering, a mail.
//!
//! All parts but the server run on dedicated threads, whose processor time is measured.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use actix_web::{App as HttpApp, HttpResponse, HttpServer, web};
use chrono::{DateTime, TimeDelta, Utc};
use linkgate::clock::{Clock as _, SystemClock};
use linkgate::domain::attempt::{Attempt, CODE_TRIES, SignedIn, State, Verdict};
use linkgate::domain::email::EmailAddress;
use linkgate::domain::locale::Locale;
use linkgate::domain::policy::Purpose;
use linkgate::domain::secret::{ConfirmationId, Nonce};
use linkgate::domain::sender::Sender;
use linkgate::mailer::{LinkMail, Mailer, MailerSettings, TransportSettings};
use linkgate::store::redis::{RedisOptions, RedisStore};
use linkgate::store::{Created, Store};
use linkgate::token::{self, session_id};
use tokio::task::JoinSet;

use crate::driver::block_on;
use crate::fleet::{self, Process, thread_cpu};
use crate::operations;
use crate::report::{micros, number};
use crate::sink::Sink;
use crate::steps::Step;

/// The argument that makes this binary run as the empty server.
pub(crate) const EMPTY_SERVER: &str = "--empty-server";

/// A process that responds to every request with an empty JSON object.
pub(crate) struct EmptyServer {
    pub(crate) addr: SocketAddr,
    process: Process,
}

impl EmptyServer {
    pub(crate) fn start() -> Self {
        let addr = SocketAddr::from(([127, 0, 0, 1], test_kit::redis_server::free_port()));
        let mut command = Command::new(std::env::current_exe().unwrap());
        let process = Process::start(command.args([EMPTY_SERVER, &addr.to_string()]));
        fleet::await_status(addr, "/", 200);
        Self { addr, process }
    }

    pub(crate) fn cpu(&self) -> Duration {
        fleet::cpu([self.process.id()])
    }
}

/// Runs as the empty server, until the process is terminated.
pub(crate) fn serve_nothing(addr: &str) {
    let answer = async |_: web::Bytes| HttpResponse::Ok().json(serde_json::json!({}));
    let server = HttpServer::new(move || HttpApp::new().default_service(web::to(answer)))
        .workers(std::thread::available_parallelism().map_or(1, usize::from))
        .tcp_nodelay(true)
        .bind(addr)
        .unwrap();
    actix_web::rt::System::new().block_on(server.run()).unwrap();
}

/// The processor time of each part in microseconds, by name.
pub(crate) type Costs = BTreeMap<&'static str, f64>;

/// The parts of a step, except for its HTTP exchange.
pub(crate) const fn of(step: Step) -> &'static [&'static str] {
    match step {
        Step::StartWithMail => &["script: create", "mint link", "mint attempt", "render started", "mail"],
        Step::Start => &["script: create", "mint link", "mint attempt", "render started"],
        Step::Poll => &["script: read", "check attempt", "render attempt"],
        Step::Open => &["script: read", "check link", "sign confirmation", "render page: automatic"],
        Step::Confirm => &["script: settle", "check link", "check confirmation", "mint renewal"],
        Step::Redeem => &[
            "script: read",
            "session ended",
            "check attempt",
            "mint session",
            "mint renewal",
            "render session",
        ],
        Step::SessionToken => {
            &["session ended", "check renewal", "mint session", "mint renewal", "render session"]
        }
        Step::Session => &["session ended", "check renewal"],
        Step::Jwks => &[],
    }
}

/// Measures all parts.
///
/// The parts that do I/O run on as many threads as the service has, each with its own connection and its share of the
/// requests in flight: their cost depends on how many replies one wake-up of a thread handles.
pub(crate) fn measure(redis_url: &str, sink: &Sink, count: usize, in_flight: usize) -> Costs {
    let smtp = format!("smtp://{}?tls=none", sink.addr);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = |of: usize| of.div_ceil(threads);
    let (count_of_each, in_flight, together) = (share(count), share(in_flight), Barrier::new(threads));
    let of_threads: Vec<Costs> = std::thread::scope(|scope| {
        let start = || {
            scope.spawn(|| {
                let load = Share { count: count_of_each, in_flight, together: &together };
                let mut costs = Costs::new();
                block_on(async {
                    store(redis_url, load, &mut costs).await;
                    mail(&smtp, load, &mut costs).await;
                });
                costs
            })
        };
        let started: Vec<_> = (0..threads).map(|_| start()).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut costs = of_threads[0].clone();
    for (part, cost) in &mut costs {
        *cost = of_threads.iter().map(|costs| costs[part]).sum::<f64>() / number(threads);
    }
    std::thread::scope(|scope| scope.spawn(|| computed(count, &mut costs)).join().unwrap());
    costs
}

/// The share of one of several threads.
#[derive(Clone, Copy)]
struct Share<'t> {
    count: usize,
    in_flight: usize,
    /// Synchronises the threads before each part.
    together: &'t Barrier,
}

/// The processor time of this thread per run, in microseconds.
async fn concurrently<F: Future<Output = ()>>(load: Share<'_>, run: impl Fn(usize) -> F + 'static) -> f64 {
    let Share { count, in_flight, together } = load;
    together.wait();
    let run = Rc::new(run);
    let next = Rc::new(std::cell::Cell::new(0));
    let before = thread_cpu();
    let mut tasks = JoinSet::new();
    for _ in 0..in_flight {
        let (run, next) = (run.clone(), next.clone());
        tasks.spawn_local(async move {
            while next.get() < count {
                run(next.replace(next.get() + 1)).await;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    micros(thread_cpu().saturating_sub(before)) / number(count)
}

/// A pending attempt that starts now.
pub(crate) fn attempt(now: DateTime<Utc>) -> Attempt {
    Attempt {
        nonce: Nonce::from_bytes(token::fresh_bytes()),
        created_at: now,
        expires_at: now + TimeDelta::minutes(10),
        ends_at: now + TimeDelta::minutes(15),
        resend_after: now + TimeDelta::seconds(30),
        code_tries_left: CODE_TRIES,
        mailing: false,
        by_api_key: true,
        state: State::Pending,
    }
}

/// Connects to the store as the service does.
pub(crate) async fn open_store(url: &str) -> Arc<dyn Store> {
    let options = RedisOptions { url: url.to_owned(), fence: true, ca_pem: None };
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(&options).unwrap());
    store.ping().await.unwrap();
    store
}

async fn store(url: &str, load: Share<'_>, costs: &mut Costs) {
    let store = open_store(url).await;
    let now = SystemClock.now();
    let all: Rc<Vec<_>> =
        Rc::new((0..load.count).map(|_| (token::fresh_attempt_id(now), attempt(now))).collect());
    let (s, a) = (store.clone(), all.clone());
    let create = move |n: usize| {
        let (s, a) = (s.clone(), a.clone());
        async move { assert!(s.create(a[n].0, &a[n].1, a[n].1.ends_at, now).await.unwrap() == Created::Fresh) }
    };
    costs.insert("script: create", concurrently(load, create).await);
    let (s, a) = (store.clone(), all.clone());
    let read = move |n: usize| {
        let (s, a) = (s.clone(), a.clone());
        async move { assert!(s.read(a[n].0).await.unwrap().is_some()) }
    };
    costs.insert("script: read", concurrently(load, read).await);
    let (s, a) = (store.clone(), all.clone());
    let settle = move |n: usize| {
        let (s, a) = (s.clone(), a.clone());
        async move {
            let verdict = Verdict::Verify { signed_in: Some(SignedIn::Both), same_client: true };
            let confirmation = ConfirmationId::from_bytes([9; 16]);
            assert!(s.settle(a[n].0, &a[n].1.nonce, confirmation, &verdict, now).await.is_ok());
        }
    };
    costs.insert("script: settle", concurrently(load, settle).await);
    let ended = move |n: usize| {
        let (s, a) = (store.clone(), all.clone());
        async move { assert!(!s.session_ended(session_id(a[n].0, now)).await.unwrap()) }
    };
    costs.insert("session ended", concurrently(load, ended).await);
}

async fn mail(url: &str, load: Share<'_>, costs: &mut Costs) {
    let settings = MailerSettings {
        transport: TransportSettings::parse(url).unwrap_or_else(|fault| panic!("{fault}")),
        from: Sender::parse("Example <login@example.com>").unwrap(),
        app_name: "Example".to_owned(),
        templates: None,
    };
    let mailer = Rc::new(Mailer::new(settings).unwrap());
    let to = Rc::new(EmailAddress::parse("first.last@example.com").unwrap());
    let link = Rc::new(format!("https://login.example.com/v/{}", "a".repeat(450)));
    let send = move |_| {
        let (mailer, to, link) = (mailer.clone(), to.clone(), link.clone());
        async move { mailer.send(&link_mail(&to, &link)).await.unwrap() }
    };
    costs.insert("mail", concurrently(Share { count: load.count.div_ceil(4), ..load }, send).await);
}

fn link_mail<'a>(to: &'a EmailAddress, link: &'a str) -> LinkMail<'a> {
    LinkMail {
        to,
        link,
        purpose: Purpose::SignIn,
        locale: Locale::En,
        browser: Some("Firefox on Linux"),
        requested_at: SystemClock.now(),
        valid_for: Duration::from_mins(10),
    }
}

/// Measures the parts without I/O: the operations of the micro bench that the steps consist of.
fn computed(count: usize, costs: &mut Costs) {
    let wanted: std::collections::BTreeSet<_> = Step::ALL.iter().flat_map(|step| of(*step)).collect();
    for (name, operation) in operations::all() {
        if wanted.contains(&name) {
            let before = thread_cpu();
            for _ in 0..count {
                operation();
            }
            costs.insert(name, micros(thread_cpu().saturating_sub(before)) / number(count));
        }
    }
}
