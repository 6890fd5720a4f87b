//! The stored state of an attempt, and every transition of it.
//!
//! A transition consumes the attempt and takes the time as a parameter. The memory store runs these functions under its
//! lock; the Redis store implements the same rules in Lua, and one contract suite tests both. The record holds no
//! address, name, network or URL: those travel in tokens.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::secret::{ConfirmationId, Nonce};
use super::words::words;

/// How many wrong relay codes end an attempt.
pub const CODE_TRIES: u8 = 5;

/// How long an attempt may stay `mailing` before it counts as abandoned.
pub const MAILING_PATIENCE: TimeDelta = TimeDelta::seconds(15);

/// Truncates to whole seconds, the precision of stored times. Comparisons with a stored time do not change.
#[must_use]
pub fn whole_seconds(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(0)
}

/// An attempt as stored. All times are whole seconds.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The nonce of the newest link, the only one that works.
    pub nonce: Nonce,
    /// When the attempt was started.
    pub created_at: DateTime<Utc>,
    /// When the newest link expires.
    pub expires_at: DateTime<Utc>,
    /// When the attempt token expires: no link lives longer.
    pub ends_at: DateTime<Utc>,
    /// The earliest time of another mail.
    pub resend_after: DateTime<Utc>,
    /// How many attempts at the relay code remain.
    pub code_tries_left: u8,
    /// Whether the relay has yet to accept the first mail (set only for starts with an idempotency key).
    pub mailing: bool,
    /// Whether an API key started the attempt: only its callers learn that a recipient was rejected.
    pub by_api_key: bool,
    /// The state, apart from expiry.
    pub state: State,
}

/// The state of an attempt. Expiry is not a state: it follows from the time.
#[derive(Clone, PartialEq, Eq)]
pub enum State {
    /// Not yet confirmed.
    Pending,
    /// Opened on another client, which shows a relay code for the requester to enter.
    AwaitingCode,
    /// Confirmed.
    Verified(Verified),
    /// "This wasn't me", with the confirmation id of that press.
    Denied(ConfirmationId),
    /// Canceled by the requester.
    Canceled,
    /// Ended by a failure.
    Failed(Failure),
}

/// How an attempt was confirmed.
#[derive(Clone, PartialEq, Eq)]
pub struct Verified {
    /// When the attempt was confirmed.
    pub at: DateTime<Utc>,
    /// The party that gets the session; `None` if the purpose signs nobody in.
    pub signed_in: Option<SignedIn>,
    /// Whether the opener was the requester's own client.
    pub same_client: bool,
    /// The press of a button that confirmed the attempt; `None` if a relay code did.
    pub confirmation: Option<ConfirmationId>,
}

impl Verified {
    /// How the attempt was confirmed.
    #[must_use]
    pub fn confirmed_by(&self) -> ConfirmedBy {
        match (self.same_client, self.signed_in) {
            (true, _) => ConfirmedBy::SameClient,
            (false, Some(SignedIn::Opener)) => ConfirmedBy::Opener,
            (false, _) if self.confirmation.is_none() => ConfirmedBy::RelayCode,
            (false, _) => ConfirmedBy::Approval,
        }
    }
}

words! {
    /// How an attempt was confirmed.
    pub enum ConfirmedBy {
        /// The requester's own client opened the link.
        SameClient = "same_client",
        /// Another client approved the requester's sign-in.
        Approval = "approval",
        /// The requester entered the relay code that another client showed.
        RelayCode = "relay_code",
        /// Another client took the session for itself.
        Opener = "opener",
    }
}

/// The party that gets the session of a verified attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignedIn {
    /// The client that started the attempt and waits.
    Requester,
    /// The client that opened the link.
    Opener,
    /// Requester and opener are the same client.
    Both,
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// [`CODE_TRIES`] wrong relay codes.
    TooManyCodes,
    /// The relay rejected the recipient (visible to callers with an API key only).
    MailRejected,
    /// The store lost the attempt, or may have lost a change to it.
    StateLost,
}

