//! A cluster: a line to each master, and one for the subscription, to any node.
//!
//! Which master has which slots is asked every second, and whenever a master sends a request elsewhere or is lost,
//! of several nodes at once: what most of them say counts, since a node that was cut off still believes in itself.
//! Waiters are told of each new order of masters, since what the new ones cannot vouch for is lost.

mod keeper;
mod map;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use redis::{ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use self::keeper::Keeper;
use self::map::SlotMap;
use super::call::{Call, Work, is_break, is_demotion};
use super::line::{Failure, Generation, Line, Purpose};
use super::options::{Access, Address, InvalidOptions};
use super::scripts::Script;
use super::source::{Nodes, Source};
use crate::store::Change;

/// How long to wait for a cluster that is down, or moves a key, before the same is asked again.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often one request may be sent elsewhere.
const HOPS: usize = 16;

/// What is known of the cluster.
#[derive(Clone)]
enum View {
    /// Nothing yet.
    Looking,
    /// This, by the latest round of asking.
    Known(Arc<SlotMap>),
    /// Nobody answers, for this reason.
    Lost(String),
}

/// The lines, and who keeps the map.
pub(super) struct Cluster {
    shared: Arc<Shared>,
    keeper: AbortHandle,
    /// Held for the subscription that it keeps.
    _subscription: Line,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

struct Shared {
    access: Access,
    lines: Mutex<HashMap<Address, Arc<Line>>>,
    /// The number of the latest round of asking, and what came of it.
    view: watch::Sender<(u64, View)>,
    /// A new round is wanted.
    stale: Arc<Notify>,
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, HashMap<Address, Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line to this node, which may have to be opened.
    fn line(&self, to: &Address) -> Result<Arc<Line>, String> {
        let mut lines = self.lines();
        if let Some(line) = lines.get(to) {
            return Ok(Arc::clone(line));
        }
        let client = self.access.client(to).map_err(|error| error.to_string())?;
        let lost = Some(Arc::clone(&self.stale));
        let purpose = Purpose { name: "a master of the store", changes: None, lost, quiet: false };
        let line = Arc::new(Line::open(Arc::new(Source::Fixed(client)), purpose));
        lines.insert(to.clone(), Arc::clone(&line));
        Ok(line)
    }

    /// The master of this slot, by the latest map.
    async fn owner(&self, slot: u16) -> Result<Address, String> {
        let mut view = self.view.subscribe();
        let view = view.wait_for(|(_, view)| !matches!(view, View::Looking)).await;
        match view.as_deref() {
            Ok((_, View::Known(map))) => {
                map.owner(slot).cloned().ok_or_else(|| "no master of the cluster has this slot".to_owned())
            }
            Ok((_, View::Lost(reason))) => Err(reason.clone()),
            Ok((_, View::Looking)) | Err(_) => Err("shutting down".to_owned()),
        }
    }

    /// Waits for the next round of asking.
    async fn look_again(&self) {
        let mut view = self.view.subscribe();
        let (round, _) = *view.borrow_and_update();
        self.stale.notify_one();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = view.wait_for(|(latest, _)| *latest > round).await;
    }
}

/// What to do about a failure.
enum Next {
    /// Nothing was done: this node has the key, or is about to have it (`asking`).
    Elsewhere { to: Address, asking: bool },
    /// Nothing was done: the cluster has to come to itself first.
    Later,
    /// Nothing was done: there is no connection to the node.
    Absent,
    /// The connection of this generation broke, and perhaps it was done.
    Broken(Generation),
    /// The answer is an error, and remains one.
    Final,
}

impl Next {
    fn after(failure: &Failure, asked: &Address) -> Self {
        let Failure::Failed(generation, error) = failure else { return Self::Absent };
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) => Self::redirection(error, asked, false),
            ErrorKind::Server(ServerErrorKind::Ask) => Self::redirection(error, asked, true),
            ErrorKind::Server(ServerErrorKind::ClusterDown | ServerErrorKind::TryAgain) => Self::Later,
            _ if is_demotion(error) => Self::Later,
            _ if is_break(error) => Self::Broken(*generation),
            _ => Self::Final,
        }
    }

    fn redirection(error: &RedisError, asked: &Address, asking: bool) -> Self {
        let to = error.redirect_node().and_then(|(to, _)| Address::of_server(to, asked));
        to.map_or(Self::Later, |to| Self::Elsewhere { to, asking })
    }
}

