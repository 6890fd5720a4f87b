//! The store on Redis: each step one Lua script on one key, fenced, and a change published by the script itself.
//!
//! Knows how records and replies look; the rules that the scripts repeat are those of [`crate::domain::attempt`],
//! and one contract suite holds both.
//!
//! When the connection breaks before the answer, what may be done twice is asked for once more (see `scripts`); all
//! else fails, with an unknown outcome.
//!
//! The service's clock decides what is over; times to live run on the server's, as distances.

mod call;
mod cluster;
mod line;
mod lines;
mod link;
mod options;
mod record;
mod scripts;
mod source;

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::broadcast;

use self::link::Link;
use self::options::Target;
pub use self::options::{InvalidOptions, RedisOptions};
use self::record::{Garbled, Reply, encode, flag, seconds, signed_in};
use self::scripts::Script;
use super::keys::RecordKey;
use super::{
    AttemptStore, CHANGES_KEPT, Change, Created, PermitStore, SessionStore, StepError, Stepped, Store,
    TicketStore, Unavailable,
};
use crate::domain::attempt::{Attempt, CodeEntered, LinkState, MAILING_PATIENCE, Refusal, SignedIn, Verdict};
use crate::domain::ids::{AttemptId, SessionId};
use crate::domain::secret::{ConfirmationId, Nonce};

/// The store on Redis: one server, a Sentinel group or a cluster.
pub struct RedisStore {
    link: Link,
    fence: &'static str,
    changes: broadcast::Sender<Change>,
}

impl RedisStore {
    /// A store that connects in the background, now and after each loss: the server may be absent, until it comes
    /// every verb is [`Unavailable`]. To be called within a tokio runtime, which is to outlive the store.
    ///
    /// # Errors
    /// [`InvalidOptions`] when the URL or the certificates cannot be used.
    pub fn connect(options: &RedisOptions) -> Result<Self, InvalidOptions> {
        let target = Target::parse(options)?;
        let changes = broadcast::Sender::new(CHANGES_KEPT);
        let fence = if options.fence { "on" } else { "off" };
        Ok(Self { link: Link::open(target, changes.clone())?, fence, changes })
    }

    /// Runs a script of the attempt's; its arguments follow the fence.
    async fn run(
        &self,
        script: &LazyLock<Script>,
        id: AttemptId,
        args: &[&str],
    ) -> Result<Reply, Unavailable> {
        let args = [&[self.fence], args].concat();
        Ok(Reply::read(&self.link.run(script, &RecordKey::Attempt(id).to_string(), &args).await?)?)
    }

    /// Runs a script whose success is the attempt as it then is.
    async fn step(
        &self,
        script: &LazyLock<Script>,
        id: AttemptId,
        args: &[&str],
    ) -> Result<(Attempt, String), StepError> {
        match self.run(script, id, args).await? {
            Reply::Done(attempt, rest) => Ok((attempt, rest)),
            Reply::Refused(refusal) => Err(refusal.into()),
            Reply::Word(_) => Err(Unavailable::from(Garbled).into()),
        }
    }

    /// Runs a script that says `changed` when it is not a repetition.
    async fn changing_step(
        &self,
        script: &LazyLock<Script>,
        id: AttemptId,
        args: &[&str],
    ) -> Result<Stepped, StepError> {
        let (attempt, rest) = self.step(script, id, args).await?;
        Ok(Stepped { attempt, changed: rest == "changed" })
    }

    /// Runs a script of a ticket's: whether it says `ok`.
    async fn ticket(
        &self,
        script: &LazyLock<Script>,
        nonce: &Nonce,
        args: &[&str],
    ) -> Result<bool, Unavailable> {
        let args = [&[self.fence], args].concat();
        match Reply::read(&self.link.run(script, &RecordKey::Ticket(nonce).to_string(), &args).await?)? {
            Reply::Word(word) if word == "ok" => Ok(true),
            Reply::Refused(Refusal::Lost) => Ok(false),
            _ => Err(Garbled.into()),
        }
    }
}

impl From<Garbled> for Unavailable {
    fn from(_: Garbled) -> Self {
        Self { reason: "the reply was not understood".to_owned() }
    }
}

