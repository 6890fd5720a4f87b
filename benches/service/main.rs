//! Measures the whole service under load, and its parts: processor time per request, rates, latencies, memory.
//! `docs/performance.md` explains the figures.
//!
//! `cargo bench --bench service -- [steps] [wake] [scale] [waiters] [peers] [--rounds N] [--count N] [--only SETTING]
//! [--json FILE] [--compare FILE]`: the default words are `steps` and `wake`; `--only "1 replica, kept"` limits the steps
//! to that setting; `waiters` is a part of `scale`. `BENCH_BIN` names a binary to measure instead of the one that cargo
//! built. Without cargo's `--bench`, as under `cargo test`, it runs once and briefly.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot continue fails")]
#![allow(missing_docs, unreachable_pub, reason = "no other crate uses the items of a bench")]

mod driver;
mod fleet;
#[path = "../micro/operations.rs"]
mod operations;
mod parts;
mod peers;
mod report;
mod scale;
mod sink;
mod steps;
mod wake;

use std::collections::BTreeMap;

use self::driver::{Load, drive};
use self::fleet::{Fleet, Replica};
use self::parts::EmptyServer;
use self::report::{Figure, Figures, micros, number};
use self::sink::Sink;
use self::steps::{Manner, People, Step};

/// The same allocator as the service.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The number of concurrent requests, over all connections.
const IN_FLIGHT: usize = 64;

/// The command line: which benches run, and how long.
pub(crate) struct Plan {
    words: Vec<String>,
    pub(crate) rounds: usize,
    /// How many people sign in per round.
    pub(crate) count: usize,
    /// Whether this run only checks that the bench works.
    pub(crate) brief: bool,
    /// Only settings of the steps whose names contain this are measured.
    only: String,
    json: Option<String>,
    compare: Option<String>,
}

impl Plan {
    fn read() -> Self {
        let mut plan = Self {
            words: Vec::new(),
            rounds: 5,
            count: 2000,
            brief: true,
            only: String::new(),
            json: None,
            compare: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} requires a value"));
            match argument.as_str() {
                "--bench" => plan.brief = false,
                "--rounds" => plan.rounds = value().parse().unwrap(),
                "--count" => plan.count = value().parse().unwrap(),
                "--only" => plan.only = value(),
                "--json" => plan.json = Some(value()),
                "--compare" => plan.compare = Some(value()),
                word if word.starts_with('-') => {}
                _ => plan.words.push(argument),
            }
        }
        if plan.brief {
            (plan.rounds, plan.count) = (1, 8);
        }
        plan
    }

    fn has(&self, word: &str) -> bool {
        let usual = ["steps", "wake"].contains(&word);
        if self.words.is_empty() { usual } else { self.words.iter().any(|given| given == word) }
    }
}

fn main() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, mode, addr] = &arguments[..]
        && mode == parts::EMPTY_SERVER
    {
        return parts::serve_nothing(addr);
    }
    let plan = Plan::read();
    let mut figures = Figures::default();
    let sink = Sink::start();
    if plan.has("steps") {
        measure_steps(&plan, &sink, &mut figures);
    }
    if plan.has("wake") {
        let fleet = Fleet::start(2, &sink);
        wake::measure(&fleet, if plan.brief { 4 } else { 1000 }, &plan, &mut figures);
        figures.print("wake-up", wake::NAMES, wake::COLUMNS);
    }
    if plan.has("scale") {
        scale::measure(&plan, &sink, &mut figures);
    }
    if plan.has("scale") || plan.has("waiters") {
        wake::scale(&plan, &sink, &mut figures);
    }
    if plan.has("peers") {
        peers::measure(&plan, &sink, &mut figures);
    }
    let summary = figures.summary();
    if let Some(file) = &plan.json {
        std::fs::write(file, serde_json::to_string_pretty(&summary).unwrap()).unwrap();
    }
    if let Some(file) = &plan.compare {
        let old: BTreeMap<String, Figure> =
            serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        report::compare(&old, &summary);
    }
}

const COLUMNS: &[&str] = &["requests/s", "CPU", "parts", "ratio", "p50", "p99", "p99.9"];

/// Measures one replica and three, on kept and on fresh connections, interleaved with the parts.
fn measure_steps(plan: &Plan, sink: &Sink, figures: &mut Figures) {
    let empty = EmptyServer::start();
    let fleets = [("1 replica", Fleet::start(1, sink)), ("3 replicas", Fleet::start(3, sink))];
    let setting = |replicas: &str, connections: &str| format!("{replicas}, {connections}");
    let wanted = |setting: &str| setting.contains(&plan.only);
    let idle = || fleets[0].1.replicas.iter().map(Replica::pid).map(fleet::memory).sum::<u64>();
    figures.note("1 replica / memory / idle", "MB", number(idle()) / 1e6);
    // The first round warms up.
    for round in 0..=plan.rounds {
        let costs = parts::measure(&fleets[0].1.redis.url(), sink, plan.count, IN_FLIGHT);
        for (part, cost) in &costs {
            if round > 0 {
                figures.note(&format!("parts / {part} / CPU"), "µs", *cost);
            }
        }
        for (replicas, fleet) in &fleets {
            for (connections, fresh) in [("kept connections", false), ("fresh connections", true)] {
                let manner = Manner { count: plan.count, in_flight: IN_FLIGHT.min(plan.count), fresh };
                let setting = setting(replicas, connections);
                if !wanted(&setting) {
                    continue;
                }
                let mut people = People::new(fleet, manner);
                for step in Step::ALL {
                    let mut taken = people.take(fleet, step, manner);
                    let exchange = exchange(&empty, &taken.requests, manner);
                    let parts = exchange + parts::of(step).iter().map(|part| costs[part]).sum::<f64>();
                    let cpu = micros(taken.cpu) / number(plan.count);
                    if round == 0 {
                        continue;
                    }
                    let mut note = |what: &str, unit: &str, value| {
                        figures.note(&format!("{setting} / {} / {what}", step.name()), unit, value);
                    };
                    note("requests/s", "", number(plan.count) / taken.results.wall.as_secs_f64());
                    note("CPU", "µs", cpu);
                    note("exchange", "µs", exchange);
                    note("parts", "µs", parts);
                    note("ratio", "", cpu / parts);
                    for (what, latency) in report::percentiles(&mut taken.results.latencies) {
                        note(what, "µs", latency);
                    }
                }
            }
        }
    }
    figures.note("1 replica / memory / after the load", "MB", number(idle()) / 1e6);
    assert!(sink.mails() > 0, "the relay received no mail");
    let names = Step::ALL.map(Step::name);
    for (replicas, _) in &fleets {
        for connections in ["kept connections", "fresh connections"] {
            let setting = setting(replicas, connections);
            if wanted(&setting) {
                figures.print(&setting, &names, COLUMNS);
            }
        }
    }
    let parts: Vec<_> = Step::ALL
        .iter()
        .flat_map(|step| parts::of(*step))
        .copied()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    figures.print("parts", &parts, &["CPU"]);
    figures.print("1 replica", &["memory"], &["idle", "after the load"]);
}

/// The processor time that the empty server spends on the same requests, in microseconds per request.
fn exchange(empty: &EmptyServer, requests: &[Vec<u8>], manner: Manner) -> f64 {
    let before = empty.cpu();
    let Manner { in_flight, fresh, .. } = manner;
    drive(&Load { addrs: &[empty.addr], requests, in_flight, fresh, expect: &[200] });
    micros(empty.cpu().saturating_sub(before)) / number(requests.len())
}
