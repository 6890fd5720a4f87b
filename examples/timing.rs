//! Do response times reveal what the responses hide? Measures how long starts and rejected tokens take, in interleaved
//! samples, and compares them with the Mann-Whitney U test.
//!
//! `cargo run --release --example timing [samples]` (300 of each by default) on a quiet machine, with `redis-server` in
//! `PATH`. `p` is the probability of a difference at least this large if both kinds take equally long. `A` is the
//! probability that a sample of the first kind takes longer than one of the second (0.5: no difference). A small `p`
//! with `A` near 0.5 is a difference that an attacker needs many samples to see, and more over a network, which adds
//! noise. RFC 8725 sets no requirement here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot continue fails"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use reqwest::RequestBuilder;
use serde_json::json;

use test_kit::app::{Client, TestApp, answer};
use test_kit::proxy::{Mode as Wire, Proxy};
use test_kit::redis_server::RedisServer;
use test_kit::smtp::{Mode, Sink};

const SECRET: &str = "requester-secret-0123456789";

/// Durations in microseconds, by kind of request.
type Samples = BTreeMap<&'static str, Vec<f64>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let rounds = std::env::args().nth(1).map_or(300, |text| text.parse().unwrap());
    for latency in [Duration::ZERO, Duration::from_millis(10)] {
        println!("\nPOST /v1/attempts, with a relay that takes {latency:?} per reply");
        let samples = starts(rounds, latency).await;
        report(
            &samples,
            &[("verified before", "unknown"), ("rejected", "unknown"), ("rejected", "verified before")],
        );
    }
    let app = app("").await;
    println!("\nGET /v1/attempts/{{id}} with a bad attempt token: 401 attempt_token_invalid");
    let samples = refused_attempt_tokens(&app, rounds).await;
    report(
        &samples,
        &[
            ("signature, first byte", "signature, last byte"),
            ("unknown kid", "signature, last byte"),
            ("another type", "signature, last byte"),
            ("expired", "signature, last byte"),
            ("foreign key", "signature, last byte"),
        ],
    );
    println!("\nGET /v/{{token}} with a bad link: 400 link_malformed, or 410 and its state");
    let samples = refused_links(&app, rounds).await;
    report(
        &samples,
        &[
            ("signature, first byte", "signature, last byte"),
            ("unknown kid", "signature, last byte"),
            ("another type", "signature, last byte"),
            ("used", "superseded"),
            ("expired", "used"),
        ],
    );
}

/// Starts linkgate with its own Redis, which runs until the process exits.
/// Rate limits that a setting can disable are off.
async fn app(mail_url: &str) -> TestApp {
    let redis = Box::leak(Box::new(RedisServer::start()));
    let url = redis.url();
    let mut settings = vec![("LINKGATE_STORE_URL", url.as_str())];
    settings.extend((!mail_url.is_empty()).then_some(("LINKGATE_MAIL_URL", mail_url)));
    let app = TestApp::with(&settings).await;
    while answer(app.script(SECRET).get("/v1/session")).await.status == 503 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    app
}

/// A client with its own network and secret, so that requests stay below the rate limits.
fn somebody(app: &TestApp, number: usize) -> Client {
    app.script_at(&format!("{SECRET}{number}"), &format!("10.{}.{}.7", number / 250, number % 250))
}

async fn took(request: RequestBuilder, status: u16) -> f64 {
    let begun = Instant::now();
    let answer = answer(request).await;
    let took = begun.elapsed().as_secs_f64() * 1e6;
    answer.expect(status);
    took
}

/// The numbers from 0 to `count - 1` in random order, so that no kind of request always follows the same one.
fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> = (0..count)
        .map(|number| {
            let mut bytes = [0; 8];
            aws_lc_rs::rand::fill(&mut bytes).unwrap();
            (u64::from_be_bytes(bytes), number)
        })
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, number)| number).collect()
}