words! {
    /// The status of an attempt in the API.
    #[derive(Deserialize)]
    pub enum Status {
        /// Mailed, not yet confirmed.
        Pending = "pending",
        /// Opened on another client, which shows a relay code for the requester to enter.
        AwaitingCode = "awaiting_code",
        /// Confirmed.
        Verified = "verified",
        /// Ended by "This wasn't me".
        Denied = "denied",
        /// Canceled by the requester.
        Canceled = "canceled",
        /// Not confirmed in time.
        Expired = "expired",
        /// Ended by a [`Failure`].
        Failed = "failed",
    }
}

impl Status {
    /// Whether the status is final.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::AwaitingCode)
    }
}

/// Why a transition is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The store does not have the attempt, or cannot vouch for its record.
    Lost,
    /// A newer link of the attempt has replaced this one.
    Superseded,
    /// The attempt is over, with this status.
    Over(Status),
    /// The last mail is too recent; another is possible at this time.
    TooSoon(DateTime<Utc>),
}

/// The opener's decision.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Confirm.
    Verify {
        /// The party that gets the session; `None` if the purpose signs nobody in.
        signed_in: Option<SignedIn>,
        /// Whether the opener is the requester's own client.
        same_client: bool,
    },
    /// "This wasn't me".
    Deny,
}

/// A link that replaces the newest one.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkState {
    /// The nonce of the link.
    pub nonce: Nonce,
    /// When the link expires.
    pub expires_at: DateTime<Utc>,
    /// The earliest time of another mail.
    pub resend_after: DateTime<Utc>,
}

/// The result of entering a relay code.
#[derive(Clone, PartialEq, Eq)]
pub enum CodeEntered {
    /// The code is right and verifies the attempt.
    Right,
    /// The code is right and had already verified the attempt.
    Again,
    /// The code is wrong, or the attempt awaits none; this many tries remain.
    Wrong(u8),
}

impl Attempt {
    /// The status at this time.
    #[must_use]
    pub fn status(&self, now: DateTime<Utc>) -> Status {
        match &self.state {
            State::Pending | State::AwaitingCode if now >= self.expires_at => Status::Expired,
            State::Pending => Status::Pending,
            State::AwaitingCode => Status::AwaitingCode,
            State::Verified(_) => Status::Verified,
            State::Denied(_) => Status::Denied,
            State::Canceled => Status::Canceled,
            State::Failed(_) => Status::Failed,
        }
    }

    /// The newest link.
    #[must_use]
    pub fn link(&self) -> LinkState {
        LinkState { nonce: self.nonce, expires_at: self.expires_at, resend_after: self.resend_after }
    }

    /// Whether a replica died while it mailed the first link, so that the same start may begin again. If the link was
    /// opened or the attempt ended in the meantime, the mail did arrive.
    #[must_use]
    pub fn is_abandoned(&self, now: DateTime<Utc>) -> bool {
        self.mailing && self.state == State::Pending && now >= self.created_at + MAILING_PATIENCE
    }

    fn unfinished(self, now: DateTime<Utc>) -> Result<Self, Refusal> {
        match self.status(now) {
            Status::Pending | Status::AwaitingCode => Ok(self),
            over => Err(Refusal::Over(over)),
        }
    }

    fn by_newest_link(self, nonce: &Nonce) -> Result<Self, Refusal> {
        if self.nonce == *nonce { Ok(self) } else { Err(Refusal::Superseded) }
    }

    /// The relay has accepted the mail with the link of `nonce`.
    ///
    /// # Errors
    /// [`Refusal::Superseded`] if a newer link has replaced it.
    pub fn mail_accepted(self, nonce: &Nonce) -> Result<Self, Refusal> {
        Ok(Self { mailing: false, ..self.by_newest_link(nonce)? })
    }

    /// The opener confirms or denies with the link of `nonce`. Repeating the same confirmation succeeds again.
    ///
    /// # Errors
    /// [`Refusal::Superseded`] if a newer link has replaced it; [`Refusal::Over`] if the link was used or has expired.
    pub fn settle(
        self,
        nonce: &Nonce,
        confirmation: ConfirmationId,
        verdict: &Verdict,
        now: DateTime<Utc>,
    ) -> Result<Self, Refusal> {
        let attempt = self.by_newest_link(nonce)?;
        let repeated = match (&attempt.state, verdict) {
            (State::Verified(verified), Verdict::Verify { .. }) => {
                verified.confirmation == Some(confirmation)
            }
            (State::Denied(denied), Verdict::Deny) => *denied == confirmation,
            _ => false,
        };
        if repeated {
            return Ok(attempt);
        }
        let attempt = attempt.unfinished(now)?;
        let state = match *verdict {
            Verdict::Verify { signed_in, same_client } => State::Verified(Verified {
                at: now,
                signed_in,
                same_client,
                confirmation: Some(confirmation),
            }),
            Verdict::Deny => State::Denied(confirmation),
        };
        Ok(Self { state, ..attempt })
    }

