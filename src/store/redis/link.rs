//! The way to the store's data, wherever it is: to one server, or to the nodes of a cluster. Sets the limit of time
//! for every verb, and repeats once what may be repeated.

use std::time::Duration;

use redis::{Cmd, FromRedisValue, Value, from_redis_value};
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout};

use super::call::{Call, Work, is_break, is_demotion};
use super::cluster::Cluster;
use super::line::{Failure, Line, Purpose};
use super::lines::Lines;
use super::options::{InvalidOptions, Target};
use super::scripts::Script;
use super::source::{Sentinels, Source};
use crate::store::{Change, Unavailable};

/// The longest that any verb may take, whatever it waits for.
const VERB_TIMEOUT: Duration = Duration::from_secs(2);

/// Lines to one server, or to many.
pub(super) enum Link {
    /// To one server at a time.
    Single(Lines),
    /// To each master of a cluster.
    Cluster(Cluster),
}

impl Link {
    /// Starts to connect, in tasks of the present tokio runtime, and goes on until dropped. What the subscription
    /// brings goes to `changes`.
    pub(super) fn open(target: Target, changes: broadcast::Sender<Change>) -> Result<Self, InvalidOptions> {
        let source = match target {
            Target::Single(client) => Source::Fixed(client),
            Target::Sentinel { sentinels, master, access } => {
                Source::Sentinels(Sentinels::new(&sentinels, &master, access)?)
            }
            Target::Cluster { nodes, access } => {
                return Cluster::open(&nodes, access, changes).map(Self::Cluster);
            }
        };
        let purpose = Purpose { name: "the store", changes: Some(changes), lost: None, quiet: false };
        Ok(Self::Single(Lines::open(source, purpose)))
    }

    /// Sends one command, which touches this key.
    pub(super) async fn query<T: FromRedisValue>(
        &self,
        command: &Cmd,
        key: &str,
        repeatable: bool,
    ) -> Result<T, Unavailable> {
        let answer = self.call(Call { work: Work::Command { command, key }, repeatable }).await?;
        from_redis_value(answer)
            .map_err(|_| Unavailable { reason: "the reply was not understood".to_owned() })
    }

    /// Runs a script on its one key.
    pub(super) async fn run(&self, script: &Script, key: &str, args: &[&str]) -> Result<Value, Unavailable> {
        let repeatable = script.repeatable;
        self.call(Call { work: Work::Script { script, key, args }, repeatable }).await
    }

    /// Runs a script that changes nothing on each of these keys, in pipelined batches, and gives the replies in
    /// their order.
    pub(super) async fn run_on_each(
        &self,
        script: &Script,
        keys: &[&str],
        args: &[&str],
    ) -> Result<Vec<Value>, Unavailable> {
        match self.call(Call { work: Work::Each { script, keys, args }, repeatable: true }).await? {
            Value::Array(replies) => Ok(replies),
            _ => Err(Unavailable { reason: "the reply was not understood".to_owned() }),
        }
    }

    async fn call(&self, call: Call<'_>) -> Result<Value, Unavailable> {
        let answered = match self {
            Self::Single(lines) => on_line(&lines.near(), call).await,
            Self::Cluster(cluster) => {
                let answered = async {
                    match call.work {
                        Work::Each { script, keys, args } => cluster.call_each(script, keys, args).await,
                        Work::Command { .. } | Work::Script { .. } => cluster.call(call).await,
                    }
                };
                within(VERB_TIMEOUT, answered).await
            }
        };
        answered.map_err(|reason| Unavailable { reason })
    }
}

/// Asks on this line. One command on a connection that is up has the client library's limit of time, and needs no other.
async fn on_line(line: &Line, call: Call<'_>) -> Result<Value, String> {
    let begun = Instant::now();
    let first = match call.work {
        Work::Command { .. } | Work::Script { .. } => line.call_now(&call.work).await,
        Work::Each { .. } => None,
    };
    let failure = match first {
        Some(Ok(answer)) => return Ok(answer),
        Some(Err(failure)) if !may_be_repeated(&failure, call) => return Err(failure.reason()),
        Some(Err(failure)) => Some(failure),
        None => None,
    };
    let rest = VERB_TIMEOUT.saturating_sub(begun.elapsed());
    let answered = async { at_most_twice(line, call, failure).await.map_err(|failure| failure.reason()) };
    within(rest, answered).await
}

/// The answer, if it comes in this time.
async fn within(
    limit: Duration,
    answered: impl Future<Output = Result<Value, String>>,
) -> Result<Value, String> {
    let answered = timeout(limit, answered).await;
    answered.unwrap_or_else(|_| Err(format!("no answer within {} s", VERB_TIMEOUT.as_secs())))
}

/// Whether the next connection may be asked, too.
fn may_be_repeated(failure: &Failure, call: Call<'_>) -> bool {
    match failure {
        Failure::Absent(_) => false,
        Failure::Failed(_, error) => is_demotion(error) || call.repeatable && is_break(error),
    }
}

/// Repeats what may be repeated, on the next connection: a server that comes back at once is not noticed, one that
/// is gone is told at once. `failure` is that of the first time, if that is over.
async fn at_most_twice(line: &Line, call: Call<'_>, failure: Option<Failure>) -> Result<Value, Failure> {
    let failure = match failure {
        Some(failure) => failure,
        None => match line.call(&call.work, false, 0).await {
            Err(failure) if may_be_repeated(&failure, call) => failure,
            result => return result,
        },
    };
    let Failure::Failed(generation, error) = failure else { return Err(failure) };
    match line.call(&call.work, false, generation).await {
        // Why the first connection failed says more than that there is no second one.
        Err(Failure::Absent(_)) if is_demotion(&error) => Err(Failure::Failed(generation, error)),
        result => result,
    }
}
