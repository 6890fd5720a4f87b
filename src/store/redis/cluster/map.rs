//! Which master of a cluster has which slots.

use std::collections::{BTreeMap, BTreeSet};

use redis::Value;

use crate::store::redis::options::Address;

/// How many slots a cluster has.
const SLOTS: u16 = 16_384;

/// The owners of the slots, and all nodes that are known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotMap {
    /// The last slot of each range, its first slot and its master.
    ranges: BTreeMap<u16, (u16, Address)>,
    /// Masters and replicas.
    pub(super) nodes: BTreeSet<Address>,
}

impl SlotMap {
    /// Reads the reply of CLUSTER SLOTS; `asked` is the node that gave it. `None` when it names no master.
    pub(super) fn read(reply: &Value, asked: &Address) -> Option<Self> {
        let mut map = Self { ranges: BTreeMap::new(), nodes: BTreeSet::new() };
        for range in array(reply)? {
            let [Value::Int(first), Value::Int(last), master, replicas @ ..] = &array(range)?[..] else {
                return None;
            };
            let master = node(master, asked)?;
            map.nodes.insert(master.clone());
            map.nodes.extend(replicas.iter().filter_map(|replica| node(replica, asked)));
            map.ranges.insert(u16::try_from(*last).ok()?, (u16::try_from(*first).ok()?, master));
        }
        if map.ranges.is_empty() { None } else { Some(map) }
    }

    /// The master of this slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&Address> {
        let (_, (first, master)) = self.ranges.range(slot..).next()?;
        (*first <= slot).then_some(master)
    }

    /// Whether all slots have the same masters in both.
    pub(super) fn same_owners(&self, other: &Self) -> bool {
        self.ranges == other.ranges
    }

    /// Whether this node is a master with slots.
    pub(super) fn has_master(&self, address: &Address) -> bool {
        self.ranges.values().any(|(_, master)| master == address)
    }

    /// The map that most of these have.
    pub(super) fn of_most(maps: Vec<Self>) -> Option<Self> {
        let mut votes = BTreeMap::new();
        for map in maps {
            // Nodes may differ in which replicas they believe in, and agree in what matters.
            let (count, nodes) = votes.entry(map.ranges).or_insert((0_usize, BTreeSet::new()));
            *count += 1;
            nodes.extend(map.nodes);
        }
        let (ranges, (_, nodes)) = votes.into_iter().max_by_key(|(_, (count, _))| *count)?;
        Some(Self { ranges, nodes })
    }
}

fn array(value: &Value) -> Option<&Vec<Value>> {
    if let Value::Array(values) = value { Some(values) } else { None }
}

/// `[host, port, …]`; without a host that is known, it is that of the node that was asked.
fn node(value: &Value, asked: &Address) -> Option<Address> {
    let [host, Value::Int(port), ..] = &array(value)?[..] else { return None };
    let host = match host {
        Value::Nil => "",
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?,
        Value::SimpleString(text) => text,
        _ => return None,
    };
    let host = if matches!(host, "" | "?") { asked.host.as_str() } else { host };
    Some(Address { host: host.to_owned(), port: u16::try_from(*port).ok()? })
}

/// The slot of a key: CRC-16 (XMODEM) of all of it, since no key of ours has braces.
pub(super) fn slot(key: &str) -> u16 {
    let crc = key.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let master = Value::Array(vec![host, Value::Int(port), text("id"), Value::Array(vec![])]);
        Value::Array(vec![Value::Int(first), Value::Int(last), master])
    }

    fn address(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    fn read(ranges: Vec<Value>) -> Option<SlotMap> {
        SlotMap::read(&Value::Array(ranges), &address("asked", 1))
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        // CLUSTER KEYSLOT of redis 7 said so.
        for (key, expected) in
            [("123456789", 12739), ("lg:a:1", 3782), ("lg:p:Zm9v:3", 7350), ("foo", 12182), ("", 0)]
        {
            assert_eq!(slot(key), expected, "{key}");
        }
    }

    #[test]
    fn each_slot_has_the_master_of_its_range() -> Result<(), &'static str> {
        let ranges = vec![range(0, 5, text("a"), 7), range(6, 9, Value::Nil, 8), range(12, 20, text("?"), 9)];
        let map = read(ranges).ok_or("it is a map")?;
        assert_eq!(map.owner(0), Some(&address("a", 7)));
        assert_eq!(map.owner(5), Some(&address("a", 7)));
        assert_eq!(map.owner(6), Some(&address("asked", 8)));
        assert_eq!(map.owner(12), Some(&address("asked", 9)));
        for orphan in [10, 11, 21, 16_383] {
            assert_eq!(map.owner(orphan), None, "{orphan}");
        }
        Ok(())
    }

    #[test]
    fn what_names_no_master_is_no_map() {
        for reply in [Value::Nil, Value::Array(vec![]), Value::Array(vec![Value::Int(1)]), text("OK")] {
            assert!(SlotMap::read(&reply, &address("asked", 1)).is_none());
        }
        assert!(read(vec![range(0, 70_000, text("a"), 7)]).is_none());
        assert!(read(vec![range(0, 5, text("a"), 70_000)]).is_none());
    }

    #[test]
    fn what_most_nodes_say_counts() {
        let of = |host: &str| read(vec![range(0, 16_383, text(host), 7)]);
        let maps: Vec<SlotMap> = [of("old"), of("new"), of("new")].into_iter().flatten().collect();
        let most = SlotMap::of_most(maps);
        assert!(most.is_some_and(|map| map.has_master(&address("new", 7)) && map.nodes.len() == 1));
        assert!(SlotMap::of_most(Vec::new()).is_none());
    }
}