async fn starts(rounds: usize, latency: Duration) -> Samples {
    let sink = Sink::start(Mode::Accept);
    let proxy = Proxy::start(sink.address().port());
    let app = app(&format!("smtp://localhost:{}", proxy.port())).await;
    let body = |email: &str| json!({ "email_address": email, "purpose": "sign_in" });
    // People who have signed in before, each with their own address.
    for number in 0..rounds {
        let person = somebody(&app, number);
        let email = format!("person{number}@example.com");
        let attempt = person.start(body(&email)).await;
        let mails = sink.received();
        let link = test_kit::app::link_of(&mails.last().unwrap().message);
        let confirmation = person.describe(&link).await.confirmation();
        person.decide_json(&link, "approve", &confirmation).await.expect(200);
        attempt.redeem().await.expect(200);
    }
    app.advance(TimeDelta::minutes(20));
    if !latency.is_zero() {
        proxy.set(Wire::Delay(latency));
    }
    let mut samples = Samples::new();
    // Warm-up, not counted: opens connections, and lets the service learn the relay's usual pace.
    for number in 0..20 {
        let somebody = somebody(&app, 20_000 + number);
        took(somebody.post("/v1/attempts").json(&body(&format!("warm{number}@example.com"))), 201).await;
    }
    for round in 0..rounds {
        for turn in shuffled(3) {
            let (kind, email) = match turn {
                0 => ("verified before", format!("person{round}@example.com")),
                1 => ("unknown", format!("nobody{round}@example.com")),
                _ => ("rejected", format!("reject{round}@example.com")),
            };
            sink.set_mode(if kind == "rejected" { Mode::RejectRecipient } else { Mode::Accept });
            let client = somebody(&app, 30_000 + round * 3 + turn);
            // Opens the connection before the measured request.
            answer(client.get("/.well-known/jwks.json")).await;
            samples
                .entry(kind)
                .or_default()
                .push(took(client.post("/v1/attempts").json(&body(&email)), 201).await);
        }
    }
    samples
}

