//! How an attempt stands in its hash, and how the scripts reply. Short names keep a pending attempt in a listpack.
//!
//! | field | what |
//! |---|---|
//! | `f` | fence; written by the scripts alone |
//! | `n` | nonce of the newest link |
//! | `c`, `e`, `l`, `r` | times, in unix seconds: created, end of the newest link, end of the attempt, next mail |
//! | `t` | tries left for relay codes |
//! | `m`, `k` | `1` while the first mail is on its way; `1` when an API key started it; else absent |
//! | `s` | state: `p` pending, `c` awaiting code, `v` verified, `d` denied, `x` canceled, `f` failed |
//! | `v`, `w`, `o` | verified: when; who is signed in (`r`, `o`, `b`, empty); `1` or empty: by the own client |
//! | `i` | confirmation id; absent when a relay code verified |
//! | `y` | failure: `c` too many codes, `m` mail rejected, `l` state lost |

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use redis::Value;

use crate::domain::attempt::{Attempt, Failure, LinkState, Refusal, SignedIn, State, Status, Verified};
use crate::domain::secret::{ConfirmationId, Nonce};

/// A reply or a record that no script of ours has written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Garbled;

/// A reply of a script.
pub(super) enum Reply {
    /// The attempt as it is now, and the words that the script says besides.
    Done(Attempt, String),
    /// The script says this one word, and nothing of an attempt.
    Word(String),
    /// The rules forbid the step.
    Refused(Refusal),
}

impl Reply {
    /// Reads a reply. A record that cannot be understood is one that nobody can vouch for: lost.
    pub(super) fn read(value: &Value) -> Result<Self, Garbled> {
        let Value::BulkString(bytes) = value else { return Err(Garbled) };
        let text = std::str::from_utf8(bytes).map_err(|_| Garbled)?;
        let (words, fields) = text.split_once('\n').map_or((text, None), |(words, rest)| (words, Some(rest)));
        let (word, rest) = words.split_once(' ').unwrap_or((words, ""));
        match (word, fields) {
            ("ok", Some(fields)) => Ok(decode(fields)
                .map_or(Self::Refused(Refusal::Lost), |attempt| Self::Done(attempt, rest.to_owned()))),
            ("lost", _) => Ok(Self::Refused(Refusal::Lost)),
            ("superseded", _) => Ok(Self::Refused(Refusal::Superseded)),
            ("over", _) => {
                let status = Status::ALL.into_iter().find(|known| known.as_str() == rest).ok_or(Garbled)?;
                Ok(Self::Refused(Refusal::Over(status)))
            }
            ("too_soon", _) => Ok(Self::Refused(Refusal::TooSoon(time(rest)?))),
            _ => Ok(Self::Word(word.to_owned())),
        }
    }
}

/// Unix seconds, as they stand in records and arguments.
pub(super) fn seconds(at: DateTime<Utc>) -> String {
    at.timestamp().to_string()
}

fn time(text: &str) -> Result<DateTime<Utc>, Garbled> {
    text.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or(Garbled)
}

/// `1` or nothing.
pub(super) const fn flag(set: bool) -> &'static str {
    if set { "1" } else { "" }
}

/// The letter for who is signed in.
pub(super) const fn signed_in(who: Option<SignedIn>) -> &'static str {
    match who {
        Some(SignedIn::Requester) => "r",
        Some(SignedIn::Opener) => "o",
        Some(SignedIn::Both) => "b",
        None => "",
    }
}

