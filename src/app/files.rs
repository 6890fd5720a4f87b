//! How many connections the process may hold: each is an open file, and so are those to the store and the relay.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections that one worker holds at once: those who wait, and room for those who do not.
const PER_WORKER: u64 = 25_000;

/// Files for everything else: listeners, the store, the relay, keys.
const OTHERS: u64 = 64;

/// Asks for as many open files as the workers can use: many systems give 1024 unless they are asked, which a crowd of
/// idle clients uses up.
pub(super) fn ask_for(workers: usize) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = PER_WORKER * workers as u64 + OTHERS;
    let wanted = limit.maximum.map_or(wanted, |most| wanted.min(most));
    if limit.current.is_some_and(|current| current < wanted) {
        // What is refused is not there: `connections` counts with what is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
    }
}

/// How many connections each of the workers may hold, so that the store and the relay can always be reached. Those
/// that come beyond wait until others end.
pub(super) fn connections(workers: usize) -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let each = files.saturating_sub(OTHERS) / workers.max(1) as u64;
    usize::try_from(each.clamp(1, PER_WORKER)).unwrap_or(usize::MAX)
}
