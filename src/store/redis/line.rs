//! A line to one server: one connection, shared by all commands and perhaps the subscription, and replaced when it
//! fails.
//!
//! The client library's own manager keeps a connection that has gone silent and makes requests wait while it
//! retries. Here a supervisor keeps connecting, at most half a second after it last failed, and requests either
//! get the connection, or wait for an attempt to connect that may yet succeed, or fail at once with the reason
//! why the last one did not. Which server to connect to is up to the [`Source`].

use std::sync::Arc;
use std::time::Duration;

use log::Level;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Msg, PushInfo, PushKind, RedisError, Value};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::call::{Work, is_fault_of_connection, reason};
use super::source::{Connected, Source};
use crate::domain::ids::AttemptId;
use crate::store::Change;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How often a connection is asked whether it is still there: an idle one that a network has forgotten would
/// otherwise cost the next request, and all waiters, a time-out.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Commands that may queue up behind the socket before callers wait.
const QUEUE: usize = 1024;

/// On which changes of status are published, as hexadecimal attempt ids; the scripts name it too.
const CHANNEL: &str = "lg:changes";

#[derive(Clone)]
enum Phase {
    /// The first attempt to connect, or the first since a connection was lost, is under way.
    Connecting,
    Up(Generation, MultiplexedConnection),
    /// The last attempt to connect failed; the next is due.
    Down(String),
}

/// Which of the successive connections of a line; the first is 1.
pub(super) type Generation = u64;

/// Why a call was not answered.
pub(super) enum Failure {
    /// Nothing was sent: there is no connection, for this reason.
    Absent(String),
    /// The server, or this connection to it, said this.
    Failed(Generation, RedisError),
}

impl Failure {
    /// What to tell an operator.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Absent(reason) => reason.clone(),
            Self::Failed(_, error) => reason(error),
        }
    }
}

/// What a line is for.
pub(super) struct Purpose {
    /// For the log.
    pub(super) name: &'static str,
    /// Where the subscription's messages go, if this line is to subscribe.
    pub(super) changes: Option<broadcast::Sender<Change>>,
    /// Who is told of each loss.
    pub(super) lost: Option<Arc<Notify>>,
    /// Whether another line to the same server tells how it goes.
    pub(super) quiet: bool,
}

/// The connection, and who keeps it up.
pub(super) struct Line {
    phase: watch::Receiver<Phase>,
    suspect: Arc<watch::Sender<Generation>>,
    supervisor: AbortHandle,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

impl Line {
    /// Starts to connect, in a task of the present tokio runtime, and goes on until dropped.
    pub(super) fn open(source: Arc<Source>, purpose: Purpose) -> Self {
        let (phase_sender, phase) = watch::channel(Phase::Connecting);
        let suspect = Arc::new(watch::Sender::new(0));
        let supervisor = Supervisor { source, purpose, suspect: Arc::clone(&suspect), phase: phase_sender };
        let supervisor = tokio::spawn(supervisor.run()).abort_handle();
        Self { phase, suspect, supervisor }
    }

    /// Whether there is a connection, for all that is known.
    pub(super) fn is_up(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Up(..))
    }

    /// Does this work, on a connection that was made after that of generation `after`. The caller sets the limit of
    /// time.
    pub(super) async fn call(
        &self,
        work: &Work<'_>,
        asking: bool,
        after: Generation,
    ) -> Result<Value, Failure> {
        let connection = self.connection(after).await.map_err(Failure::Absent)?;
        self.call_on(connection, work, asking).await
    }

    /// Does this work on the connection that there is, if there is one.
    pub(super) async fn call_now(&self, work: &Work<'_>) -> Option<Result<Value, Failure>> {
        let connection = match &*self.phase.borrow() {
            Phase::Up(generation, connection) => (*generation, connection.clone()),
            Phase::Connecting | Phase::Down(_) => return None,
        };
        Some(self.call_on(connection, work, false).await)
    }

    async fn call_on(
        &self,
        (generation, mut connection): (Generation, MultiplexedConnection),
        work: &Work<'_>,
        asking: bool,
    ) -> Result<Value, Failure> {
        work.run(&mut connection, asking).await.map_err(|error| {
            if is_fault_of_connection(&error) {
                raise(&self.suspect, generation);
            }
            Failure::Failed(generation, error)
        })
    }