/// The fields of an attempt but for the fence: names and values in turn.
pub(super) fn encode(attempt: &Attempt) -> Vec<Cow<'static, str>> {
    let mut fields: Vec<(&str, Cow<'static, str>)> = vec![
        ("n", attempt.nonce.encode().into()),
        ("c", seconds(attempt.created_at).into()),
        ("e", seconds(attempt.expires_at).into()),
        ("l", seconds(attempt.ends_at).into()),
        ("r", seconds(attempt.resend_after).into()),
        ("t", attempt.code_tries_left.to_string().into()),
    ];
    fields.extend(attempt.mailing.then(|| ("m", flag(true).into())));
    fields.extend(attempt.by_api_key.then(|| ("k", flag(true).into())));
    let letter = match &attempt.state {
        State::Pending => "p",
        State::AwaitingCode => "c",
        State::Verified(verified) => {
            fields.push(("v", seconds(verified.at).into()));
            fields.push(("w", signed_in(verified.signed_in).into()));
            fields.push(("o", flag(verified.same_client).into()));
            fields.extend(verified.confirmation.map(|confirmation| ("i", confirmation.encode().into())));
            "v"
        }
        State::Denied(confirmation) => {
            fields.push(("i", confirmation.encode().into()));
            "d"
        }
        State::Canceled => "x",
        State::Failed(failure) => {
            let letter = match failure {
                Failure::TooManyCodes => "c",
                Failure::MailRejected => "m",
                Failure::StateLost => "l",
            };
            fields.push(("y", letter.into()));
            "f"
        }
    };
    fields.push(("s", letter.into()));
    fields.into_iter().flat_map(|(name, value)| [name.into(), value]).collect()
}

/// Reads what [`encode`] and the scripts wrote. Fields of a later version are passed over.
fn decode(fields: &str) -> Result<Attempt, Garbled> {
    let mut begin = 0;
    let ends = memchr::memchr_iter(b'\n', fields.as_bytes()).chain(std::iter::once(fields.len()));
    let mut lines = ends.map(|end| &fields[std::mem::replace(&mut begin, end + 1)..end]);
    let mut values = [None; 26];
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        if let [letter @ b'a'..=b'z'] = name.as_bytes() {
            values[usize::from(letter - b'a')] = Some(value);
        }
    }
    let find = |letter: u8| values[usize::from(letter - b'a')];
    let field = |letter| find(letter).ok_or(Garbled);
    let link = link(field(b'n')?, field(b'e')?, field(b'r')?)?;
    let confirmation = || find(b'i').map(ConfirmationId::decode).transpose().map_err(|_| Garbled);
    let state = match field(b's')? {
        "p" => State::Pending,
        "c" => State::AwaitingCode,
        "v" => State::Verified(Verified {
            at: time(field(b'v')?)?,
            signed_in: match field(b'w')? {
                "r" => Some(SignedIn::Requester),
                "o" => Some(SignedIn::Opener),
                "b" => Some(SignedIn::Both),
                "" => None,
                _ => return Err(Garbled),
            },
            same_client: field(b'o')? == flag(true),
            confirmation: confirmation()?,
        }),
        "d" => State::Denied(confirmation()?.ok_or(Garbled)?),
        "x" => State::Canceled,
        "f" => State::Failed(match field(b'y')? {
            "c" => Failure::TooManyCodes,
            "m" => Failure::MailRejected,
            "l" => Failure::StateLost,
            _ => return Err(Garbled),
        }),
        _ => return Err(Garbled),
    };
    Ok(Attempt {
        nonce: link.nonce,
        created_at: time(field(b'c')?)?,
        expires_at: link.expires_at,
        ends_at: time(field(b'l')?)?,
        resend_after: link.resend_after,
        code_tries_left: field(b't')?.parse().map_err(|_| Garbled)?,
        mailing: find(b'm').is_some(),
        by_api_key: find(b'k').is_some(),
        state,
    })
}

/// A link from its nonce, its end and the time of the next mail.
pub(super) fn link(nonce: &str, expires_at: &str, resend_after: &str) -> Result<LinkState, Garbled> {
    Ok(LinkState {
        nonce: Nonce::decode(nonce).map_err(|_| Garbled)?,
        expires_at: time(expires_at)?,
        resend_after: time(resend_after)?,
    })
}
