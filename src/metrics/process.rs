//! The process itself, under the names that all Prometheus clients use, as Linux tells it in `/proc`. Where there is
//! no `/proc`, there is nothing.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// How many ticks of `/proc/self/stat` make a second. Linux tells programs this number on all platforms.
const TICKS: f64 = 100.0;

/// See the module. Reads anew at each scrape, but for what stays: a clock that is set would move it.
#[derive(Debug)]
pub(super) struct Process {
    started_at: Option<f64>,
}

impl Process {
    /// This process.
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
            ("process_max_fds", "How many there may be", number_after(&limits, "Max open files")),
            ("process_start_time_seconds", "When the process started, in unix time", self.started_at),
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

/// The field of this number in `/proc/self/stat`, counted as proc(5) does: from 1, the third is the first after the name.
fn stat(field: usize) -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name is in parentheses, and may have any character in it.
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
    // The one that reads the directory is not counted.
    let count = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u32::try_from(count).ok().map(f64::from)
}