/// A time to live in milliseconds. Redis takes none below one, and none beyond 2^63.
fn millis(duration: Duration) -> u64 {
    const TEN_YEARS: u64 = 10 * 366 * 86_400_000;
    u64::try_from(duration.as_millis()).unwrap_or(TEN_YEARS).clamp(1, TEN_YEARS)
}

#[async_trait]
impl AttemptStore for RedisStore {
    async fn create(
        &self,
        id: AttemptId,
        attempt: &Attempt,
        keep_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Created, Unavailable> {
        let keep_for = (keep_until - now).num_milliseconds().to_string();
        let patience = MAILING_PATIENCE.num_seconds().to_string();
        let (now, nonce, fields) = (seconds(now), attempt.nonce.encode(), encode(attempt));
        let mut args = vec![now.as_str(), &keep_for, &nonce, &patience];
        args.extend(fields.iter().map(AsRef::as_ref));
        match self.run(&scripts::CREATE, id, &args).await? {
            Reply::Word(word) if word == "fresh" => Ok(Created::Fresh),
            Reply::Done(there, _) => Ok(Created::Exists(there)),
            Reply::Word(_) | Reply::Refused(_) => Err(Garbled.into()),
        }
    }

    async fn mail_accepted(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable> {
        self.run(&scripts::MAIL_ACCEPTED, id, &[&nonce.encode()]).await.map(drop)
    }

    async fn discard(&self, id: AttemptId, nonce: &Nonce) -> Result<(), Unavailable> {
        self.run(&scripts::DISCARD, id, &[&nonce.encode()]).await.map(drop)
    }

    async fn read(&self, id: AttemptId) -> Result<Option<Attempt>, Unavailable> {
        found(self.run(&scripts::READ, id, &[]).await?)
    }

    async fn read_many(&self, ids: &[AttemptId]) -> Result<Vec<Option<Attempt>>, Unavailable> {
        let keys: Vec<String> = ids.iter().map(|id| RecordKey::Attempt(*id).to_string()).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let replies = self.link.run_on_each(&scripts::READ, &keys, &[self.fence]).await?;
        replies.iter().map(|reply| found(Reply::read(reply)?)).collect()
    }

    async fn settle(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        confirmation: ConfirmationId,
        verdict: &Verdict,
        now: DateTime<Utc>,
    ) -> Result<Stepped, StepError> {
        let (letter, who, same) = match *verdict {
            Verdict::Verify { signed_in: who, same_client } => ("v", signed_in(who), flag(same_client)),
            Verdict::Deny => ("d", "", ""),
        };
        let args = [&nonce.encode(), &seconds(now), &confirmation.encode(), letter, who, same];
        self.changing_step(&scripts::SETTLE, id, &args).await
    }

    async fn show_code(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError> {
        Ok(self.step(&scripts::SHOW_CODE, id, &[&nonce.encode(), &seconds(now)]).await?.0)
    }

    async fn enter_code(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        right: bool,
        who: Option<SignedIn>,
        now: DateTime<Utc>,
    ) -> Result<(Attempt, CodeEntered), StepError> {
        let args = [&nonce.encode(), &seconds(now), flag(right), signed_in(who)];
        let script = if right { &scripts::ENTER_RIGHT_CODE } else { &scripts::ENTER_CODE };
        let (attempt, rest) = self.step(script, id, &args).await?;
        let entered = match rest.split_once(' ').unwrap_or((&rest, "")) {
            ("right", "") => CodeEntered::Right,
            ("again", "") => CodeEntered::Again,
            ("wrong", left) => CodeEntered::Wrong(left.parse().map_err(|_| Unavailable::from(Garbled))?),
            _ => return Err(Unavailable::from(Garbled).into()),
        };
        Ok((attempt, entered))
    }

    async fn cancel(&self, id: AttemptId, now: DateTime<Utc>) -> Result<Stepped, StepError> {
        self.changing_step(&scripts::CANCEL, id, &[&seconds(now)]).await
    }

    async fn replace_link(
        &self,
        id: AttemptId,
        link: &LinkState,
        now: DateTime<Utc>,
    ) -> Result<(Attempt, LinkState), StepError> {
        let args =
            [&seconds(now), &link.nonce.encode(), &seconds(link.expires_at), &seconds(link.resend_after)];
        let (attempt, rest) = self.step(&scripts::REPLACE_LINK, id, &args.map(String::as_str)).await?;
        let [nonce, expires_at, resend_after] = rest.split(' ').collect::<Vec<_>>()[..] else {
            return Err(Unavailable::from(Garbled).into());
        };
        let previous = record::link(nonce, expires_at, resend_after).map_err(Unavailable::from)?;
        Ok((attempt, previous))
    }

    async fn restore_link(
        &self,
        id: AttemptId,
        failed: &Nonce,
        previous: &LinkState,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError> {
        let args = [
            &failed.encode(),
            &seconds(now),
            &previous.nonce.encode(),
            &seconds(previous.expires_at),
            &seconds(previous.resend_after),
        ];
        Ok(self.step(&scripts::RESTORE_LINK, id, &args.map(String::as_str)).await?.0)
    }

    async fn reject_mail(
        &self,
        id: AttemptId,
        nonce: &Nonce,
        now: DateTime<Utc>,
    ) -> Result<Attempt, StepError> {
        Ok(self.step(&scripts::REJECT_MAIL, id, &[&nonce.encode(), &seconds(now)]).await?.0)
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
}

#[async_trait]
impl TicketStore for RedisStore {
    async fn put_ticket(&self, nonce: &Nonce, keep_for: Duration) -> Result<(), Unavailable> {
        self.ticket(&scripts::PUT_TICKET, nonce, &[&millis(keep_for).to_string()]).await.map(drop)
    }

    async fn consume_ticket(&self, nonce: &Nonce) -> Result<bool, Unavailable> {
        self.ticket(&scripts::CONSUME_TICKET, nonce, &[]).await
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn end_session(&self, id: SessionId, keep_for: Duration) -> Result<(), Unavailable> {
        let (mut set, key) = (redis::cmd("SET"), RecordKey::Session(id).to_string());
        self.link.query(set.arg(&key).arg("1").arg("PX").arg(millis(keep_for)), &key, true).await
    }

    async fn session_ended(&self, id: SessionId) -> Result<bool, Unavailable> {
        let key = RecordKey::Session(id).to_string();
        self.link.query(redis::cmd("EXISTS").arg(&key), &key, true).await
    }
}

#[async_trait]
impl PermitStore for RedisStore {
    async fn take_permit(&self, hash: &str, slot: u32, window: Duration) -> Result<bool, Unavailable> {
        let (mut set, key) = (redis::cmd("SET"), RecordKey::Permit(hash, slot).to_string());
        set.arg(&key).arg("1").arg("NX").arg("PX").arg(millis(window));
        let taken: Option<String> = self.link.query(&set, &key, false).await?;
        Ok(taken.is_some())
    }

    async fn release_permit(&self, hash: &str, slot: u32) -> Result<(), Unavailable> {
        let key = RecordKey::Permit(hash, slot).to_string();
        let _: u64 = self.link.query(redis::cmd("DEL").arg(&key), &key, true).await?;
        Ok(())
    }

    async fn permit_taken(&self, hash: &str, slot: u32) -> Result<Option<Duration>, Unavailable> {
        let key = RecordKey::Permit(hash, slot).to_string();
        let left: i64 = self.link.query(redis::cmd("PTTL").arg(&key), &key, true).await?;
        // Negative when there is no such key; zero in its last millisecond.
        Ok(u64::try_from(left).ok().map(|left| Duration::from_millis(left.max(1))))
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn ping(&self) -> Result<(), Unavailable> {
        // Not PING, which a node that has lost its cluster answers too.
        let key = RecordKey::Absent.to_string();
        let _: u64 = self.link.query(redis::cmd("EXISTS").arg(&key), &key, true).await?;
        Ok(())
    }
}

/// The attempt, if the reply has one.
fn found(reply: Reply) -> Result<Option<Attempt>, Unavailable> {
    match reply {
        Reply::Done(attempt, _) => Ok(Some(attempt)),
        Reply::Refused(Refusal::Lost) => Ok(None),
        Reply::Refused(_) | Reply::Word(_) => Err(Garbled.into()),
    }
}
