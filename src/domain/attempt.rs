//! What the store remembers of an attempt, and every way in which it can change.
//!
//! A transition consumes the attempt and takes the time as a parameter. The memory store runs these very
//! functions under its lock; the scripts of the Redis store say the same in Lua, and one contract suite holds
//! both. No address, name, network or URL is in here: they travel in tokens.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::secret::{ConfirmationId, Nonce};

/// How many relay codes may be tried.
pub const CODE_TRIES: u8 = 5;

/// How long the first mail may take before an attempt that is still `mailing` counts as abandoned.
pub const MAILING_PATIENCE: TimeDelta = TimeDelta::seconds(15);

/// `at` without its fraction of a second: how times are remembered. No comparison with a whole second differs.
#[must_use]
pub fn whole_seconds(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(0)
}

/// An attempt, as the store knows it. All times are whole seconds.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The nonce of the newest link, the only one that works.
    pub nonce: Nonce,
    /// When the attempt was started.
    pub created_at: DateTime<Utc>,
    /// When the newest link ends.
    pub expires_at: DateTime<Utc>,
    /// When the attempt token ends: no link lives longer.
    pub ends_at: DateTime<Utc>,
    /// When another mail may be asked for.
    pub resend_after: DateTime<Utc>,
    /// How many relay codes may still be tried.
    pub code_tries_left: u8,
    /// Whether the relay has yet to accept the first mail (kept for starts with an idempotency key only).
    pub mailing: bool,
    /// Whether an API key started it: its caller may be told that a recipient was rejected.
    pub by_api_key: bool,
    /// Where it stands.
    pub state: State,
}

/// Where an attempt stands. Expiry is no state: it follows from the time.
#[derive(Clone, PartialEq, Eq)]
pub enum State {
    /// Not yet confirmed.
    Pending,
    /// Opened on another client; the relay code shown there is wanted.
    AwaitingCode,
    /// Confirmed.
    Verified(Verified),
    /// "This wasn't me", with the confirmation that said so.
    Denied(ConfirmationId),
    /// Ended by the requester.
    Canceled,
    /// Ended by a failure.
    Failed(Failure),
}

/// How an attempt was confirmed.
#[derive(Clone, PartialEq, Eq)]
pub struct Verified {
    /// When.
    pub at: DateTime<Utc>,
    /// Who gets the session; `None` when the purpose signs nobody in.
    pub signed_in: Option<SignedIn>,
    /// Whether the opener was the requester's own client.
    pub same_client: bool,
    /// The press of a button that confirmed it; `None` when a relay code did.
    pub confirmation: Option<ConfirmationId>,
}

/// Who gets the session of a verified attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignedIn {
    /// The client that waits.
    Requester,
    /// The client in which the link was opened.
    Opener,
    /// Both: they are the same client.
    Both,
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// Five wrong relay codes.
    TooManyCodes,
    /// The relay rejected the recipient (told to callers with an API key only).
    MailRejected,
    /// The store lost the attempt, or may have lost a change of it.
    StateLost,
}

/// The status of an attempt in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Mailed, not yet confirmed.
    Pending,
    /// Opened on another client; the relay code shown there is wanted here.
    AwaitingCode,
    /// Done.
    Verified,
    /// Over: "This wasn't me".
    Denied,
    /// Over: ended by the requester.
    Canceled,
    /// Over: not confirmed in time.
    Expired,
    /// Over: see [`Failure`].
    Failed,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::AwaitingCode,
        Self::Verified,
        Self::Denied,
        Self::Canceled,
        Self::Expired,
        Self::Failed,
    ];

    /// Its name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::AwaitingCode => "awaiting_code",
            Self::Verified => "verified",
            Self::Denied => "denied",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing more can happen.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::AwaitingCode)
    }
}

/// Why a transition did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The store has no such attempt, or cannot vouch for it.
    Lost,
    /// A newer link of the attempt is the one that works.
    Superseded,
    /// The attempt is over, in this way.
    Over(Status),
    /// The last mail is too recent; another may be asked for at this time.
    TooSoon(DateTime<Utc>),
}

/// What an opener's press of a button asks for.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Confirmed.
    Verify {
        /// Who gets the session; `None` when the purpose signs nobody in.
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
    /// Its nonce.
    pub nonce: Nonce,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When another mail may be asked for.
    pub resend_after: DateTime<Utc>,
}

/// What came of a relay code.
#[derive(Clone, PartialEq, Eq)]
pub enum CodeEntered {
    /// It was right; the attempt is verified now.
    Right,
    /// It was right, and had verified the attempt before.
    Again,
    /// It was wrong, or no code is wanted; this many tries are left.
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

    /// Whether a replica died while it mailed the first link, so that the same start may begin anew. One that was
    /// opened or ended in the meantime was mailed all the same.
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
    /// [`Refusal::Superseded`] by a newer link.
    pub fn mail_accepted(self, nonce: &Nonce) -> Result<Self, Refusal> {
        Ok(Self { mailing: false, ..self.by_newest_link(nonce)? })
    }

    /// An opener confirms or denies with the link of `nonce`. The same confirmation gets the same answer again.
    ///
    /// # Errors
    /// [`Refusal::Superseded`] by a newer link; [`Refusal::Over`] when the link was used or has ended.
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

    /// The opener is shown the relay code. May be repeated.
    ///
    /// # Errors
    /// As [`Attempt::settle`].
    pub fn show_code(self, nonce: &Nonce, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let attempt = self.by_newest_link(nonce)?.unfinished(now)?;
        Ok(Self { state: State::AwaitingCode, ..attempt })
    }

    /// The requester types a relay code in. `right` says whether it is the one that belongs to `nonce`; a link
    /// replaced in the meantime makes it wrong without costing a try. The right code, repeated, is right again.
    ///
    /// # Errors
    /// [`Refusal::Over`] when the attempt is over.
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
    /// [`Refusal::Over`] when it is over in another way.
    pub fn cancel(self, now: DateTime<Utc>) -> Result<Self, Refusal> {
        if self.state == State::Canceled {
            return Ok(self);
        }
        Ok(Self { state: State::Canceled, ..self.unfinished(now)? })
    }

    /// A new link takes the place of the newest one; a relay code shown for the old one is void. It ends with the
    /// attempt, if not before.
    ///
    /// # Errors
    /// [`Refusal::Over`] when the attempt is over, [`Refusal::TooSoon`] before [`Attempt::resend_after`].
    pub fn replace_link(self, link: &LinkState, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let attempt = self.unfinished(now)?;
        if now < attempt.resend_after {
            return Err(Refusal::TooSoon(attempt.resend_after));
        }
        let expires_at = link.expires_at.min(attempt.ends_at);
        Ok(attempt.with_link(&LinkState { expires_at, ..link.clone() }))
    }

    /// Puts `previous` back, since the mail with the link of `failed` could not be sent.
    ///
    /// # Errors
    /// [`Refusal::Superseded`] when yet another link has come, [`Refusal::Over`] when the attempt is over.
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
