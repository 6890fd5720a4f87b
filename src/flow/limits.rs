//! Limits on mails.
//!
//! A limit of `n` mails in a window is `n` permits in the store, under a keyed hash that names nobody. Each mail takes
//! one permit of every limit before anything else happens. A permit is free again after its window, so all replicas
//! share the limit, and no window of that length ever sees more than `n` mails.
//!
//! A client that proves with a mark in its cookie that it has verified the address has permits of its own. An attacker
//! who uses up the permits of an address therefore cannot lock out its owner.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all, try_join_all};

use super::caller::Caller;
use super::error::{FlowError, at_least_a_second};
use super::parts::Parts;
use super::settings::DENIED_FOR;
use crate::domain::email::EmailAddress;
use crate::domain::limit::Limit;
use crate::domain::network::Network;
use crate::domain::secret::Fingerprint;
use crate::metrics::LimitScope;
use crate::store::Unavailable;
use crate::token::{KeyHandle, NetworkHash, fresh_bytes};

/// How many permits of a limit are looked at before the limit counts as used up. A larger limit therefore refuses a
/// little early, when nearly all of its permits are taken.
const PROBES: u32 = 32;

/// How many free permits one mail tries when other requests take them first.
const TRIES: usize = 4;

/// A request for a mail.
pub(super) struct MailRequest<'a> {
    pub(super) email: &'a EmailAddress,
    /// The requester's network, as each key of the ring hashes it, the active key first. Empty if unknown.
    pub(super) networks: &'a [NetworkHash],
    /// The client to count the mail for, if any.
    pub(super) client: Option<Fingerprint>,
    /// Whether the client has verified the address before.
    pub(super) has_verified: bool,
}

/// The hash of a limit and the slot taken.
type Permit = (String, u32);

/// Permits taken for one mail. [`Limits::give_back`] returns them when no mail was sent.
#[derive(Default)]
pub(super) struct Permits(Vec<Permit>);

/// Whether the limits allow a mail.
pub(super) enum Permission {
    Granted(Permits),
    /// A limit is used up for this long. A start that turns out to be a repetition sends no mail and may ignore this.
    UsedUp(Duration),
}

/// One limit, and the key under which its permits are counted.
struct LimitKey {
    scope: LimitScope,
    hash: String,
    limit: Limit,
}

/// Which mails may be sent.
pub(super) struct Limits {
    pub(super) parts: Arc<Parts>,
}

impl Limits {
    /// Refuses addresses of domains that get no mail.
    pub(super) fn check_domain(&self, email: &EmailAddress) -> Result<(), FlowError> {
        if self.parts.settings.domains.allow(email) { Ok(()) } else { Err(FlowError::DomainRefused) }
    }

    /// Whether the caller's marks prove that it has verified this address before.
    pub(super) fn has_verified(&self, caller: &Caller, email: &EmailAddress) -> bool {
        let Some(client) = &caller.client else { return false };
        // Most callers carry no marks; skip the hashing for them.
        !caller.marks.is_empty()
            && self
                .parts
                .tokens
                .accepted_keys()
                .iter()
                .any(|key| caller.marks.contains(&key.address_mark(client, email)))
    }

    /// The network as each key of the ring hashes it, the active key first.
    pub(super) fn network_hashes(&self, network: &Network) -> Vec<NetworkHash> {
        let active = self.parts.tokens.active_key().network_hash(network);
        let accepted = self.parts.tokens.accepted_keys();
        let others = accepted.iter().map(|key| key.network_hash(network)).filter(|hash| *hash != active);
        std::iter::once(active).chain(others).collect()
    }

    /// Denies mails from this network to this address for [`DENIED_FOR`].
    pub(super) async fn deny(
        &self,
        key: &KeyHandle,
        email: &EmailAddress,
        network: NetworkHash,
    ) -> Result<(), FlowError> {
        // `false` means that an earlier press of the same button has taken the permit.
        self.parts.store.take_permit(&denied_hash(key, email, network), 0, DENIED_FOR).await?;
        Ok(())
    }

    /// Refuses a network that the owner of the address has denied. The denied link may carry the network as any key of
    /// the ring hashed it, and may be signed with any other key.
    pub(super) async fn check_denied(
        &self,
        email: &EmailAddress,
        networks: &[NetworkHash],
    ) -> Result<(), FlowError> {
        let keys = self.parts.tokens.accepted_keys();
        let hashes =
            networks.iter().flat_map(|network| keys.iter().map(move |key| denied_hash(key, email, *network)));
        let denials = hashes.map(|hash| async move { self.parts.store.permit_taken(&hash, 0).await });
        match try_join_all(denials).await?.into_iter().flatten().max() {
            Some(left) => Err(FlowError::RateLimited(at_least_a_second(left))),
            None => Ok(()),
        }
    }

