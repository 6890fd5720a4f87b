//! Measures whether cost grows with the number of pending attempts and with the number of replicas.

use std::rc::Rc;

use linkgate::clock::{Clock as _, SystemClock};
use linkgate::token::fresh_attempt_id;
use tokio::task::JoinSet;

use crate::driver::block_on;
use crate::fleet::{Fleet, memory, redis_memory};
use crate::report::{Figures, micros, number};
use crate::sink::Sink;
use crate::steps::{Manner, People, Step};
use crate::{IN_FLIGHT, Plan, parts};
use test_kit::redis_server::RedisServer;

/// The steps that are measured.
const STEPS: [Step; 4] = [Step::Start, Step::Poll, Step::Open, Step::Confirm];

/// A number of replicas on a Redis with a number of pending attempts.
struct Setting {
    name: String,
    fleet: Fleet,
}

pub(crate) fn measure(plan: &Plan, sink: &Sink, figures: &mut Figures) {
    let sizes: &[usize] = if plan.brief { &[0, 10] } else { &[0, 10_000, 1_000_000] };
    let mut settings = Vec::new();
    for &pending in sizes {
        let redis = Rc::new(RedisServer::start());
        let empty = redis_memory(&redis);
        block_on(fill(&redis.url(), pending));
        if pending > 0 {
            let bytes = (number(redis_memory(&redis)) - number(empty)) / number(pending);
            figures.note(&format!("pending / {pending} / Redis memory"), "B each", bytes);
        }
        settings.extend((1..=3).map(|replicas| Setting {
            name: format!("{pending} pending, {replicas} replicas"),
            fleet: Fleet::on(redis.clone(), replicas, sink),
        }));
    }
    // Each round measures all settings in turn, so that a slow period of the machine affects all of them.
    for round in 0..=plan.rounds {
        let taken: Vec<_> = settings.iter().map(|setting| take(plan, &setting.fleet)).collect();
        if round == 0 {
            continue;
        }
        for (setting, costs) in settings.iter().zip(&taken) {
            for (at, step) in STEPS.iter().enumerate() {
                let name = format!("{} / {}", setting.name, step.name());
                figures.note(&format!("scale / {name}"), "µs", costs[at]);
                // The first setting is one replica with nothing pending.
                figures.note(&format!("growth / {name}"), "", costs[at] / taken[0][at]);
            }
        }
    }
    for setting in &settings {
        let bytes = number(memory(setting.fleet.replicas[0].pid()));
        figures.note(&format!("scale / {} / memory", setting.name), "MB", bytes / 1e6);
    }
    let names: Vec<_> = sizes.iter().map(usize::to_string).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    figures.print("pending", &names, &["Redis memory"]);
    let settings: Vec<_> = settings.iter().map(|setting| setting.name.as_str()).collect();
    let columns = STEPS.map(Step::name);
    figures.print("scale", &settings, &[&columns[..], &["memory"]].concat());
    figures.print("growth", &settings, &columns);
}

/// The cost of each step in microseconds per request. The requests in flight per replica stay the same however many
/// replicas there are, since requests that one wake-up of a thread handles together cost less.
fn take(plan: &Plan, fleet: &Fleet) -> Vec<f64> {
    let count = plan.count * fleet.replicas.len();
    let in_flight = (IN_FLIGHT * fleet.replicas.len()).min(count);
    let manner = Manner { count, in_flight, fresh: false };
    let mut people = People::new(fleet, manner);
    STEPS.map(|step| micros(people.take(fleet, step, manner).cpu) / number(count)).to_vec()
}

/// Stores this many pending attempts, as starts would.
async fn fill(url: &str, pending: usize) {
    let store = parts::open_store(url).await;
    let mut tasks = JoinSet::new();
    for lane in 0..256 {
        let store = store.clone();
        tasks.spawn_local(async move {
            for _ in (lane..pending).step_by(256) {
                let now = SystemClock.now();
                let attempt = parts::attempt(now);
                store.create(fresh_attempt_id(now), &attempt, attempt.ends_at, now).await.unwrap();
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}
