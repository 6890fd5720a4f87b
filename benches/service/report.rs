//! Collects the figures, prints them, writes them as JSON and compares them with an earlier run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// A figure of one run: its median over the rounds, and the spread.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) unit: String,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// Figures of one run, by name: `<setting> / <operation> / <what>`.
#[derive(Default)]
pub(crate) struct Figures {
    rounds: BTreeMap<String, (String, Vec<f64>)>,
}

impl Figures {
    /// Records the value of one round.
    pub(crate) fn note(&mut self, name: &str, unit: &str, value: f64) {
        self.rounds.entry(name.to_owned()).or_insert_with(|| (unit.to_owned(), Vec::new())).1.push(value);
    }

    pub(crate) fn get(&self, name: &str) -> Option<Figure> {
        self.rounds.get(name).map(|(unit, values)| figure(unit, values))
    }

    /// All figures by name, as `--json` writes them.
    pub(crate) fn summary(&self) -> BTreeMap<String, Figure> {
        self.rounds.iter().map(|(name, (unit, values))| (name.clone(), figure(unit, values))).collect()
    }

    /// Prints the figures of a setting: a row per operation, a column per kind of figure. Empty rows are left out.
    pub(crate) fn print(&self, setting: &str, operations: &[&str], columns: &[&str]) {
        let mut text = format!("\n## {setting}\n\n| operation |");
        for column in columns {
            let _ = write!(text, " {column} |");
        }
        let _ = write!(text, "\n|---|{}\n", "---|".repeat(columns.len()));
        for operation in operations {
            let cell = |column: &&str| self.get(&format!("{setting} / {operation} / {column}"));
            let cells: Vec<_> = columns.iter().map(cell).collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let _ = write!(text, "| {operation} |");
            for cell in cells {
                let _ = write!(text, " {} |", cell.map_or_else(String::new, |figure| figure.text()));
            }
            text.push('\n');
        }
        println!("{text}");
    }
}

fn figure(unit: &str, values: &[f64]) -> Figure {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    Figure { unit: unit.to_owned(), median, min: sorted[0], max: sorted[sorted.len() - 1] }
}

impl Figure {
    fn text(&self) -> String {
        let Self { unit, median, min, max } = self;
        if max - min < median.abs() * 0.01 || min.to_bits() == max.to_bits() {
            return format!("{} {unit}", short(*median)).trim_end().to_owned();
        }
        format!("{} {unit} ({}–{})", short(*median), short(*min), short(*max))
    }
}

fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Prints the figures that changed beyond the noise: their ranges over the rounds do not overlap in the two runs.
pub(crate) fn compare(old: &BTreeMap<String, Figure>, new: &BTreeMap<String, Figure>) {
    println!("\n## Changed beyond the noise\n");
    let mut changed = 0;
    for (name, now) in new {
        let Some(then) = old.get(name) else { continue };
        if now.min > then.max || now.max < then.min {
            let percent = (now.median / then.median - 1.0) * 100.0;
            println!("- {name}: {} → {}, {percent:+.0} %", then.text(), now.text());
            changed += 1;
        }
    }
    println!("\n{changed} of {} figures.", new.len());
}

/// The reported percentiles in microseconds, by name. Sorts the latencies.
pub(crate) fn percentiles(latencies: &mut [std::time::Duration]) -> [(&'static str, f64); 3] {
    latencies.sort_unstable();
    [("p50", 50.0), ("p99", 99.0), ("p99.9", 99.9)]
        .map(|(name, percent)| (name, percentile(latencies, percent)))
}

fn percentile(latencies: &[std::time::Duration], percent: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = ((latencies.len() as f64 * percent / 100.0).ceil() as usize).clamp(1, latencies.len());
    micros(latencies[index - 1])
}

pub(crate) fn micros(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Converts a count for arithmetic with durations and rates.
#[expect(clippy::cast_precision_loss, reason = "no count here exceeds 2^52")]
pub(crate) fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or_default() as f64
}
