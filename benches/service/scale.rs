//! Whether cost grows with what is pending, with the number of replicas, and with those who wait.

use std::rc::Rc;

use linkgate::clock::{Clock as _, SystemClock};
use linkgate::token::fresh_attempt_id;
use tokio::task::JoinSet;

use crate::driver::block_on;
use crate::fleet::{Fleet, memory, redis_memory};
use crate::redis_server::RedisServer;
use crate::report::{Figures, micros, number};
use crate::sink::Sink;
use crate::steps::{Manner, People, Step};
use crate::{IN_FLIGHT, Plan, parts};

/// What is looked at.
const STEPS: [Step; 4] = [Step::Start, Step::Poll, Step::Open, Step::Confirm];

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
        for replicas in 1..=3 {
            let fleet = Fleet::on(redis.clone(), replicas, sink);
            let setting = format!("{pending} pending, {replicas} replicas");
            for round in 0..=plan.rounds {
                let manner = Manner { count: plan.count, in_flight: IN_FLIGHT.min(plan.count), fresh: false };
                let mut people = People::new(&fleet, manner);
                for step in STEPS {
                    let taken = people.take(&fleet, step, manner);
                    if round > 0 {
                        let cpu = micros(taken.cpu) / number(plan.count);
                        figures.note(&format!("scale / {setting} / {}", step.name()), "µs", cpu);
                    }
                }
            }
            let bytes = number(memory(fleet.replicas[0].pid()));
            figures.note(&format!("scale / {setting} / memory"), "MB", bytes / 1e6);
            settings.push(setting);
        }
    }
    let names: Vec<_> = sizes.iter().map(usize::to_string).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    figures.print("pending", &names, &["Redis memory"]);
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let columns = STEPS.map(Step::name);
    figures.print("scale", &settings, &[&columns[..], &["memory"]].concat());
}

/// Puts so many pending attempts into the store, as starts would.
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
