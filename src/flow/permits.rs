//! Issuance permits: how many mails may be sent.
//!
//! A limit of so many in a window has as many permits, each a nonce in the store under a keyed hash that names nobody.
//! One is taken for each mail before anything else is done, and is free again when its window is over; so all replicas
//! share the limit, and no window of that length ever sees more.
//!
//! A client that proves by a mark in its cookie that it has verified the address before has permits of its own: who
//! spends those of the address keeps nobody out who was in before.

use std::time::Duration;

use futures_util::future::{join, join_all, try_join_all};

use super::{Caller, FlowError, Service};
use crate::domain::email::EmailAddress;
use crate::domain::limit::Limit;
use crate::domain::secret::{AddressMark, Fingerprint};
use crate::store::Unavailable;
use crate::token::{NetworkHash, fresh_bytes};

/// How many permits of a limit are looked at before it counts as spent. A limit of more is refused a little early, when
/// nearly all are taken.
const PROBES: u32 = 32;

/// How often another free permit is tried when somebody else was faster.
const TRIES: usize = 4;

/// Permits that were taken. To be given back when no mail was sent.
#[derive(Default)]
pub(super) struct Permits(Vec<(String, u32)>);

/// Who asks for a mail, and to whom.
pub(super) struct Asking<'a> {
    pub(super) email: &'a EmailAddress,
    /// The network that asks, as each key of the ring hashes it; the one to be counted first.
    pub(super) networks: &'a [NetworkHash],
    /// The client that asks.
    pub(super) client: Option<Fingerprint>,
    /// Whether it has verified the address before.
    pub(super) known: bool,
}

/// A limit on mails, and what it counts.
struct Bound {
    scope: &'static str,
    hash: String,
    limit: Limit,
}

impl Service {
    /// Whether the caller proves that it has verified this address before.
    pub(super) fn knows(&self, caller: &Caller, email: &EmailAddress) -> bool {
        let Some(client) = caller.fingerprint() else { return false };
        // Most callers carry no marks, and need no hashing.
        !caller.marks.is_empty()
            && self
                .tokens
                .accepted_keys()
                .iter()
                .any(|key| caller.marks.contains(&key.address_mark(client, email)))
    }

    /// The mark of a client that has just verified this address.
    #[must_use]
    pub fn address_mark(&self, client: &Fingerprint, email: &EmailAddress) -> AddressMark {
        self.tokens.active_key().address_mark(client, email)
    }

    /// Takes a permit of every limit for one mail. The outer error is final; the inner one says that a limit is
    /// spent, which is of no interest to a request that turns out to send no mail.
    pub(super) async fn permits(&self, asking: &Asking<'_>) -> Result<Result<Permits, FlowError>, FlowError> {
        // Also what an old link asks for goes by the present rules.
        if !self.settings.domains.allow(asking.email) {
            return Err(FlowError::DomainRefused);
        }
        let taking = join_all(self.bounds(asking).into_iter().map(|bound| self.take(bound)));
        let (allowed, taken) = join(self.refuse_if_hash_denied(asking.email, asking.networks), taking).await;
        let mut permits = Permits::default();
        let (mut spent, mut failed) = (None, None);
        for taken in taken {
            match taken {
                Ok(Taken::Permit(hash, slot)) => permits.0.push((hash, slot)),
                Ok(Taken::Spent(scope, left)) => {
                    self.metrics.limited(scope);
                    spent = spent.max(Some(left));
                }
                Err(error) => failed = Some(error),
            }
        }
        let refusal = match (allowed, failed, spent) {
            (Ok(()), None, None) => return Ok(Ok(permits)),
            (Ok(()), None, Some(left)) => Ok(Err(FlowError::RateLimited(left.max(Duration::from_secs(1))))),
            (Ok(()), Some(error), _) => Err(error.into()),
            (Err(error), ..) => Err(error),
        };
        self.give_back(permits).await;
        refusal
    }

    /// Gives permits back for which no mail was sent. What cannot be given back is free again when its window is over.
    pub(super) async fn give_back(&self, permits: Permits) {
        let given = permits.0.iter().map(|(hash, slot)| self.store.release_permit(hash, *slot));
        drop(join_all(given).await);
    }

    /// The limits that this mail falls under.
    fn bounds(&self, asking: &Asking<'_>) -> Vec<Bound> {
        let limits = &self.settings.mail_limits;
        let email = asking.email.as_str().as_bytes();
        let client = asking.client.as_ref().map(|client| &client.as_bytes()[..]);
        let network = asking.networks.first().map(|network| &network.as_bytes()[..]);
        let key = self.tokens.active_key();
        let mut bounds = Vec::new();
        let mut count = |scope: &'static str, limits: &[Limit], subject: &[&[u8]]| {
            for limit in limits {
                let window = limit.window.as_secs().to_be_bytes();
                let parts = [&[b"mails", scope.as_bytes(), &window], subject].concat();
                bounds.push(Bound { scope, hash: key.permit_hash(&parts), limit: *limit });
            }
        };
        match client {
            Some(client) if asking.known => count("known", &limits.per_address, &[client, email]),
            _ => {
                count("address", &limits.per_address, &[email]);
                if let Some(network) = network {
                    count("network", &limits.per_network, &[network]);
                }
                if let Some(client) = client {
                    count("client", &limits.per_client, &[client]);
                }
            }
        }
        count("overall", &limits.overall, &[]);
        bounds
    }

    async fn take(&self, bound: Bound) -> Result<Taken, Unavailable> {
        let Bound { scope, hash, limit } = bound;
        // Times that people are told are whole seconds, rounded down: when `resend_after` has come, so has the permit.
        let into_the_second = (self.now() - self.second()).to_std().unwrap_or_default();
        let window = limit.window.saturating_sub(into_the_second);
        let mut slot = random_below(limit.count);
        for _ in 0..TRIES {
            if self.store.take_permit(&hash, slot, window).await? {
                return Ok(Taken::Permit(hash, slot));
            }
            match self.look(&hash, limit.count).await? {
                Ok(free) => slot = free,
                Err(left) => return Ok(Taken::Spent(scope, left)),
            }
        }
        Ok(Taken::Spent(scope, Duration::from_secs(1)))
    }

    /// A permit that is free, or how long until the first is.
    async fn look(&self, hash: &str, count: u32) -> Result<Result<u32, Duration>, Unavailable> {
        // From a random place on, so that those who look at the same time find different ones.
        let start = random_below(count);
        let slots: Vec<u32> = (0..count.min(PROBES)).map(|step| (start + step) % count).collect();
        let taken = try_join_all(slots.iter().map(|slot| self.store.permit_taken(hash, *slot))).await?;
        let mut soonest = Duration::MAX;
        for (slot, taken) in slots.into_iter().zip(taken) {
            match taken {
                None => return Ok(Ok(slot)),
                Some(left) => soonest = soonest.min(left),
            }
        }
        Ok(Err(soonest))
    }
}

enum Taken {
    Permit(String, u32),
    /// The limit of this scope is spent for so long.
    Spent(&'static str, Duration),
}

/// Any number below this one, which is at least one; which, does not matter to safety.
fn random_below(count: u32) -> u32 {
    u32::from_be_bytes(fresh_bytes()) % count.max(1)
}
