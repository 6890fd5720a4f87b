//! Metrics of the process from Linux's `/proc`, under the names that all Prometheus clients use. Without `/proc` there are
//! none.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Ticks of `/proc/self/stat` per second: the same on all Linux platforms.
const TICKS: f64 = 100.0;

/// Reads `/proc` at each scrape, except for the start time: setting the system's clock would move it.
#[derive(Debug)]
pub(super) struct Process {
    started_at: Option<f64>,
}

impl Process {
    pub(super) fn new() -> Self {
        Self { started_at: started_at() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let help = "CPU time, user and system";
            let descriptor =
                encoder.encode_descriptor("process_cpu_seconds", help, None, counter.metric_type())?;
            counter.encode(descriptor)?;
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kilobytes = |name: &str| number_after(&status, name).map(|kb| kb * 1024.0);
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Resident memory", kilobytes("VmRSS:")),
            ("process_virtual_memory_bytes", "Virtual memory", kilobytes("VmSize:")),
            ("process_threads", "Threads", number_after(&status, "Threads:")),
            ("process_open_fds", "Open file descriptors", open_files()),
            (
                "process_max_fds",
                "The limit on open file descriptors",
                number_after(&limits, "Max open files"),
            ),
            ("process_start_time_seconds", "Start of the process in Unix time", self.started_at),
        ] {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

/// The first number of the line that begins with `name`.
fn number_after(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// A field of `/proc/self/stat`, numbered from 1 as in proc(5). The third is the first after the name.
fn stat(field: usize) -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name is in parentheses and may contain any character.
    stat.rsplit_once(") ")?.1.split_whitespace().nth(field - 3)?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    Some((stat(14)? + stat(15)?) / TICKS)
}

fn started_at() -> Option<f64> {
    let booted_at = number_after(&fs::read_to_string("/proc/stat").ok()?, "btime")?;
    Some(booted_at + stat(22)? / TICKS)
}

fn open_files() -> Option<f64> {
    // Minus the descriptor that reads the directory.
    let count = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u32::try_from(count).ok().map(f64::from)
}
