//! Which server a connection is to lead to, and when it is to lead to another one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use super::call::reason;
use super::options::{Access, Address, InvalidOptions};
use crate::store::keys::RecordKey;

/// How often Sentinels are asked for the master, and nodes for the state of their cluster.
pub(super) const LOOK_AROUND: Duration = Duration::from_secs(1);
/// How long one of them may take to answer, since the others know as much.
const INFORMANT_PATIENCE: Duration = Duration::from_millis(500);

/// Where to connect to.
pub(super) enum Source {
    /// To this server.
    Fixed(Client),
    /// To the master that Sentinels name.
    Sentinels(Sentinels),
    /// To any of these nodes of a cluster.
    AnyOf(Nodes),
}

/// A connection, and the server that it leads to.
pub(super) struct Connected {
    pub(super) connection: MultiplexedConnection,
    place: Option<Address>,
}

impl Source {
    /// Connects.
    ///
    /// # Errors
    /// Why it is not possible at the moment.
    pub(super) async fn connect(&self, config: &AsyncConnectionConfig) -> Result<Connected, String> {
        match self {
            Self::Fixed(client) => {
                let connection = client.get_multiplexed_async_connection_with_config(config).await;
                Ok(Connected { connection: connection.map_err(|error| reason(&error))?, place: None })
            }
            Self::Sentinels(sentinels) => sentinels.connect(config).await,
            Self::AnyOf(nodes) => nodes.connect(config).await,
        }
    }

    /// Returns when another server should be connected to.
    pub(super) async fn moved_on(&self, connected: &Connected, config: &AsyncConnectionConfig) {
        match self {
            Self::Fixed(_) => std::future::pending().await,
            Self::Sentinels(sentinels) => loop {
                sleep(LOOK_AROUND).await;
                let named = sentinels.named().await.ok().and_then(|named| named.into_iter().next());
                let moved = named.filter(|named| Some(named) != connected.place.as_ref());
                if let Some(moved) = moved
                    && sentinels.connect_to(&moved, config).await.is_ok()
                {
                    return;
                }
            },
            Self::AnyOf(_) => loop {
                sleep(LOOK_AROUND).await;
                if is_cut_off(&mut connected.connection.clone()).await {
                    return;
                }
            },
        }
    }
}

/// Whether a node has lost its cluster, and so hears nothing of what is published there. It says so to whoever asks
/// for a key, whether it would have that key or not.
async fn is_cut_off(connection: &mut MultiplexedConnection) -> bool {
    let answer = redis::cmd("EXISTS").arg(RecordKey::Absent.to_string()).exec_async(connection).await;
    answer.is_err_and(|error| error.kind() == ServerErrorKind::ClusterDown.into())
}

/// A server that is asked how things stand, over a connection of its own that is kept.
pub(super) struct Informant {
    /// Ways to log in, the first that works is taken.
    clients: Vec<Client>,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Informant {
    pub(super) fn new(clients: Vec<Client>) -> Self {
        Self { clients, connection: Mutex::new(None) }
    }

    /// Asks; it either answers soon or not at all.
    pub(super) async fn ask<T: FromRedisValue>(&self, question: &Cmd) -> Result<T, String> {
        let asking = async {
            let mut kept = self.connection.lock().await;
            // What fails or is given up leaves no connection behind.
            if let Some(mut connection) = kept.take()
                && let Ok(answer) = question.query_async(&mut connection).await
            {
                *kept = Some(connection);
                return Ok(answer);
            }
            let mut last = String::new();
            for client in &self.clients {
                match first_answer(client, question).await {
                    Ok((connection, answer)) => {
                        *kept = Some(connection);
                        return Ok(answer);
                    }
                    Err(error) => last = reason(&error),
                }
            }
            Err(last)
        };
        timeout(INFORMANT_PATIENCE, asking).await.unwrap_or_else(|_| Err("no answer".to_owned()))
    }
}

async fn first_answer<T: FromRedisValue>(
    client: &Client,
    question: &Cmd,
) -> RedisResult<(MultiplexedConnection, T)> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    let answer = question.query_async(&mut connection).await?;
    Ok((connection, answer))
}