    async fn connection(&self, after: Generation) -> Result<(Generation, MultiplexedConnection), String> {
        let mut phase = self.phase.clone();
        let settled = |phase: &Phase| match phase {
            Phase::Connecting => false,
            Phase::Up(generation, _) => *generation > after,
            Phase::Down(_) => true,
        };
        match phase.wait_for(settled).await.as_deref() {
            Ok(Phase::Up(generation, connection)) => Ok((*generation, connection.clone())),
            Ok(Phase::Down(reason)) => Err(reason.clone()),
            Ok(Phase::Connecting) | Err(_) => Err("shutting down".to_owned()),
        }
    }
}

fn raise(suspect: &watch::Sender<Generation>, generation: Generation) {
    suspect.send_if_modified(|highest| {
        let higher = generation > *highest;
        *highest = generation.max(*highest);
        higher
    });
}

fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_pipeline_buffer_size(QUEUE)
}

struct Supervisor {
    source: Arc<Source>,
    purpose: Purpose,
    suspect: Arc<watch::Sender<Generation>>,
    phase: watch::Sender<Phase>,
}

impl Supervisor {
    async fn run(self) {
        let name = self.purpose.name;
        let mut pause = FIRST_PAUSE;
        for generation in 1.. {
            match self.connect(generation).await {
                Ok(connected) => {
                    log::log!(self.level(Level::Info), "connected to {name}");
                    let since = Instant::now();
                    self.phase.send_replace(Phase::Up(generation, connected.connection.clone()));
                    if let Some(changes) = &self.purpose.changes {
                        // What was published in between is lost: whoever waits has to look for itself.
                        let _ = changes.send(Change::Anything);
                    }
                    self.watch_over(generation, connected).await;
                    self.phase.send_replace(Phase::Connecting);
                    log::log!(self.level(Level::Warn), "lost the connection to {name}");
                    self.tell_of_loss();
                    pause = FIRST_PAUSE;
                    // A connection that held is replaced at once; one that did not, not in a tight loop.
                    if since.elapsed() > LONGEST_PAUSE {
                        continue;
                    }
                }
                Err(reason) => {
                    if !matches!(*self.phase.borrow(), Phase::Down(_)) {
                        log::log!(self.level(Level::Warn), reason = reason.as_str(); "cannot connect to {name}");
                    }
                    self.phase.send_replace(Phase::Down(reason));
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    const fn level(&self, level: Level) -> Level {
        if self.purpose.quiet { Level::Debug } else { level }
    }

    fn tell_of_loss(&self) {
        if let Some(lost) = &self.purpose.lost {
            lost.notify_one();
        }
    }

    /// Connects, authenticates and subscribes.
    async fn connect(&self, generation: Generation) -> Result<Connected, String> {
        let (changes, suspect) = (self.purpose.changes.clone(), Arc::clone(&self.suspect));
        let receive = move |push: PushInfo| -> Result<(), redis::aio::SendError> {
            match push.kind {
                PushKind::Disconnection => raise(&suspect, generation),
                PushKind::Message => {
                    if let Some(id) = Msg::from_push_info(push).as_ref().and_then(changed)
                        && let Some(changes) = &changes
                    {
                        // No receiver is no error.
                        let _ = changes.send(Change::Attempt(id));
                    }
                }
                _ => {}
            }
            Ok(())
        };
        let mut connected = self.source.connect(&config().set_push_sender(receive)).await?;
        if self.purpose.changes.is_some() {
            connected.connection.subscribe(CHANNEL).await.map_err(|error| reason(&error))?;
        }
        Ok(connected)
    }

    /// Returns when the connection is not to be used any more.
    async fn watch_over(&self, generation: Generation, connected: Connected) {
        let mut suspect = self.suspect.subscribe();
        let (mut connection, config) = (connected.connection.clone(), config());
        let heartbeat = async {
            loop {
                sleep(HEARTBEAT).await;
                let pong = redis::cmd("PING").exec_async(&mut connection).await;
                if pong.is_err_and(|error| is_fault_of_connection(&error)) {
                    return;
                }
            }
        };
        tokio::select! {
            () = heartbeat => {}
            () = self.source.moved_on(&connected, &config) => {}
            // The sender lives as long as `self`, so waiting cannot fail.
            _ = suspect.wait_for(|highest| *highest >= generation) => {}
        }
    }
}

/// The attempt that a message names; `None` for what no script of ours has published.
fn changed(message: &Msg) -> Option<AttemptId> {
    let hex = std::str::from_utf8(message.get_payload_bytes()).ok()?;
    format!("att_{hex}").parse().ok()
}
