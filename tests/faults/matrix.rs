//! Every step under every fault, held to the table in `docs/reliability.md`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::interpreter::Says;
use crate::matrix_steps::{Bench, PASSWORD, Step, prepare};
use crate::people::{insist, try_answer};
use test_kit::app::Answer;
use test_kit::proxy::Mode;

const DOCUMENT: &str = include_str!("../../docs/reliability.md");

const BOUND: Duration = Duration::from_millis(2500);

/// How long each fault lasts at least.
const HELD: Duration = Duration::from_millis(1800);

/// The cells of the table, by fault and step.
fn table() -> BTreeMap<(String, String), String> {
    let text = DOCUMENT.split("<!-- faults -->").nth(1).unwrap().split("<!-- /faults -->").next().unwrap();
    let cells = |line: &str| -> Vec<String> {
        let line = line.trim().trim_start_matches('|').trim_end_matches('|');
        line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let mut lines = text.lines().filter(|line| line.starts_with('|'));
    let steps = cells(lines.next().unwrap());
    let mut table = BTreeMap::new();
    for line in lines.skip(1) {
        let row = cells(line);
        assert_eq!(row.len(), steps.len(), "{line}");
        for (step, cell) in steps.iter().zip(&row).skip(1) {
            table.insert((row[0].clone(), step.clone()), cell.clone());
        }
    }
    table
}

/// Begins a fault.
fn begin(bench: &mut Bench, fault: &str) {
    match fault {
        "refused" => bench.proxy.set(Mode::Refuse),
        "black hole" => bench.proxy.set(Mode::BlackHole),
        "silent" => bench.redis.pause(),
        "+600 ms" => bench.hop.set(Says::Late(Duration::from_millis(600))),
        "reset mid-reply" => bench.proxy.set(Mode::CutReply(3)),
        "garbage" => bench.proxy.set(Mode::Garbage),
        "LOADING" => bench.hop.set(Says::Error("LOADING Redis is loading the dataset in memory")),
        "READONLY" => bench.hop.set(Says::Error("READONLY You can't write against a read only replica.")),
        "NOSCRIPT" => bench.admin(&["SCRIPT", "FLUSH"]),
        "OOM" => {
            bench.admin::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
            bench.admin::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
        }
        "WRONGTYPE" => {
            for key in bench.admin::<Vec<String>>(&["KEYS", "lg:*"]) {
                bench.admin::<()>(&["RENAME", &key, &format!("kept:{key}")]);
                if key.starts_with("lg:t:") {
                    bench.admin::<()>(&["HSET", &key, "a", "b"]);
                } else {
                    bench.admin::<()>(&["SET", &key, "x"]);
                }
            }
        }
        "wrong password" => {
            bench.admin::<()>(&["CONFIG", "SET", "requirepass", "another"]);
            bench.admin::<()>(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            bench.admin::<()>(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
        other => panic!("no such fault: {other}"),
    }
}

/// Ends the fault.
fn end(bench: &mut Bench, fault: &str) {
    bench.proxy.set(Mode::Pass);
    bench.hop.set(Says::Itself);
    match fault {
        "silent" => bench.redis.resume(),
        "OOM" => bench.admin(&["CONFIG", "SET", "maxmemory", "0"]),
        "wrong password" => bench.admin(&["CONFIG", "SET", "requirepass", PASSWORD]),
        "WRONGTYPE" => {
            for kept in bench.admin::<Vec<String>>(&["KEYS", "kept:*"]) {
                bench.admin::<()>(&["RENAME", &kept, &kept["kept:".len()..]]);
            }
        }
        _ => {}
    }
}

/// An answer in the words of the table; a failure has to be a complete problem.
fn word(step: &str, answer: &Answer) -> String {
    let status = answer.status.as_u16();
    if step.starts_with('/') {
        return status.to_string();
    }
    match status {
        503 => {
            answer.expect_bad_luck();
            "503".to_owned()
        }
        400.. => {
            let code = answer.text("code");
            answer.expect_problem(status, &code);
            format!("{status} {code}")
        }
        _ => answer.body["failure"].as_str().map_or_else(|| status.to_string(), str::to_owned),
    }
}

/// The same request after the fault.
async fn as_before(step: &Step) -> Answer {
    loop {
        let after = insist(step.name, &step.request).await;
        // The probe's 503 has no problem body.
        if !(step.name == "/readyz" && after.status == 503) {
            return after;
        }
    }
}

/// The results of all steps under one fault.
async fn outcomes(fault: &str) -> BTreeMap<String, String> {
    let mut bench = Bench::start().await;
    let (steps, poll) = prepare(&bench).await;
    let begun = Instant::now();
    begin(&mut bench, fault);
    if fault == "refused" {
        // Wait until the replica has noticed.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = steps.into_iter().map(|step| {
        let fault = fault.to_owned();
        tokio::spawn(async move {
            let begun = Instant::now();
            let answer = try_answer((step.request)()).await;
            let answer = answer.unwrap_or_else(|| panic!("{} under {fault}: no answer", step.name));
            assert!(begun.elapsed() < BOUND, "{} under {fault}: {:?}", step.name, begun.elapsed());
            (step, answer)
        })
    });
    let asked: Vec<_> = asked.collect();
    let mut during: Vec<(Step, Answer)> = Vec::new();
    for asked in asked {
        during.push(asked.await.unwrap());
    }
    // Long enough for every awaited attempt to be read again.
    tokio::time::sleep(HELD.saturating_sub(begun.elapsed())).await;
    let waits = !poll.answer.is_finished();
    end(&mut bench, fault);

    let ended = Instant::now();
    let mut words = BTreeMap::new();
    for (step, answer) in during {
        let mut cell = word(step.name, &answer);
        if answer.status.as_u16() != step.normal || cell == "state_lost" {
            let after = as_before(&step).await;
            if after.status.as_u16() != step.normal {
                cell = format!("{cell} → {}", word(step.name, &after));
            }
        }
        words.insert(step.name.to_owned(), cell);
    }
    let recovered = ended.elapsed();
    let cell = if waits {
        let confirmed = insist("confirm", || poll.confirmation()).await;
        confirmed.expect(200);
        let told = poll.answer.await.unwrap().unwrap();
        assert_eq!(told.expect(200).body["status"], "verified", "{fault}");
        "waits".to_owned()
    } else {
        word("long poll", &poll.answer.await.unwrap().unwrap())
    };
    words.insert("long poll".to_owned(), cell);
    println!("{fault}: as before after {recovered:?}");
    assert!(recovered < Duration::from_secs(10), "{fault}: {recovered:?}");
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_under_each_fault_comes_out_as_the_document_says() {
    let table = table();
    let mut faults: Vec<String> = table.keys().map(|(fault, _)| fault.clone()).collect();
    faults.dedup();
    assert!(faults.len() == 12 && table.len() == 12 * 12, "{faults:?}");
    let at_once = Arc::new(Semaphore::new(3));
    let running: Vec<_> = faults
        .into_iter()
        .map(|fault| {
            let at_once = at_once.clone();
            tokio::spawn(async move {
                let _turn = at_once.acquire().await.unwrap();
                (outcomes(&fault).await, fault)
            })
        })
        .collect();
    let mut differences = Vec::new();
    for running in running {
        let (words, fault) = running.await.unwrap();
        for (step, cell) in words {
            let written = &table[&(fault.clone(), step.clone())];
            // Whether the ticket was spent before its answer was lost depends on timing.
            let spent = written.strip_suffix(" *").map(|word| format!("{word} → 410 ticket_invalid"));
            if written.trim_end_matches(" *") != cell && spent.as_deref() != Some(&cell) {
                differences.push(format!("{fault} × {step}: written {written:?}, is {cell:?}"));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "docs/reliability.md and the service differ:\n{}",
        differences.join("\n")
    );
}