/// A group of Sentinels, and the name of a master.
pub(super) struct Sentinels {
    group: Vec<Informant>,
    question: Cmd,
    access: Access,
}

impl Sentinels {
    /// This group.
    ///
    /// # Errors
    /// When the options cannot be used.
    pub(super) fn new(sentinels: &[Address], master: &str, access: Access) -> Result<Self, InvalidOptions> {
        let informant = |address| access.sentinel_clients(address).map(Informant::new);
        let group = sentinels.iter().map(informant).collect::<Result<_, _>>()?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("MASTER").arg(master);
        Ok(Self { group, question, access })
    }

    /// The masters that they name, the one of the latest failover first: a Sentinel that was cut off names an
    /// earlier one.
    async fn named(&self) -> Result<Vec<Address>, String> {
        let answers = join_all(self.group.iter().map(|sentinel| sentinel.ask(&self.question))).await;
        let mut named = Vec::new();
        let mut last = String::new();
        for answer in answers {
            match answer {
                Ok(facts) => named.extend(master(&facts)),
                Err(reason) => last = reason,
            }
        }
        if named.is_empty() {
            return Err(format!("no Sentinel names the master: {last}"));
        }
        named.sort();
        named.dedup();
        Ok(named.into_iter().rev().map(|(_, address)| address).collect())
    }

    async fn connect(&self, config: &AsyncConnectionConfig) -> Result<Connected, String> {
        let mut last = String::new();
        for address in self.named().await? {
            match self.connect_to(&address, config).await {
                Ok(connected) => return Ok(connected),
                Err(reason) => last = reason,
            }
        }
        Err(last)
    }

    /// Connects to this server, if it is a master by its own account too.
    async fn connect_to(
        &self,
        address: &Address,
        config: &AsyncConnectionConfig,
    ) -> Result<Connected, String> {
        let client = self.access.client(address).map_err(|error| error.to_string())?;
        let attempt = async {
            let mut connection = client.get_multiplexed_async_connection_with_config(config).await?;
            let role: Vec<redis::Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
            Ok::<_, RedisError>((connection, role))
        };
        let (connection, role) = attempt.await.map_err(|error| reason(&error))?;
        if role.first() != Some(&redis::Value::BulkString(b"master".to_vec())) {
            return Err("the server that the Sentinels name is not a master".to_owned());
        }
        Ok(Connected { connection, place: Some(address.clone()) })
    }
}

/// What a Sentinel says of the master: the number of its last failover, and where it is.
fn master(facts: &std::collections::HashMap<String, String>) -> Option<(u64, Address)> {
    let epoch = facts.get("config-epoch")?.parse().ok()?;
    let address = Address { host: facts.get("ip")?.clone(), port: facts.get("port")?.parse().ok()? };
    Some((epoch, address))
}

/// The nodes of a cluster as they are known at the moment, one after the other.
pub(super) struct Nodes {
    known: watch::Receiver<Vec<Address>>,
    access: Access,
    next: AtomicUsize,
}

impl Nodes {
    pub(super) fn new(known: watch::Receiver<Vec<Address>>, access: Access) -> Self {
        Self { known, access, next: AtomicUsize::new(0) }
    }

    async fn connect(&self, config: &AsyncConnectionConfig) -> Result<Connected, String> {
        let address = {
            let known = self.known.borrow();
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            known.get(next % known.len().max(1)).cloned().ok_or("no node is known")?
        };
        let client = self.access.client(&address).map_err(|error| error.to_string())?;
        let connection = client.get_multiplexed_async_connection_with_config(config).await;
        let mut connection = connection.map_err(|error| reason(&error))?;
        if is_cut_off(&mut connection).await {
            return Err("the node has lost its cluster".to_owned());
        }
        Ok(Connected { connection, place: Some(address) })
    }
}
