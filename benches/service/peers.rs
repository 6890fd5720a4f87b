//! Measures other services that sign people in by email link, on the same machine with the same driver: request a link,
//! verify a fresh one, read the session; and eight concurrent requests that verify the same link.
//!
//! `benches/peers/install` installs them; `BENCH_PEERS` names their folder.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::driver::{Answer, Load, Results, drive, request};
use crate::fleet::{Fleet, Process, await_status, cpu};
use crate::report::{Figures, micros, number};
use crate::sink::Sink;
use crate::steps::{Manner, People, Step};
use crate::{IN_FLIGHT, Plan};
use test_kit::redis_server::{RedisServer, free_port};

/// The number of links in the race, and of concurrent requests for each.
const RACES: usize = 200;
const RUNNERS: usize = 8;

/// How many people take turns. Few, since better-auth's memory adapter scans its whole user table.
const USERS: usize = 500;

const REQUEST: &str = "request a link";
const VERIFY: &str = "verify";
const READ: &str = "read the session";
const RACED: &str = "successes in 200 races of 8";

/// Another service than linkgate.
struct Peer {
    name: &'static str,
    addr: SocketAddr,
    /// The method, path and body of the request for a link to this address.
    asks: fn(address: &str) -> (&'static str, String, String),
    session: &'static str,
    process: Process,
}

pub(crate) fn measure(plan: &Plan, sink: &Sink, figures: &mut Figures) {
    let rounds = plan.rounds.min(3);
    linkgate(plan, sink, rounds, figures);
    if let Some(folder) = std::env::var_os("BENCH_PEERS").map(PathBuf::from) {
        let redis = RedisServer::start();
        for start in [better_auth, sesame] {
            let peer = start(&folder, &redis);
            await_status(peer.addr, "/ready", 200);
            for round in 0..=rounds {
                peer.measure(plan.count.min(500), round > 0, figures);
            }
            peer.race(figures);
        }
    } else {
        println!("BENCH_PEERS is not set: see benches/peers/install");
    }
    let names = ["linkgate", "better-auth", "django-sesame"];
    figures.print("peers", &names, &[REQUEST, VERIFY, READ, RACED]);
}

fn better_auth(folder: &std::path::Path, redis: &RedisServer) -> Peer {
    let port = free_port();
    let mut command = Command::new("node");
    command.args(["server.mjs", &port.to_string(), &redis.url()]).current_dir(folder.join("better-auth"));
    Peer {
        name: "better-auth",
        addr: (Ipv4Addr::LOCALHOST, port).into(),
        asks: |address| {
            let body = format!(r#"{{"email":"{address}","callbackURL":"/"}}"#);
            ("POST", "/api/auth/sign-in/magic-link".to_owned(), body)
        },
        session: "/api/auth/get-session",
        process: Process::start(command.env("NODE_ENV", "production")),
    }
}

fn sesame(folder: &std::path::Path, redis: &RedisServer) -> Peer {
    let port = free_port();
    let folder = folder.join("sesame");
    let mut command = Command::new(folder.join("venv/bin/granian"));
    let workers = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    command.args([
        "--interface",
        "wsgi",
        "--no-access-log",
        "--workers",
        &workers,
        "--port",
        &port.to_string(),
    ]);
    command.args(["--host", "127.0.0.1", "project:application"]).current_dir(folder);
    Peer {
        name: "django-sesame",
        addr: (Ipv4Addr::LOCALHOST, port).into(),
        asks: |address| ("GET", format!("/request?email={address}"), String::new()),
        session: "/session",
        process: Process::start(command.env("REDIS_URL", redis.url())),
    }
}

impl Peer {
    fn send(&self, requests: &[Vec<u8>], in_flight: usize, expect: &[u16]) -> (Results, Duration) {
        let family = family(self.process.id());
        let before = cpu(family.iter().copied());
        let load = Load { addrs: &[self.addr], requests, in_flight, fresh: false, expect };
        let results = drive(&load);
        (results, cpu(family.iter().copied()).saturating_sub(before))
    }

    fn links(&self, count: usize) -> (Vec<String>, Duration) {
        let (origin, json) = (format!("Origin: http://{}", self.addr), "Content-Type: application/json");
        let ask = |n: usize| {
            let (method, path, body) = (self.asks)(&format!("person.{}@example.com", n % USERS));
            request(method, &path, self.addr, &[&origin, json], &body)
        };
        let requests: Vec<_> = (0..count).map(ask).collect();
        let (results, used) = self.send(&requests, IN_FLIGHT, &[200]);
        let link = |answer: &Answer| {
            let link = header(answer, "x-link").next().unwrap_or_else(|| panic!("no link: {}", answer.head));
            link.split_once(&self.addr.to_string()).map_or(link, |(_, path)| path).to_owned()
        };
        (results.answers.iter().map(link).collect(), used)
    }

    fn measure(&self, count: usize, counts: bool, figures: &mut Figures) {
        let (links, requested) = self.links(count);
        // A verification invalidates the user's other links, so only the newest link of each is verified.
        let links = &links[count.saturating_sub(USERS)..];
        let opens: Vec<_> = links.iter().map(|link| request("GET", link, self.addr, &[], "")).collect();
        let (verified, verifying) = self.send(&opens, IN_FLIGHT, &[302]);
        let read = |answer: &Answer| {
            let cookies = header(answer, "set-cookie").filter_map(|cookie| cookie.split(';').next());
            let cookies = format!("Cookie: {}", cookies.collect::<Vec<_>>().join("; "));
            request("GET", self.session, self.addr, &[&cookies], "")
        };
        let reads: Vec<_> = verified.answers.iter().map(read).cycle().take(count).collect();
        let (sessions, reading) = self.send(&reads, IN_FLIGHT, &[200]);
        assert!(sessions.answers.iter().all(|answer| answer.body.contains("person.")), "no session");
        if counts {
            for (what, used, count) in
                [(REQUEST, requested, count), (VERIFY, verifying, opens.len()), (READ, reading, count)]
            {
                let name = format!("peers / {} / {what}", self.name);
                figures.note(&name, "µs", micros(used) / number(count));
            }
        }
    }

    /// Races for one link at a time, since a verification invalidates the user's other links.
    fn race(&self, figures: &mut Figures) {
        let mut successes = 0;
        for _ in 0..RACES {
            let (links, _) = self.links(1);
            let opens = vec![request("GET", &links[0], self.addr, &[], ""); RUNNERS];
            let (results, _) = self.send(&opens, RUNNERS, &[302, 400, 401, 403, 409, 410]);
            successes += results.answers.iter().filter(|answer| signs_in(answer)).count();
        }
        figures.note(&format!("peers / {} / {RACED}", self.name), "", number(successes));
    }
}

/// Whether the response sets a session cookie.
fn signs_in(answer: &Answer) -> bool {
    answer.status == 302 && header(answer, "set-cookie").any(|cookie| cookie.contains("session"))
}

fn header<'a>(answer: &'a Answer, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(move |(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// A process and all its descendants.
fn family(root: u32) -> BTreeSet<u32> {
    let mut family = BTreeSet::from([root]);
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // Children have higher ids than their parents, unless the ids have wrapped around: run the bench again then.
    for id in ids.collect::<BTreeSet<_>>() {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        if parent.is_some_and(|parent| family.contains(&parent)) {
            family.insert(id);
        }
    }
    family
}

/// The same steps with linkgate, where verifying takes two requests: the page, and the press of its button.
fn linkgate(plan: &Plan, sink: &Sink, rounds: usize, figures: &mut Figures) {
    let fleet = Fleet::start(1, sink);
    let manner = Manner { count: plan.count, in_flight: IN_FLIGHT.min(plan.count), fresh: false };
    for round in 0..=rounds {
        let mut people = People::new(&fleet, manner);
        let mut cost = |step| micros(people.take(&fleet, step, manner).cpu) / number(plan.count);
        let requesting = cost(Step::Start);
        let verifying = cost(Step::Open) + cost(Step::Confirm);
        let reading = cost(Step::Session);
        if round > 0 {
            for (what, used) in [(REQUEST, requesting), (VERIFY, verifying), (READ, reading)] {
                figures.note(&format!("peers / linkgate / {what}"), "µs", used);
            }
        }
    }
    let races = RACES.min(plan.count);
    let manner = Manner { count: races, ..manner };
    let mut people = People::new(&fleet, manner);
    people.take(&fleet, Step::Start, manner);
    // Open each link eight times, for eight confirmations, then press all their buttons concurrently.
    let mut presses = Vec::new();
    for _ in 0..RUNNERS {
        people.take(&fleet, Step::Open, manner);
        presses.push(people.attempts.iter().map(|a| people.request(Step::Confirm, a)).collect::<Vec<_>>());
    }
    let presses: Vec<_> = (0..races).flat_map(|n| presses.iter().map(move |of| of[n].clone())).collect();
    let addrs = fleet.addrs();
    let load =
        Load { addrs: &addrs, requests: &presses, in_flight: RUNNERS, fresh: false, expect: &[303, 410] };
    let verified = |answer: &&Answer| answer.head.contains("__linkgate_status=verified");
    let successes = drive(&load).answers.iter().filter(verified).count();
    figures.note(&format!("peers / linkgate / {RACED}"), "", number(successes));
}
