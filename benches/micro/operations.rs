//! The parts of a request that do no I/O, one operation each: tokens, seals, addresses, redirect URLs, pages, mails,
//! responses.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use linkgate::app::App;
use linkgate::clock::SystemClock;
use linkgate::config::Config;
use linkgate::domain::attempt::Status;
use linkgate::domain::email::{EmailAddress, TypedAddress};
use linkgate::domain::ids::AttemptId;
use linkgate::domain::keys::{KeyringEntries, SessionAlg};
use linkgate::domain::locale::Locale;
use linkgate::domain::policy::{Confirm, CrossDevice, Opener, Purpose};
use linkgate::domain::redirect::RedirectAllowList;
use linkgate::domain::secret::{Fingerprint, Nonce};
use linkgate::flow::{AttemptView, LinkPage, SessionGrant, Started};
use linkgate::http::bench;
use linkgate::mailer::LinkMail;
use linkgate::mailer::templates::Templates;
use linkgate::token::{self, Identity, Particulars, TokenSettings, TokenType, Tokens, session_id};

const KEYS: &str = "bench:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
const PUBLIC_URL: &str = "https://login.example.com";
const REDIRECT: &str = "https://app.example.com/signed-in";
const ADDRESS: &str = "first.last@example.com";
const DAY: Duration = Duration::from_hours(24);
const MINUTES: Duration = Duration::from_mins(5);

/// A name, and the operation to run.
pub(crate) type Operation = (&'static str, Box<dyn Fn()>);

pub(crate) fn all() -> Vec<Operation> {
    let mut all = Vec::new();
    for (name, input) in [
        ("address: ascii", "First.Last@example.co.uk"),
        ("address: idn", "user@MÜNCHEN.de"),
        ("address: a-label", "user@xn--mnchen-3ya.de"),
        ("address: refused", "user@exam\u{200b}ple.com"),
    ] {
        add(&mut all, name, move || EmailAddress::parse(black_box(input)));
    }
    let list = [REDIRECT, "https://app.example.com/p/"].map(str::to_owned);
    let list = Rc::new(RedirectAllowList::parse(&list).unwrap_or_default());
    for (name, url) in
        [("redirect: exact", REDIRECT), ("redirect: by prefix", "https://app.example.com/p/a?b=c")]
    {
        let list = list.clone();
        add(&mut all, name, move || list.check(black_box(url)));
    }
    let sample = Rc::new(Sample::new(SessionAlg::EdDsa));
    internal_tokens(&mut all, &sample);
    public_tokens(
        &mut all,
        &sample,
        ["mint session", "check session", "mint email proof", "check email proof"],
    );
    let names = [
        "mint session, ES256",
        "check session, ES256",
        "mint email proof, ES256",
        "check email proof, ES256",
    ];
    public_tokens(&mut all, &Rc::new(Sample::new(SessionAlg::Es256)), names);
    rendering(&mut all, &sample);
    all
}

fn add<T>(all: &mut Vec<Operation>, name: &'static str, run: impl Fn() -> T + 'static) {
    all.push((
        name,
        Box::new(move || {
            black_box(run());
        }),
    ));
}

fn some<T, E>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|_| panic!("invalid sample"))
}

