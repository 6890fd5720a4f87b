//! A model of two Redis servers that is small enough for an exhaustive search: mint, confirm by two openers with and
//! without a lost reply, replicate, snapshot, restart, promote, fail back, repeatedly. With the fence no run has two
//! successes; without it, or with half of it, the search finds a run with two.

use std::collections::{HashMap, VecDeque};

/// The fence of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fence {
    Off,
    /// The server's `run_id` alone.
    Run,
    /// The server's `master_replid` alone.
    History,
    /// Both, as in linkgate.
    Both,
}

/// The number of runs and histories: enough for a failover, a failback and a restart.
const FRESH: u8 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Record {
    used_by: Option<u8>,
    run: u8,
    history: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Server {
    master: bool,
    run: u8,
    history: u8,
    record: Option<Record>,
    snapshot: Option<Record>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct World {
    servers: [Server; 2],
    minted: bool,
    /// The openers that got a success.
    told: [bool; 2],
    /// The next unused run or history.
    fresh: u8,
}

impl World {
    fn begin() -> Self {
        let server = |master, run| Server { master, run, history: 0, record: None, snapshot: None };
        Self { servers: [server(true, 1), server(false, 2)], minted: false, told: [false; 2], fresh: 3 }
    }

    fn vouched_for(&self, server: usize, fence: Fence) -> Option<Record> {
        let server = &self.servers[server];
        server.record.filter(|record| {
            let (run, history) = (record.run == server.run, record.history == server.history);
            match fence {
                Fence::Off => true,
                Fence::Run => run,
                Fence::History => history,
                Fence::Both => run && history,
            }
        })
    }

    /// All next states, each with the name of its transition.
    fn next(&self, fence: Fence) -> Vec<(String, Self)> {
        let mut all = Vec::new();
        let mut add = |name: String, change: &dyn Fn(&mut Self)| {
            let mut world = *self;
            change(&mut world);
            all.push((name, world));
        };
        for s in 0..2 {
            let (server, other) = (self.servers[s], self.servers[1 - s]);
            let name = ["A", "B"][s];
            if server.master && !self.minted {
                add(format!("mint on {name}"), &|world| {
                    world.minted = true;
                    world.servers[s].record =
                        Some(Record { used_by: None, run: server.run, history: server.history });
                });
            }
            // Clients may be on either side of a partition, so any master may answer.
            if server.master
                && let Some(record) = self.vouched_for(s, fence)
            {
                for opener in 0..2_u8 {
                    if record.used_by.is_some_and(|by| by != opener) {
                        continue;
                    }
                    for lost in [false, true] {
                        let reply = if lost { ", reply lost" } else { "" };
                        add(format!("opener {opener} confirms on {name}{reply}"), &|world| {
                            world.servers[s].record = Some(Record { used_by: Some(opener), ..record });
                            world.told[usize::from(opener)] |= !lost;
                        });
                    }
                }
            }
            if server.master && !other.master {
                add(format!("{name} replicates"), &|world| {
                    world.servers[1 - s].record = server.record;
                    world.servers[1 - s].history = server.history;
                });
            }
            add(format!("{name} saves a snapshot"), &|world| world.servers[s].snapshot = server.record);
            if self.fresh < FRESH {
                for (how, record) in [
                    ("empty", None),
                    ("from its snapshot", server.snapshot),
                    ("with all it had", server.record),
                ] {
                    add(format!("{name} restarts {how}"), &|world| {
                        world.servers[s].run = world.fresh;
                        world.servers[s].record = record;
                        world.fresh += 1;
                    });
                }
                if !server.master {
                    add(format!("{name} is promoted"), &|world| {
                        world.servers[s].master = true;
                        world.servers[s].history = world.fresh;
                        world.fresh += 1;
                    });
                }
            }
            if server.master && other.master {
                add(format!("{name} follows the other"), &|world| {
                    world.servers[s].master = false;
                    world.servers[s].history = other.history;
                    world.servers[s].record = other.record;
                });
            }
        }
        all
    }
}

/// The shortest run with two successes, if any, and the number of states.
fn search(fence: Fence) -> (Option<Vec<String>>, usize) {
    let begin = World::begin();
    let mut came_by: HashMap<World, Option<(World, String)>> = HashMap::from([(begin, None)]);
    let mut open = VecDeque::from([begin]);
    while let Some(world) = open.pop_front() {
        if world.told == [true; 2] {
            let (mut run, mut at) = (Vec::new(), world);
            while let Some(Some((before, step))) = came_by.get(&at) {
                run.push(step.clone());
                at = *before;
            }
            run.reverse();
            return (Some(run), came_by.len());
        }
        for (step, next) in world.next(fence) {
            came_by.entry(next).or_insert_with(|| {
                open.push_back(next);
                Some((world, step))
            });
        }
    }
    (None, came_by.len())
}

#[test]
fn with_the_fence_no_run_has_two_successes() {
    let (run, worlds) = search(Fence::Both);
    println!("{worlds} worlds searched");
    assert_eq!(run, None);
    assert!(worlds > 1000, "the search is too small: {worlds}");
}

#[test]
fn without_the_fence_or_with_half_of_it_the_search_finds_two_successes() {
    for fence in [Fence::Off, Fence::Run, Fence::History] {
        let (run, _) = search(fence);
        let run = run.unwrap_or_else(|| panic!("{fence:?} holds, and should not"));
        println!("{fence:?}: {}", run.join("; "));
        assert!(run[0] == "mint on A" && run.len() <= 8, "{run:?}");
    }
}
