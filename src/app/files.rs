//! How many connections the process may hold. Each is an open file, as are those to the store and the relay.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections of one worker: waiting requests, and room for others.
const PER_WORKER: u64 = 25_000;

/// Open files for everything else: listeners, the store, the relay, keys.
const OTHERS: u64 = 64;

/// Raises the limit on open files to what the workers can use. The default of many systems is 1024, which idle clients
/// can exhaust.
pub(super) fn raise_limit(workers: usize) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = PER_WORKER * workers as u64 + OTHERS;
    let wanted = limit.maximum.map_or(wanted, |most| wanted.min(most));
    if limit.current.is_some_and(|current| current < wanted) {
        // If the kernel refuses, `connections()` sizes the pool from the actual limit.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
    }
}

/// How many connections each worker may hold, so that the store and the relay stay reachable. Further connections wait
/// until others close.
pub(super) fn connections(workers: usize) -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let each = files.saturating_sub(OTHERS) / workers.max(1) as u64;
    usize::try_from(each.clamp(1, PER_WORKER)).unwrap_or(usize::MAX)
}