    /// Takes one permit of every limit that applies to the mail, all of them or none.
    ///
    /// # Errors
    /// [`FlowError::DomainRefused`] (an old link, too, is subject to the present settings), [`FlowError::RateLimited`]
    /// after "This wasn't me", [`FlowError::StoreUnavailable`].
    pub(super) async fn take(&self, request: &MailRequest<'_>) -> Result<Permission, FlowError> {
        self.check_domain(request.email)?;
        let taking = join_all(self.limit_keys(request).into_iter().map(|key| self.take_permit(key)));
        let (allowed, taken) = join(self.check_denied(request.email, request.networks), taking).await;
        let (mut permits, mut used_up, mut outcome) = (Permits::default(), None, allowed);
        for taken in taken {
            match taken {
                Ok(Ok(permit)) => permits.0.push(permit),
                Ok(Err(left)) => used_up = used_up.max(Some(left)),
                Err(error) => outcome = outcome.and(Err(error.into())),
            }
        }
        if outcome.is_ok() && used_up.is_none() {
            return Ok(Permission::Granted(permits));
        }
        self.give_back(permits).await;
        outcome.map(|()| Permission::UsedUp(at_least_a_second(used_up.unwrap_or_default())))
    }

    /// Returns permits for which no mail was sent. If the store fails, they become free after their windows.
    pub(super) async fn give_back(&self, permits: Permits) {
        let released = permits.0.iter().map(|(hash, slot)| self.parts.store.release_permit(hash, *slot));
        drop(join_all(released).await);
    }

    /// The limits that apply to the mail.
    fn limit_keys(&self, request: &MailRequest<'_>) -> Vec<LimitKey> {
        let limits = &self.parts.settings.mail_limits;
        let email = request.email.as_str().as_bytes();
        let client = request.client.as_ref().map(|client| &client.as_bytes()[..]);
        let network = request.networks.first().map(|network| &network.as_bytes()[..]);
        let key = self.parts.tokens.active_key();
        let mut keys = Vec::new();
        let mut count = |scope: LimitScope, limits: &[Limit], subject: &[&[u8]]| {
            for limit in limits {
                let window = limit.window.as_secs().to_be_bytes();
                let parts = [&[b"mails", scope.as_str().as_bytes(), &window], subject].concat();
                keys.push(LimitKey { scope, hash: key.permit_hash(&parts), limit: *limit });
            }
        };
        match client {
            Some(client) if request.has_verified => {
                count(LimitScope::Known, &limits.per_address, &[client, email]);
            }
            _ => {
                count(LimitScope::Address, &limits.per_address, &[email]);
                if let Some(network) = network {
                    count(LimitScope::Network, &limits.per_network, &[network]);
                }
                if let Some(client) = client {
                    count(LimitScope::Client, &limits.per_client, &[client]);
                }
            }
        }
        count(LimitScope::Overall, &limits.overall, &[]);
        keys
    }

    /// A permit, or how long until one is free.
    async fn take_permit(&self, key: LimitKey) -> Result<Result<Permit, Duration>, Unavailable> {
        let LimitKey { scope, hash, limit } = key;
        // Clients see times rounded down to whole seconds. The window ends at a whole second, too, so that the permit
        // is free when `resend_after` has come.
        let fraction = (self.parts.now() - self.parts.now_secs()).to_std().unwrap_or_default();
        let window = limit.window.saturating_sub(fraction);
        let mut slot = random_below(limit.count);
        let mut free_in = Duration::ZERO;
        for _ in 0..TRIES {
            if self.parts.store.take_permit(&hash, slot, window).await? {
                return Ok(Ok((hash, slot)));
            }
            match self.find_free(&hash, limit.count).await? {
                Ok(free) => slot = free,
                Err(left) => {
                    free_in = left;
                    break;
                }
            }
        }
        self.parts.metrics.limited(scope);
        Ok(Err(free_in))
    }

    /// The slot of a free permit, or how long until the first of those looked at is free.
    async fn find_free(&self, hash: &str, count: u32) -> Result<Result<u32, Duration>, Unavailable> {
        // Concurrent requests start at random slots, so they find different ones.
        let start = random_below(count);
        let slots: Vec<u32> = (0..count.min(PROBES)).map(|step| (start + step) % count).collect();
        let taken = try_join_all(slots.iter().map(|slot| self.parts.store.permit_taken(hash, *slot))).await?;
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

/// The key of the permit that a "This wasn't me" takes away from the requester's network.
fn denied_hash(key: &KeyHandle, email: &EmailAddress, network: NetworkHash) -> String {
    key.permit_hash(&[b"denied", email.as_str().as_bytes(), network.as_bytes()])
}

/// A number below `count`. The modulo bias does not matter: the choice spreads load and protects nothing.
fn random_below(count: u32) -> u32 {
    u32::from_be_bytes(fresh_bytes()) % count.max(1)
}