/// Changes the first or the last but one character of the signature. The last one would not do: some of its bits are
/// padding.
fn flipped(token: &str, first: bool) -> String {
    let signature = token.rfind('.').unwrap() + 1;
    let at = if first { signature } else { token.len() - 2 };
    let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

/// The token with an unknown `kid` in its header; the signature is invalid.
fn with_kid(token: &str, typ: &str) -> String {
    use base64::Engine as _;
    let header = json!({ "typ": typ, "alg": "HS256", "kid": "none" }).to_string();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
    format!("{header}.{}", token.split_once('.').unwrap().1)
}

/// The same claims, signed with another key.
fn foreign(token: &str) -> String {
    use base64::Engine as _;
    let body = token.rsplit_once('.').unwrap().0;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[7; 32]);
    let tag = aws_lc_rs::hmac::sign(&key, body.as_bytes());
    format!("{body}.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(tag))
}

async fn refused_attempt_tokens(app: &TestApp, rounds: usize) -> Samples {
    let begin =
        async |number: usize| somebody(app, number).sign_in(&format!("token{number}@example.com")).await;
    let old = begin(1).await;
    app.advance(TimeDelta::hours(1));
    let new = begin(2).await;
    let link = app.link("token2@example.com").split_once("/v/").unwrap().1.to_owned();
    let tokens = [
        ("signature, first byte", flipped(&new.token, true)),
        ("signature, last byte", flipped(&new.token, false)),
        ("unknown kid", with_kid(&new.token, "attempt+jwt")),
        ("another type", link),
        ("expired", old.token),
        ("foreign key", foreign(&new.token)),
    ];
    let mut samples = Samples::new();
    for round in 0..rounds {
        let client = somebody(app, 10_000 + round);
        answer(client.get("/.well-known/jwks.json")).await;
        for turn in shuffled(tokens.len()) {
            let (kind, token) = &tokens[turn];
            let request = client.get(&format!("/v1/attempts/{}", new.id)).bearer_auth(token);
            samples.entry(kind).or_default().push(took(request, 401).await);
        }
    }
    samples
}

async fn refused_links(app: &TestApp, rounds: usize) -> Samples {
    let begin =
        async |number: usize| somebody(app, number).sign_in(&format!("link{number}@example.com")).await;
    let path = |number: usize| app.link(&format!("link{number}@example.com"));
    begin(1).await;
    let expired = path(1);
    app.advance(TimeDelta::hours(1));
    let twice = begin(2).await;
    let superseded = path(2);
    app.advance(TimeDelta::seconds(31));
    twice.resend().await.expect(200);
    let confirmed = begin(3).await;
    let used = path(3);
    let confirmation = confirmed.client.describe(&used).await.confirmation();
    confirmed.client.decide_json(&used, "approve", &confirmation).await.expect(200);
    let new = begin(4).await;
    let good = path(4).split_once("/v/").unwrap().1.to_owned();
    let whole = |token: String| format!("/v/{token}");
    let links = [
        ("signature, first byte", whole(flipped(&good, true)), 400),
        ("signature, last byte", whole(flipped(&good, false)), 400),
        ("unknown kid", whole(with_kid(&good, "link+jwt")), 400),
        ("another type", whole(new.token), 400),
        ("expired", expired, 410),
        ("superseded", superseded, 410),
        ("used", used, 410),
    ];
    let mut samples = Samples::new();
    for round in 0..rounds {
        let client = somebody(app, 11_000 + round);
        answer(client.get("/.well-known/jwks.json")).await;
        for turn in shuffled(links.len()) {
            let (kind, link, status) = &links[turn];
            let request = client.get(link).header("Accept", "application/json");
            samples.entry(kind).or_default().push(took(request, *status).await);
        }
    }
    samples
}

fn report(samples: &Samples, pairs: &[(&str, &str)]) {
    println!("  {:<24} {:>6} {:>10} {:>10} {:>10}", "", "n", "1st q.", "median", "3rd q.");
    for (kind, values) in samples {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |quarter: usize| sorted[sorted.len() * quarter / 4];
        println!("  {kind:<24} {:>6} {:>8.0}us {:>8.0}us {:>8.0}us", values.len(), at(1), at(2), at(3));
    }
    for (one, other) in pairs {
        let (chance, p) = mann_whitney(&samples[one], &samples[other]);
        println!("  {one} against {other}: A = {chance:.3}, p = {p:.2e}");
    }
}

/// `A` and `p` as in the module's documentation: the probability that a sample of the first kind is greater than one of
/// the second, and the two-sided p-value (normal approximation with correction for ties).
#[expect(clippy::cast_precision_loss, reason = "counts of samples are small")]
fn mann_whitney(one: &[f64], other: &[f64]) -> (f64, f64) {
    let mut all: Vec<(f64, bool)> =
        one.iter().map(|value| (*value, true)).chain(other.iter().map(|value| (*value, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut ties, mut at) = (0.0, 0.0, 0);
    while at < all.len() {
        let end = at + all[at..].iter().take_while(|(value, _)| value.total_cmp(&all[at].0).is_eq()).count();
        // Equal values share the mean of their ranks.
        let rank = (at + 1 + end) as f64 / 2.0;
        rank_sum += rank * all[at..end].iter().filter(|(_, first)| *first).count() as f64;
        let size = (end - at) as f64;
        ties += size.powi(3) - size;
        at = end;
    }
    let (n, m) = (one.len() as f64, other.len() as f64);
    let u = rank_sum - n * (n + 1.0) / 2.0;
    let total = n + m;
    let deviation = (n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)))).sqrt();
    let z = ((u - n * m / 2.0).abs() - 0.5).max(0.0) / deviation;
    (u / (n * m), erfc(z / std::f64::consts::SQRT_2))
}

/// The complementary error function (Abramowitz and Stegun, 7.1.26; relative error as in Numerical Recipes, 6.2).
fn erfc(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.5 * x);
    let series = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ];
    let sum = series.iter().fold(0.0, |sum, coefficient| sum * t + coefficient);
    t * (-x * x + sum).exp()
}