impl Cluster {
    /// Starts to look for the cluster through these nodes, and goes on until dropped.
    pub(super) fn open(
        seeds: &[Address],
        access: Access,
        changes: broadcast::Sender<Change>,
    ) -> Result<Self, InvalidOptions> {
        // Whether they can be used shows here. The cluster itself names no others.
        seeds.iter().try_for_each(|seed| access.client(seed).map(drop))?;
        let shared = Arc::new(Shared {
            access: access.clone(),
            lines: Mutex::default(),
            view: watch::Sender::new((0, View::Looking)),
            stale: Arc::new(Notify::new()),
        });
        let (known_sender, known) = watch::channel(seeds.to_vec());
        let keeper = Keeper {
            shared: Arc::clone(&shared),
            seeds: seeds.to_vec(),
            informants: HashMap::new(),
            known: known_sender,
            changes: changes.clone(),
        };
        let purpose = Purpose {
            name: "the store's messages",
            changes: Some(changes),
            lost: Some(Arc::clone(&shared.stale)),
            quiet: false,
        };
        let subscription = Line::open(Arc::new(Source::AnyOf(Nodes::new(known, access))), purpose);
        let keeper = tokio::spawn(keeper.run()).abort_handle();
        Ok(Self { shared, keeper, _subscription: subscription })
    }

    /// Sends a call to the master that has its key, wherever that is by now. The caller sets the limit of time.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Value, String> {
        let slot = map::slot(call.work.key());
        let mut to = self.shared.owner(slot).await?;
        let (mut asking, mut after, mut repeated) = (false, 0, false);
        for _ in 0..HOPS {
            let failure = match self.shared.line(&to)?.call(&call.work, asking, after).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            (asking, after) = (false, 0);
            match Next::after(&failure, &to) {
                Next::Elsewhere { to: node, asking: only_this_once } => {
                    if !only_this_once {
                        self.shared.stale.notify_one();
                    }
                    (to, asking) = (node, only_this_once);
                }
                Next::Later => {
                    sleep(PATIENCE).await;
                    self.shared.look_again().await;
                    to = self.shared.owner(slot).await?;
                }
                Next::Broken(generation) if call.repeatable && !repeated => {
                    self.shared.look_again().await;
                    let owner = self.shared.owner(slot).await?;
                    after = if owner == to { generation } else { 0 };
                    (to, repeated) = (owner, true);
                }
                Next::Absent => {
                    // Perhaps another has taken over; the same one would fail again.
                    self.shared.look_again().await;
                    let owner = self.shared.owner(slot).await?;
                    if owner == to {
                        return Err(failure.reason());
                    }
                    to = owner;
                }
                Next::Broken(_) | Next::Final => return Err(failure.reason()),
            }
        }
        Err("the cluster sends requests in circles".to_owned())
    }

    /// Runs a script that changes nothing on each of these keys, one pipeline for each master; the reply is an array
    /// in their order.
    ///
    /// # Errors
    /// Why there is no answer for one of them.
    pub(super) async fn call_each(
        &self,
        script: &Script,
        keys: &[&str],
        args: &[&str],
    ) -> Result<Value, String> {
        let mut groups: BTreeMap<Address, Vec<usize>> = BTreeMap::new();
        for (place, key) in keys.iter().enumerate() {
            groups.entry(self.shared.owner(map::slot(key)).await?).or_default().push(place);
        }
        let groups = groups.into_iter().map(|(to, places)| async move {
            let keys: Vec<&str> = places.iter().map(|place| keys[*place]).collect();
            let answers = self.call_group(&to, script, &keys, args).await?;
            Ok::<_, String>(places.into_iter().zip(answers).collect::<Vec<_>>())
        });
        let mut answers = vec![Value::Nil; keys.len()];
        for group in join_all(groups).await {
            for (place, answer) in group? {
                answers[place] = answer;
            }
        }
        Ok(Value::Array(answers))
    }

    /// The same for keys of one master. When it does not answer all of them, each is pursued by itself.
    async fn call_group(
        &self,
        to: &Address,
        script: &Script,
        keys: &[&str],
        args: &[&str],
    ) -> Result<Vec<Value>, String> {
        let work = Work::Each { script, keys, args };
        if let Ok(Value::Array(answers)) = self.shared.line(to)?.call(&work, false, 0).await
            && answers.len() == keys.len()
        {
            return Ok(answers);
        }
        let singly = keys
            .iter()
            .map(|key| self.call(Call { work: Work::Script { script, key, args }, repeatable: true }));
        join_all(singly).await.into_iter().collect()
    }
}
