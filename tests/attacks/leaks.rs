//! Nothing visible from outside contains personal data: whole flows with planted addresses, names, tokens, codes and
//! secrets on the real binary at `RUST_LOG=trace`, over all routes and all errors; then logs, metrics, all of Redis and
//! all error bodies are searched for each of them, in every encoding. And nothing that was captured opens a session.

mod captured;
mod encodings;
mod errors;
mod flows;
mod search;
mod world;

use std::collections::BTreeSet;

use self::search::{Planted, Search};
use self::world::{World, dump};
use test_kit::redis_server::RedisServer;

/// Runs all flows and all errors, and captures everything visible.
async fn all_of_it(world: &mut World) {
    flows::across_devices(world).await;
    flows::in_one_client(world).await;
    flows::by_back_end(world).await;
    flows::over_early(world).await;
    errors::of_requests(world).await;
    errors::of_links(world).await;
    errors::of_the_relay(world).await;
    errors::of_the_key_file(world).await;
    errors::of_the_store(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_people_is_in_logs_metrics_redis_or_errors() {
    let mut world = World::start().await;
    all_of_it(&mut world).await;
    let places = world.captured().await;
    assert_all_was_met(&world, &places);
    let search = Search::new(world.garden.all());
    search.assert_clean(&places);

    // The search works: it finds a secret that a client sent as its request id.
    let secret = world::random();
    let replica = world.replicas[1].url();
    reqwest::Client::new()
        .get(format!("{replica}/docs"))
        .header("X-Request-Id", &secret)
        .send()
        .await
        .unwrap();
    let search = Search::new(&[Planted { what: "leak".to_owned(), text: secret.into_bytes() }]);
    assert!(world.logs().iter().any(|(_, log)| !search.find(log).is_empty()));
}

/// Asserts that every route and every problem code was reached, and that there was something to search.
fn assert_all_was_met(world: &World, places: &[search::Place]) {
    let document: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(include_str!("../../docs/openapi.yaml")).unwrap();
    let metrics: Vec<String> =
        places.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect();
    let routes = document["paths"].as_mapping().unwrap().keys().map(|path| path.as_str().unwrap());
    for route in routes.filter(|route| !matches!(*route, "/livez" | "/readyz" | "/metrics")) {
        let label = format!("route=\"{route}\"");
        assert!(metrics.iter().any(|text| text.contains(&label)), "{route} was never asked for");
    }
    let problems = include_str!("../../src/http/response/codes.rs");
    // Rows start with a name, a code and a status.
    let code = |line: &str| {
        let (_, rest) = line.split_once(" \"")?;
        let (code, rest) = rest.split_once("\" ")?;
        rest.get(..3)?.parse::<u16>().ok().map(|_| code.to_owned())
    };
    let all: BTreeSet<String> = problems.lines().filter_map(|line| code(line.trim())).collect();
    let missing: Vec<&String> = all.difference(&world.codes).filter(|code| *code != "internal").collect();
    assert!(all.len() > 25 && missing.is_empty(), "never met: {missing:?}");
    let of = |mark: &str| -> usize {
        places.iter().filter(|(place, _)| place.contains(mark)).map(|(_, bytes)| bytes.len()).sum()
    };
    for (mark, least) in [
        ("the log of replica 0", 20_000),
        ("the log of replica 1", 5_000),
        ("the key lg:a:", 500),
        ("the key lg:p:", 20),
        ("the key lg:t:", 20),
        ("the key lg:s:", 20),
        ("what Redis was asked", 50_000),
        ("what Redis published", 500),
        ("/metrics", 5_000),
    ] {
        assert!(of(mark) >= least, "{mark}: {} bytes", of(mark));
    }
    let planted = world.garden.all();
    assert!(planted.len() > 60, "{}", planted.len());
    println!("{} texts planted, {} places, {} bytes", planted.len(), places.len(), of(""));
}

/// Ways to leak a text, implemented independently of the search.
fn leaks(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    let hashed = |name: &str, text: &str| {
        let all = encodings::hashes(text.as_bytes());
        all.into_iter().find(|(hash, _)| *hash == name).unwrap().1
    };
    let percent = |text: &str, upper: bool| -> String {
        let encode = |byte: u8| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
        text.bytes().map(encode).collect()
    };
    let mut all: Vec<(&'static str, Vec<u8>)> = vec![
        ("raw", format!("user=<{text}>").into_bytes()),
        ("lower-cased", text.to_lowercase().into_bytes()),
        ("upper-cased", text.to_uppercase().into_bytes()),
        ("first byte", STANDARD.encode(format!("{{{{{{{text}\"}}")).into_bytes()),
        ("second byte", STANDARD_NO_PAD.encode(format!("{{{text}\"}}")).into_bytes()),
        ("third byte", URL_SAFE.encode(format!("\"\"{text}\"}}")).into_bytes()),
        ("base64url", URL_SAFE_NO_PAD.encode(text).into_bytes()),
        ("base64 of lower case", URL_SAFE_NO_PAD.encode(text.to_lowercase()).into_bytes()),
        ("hex", encodings::hex(format!("x{text}y").as_bytes()).into_bytes()),
        ("HEX", encodings::hex(text.as_bytes()).to_uppercase().into_bytes()),
        ("percent", percent(text, false).into_bytes()),
        ("PERCENT", percent(text, true).into_bytes()),
        ("component", text.replace('@', "%40").replace('+', "%2B").replace(':', "%3A").into_bytes()),
    ];
    for name in ["SHA-256", "SHA-512", "SHA-1", "MD5"] {
        let hash = hashed(name, text);
        all.push((name, hash.clone()));
        all.push((name, format!("{hash:?}").into_bytes()));
        all.push((name, encodings::hex(&hash).into_bytes()));
        all.push((name, encodings::hex(&hash[..16]).to_uppercase().into_bytes()));
        all.push((name, STANDARD.encode(&hash).into_bytes()));
        all.push((name, URL_SAFE_NO_PAD.encode([&[7], &hash[..16]].concat()).into_bytes()));
        all.push((name, encodings::hex(&hashed(name, &text.to_lowercase())).into_bytes()));
    }
    all
}

#[test]
fn leaks_put_in_on_purpose_are_all_found() {
    let redis = RedisServer::start();
    let token = format!("eyJhbGciOiJIUzI1NiJ9.{}.{}", world::random(), world::random());
    let texts =
        ["Planted.Ann+Tag7@Mailbox-Leak.example", "203.0.113.77", "2001:db8:77:7700::7777", "407311", &token];
    let planted: Vec<Planted> = texts
        .iter()
        .map(|text| Planted { what: (*text).to_owned(), text: text.as_bytes().to_vec() })
        .collect();
    let search = Search::new(&planted);
    let log =
        "2026-11-22T12:00:00.123Z INFO linkgate::http: POST /v1/attempts 201 request_id=q83vEjRWeJCrze8S\n";
    assert!(search.find(log.as_bytes()).is_empty(), "the log has none yet");
    let mut connection = redis.connection();
    for text in texts {
        for (number, (how, leak)) in leaks(text).into_iter().enumerate() {
            let found = |bytes: &[u8]| search.find(bytes).iter().any(|(what, _)| what == text);
            assert!(found(&[log.as_bytes(), b" ", &leak, b" ", log.as_bytes()].concat()), "{how} of {text}");
            // In Redis: as a value of each type, and as a key.
            let command = match number % 7 {
                0 => redis::cmd("SET").arg("k").arg(&leak).to_owned(),
                1 => redis::cmd("HSET").arg("k").arg("field").arg(&leak).to_owned(),
                2 => redis::cmd("HSET").arg("k").arg(&leak).arg("value").to_owned(),
                3 => redis::cmd("RPUSH").arg("k").arg("x").arg(&leak).to_owned(),
                4 => redis::cmd("SADD").arg("k").arg(&leak).to_owned(),
                5 => redis::cmd("ZADD").arg("k").arg(1).arg(&leak).to_owned(),
                _ => redis::cmd("SET").arg(&leak).arg("v").to_owned(),
            };
            let _: redis::Value = command.query(&mut connection).unwrap();
            let places = dump(&redis);
            assert_eq!(places.len(), 1);
            assert!(found(&places[0].1), "{how} of {text} in Redis");
            let _: redis::Value = redis::cmd("FLUSHALL").query(&mut connection).unwrap();
        }
    }
}
