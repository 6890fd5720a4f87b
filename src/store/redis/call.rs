//! What is asked of a server, on one connection; and what its errors mean.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};

use super::scripts::Script;

/// How many commands go out together: a batch takes the server some 7 ms, and others wait no longer for their turn.
const BATCH: usize = 256;

/// Something to ask for.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    /// What.
    pub(super) work: Work<'a>,
    /// Whether it may be asked again when the connection broke before the answer came.
    pub(super) repeatable: bool,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) enum Work<'a> {
    /// This command, which touches this key.
    Command { command: &'a Cmd, key: &'a str },
    /// This script, on its one key.
    Script { script: &'a Script, key: &'a str, args: &'a [&'a str] },
    /// This script on each of these keys, in pipelined batches; the reply is an array in their order.
    Each { script: &'a Script, keys: &'a [&'a str], args: &'a [&'a str] },
}

impl Work<'_> {
    /// The key that it touches, or the first of them.
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Command { key, .. } | Self::Script { key, .. } => key,
            Self::Each { keys, .. } => keys.first().copied().unwrap_or_default(),
        }
    }

    /// Does it. `asking`: the server is about to take the key over from another node of its cluster.
    pub(super) async fn run(
        &self,
        connection: &mut MultiplexedConnection,
        asking: bool,
    ) -> RedisResult<Value> {
        match *self {
            Self::Command { command, .. } => send(command, connection, asking).await,
            Self::Script { script, key, args } => {
                match send(&by_hash(script, key, args), connection, asking).await {
                    Err(error) if is_unknown_script(&error) => {
                        send(&by_text(script, key, args), connection, asking).await
                    }
                    result => result,
                }
            }
            Self::Each { script, keys, args } => {
                let mut replies = Vec::with_capacity(keys.len());
                for keys in keys.chunks(BATCH) {
                    let batch: Vec<Value> =
                        match batch(script, by_hash, keys, args).query_async(connection).await {
                            Err(error) if is_unknown_script(&error) => {
                                batch(script, by_text, keys, args).query_async(connection).await?
                            }
                            result => result?,
                        };
                    replies.extend(batch);
                }
                Ok(Value::Array(replies))
            }
        }
    }
}

async fn send(command: &Cmd, connection: &mut MultiplexedConnection, asking: bool) -> RedisResult<Value> {
    if !asking {
        return command.query_async(connection).await;
    }
    // One packet, since the permission holds for the next command of the connection only.
    let mut pair = Pipeline::with_capacity(2);
    pair.cmd("ASKING").ignore();
    pair.add_command(command.clone());
    let (value,) = pair.query_async(connection).await?;
    Ok(value)
}

fn by_hash(script: &Script, key: &str, args: &[&str]) -> Cmd {
    // Room for every script's arguments.
    let mut command = Cmd::with_capacity(32, 256);
    command.arg("EVALSHA").arg(&script.hash).arg(1).arg(key).arg(args);
    command
}

/// The text makes the server know the script from then on. Unlike loading it first, that leaves no moment in which
/// it could be flushed again.
fn by_text(script: &Script, key: &str, args: &[&str]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script.code).arg(1).arg(key).arg(args);
    command
}

/// One command for each key, `first` for the first of them.
fn batch(
    script: &Script,
    first: impl FnOnce(&Script, &str, &[&str]) -> Cmd,
    keys: &[&str],
    args: &[&str],
) -> Pipeline {
    let mut batch = Pipeline::with_capacity(keys.len());
    if let Some((key, rest)) = keys.split_first() {
        batch.add_command(first(script, key, args));
        for key in rest {
            batch.add_command(by_hash(script, key, args));
        }
    }
    batch
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Whether the server was demoted to a replica, and has done nothing.
pub(super) fn is_demotion(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// Whether another connection may do better. Apart from the connection's own failures, that is so for a server that
/// was demoted: its address may by now lead to the new master.
pub(super) fn is_fault_of_connection(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(_) => is_demotion(error),
        ErrorKind::Extension | ErrorKind::UnexpectedReturnType => false,
        _ => true,
    }
}

/// Whether the connection broke: what it was asked for may or may not have been done. A server that is merely silent
/// is not meant, since there would be no time to ask it again.
pub(super) fn is_break(error: &RedisError) -> bool {
    is_fault_of_connection(error) && !is_demotion(error) && !error.is_timeout()
}

/// What to tell an operator. Of what a server says, only the code is passed on: the rest may quote commands.
pub(super) fn reason(error: &RedisError) -> String {
    if let Some(code) = error.code() {
        let hint = match code {
            "NOFENCE" => ": it hides INFO from scripts, see LINKGATE_STORE_FENCE",
            "WRONGPASS" | "NOAUTH" => ": it wants another user name or password",
            "NOPERM" => ": its user lacks a permission",
            "OOM" => ": it is out of memory",
            _ => "",
        };
        return format!("the server answered {code}{hint}");
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => "the server refused the user name or password".to_owned(),
        ErrorKind::RESP3NotSupported => "the server is older than Redis 6 (no RESP3)".to_owned(),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => "the reply was not understood".to_owned(),
        ErrorKind::Io => std::error::Error::source(error)
            .map_or_else(|| "the connection was lost".to_owned(), ToString::to_string),
        _ => error.category().to_owned(),
    }
}
