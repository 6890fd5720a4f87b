//! Openers that confirm at the same moment: one succeeds. And the proof that the test would notice a consume that is not
//! atomic.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use linkgate::domain::ids::AttemptId;
use linkgate::domain::keys::{KeyringEntries, SessionAlg};
use linkgate::domain::limit::{DomainRules, MailLimits};
use linkgate::domain::locale::Locale;
use linkgate::domain::network::Network;
use linkgate::domain::policy::{CrossDevice, Purpose};
use linkgate::domain::redirect::RedirectAllowList;
use linkgate::domain::secret::ClientSecret;
use linkgate::domain::sender::Sender;
use linkgate::flow::{
    Authority, BackEndOptions, Caller, Confirmed, Decision, FlowError, Services, Settings, StartRequest,
};
use linkgate::mailer::{Mailer, MailerSettings, TransportSettings};
use linkgate::metrics::Metrics;
use linkgate::store::Store;
use linkgate::store::memory::MemoryStore;
use linkgate::store::redis::{RedisOptions, RedisStore};
use linkgate::token::{AttemptGrant, TokenSettings, Tokens, fingerprint};
use tokio::sync::Barrier;

use crate::meddled::Meddled;
use crate::people::NEAR;
use test_kit::app::noon;
use test_kit::clock::ManualClock;
use test_kit::fleet::KEY;
use test_kit::redis_server::RedisServer;

const PUBLIC_URL: &str = "http://127.0.0.1:8080";
const RACERS: usize = 8;
const ROUNDS: usize = 40;

/// The use cases on this store, with a mailbox.
pub(crate) fn services(store: Arc<dyn Store>, clock: &ManualClock) -> Services {
    let settings = Settings {
        public_url: PUBLIC_URL.to_owned(),
        purposes: vec![Purpose::SignIn],
        redirect_urls: RedirectAllowList::default(),
        default_locale: Locale::En,
        cross_device: CrossDevice::Adaptive,
        opener_session: true,
        mail_limits: MailLimits::default(),
        domains: DomainRules::default(),
        link_ttl: TimeDelta::minutes(10),
        session_ttl: Duration::from_mins(5),
        session_max_age: Duration::from_hours(24),
    };
    let tokens = TokenSettings {
        public_url: PUBLIC_URL.to_owned(),
        audience: vec![PUBLIC_URL.to_owned()],
        session_alg: SessionAlg::EdDsa,
        subject_salt: String::new(),
    };
    let tokens = Arc::new(Tokens::new(&KeyringEntries::parse(KEY).unwrap(), tokens).unwrap());
    let mailer = MailerSettings {
        transport: TransportSettings::Mailbox,
        from: Sender::parse("Example <login@example.com>").unwrap(),
        app_name: "Example".to_owned(),
        templates: None,
    };
    let mailer = Arc::new(Mailer::new(mailer).unwrap());
    Services::new(settings, tokens, store, mailer, Arc::new(clock.clone()), Arc::new(Metrics::default()))
}

/// The requester's context.
pub(crate) fn caller(name: &str, ip: &str) -> Caller {
    let secret = ClientSecret::parse(&format!("client-secret-of-{name:-<16}")).unwrap();
    let network = Network::of(ip.parse().unwrap());
    Caller { client: Some(fingerprint(&secret)), network, user_agent: None, locale: None, marks: Vec::new() }
}

/// Starts an attempt without a mail; returns its id, its token and the token of its link.
pub(crate) async fn start(services: &Services) -> (AttemptId, AttemptGrant, String) {
    // A denial blocks mails to the address for a while.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let request = StartRequest {
        email_address: format!("ann{}@example.com", NEXT.fetch_add(1, Ordering::Relaxed)),
        purpose: Purpose::SignIn,
        redirect_url: None,
        locale: None,
        idempotency_key: None,
        authority: Authority::ApiKey("a-key".to_owned()),
        back_end: BackEndOptions {
            client_ip: Some(NEAR.parse().unwrap()),
            undelivered: true,
            ..BackEndOptions::default()
        },
    };
    let started = services.attempts.start(request, caller("requester", NEAR)).await.unwrap();
    let grant = services.attempts.authorize(&started.id.to_string(), &started.attempt_token).unwrap();
    let link = started.link.unwrap().rsplit('/').next().unwrap().to_owned();
    (started.id, grant, link)
}

/// How many of the openers that confirm at the same moment succeed.
async fn successes(services: &Services) -> usize {
    let (_, _, token) = start(services).await;
    let together = Arc::new(Barrier::new(RACERS));
    let racers: Vec<_> = (0..RACERS)
        .map(|number| {
            let (links, token, together) = (services.links.clone(), token.clone(), together.clone());
            tokio::spawn(async move {
                let caller = caller(&format!("racer-{number}"), NEAR);
                let opened = links.open(&token, &caller).await.unwrap();
                let page = opened.page.unwrap_or_else(|error| panic!("{error:?}"));
                together.wait().await;
                match links.decide(&opened.link, Decision::Approve, &page.confirmation, &caller).await {
                    Ok(Confirmed::Verified { .. }) => true,
                    Err(FlowError::LinkUsed) => false,
                    _ => panic!("neither a success nor a used link"),
                }
            })
        })
        .collect();
    let mut count = 0;
    for racer in racers {
        count += usize::from(racer.await.unwrap());
    }
    count
}

/// The first round without exactly one success.
async fn first_double(store: Arc<dyn Store>) -> Option<(usize, usize)> {
    let services = services(store, &ManualClock::new(noon()));
    for round in 0..ROUNDS {
        let count = successes(&services).await;
        if count != 1 {
            return Some((round, count));
        }
    }
    None
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Arc::new(ManualClock::new(noon()))))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_openers_that_press_at_the_same_moment_one_succeeds() {
    let redis = RedisServer::start();
    let options = RedisOptions { url: redis.url(), fence: true, ca_pem: None };
    for store in [memory(), Arc::new(RedisStore::connect(&options).unwrap())] {
        assert_eq!(first_double(store).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consume_that_is_not_atomic_is_caught() {
    let double = first_double(Arc::new(Meddled::with_a_torn_consume(memory()))).await;
    let (round, count) = double.expect("the race has no power");
    println!("a torn consume is caught in round {round}: {count} successes");
    assert!(count > 1);
}
