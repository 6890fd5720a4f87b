//! Measures the operations that do no I/O: their time and, since times vary with the machine, their instruction counts.
//!
//! `cargo bench --bench micro` measures times. `cargo bench --bench micro -- --instructions [words]` counts instructions
//! with valgrind's callgrind, for the operations whose names contain all the words.

mod operations;

use std::process::Command;

use criterion::Criterion;

/// The same allocator as the service.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `--run NAME TIMES` runs only that operation, that many times; callgrind runs this process.
const RUN: &str = "--run";

/// How many runs are counted under callgrind. The instructions of the setup are subtracted.
const COUNTED: u64 = 500;

// `criterion_group!` would generate public items without documentation.
fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, RUN, name, times] => run(name, times.parse().unwrap_or(0)),
        [_, "--instructions", ref words @ ..] => count_instructions(words),
        _ => {
            let mut criterion = Criterion::default().configure_from_args();
            for (name, operation) in operations::all() {
                criterion.bench_function(name, |bencher| bencher.iter(&operation));
            }
            criterion.final_summary();
        }
    }
}

fn run(name: &str, times: u64) {
    for (_, operation) in operations::all().iter().filter(|(known, _)| *known == name) {
        for _ in 0..times {
            operation();
        }
    }
}

fn count_instructions(words: &[&str]) {
    println!("| operation | instructions |\n|---|---|");
    for (name, _) in operations::all() {
        if words.iter().all(|word| *word == "--bench" || name.contains(word)) {
            let instructions = counted(name, COUNTED + 1).saturating_sub(counted(name, 1)) / COUNTED;
            println!("| {name} | {instructions} |");
        }
    }
}

/// The total instructions of a process that runs the operation `times` times.
fn counted(name: &str, times: u64) -> u64 {
    let this = std::env::current_exe().unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args([RUN, name, &times.to_string()])
        .output()
        .unwrap_or_else(|error| panic!("valgrind: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    collected.and_then(|(_, count)| count.trim().parse().ok()).unwrap_or_else(|| panic!("{text}"))
}
