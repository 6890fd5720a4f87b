//! The systemd unit: systemd's own checks, and the settings that it must have.

use std::process::{Command, Output};

use crate::environments::BINARY;
use crate::manifests::{skipped, text};

/// The maximum exposure by `systemd-analyze security`, in tenths: below 1.5 of 10.
const EXPOSURE: u32 = 15;

fn unit() -> String {
    text("deploy/systemd/linkgate.service")
}

/// Runs `systemd-analyze` on a unit; `None` if it is not installed, or too old for credentials.
fn analyze(arguments: &[&str], unit: &str) -> Option<Output> {
    let version = Command::new("systemd-analyze").arg("--version").output();
    let version = version.ok().filter(|output| output.status.success()).and_then(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_whitespace().nth(1)?.parse::<u32>().ok()
    });
    if version.is_none_or(|version| version < 250) {
        skipped(&format!("systemd-analyze {}", arguments[0]), "there is no systemd 250 or newer");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("linkgate.service");
    // It searches for the program at the path in the unit, so that is the build's here.
    std::fs::write(&file, unit.replace("/usr/local/bin/linkgate", BINARY)).unwrap();
    Some(Command::new("systemd-analyze").args(arguments).arg(&file).output().unwrap())
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn systemd_finds_no_fault_in_the_unit() {
    let Some(output) = analyze(&["verify", "--man=no"], &unit()) else { return };
    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
    let broken = unit().replace("ProtectSystem=strict", "ProtectSistem=strict");
    let output = analyze(&["verify", "--man=no"], &broken).unwrap();
    assert!(said(&output).contains("ProtectSistem"), "{}", said(&output));
}

/// The overall exposure, in tenths.
fn exposure(unit: &str) -> Option<u32> {
    let output = analyze(&["security", "--offline=true", "--no-pager"], unit)?;
    let said = said(&output);
    let line = said.lines().find(|line| line.contains("Overall exposure level"));
    let figure = line.and_then(|line| line.split(": ").nth(1)?.split_whitespace().next());
    let tenths = figure.map(|figure| figure.replace('.', "")).and_then(|tenths| tenths.parse().ok());
    Some(tenths.unwrap_or_else(|| panic!("no figure: {said}")))
}

#[test]
fn systemd_finds_the_unit_hardly_exposed() {
    let Some(tenths) = exposure(&unit()) else { return };
    println!("exposure: {}.{} of 10", tenths / 10, tenths % 10);
    assert!(tenths < EXPOSURE, "{tenths}");
    let broken = unit().replace("CapabilityBoundingSet=\n", "").replace("DynamicUser=yes\n", "");
    assert!(exposure(&broken).unwrap() >= EXPOSURE);
}

#[test]
fn the_unit_stops_as_slowly_and_restarts_as_seldom_as_linkgate_wants() {
    let unit = unit();
    let value = |name: &str| {
        let mut lines = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        lines.next().unwrap_or_else(|| panic!("{name} is not set"))
    };
    // The default of LINKGATE_DRAIN_DELAY, and the time for requests in flight.
    assert!(value("TimeoutStopSec").parse::<u32>().unwrap() > 5 + 30);
    assert_eq!((value("Restart"), value("RestartPreventExitStatus")), ("on-failure", "2"));
    assert_eq!(value("ExecStart"), "/usr/local/bin/linkgate serve");
    // More than the 20,000 requests that may wait on one replica.
    assert!(value("LimitNOFILE").parse::<u32>().unwrap() > 20_000 * 2);
}