/// The inputs that the operations share.
struct Sample {
    tokens: Tokens,
    particulars: Particulars,
    identity: Identity,
    nonce: Nonce,
    fingerprint: Fingerprint,
    now: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Sample {
    fn new(session_alg: SessionAlg) -> Self {
        let settings = TokenSettings {
            public_url: PUBLIC_URL.to_owned(),
            audience: vec!["https://app.example.com".to_owned()],
            session_alg,
            subject_salt: String::new(),
        };
        let tokens = some(Tokens::new(&some(KeyringEntries::parse(KEYS)), settings));
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default();
        let email = some(EmailAddress::parse(ADDRESS));
        let attempt = AttemptId::from_uuid(uuid::Uuid::from_u128(7));
        let fingerprint = Fingerprint::from_bytes([5; 16]);
        let particulars = Particulars {
            attempt,
            email: some(TypedAddress::parse(ADDRESS)),
            purpose: Purpose::SignIn,
            fingerprint: Some(fingerprint),
            network: None,
            browser: Some("Firefox on Linux".to_owned()),
            redirect_url: Some(REDIRECT.to_owned()),
            locale: Locale::En,
            cross_device: None,
            ticket: false,
            subject: None,
        };
        let identity = Identity {
            session: session_id(attempt, now),
            subject: tokens.subject_of(&email),
            email,
            auth_time: now,
            cross_device: false,
        };
        let nonce = Nonce::from_bytes([6; 16]);
        Self { tokens, particulars, identity, nonce, fingerprint, now, end: now + TimeDelta::minutes(10) }
    }
}

fn internal_tokens(all: &mut Vec<Operation>, sample: &Rc<Sample>) {
    let Sample { tokens, particulars, identity, nonce, fingerprint, now, end } = &**sample;
    let (now, end) = (*now, *end);
    let link = tokens.mint_link(particulars, nonce, now, end);
    let grant = tokens.mint_attempt(particulars, now, end);
    let ticket = tokens.mint_ticket(particulars.attempt, Purpose::SignIn, identity, nonce, MINUTES);
    let renewal = tokens.mint_renewal(identity, fingerprint, DAY, now);
    let key = tokens.active_key();
    let sealed = key.seal_address(TokenType::Link, "an id", ADDRESS);
    let confirmation = key.sign_confirmation(nonce, Some(fingerprint));
    some(tokens.check_link(&link));
    some(tokens.check_attempt(&grant, now));
    some(tokens.check_ticket(&ticket, now));
    some(tokens.check_renewal(&renewal, now));

    let mut operation = |name, run: Box<dyn Fn(&Sample)>| {
        let sample = sample.clone();
        add(all, name, move || run(&sample));
    };
    let key_of = |s: &Sample| s.tokens.active_key();
    operation(
        "seal address",
        Box::new(move |s| drop(black_box(key_of(s).seal_address(TokenType::Link, "an id", ADDRESS)))),
    );
    operation(
        "open address",
        Box::new(move |s| drop(black_box(key_of(s).open_address(TokenType::Link, "an id", &sealed)))),
    );
    operation(
        "mint link",
        Box::new(move |s| drop(black_box(s.tokens.mint_link(&s.particulars, &s.nonce, now, end)))),
    );
    operation("check link", Box::new(move |s| drop(black_box(s.tokens.check_link(&link)))));
    operation(
        "mint attempt",
        Box::new(move |s| drop(black_box(s.tokens.mint_attempt(&s.particulars, now, end)))),
    );
    operation("check attempt", Box::new(move |s| drop(black_box(s.tokens.check_attempt(&grant, now)))));
    operation(
        "mint ticket",
        Box::new(move |s| {
            let (attempt, identity) = (s.particulars.attempt, &s.identity);
            drop(black_box(s.tokens.mint_ticket(attempt, Purpose::SignIn, identity, &s.nonce, MINUTES)));
        }),
    );
    operation("check ticket", Box::new(move |s| drop(black_box(s.tokens.check_ticket(&ticket, now)))));
    operation(
        "mint renewal",
        Box::new(move |s| drop(black_box(s.tokens.mint_renewal(&s.identity, &s.fingerprint, DAY, now)))),
    );
    operation("check renewal", Box::new(move |s| drop(black_box(s.tokens.check_renewal(&renewal, now)))));
    operation(
        "sign confirmation",
        Box::new(move |s| drop(black_box(key_of(s).sign_confirmation(&s.nonce, Some(&s.fingerprint))))),
    );
    operation(
        "check confirmation",
        Box::new(move |s| {
            let checked = key_of(s).check_confirmation(&confirmation, &s.nonce, Some(&s.fingerprint));
            assert!(black_box(checked).is_ok());
        }),
    );
}

fn public_tokens(all: &mut Vec<Operation>, sample: &Rc<Sample>, names: [&'static str; 4]) {
    let Sample { tokens, identity, now, .. } = &**sample;
    let now = *now;
    let session = tokens.mint_session(identity, MINUTES, now);
    let proof = tokens.mint_email_proof(&identity.email, Some(&identity.subject), MINUTES, now);
    some(tokens.check_session(&session, now));
    some(tokens.check_email_proof(&proof, now));
    let [mint_session, check_session, mint_proof, check_proof] = names;
    let s = sample.clone();
    add(all, mint_session, move || s.tokens.mint_session(&s.identity, MINUTES, now));
    let s = sample.clone();
    add(all, check_session, move || s.tokens.check_session(&session, now));
    let s = sample.clone();
    add(all, mint_proof, move || {
        s.tokens.mint_email_proof(&s.identity.email, Some(&s.identity.subject), MINUTES, now)
    });
    let s = sample.clone();
    add(all, check_proof, move || s.tokens.check_email_proof(&proof, now));
}

/// The whole service over a memory store. The operations use neither the store nor the mail relay.
fn app() -> App {
    let vars = [
        ("LINKGATE_PUBLIC_URL", PUBLIC_URL),
        ("LINKGATE_STORE_URL", "memory://"),
        ("LINKGATE_KEYS", KEYS),
        ("LINKGATE_MAIL_URL", "smtp://127.0.0.1:25?tls=none"),
        ("LINKGATE_MAIL_FROM", "Example <login@example.com>"),
        ("LINKGATE_APP_NAME", "Example"),
        ("LINKGATE_REDIRECT_URLS", REDIRECT),
    ];
    let vars = vars.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let config = Config::from_vars(&vars).unwrap_or_else(|faults| panic!("{faults:?}"));
    some(App::build(config, Arc::new(SystemClock)))
}

fn rendering(all: &mut Vec<Operation>, sample: &Rc<Sample>) {
    let Sample { tokens, particulars, identity, nonce, fingerprint, now, end } = &**sample;
    let app = Rc::new(app());
    let text = tokens.mint_link(particulars, nonce, *now, *end);
    let link = Rc::new(some(tokens.check_link(&text)));
    for (name, opener, confirm) in [
        ("render page: automatic", Opener::SameClient, Confirm::Automatic),
        ("render page: approve", Opener::SameNetwork, Confirm::Approve),
        ("render page: relay code", Opener::OtherNetwork, Confirm::RelayCode),
    ] {
        let confirmation = link.key.sign_confirmation(nonce, Some(fingerprint));
        let page = LinkPage { opener, confirm, status: Status::Pending, sign_in_here: true, confirmation };
        let (app, link) = (app.clone(), link.clone());
        add(all, name, move || bench::link_page(app.http_state(), &link, &page));
    }
    let (s, a) = (sample.clone(), app.clone());
    add(all, "render started", move || bench::started(a.http_state(), &started(&s, &text)));
    let view = AttemptView {
        id: particulars.attempt,
        status: Status::Pending,
        purpose: Purpose::SignIn,
        email_address: ADDRESS.to_owned(),
        expires_at: Some(*end),
        resend_after: Some(*now),
        verified_at: None,
        verified_from_same_client: None,
        signed_in: None,
        session_id: None,
        code_tries_left: Some(5),
        failure: None,
    };
    add(all, "render attempt", move || bench::attempt(black_box(&view)));
    let session = SessionGrant {
        session_token: tokens.mint_session(identity, MINUTES, *now),
        expires_in: MINUTES,
        renewal_token: Some(tokens.mint_renewal(identity, fingerprint, DAY, *now)),
        client_id: Some(token::client_id(fingerprint)),
        expires_at: *end,
        identity: identity.clone(),
    };
    add(all, "render session", move || bench::session(black_box(&session)));
    let templates = some(Templates::load("Example", None));
    let (email, link) = (identity.email.clone(), format!("{PUBLIC_URL}/v/{}", "a".repeat(450)));
    let now = *now;
    add(all, "render mail", move || {
        some(templates.render(&LinkMail {
            to: &email,
            link: &link,
            purpose: Purpose::SignIn,
            locale: Locale::En,
            browser: Some("Firefox on Linux"),
            requested_at: now,
            valid_for: Duration::from_mins(10),
        }))
    });
}

fn started(sample: &Sample, link: &str) -> Started {
    Started {
        id: sample.particulars.attempt,
        status: Status::Pending,
        purpose: Purpose::SignIn,
        email_address: ADDRESS.to_owned(),
        created_at: sample.now,
        expires_at: sample.end,
        resend_after: sample.end,
        attempt_token: link.to_owned(),
        cross_device: CrossDevice::Adaptive,
        link: Some(link.to_owned()),
        new_client: None,
    }
}