    /// The opener's page shows the relay code. May be repeated.
    ///
    /// # Errors
    /// As [`Attempt::settle`].
    pub fn show_code(self, nonce: &Nonce, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let attempt = self.by_newest_link(nonce)?.unfinished(now)?;
        Ok(Self { state: State::AwaitingCode, ..attempt })
    }

    /// The requester enters a relay code; `right` tells whether it is the code of `nonce`. If that link has been replaced in
    /// the meantime, the code is wrong but costs no try. Repeating the right code succeeds again.
    ///
    /// # Errors
    /// [`Refusal::Over`] if the attempt is over.
    pub fn enter_code(
        self,
        nonce: &Nonce,
        right: bool,
        signed_in: Option<SignedIn>,
        now: DateTime<Utc>,
    ) -> Result<(Self, CodeEntered), Refusal> {
        let current = self.nonce == *nonce;
        if let State::Verified(Verified { confirmation: None, .. }) = self.state
            && current
            && right
        {
            return Ok((self, CodeEntered::Again));
        }
        let attempt = self.unfinished(now)?;
        if attempt.state != State::AwaitingCode || !current {
            let left = attempt.code_tries_left;
            return Ok((attempt, CodeEntered::Wrong(left)));
        }
        if right {
            let verified = Verified { at: now, signed_in, same_client: false, confirmation: None };
            return Ok((Self { state: State::Verified(verified), ..attempt }, CodeEntered::Right));
        }
        let left = attempt.code_tries_left.saturating_sub(1);
        let state = if left == 0 { State::Failed(Failure::TooManyCodes) } else { State::AwaitingCode };
        Ok((Self { state, code_tries_left: left, ..attempt }, CodeEntered::Wrong(left)))
    }

    /// The requester cancels. May be repeated.
    ///
    /// # Errors
    /// [`Refusal::Over`] if the attempt ended in another way.
    pub fn cancel(self, now: DateTime<Utc>) -> Result<Self, Refusal> {
        if self.state == State::Canceled {
            return Ok(self);
        }
        Ok(Self { state: State::Canceled, ..self.unfinished(now)? })
    }

    /// Replaces the newest link; a relay code shown for the old link becomes void. The new link expires no later than the
    /// attempt.
    ///
    /// # Errors
    /// [`Refusal::Over`] if the attempt is over, [`Refusal::TooSoon`] before [`Attempt::resend_after`].
    pub fn replace_link(self, link: &LinkState, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let attempt = self.unfinished(now)?;
        if now < attempt.resend_after {
            return Err(Refusal::TooSoon(attempt.resend_after));
        }
        let expires_at = link.expires_at.min(attempt.ends_at);
        Ok(attempt.with_link(&LinkState { expires_at, ..link.clone() }))
    }

    /// Restores `previous` after the mail with the link of `failed` could not be sent.
    ///
    /// # Errors
    /// [`Refusal::Superseded`] if yet another link has replaced `failed`, [`Refusal::Over`] if the attempt is over.
    pub fn restore_link(
        self,
        failed: &Nonce,
        previous: &LinkState,
        now: DateTime<Utc>,
    ) -> Result<Self, Refusal> {
        Ok(self.by_newest_link(failed)?.unfinished(now)?.with_link(previous))
    }

    fn with_link(self, link: &LinkState) -> Self {
        Self {
            nonce: link.nonce,
            expires_at: link.expires_at,
            resend_after: link.resend_after,
            state: State::Pending,
            ..self
        }
    }

    /// The relay rejected the recipient of the link of `nonce`.
    ///
    /// # Errors
    /// As [`Attempt::restore_link`].
    pub fn reject_mail(self, nonce: &Nonce, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let attempt = self.by_newest_link(nonce)?.unfinished(now)?;
        Ok(Self { state: State::Failed(Failure::MailRejected), ..attempt })
    }
}
