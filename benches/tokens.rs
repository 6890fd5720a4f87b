//! How long each type of token takes to be minted and to be checked, addresses sealed and opened.

use std::hint::black_box;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use criterion::Criterion;
use linkgate::domain::email::EmailAddress;
use linkgate::domain::ids::AttemptId;
use linkgate::domain::keys::{KeyringEntries, SessionAlg};
use linkgate::domain::locale::Locale;
use linkgate::domain::policy::Purpose;
use linkgate::domain::secret::{Fingerprint, Nonce};
use linkgate::token::{Identity, Particulars, TokenSettings, Tokens, session_id};

const FIVE_MINUTES: Duration = Duration::from_mins(5);

fn tokens(session_alg: SessionAlg) -> Tokens {
    let entries = KeyringEntries::parse("bench:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE");
    let settings = TokenSettings {
        public_url: "https://login.example.com".to_owned(),
        audience: vec!["https://app.example.com".to_owned()],
        session_alg,
        subject_salt: String::new(),
    };
    entries
        .ok()
        .and_then(|entries| Tokens::new(&entries, settings).ok())
        .unwrap_or_else(|| panic!("a usable ring"))
}

struct Sample {
    particulars: Particulars,
    identity: Identity,
    nonce: Nonce,
    fingerprint: Fingerprint,
    now: DateTime<Utc>,
    end: DateTime<Utc>,
}

fn sample(tokens: &Tokens) -> Sample {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default();
    let email = EmailAddress::parse("first.last@example.com").unwrap_or_else(|e| panic!("{e}"));
    let attempt = AttemptId::from_uuid(uuid::Uuid::from_u128(7));
    let fingerprint = Fingerprint::from_bytes([5; 16]);
    Sample {
        particulars: Particulars {
            attempt,
            email: email.as_str().to_owned(),
            purpose: Purpose::SignIn,
            fingerprint: Some(fingerprint),
            network: None,
            browser: Some("Firefox on Linux".to_owned()),
            redirect_url: Some("https://app.example.com/signed-in".to_owned()),
            locale: Locale::En,
            cross_device: None,
            ticket: false,
            subject: None,
        },
        identity: Identity {
            session: session_id(attempt, now),
            subject: tokens.subject_of(&email),
            email,
            auth_time: now,
            cross_device: false,
        },
        nonce: Nonce::from_bytes([6; 16]),
        fingerprint,
        now,
        end: now + TimeDelta::minutes(10),
    }
}

fn internal(criterion: &mut Criterion) {
    let tokens = tokens(SessionAlg::EdDsa);
    let Sample { particulars, identity, nonce, fingerprint, now, end } = sample(&tokens);
    let attempt = particulars.attempt;
    let link = tokens.mint_link(&particulars, &nonce, now, end);
    let grant = tokens.mint_attempt(&particulars, now, end);
    let ticket = tokens.mint_ticket(attempt, Purpose::SignIn, &identity, &nonce, FIVE_MINUTES);
    let renewal = tokens.mint_renewal(&identity, &fingerprint, FIVE_MINUTES, now);

    let mut mint = criterion.benchmark_group("mint");
    mint.bench_function("link", |b| b.iter(|| tokens.mint_link(black_box(&particulars), &nonce, now, end)));
    mint.bench_function("attempt", |b| b.iter(|| tokens.mint_attempt(black_box(&particulars), now, end)));
    mint.bench_function("ticket", |b| {
        b.iter(|| tokens.mint_ticket(attempt, Purpose::SignIn, black_box(&identity), &nonce, FIVE_MINUTES));
    });
    mint.bench_function("renewal", |b| {
        b.iter(|| tokens.mint_renewal(black_box(&identity), &fingerprint, FIVE_MINUTES, now));
    });
    mint.finish();

    assert!(tokens.check_link(&link).is_ok() && tokens.check_attempt(&grant, now).is_ok());
    assert!(tokens.check_ticket(&ticket, now).is_ok() && tokens.check_renewal(&renewal, now).is_ok());
    let mut check = criterion.benchmark_group("check");
    check.bench_function("link", |b| b.iter(|| tokens.check_link(black_box(&link)).is_ok()));
    check.bench_function("attempt", |b| b.iter(|| tokens.check_attempt(black_box(&grant), now).is_ok()));
    check.bench_function("ticket", |b| b.iter(|| tokens.check_ticket(black_box(&ticket), now).is_ok()));
    check.bench_function("renewal", |b| b.iter(|| tokens.check_renewal(black_box(&renewal), now).is_ok()));
    check.finish();
}

fn public(criterion: &mut Criterion) {
    for alg in SessionAlg::ALL {
        let tokens = tokens(alg);
        let Sample { identity, now, .. } = sample(&tokens);
        let session = tokens.mint_session(&identity, FIVE_MINUTES, now);
        let proof = tokens.mint_email_proof(&identity.email, Some(&identity.subject), FIVE_MINUTES, now);
        assert!(tokens.check_session(&session, now).is_ok() && tokens.check_email_proof(&proof, now).is_ok());

        let name = alg.as_str();
        let mut mint = criterion.benchmark_group("mint");
        mint.bench_function(format!("session_{name}"), |b| {
            b.iter(|| tokens.mint_session(black_box(&identity), FIVE_MINUTES, now));
        });
        mint.bench_function(format!("email_proof_{name}"), |b| {
            b.iter(|| {
                tokens.mint_email_proof(
                    black_box(&identity.email),
                    Some(&identity.subject),
                    FIVE_MINUTES,
                    now,
                )
            });
        });
        mint.finish();
        let mut check = criterion.benchmark_group("check");
        check.bench_function(format!("session_{name}"), |b| {
            b.iter(|| tokens.check_session(black_box(&session), now).is_ok());
        });
        check.bench_function(format!("email_proof_{name}"), |b| {
            b.iter(|| tokens.check_email_proof(black_box(&proof), now).is_ok());
        });
        check.finish();
    }
}

// By hand and not with `criterion_group!`, which makes public items without documentation.
fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    internal(&mut criterion);
    public(&mut criterion);
    criterion.final_summary();
}
