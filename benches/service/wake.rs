//! Measures how soon a request that waits on one replica gets a confirmation made on another, and the cost of waiting.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::driver::{Connection, block_on};
use crate::fleet::{Fleet, cpu, memory};
use crate::report::{Figures, micros, number, percentiles};
use crate::sink::Sink;
use crate::steps::{Manner, People, Step};
use crate::{IN_FLIGHT, Plan};

/// How long the processor time of idle waiters is measured.
const WATCHED: Duration = Duration::from_secs(3);

/// The numbers of waiters, which are the rows of the report.
pub(crate) const NAMES: &[&str] = &["1 waiter", "4 waiters", "1000 waiters", "10000 waiters"];

pub(crate) const COLUMNS: &[&str] = &["p50", "p99", "p99.9", "memory", "CPU of waiting"];

/// Measures few and many waiters.
pub(crate) fn scale(plan: &Plan, sink: &Sink, figures: &mut Figures) {
    for &waiters in if plan.brief { &[1, 4][..] } else { &[1, 1000, 10_000] } {
        measure(&Fleet::start(2, sink), waiters, plan, figures);
    }
    figures.print("wake-up", NAMES, COLUMNS);
}

/// Makes `waiters` requests wait on the second replica, and confirms some on the first, one after the other.
pub(crate) fn measure(fleet: &Fleet, waiters: usize, plan: &Plan, figures: &mut Figures) {
    let most = if plan.brief { 4 } else { 300 };
    if waiters == 1 {
        return alone(fleet, most, plan, figures);
    }
    let samples = waiters.min(most);
    let name = format!("{waiters} waiters");
    // Memory is taken from the first round, since later rounds reuse it; times are taken from the later rounds.
    for round in 0..=plan.rounds.min(3) {
        let people = openers(fleet, waiters, IN_FLIGHT.min(waiters));
        let (mut latencies, bytes, idle) = block_on(wait_and_confirm(fleet, &people, samples));
        let mut note = |what: &str, unit: &str, value| {
            figures.note(&format!("wake-up / {name} / {what}"), unit, value);
        };
        if round == 0 {
            note("memory", "KiB each", bytes / 1024.0 / number(waiters));
            continue;
        }
        for (what, latency) in percentiles(&mut latencies) {
            note(what, "ms", latency / 1e3);
        }
        note("CPU of waiting", "µs/s each", micros(idle) / number(waiters) / WATCHED.as_secs_f64());
    }
}

/// People who have requested their link and opened its page.
fn openers(fleet: &Fleet, count: usize, in_flight: usize) -> People {
    let manner = Manner { count, in_flight, fresh: false };
    let mut people = People::new(fleet, manner);
    people.take(fleet, Step::Start, manner);
    people.take(fleet, Step::Open, manner);
    people
}

/// Measures `count` people one after the other, each alone on idle replicas.
fn alone(fleet: &Fleet, count: usize, plan: &Plan, figures: &mut Figures) {
    for _ in 0..plan.rounds.min(3) {
        let people = openers(fleet, count, 1);
        let mut latencies = block_on(async {
            let (mut waiting, mut confirming) = (
                Connection::open(fleet.replicas[1].addr).await,
                Connection::open(fleet.replicas[0].addr).await,
            );
            let mut latencies = Vec::new();
            for attempt in &people.attempts {
                waiting.send(&people.long_poll(attempt)).await;
                fleet.replicas[1].await_waiters(1).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                let begun = Instant::now();
                confirming.send(&people.request(Step::Confirm, attempt)).await;
                let told = waiting.answer().await;
                latencies.push(begun.elapsed());
                assert!(told.text("status") == "verified" && confirming.answer().await.status == 303);
            }
            latencies
        });
        for (what, latency) in percentiles(&mut latencies) {
            figures.note(&format!("wake-up / 1 waiter / {what}"), "ms", latency / 1e3);
        }
    }
}

async fn wait_and_confirm(fleet: &Fleet, people: &People, samples: usize) -> (Vec<Duration>, f64, Duration) {
    let (here, there) = (&fleet.replicas[0], &fleet.replicas[1]);
    let before = memory(there.pid());
    let (told, mut hears) = mpsc::unbounded_channel();
    let mut waiting = JoinSet::new();
    for (n, attempt) in people.attempts.iter().enumerate() {
        let (told, request) = (told.clone(), people.long_poll(attempt));
        let mut connection = Connection::open(there.addr).await;
        connection.send(&request).await;
        waiting.spawn_local(async move {
            let answer = connection.answer().await;
            // The receiver is gone when a waiter that nobody confirmed times out.
            let _ = told.send((n, Instant::now(), answer));
            connection
        });
    }
    there.await_waiters(people.attempts.len()).await;
    let bytes = number(memory(there.pid())) - number(before);
    let used = cpu([there.pid()]);
    tokio::time::sleep(WATCHED).await;
    let idle = cpu([there.pid()]).saturating_sub(used);

    let mut confirming = Connection::open(here.addr).await;
    let mut latencies = Vec::with_capacity(samples);
    for (n, attempt) in people.attempts.iter().take(samples).enumerate() {
        let begun = Instant::now();
        let answer = confirming.exchange(&people.request(Step::Confirm, attempt)).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let (who, at, answer) = hears.recv().await.unwrap();
        assert!(who == n && answer.text("status") == "verified", "{}", answer.body);
        latencies.push(at - begun);
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    drop(waiting);
    there.await_waiters(0).await;
    (latencies, bytes, idle)
}
