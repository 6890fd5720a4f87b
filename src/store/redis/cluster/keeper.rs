//! Keeps the map of a cluster.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::{broadcast, watch};
use tokio::time::{Duration, sleep, timeout};

use super::map::SlotMap;
use super::{Shared, View};
use crate::store::Change;
use crate::store::redis::options::Address;
use crate::store::redis::source::{Informant, LOOK_AROUND};

/// How many nodes are asked which master has which slots.
const ASKED: usize = 7;
/// The least time between two rounds of asking.
const BREATH: Duration = Duration::from_millis(50);

pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) seeds: Vec<Address>,
    pub(super) informants: HashMap<Address, Informant>,
    pub(super) known: watch::Sender<Vec<Address>>,
    pub(super) changes: broadcast::Sender<Change>,
}

impl Keeper {
    pub(super) async fn run(mut self) {
        for round in 1.. {
            match self.ask().await {
                Ok(map) => self.take(round, map),
                Err(reason) => {
                    if !matches!(self.shared.view.borrow().1, View::Lost(_)) {
                        log::warn!(reason = reason.as_str(); "cannot find the cluster");
                    }
                    self.shared.view.send_replace((round, View::Lost(reason)));
                }
            }
            sleep(BREATH).await;
            // Whether it is wanted or merely time makes no difference.
            let _ = timeout(LOOK_AROUND, self.shared.stale.notified()).await;
        }
    }

    /// Asks several nodes, and gives what most of those say that answer.
    async fn ask(&mut self) -> Result<SlotMap, String> {
        let nodes: Vec<Address> = match &self.shared.view.borrow().1 {
            View::Known(map) => map.nodes.iter().take(ASKED).cloned().collect(),
            View::Looking | View::Lost(_) => self.known.borrow().iter().chain(&self.seeds).cloned().collect(),
        };
        let nodes: BTreeSet<Address> = nodes.into_iter().collect();
        self.informants.retain(|address, _| nodes.contains(address));
        for address in &nodes {
            if !self.informants.contains_key(address) {
                let client = self.shared.access.client(address).map_err(|error| error.to_string())?;
                self.informants.insert(address.clone(), Informant::new(vec![client]));
            }
        }
        let mut question = redis::cmd("CLUSTER");
        question.arg("SLOTS");
        let question = &question;
        let answers = self.informants.iter().map(|(address, informant)| async move {
            let reply: redis::Value = informant.ask(question).await?;
            SlotMap::read(&reply, address).ok_or_else(|| "the node belongs to no cluster".to_owned())
        });
        let (mut maps, mut last) = (Vec::new(), "no node is known".to_owned());
        for answer in join_all(answers).await {
            match answer {
                Ok(map) => maps.push(map),
                Err(reason) => last = reason,
            }
        }
        SlotMap::of_most(maps).ok_or(last)
    }

    fn take(&self, round: u64, map: SlotMap) {
        let before = match &self.shared.view.borrow().1 {
            View::Known(before) => Some(before.same_owners(&map)),
            View::Looking | View::Lost(_) => None,
        };
        let nodes = map.nodes.iter().cloned().collect();
        self.known.send_if_modified(|known| {
            let news = *known != nodes;
            *known = nodes;
            news
        });
        self.shared.lines().retain(|address, line| map.has_master(address) || Arc::strong_count(line) > 1);
        self.shared.view.send_replace((round, View::Known(Arc::new(map))));
        if before != Some(true) {
            log::info!("the cluster has a new order of masters");
            // What the new masters cannot vouch for is lost: whoever waits has to look.
            let _ = self.changes.send(Change::Anything);
        }
    }
}
