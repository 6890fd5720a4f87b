//! Random sequences of verbs: Redis gives the same replies as the memory store, which runs the rules of the domain, keeps
//! the same attempts, and publishes the same changes.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use linkgate::domain::attempt::{Attempt, CodeEntered, LinkState, Refusal, SignedIn, Verdict, whole_seconds};
use linkgate::domain::ids::AttemptId;
use linkgate::domain::secret::{ConfirmationId, Nonce};
use linkgate::store::{Change, Created, StepError, Stepped, Store};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::sync::broadcast::Receiver;

use crate::bench::{Bench, attempt, attempt_id, next_change};

const IDS: usize = 2;

/// One verb, with small numbers for ids, nonces and confirmations, so that they collide.
#[derive(Debug, Clone)]
enum Step {
    Wait { millis: i64 },
    Create { id: usize, nonce: u8, mailing: bool, by_api_key: bool },
    MailAccepted { id: usize, nonce: u8 },
    Discard { id: usize, nonce: u8 },
    Settle { id: usize, nonce: u8, press: u8, verify: Option<(Option<SignedIn>, bool)> },
    ShowCode { id: usize, nonce: u8 },
    EnterCode { id: usize, nonce: u8, right: bool, signed_in: Option<SignedIn> },
    Cancel { id: usize },
    ReplaceLink { id: usize, nonce: u8, wait: i64 },
    RestoreLink { id: usize, failed: u8, nonce: u8 },
    RejectMail { id: usize, nonce: u8 },
    PutTicket { nonce: u8 },
    ConsumeTicket { nonce: u8 },
    TakePermit { slot: u32 },
}

/// The result of a verb, in a comparable form.
#[derive(PartialEq)]
enum Answer {
    Nothing,
    Taken(bool),
    Created(Created),
    Attempt(Attempt),
    Stepped(Stepped),
    Entered(Attempt, CodeEntered),
    Linked(Attempt, LinkState),
    Refused(Refusal),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (id, nonce, press) = (0..IDS, 0..3_u8, 0..2_u8);
    let who = || {
        prop_oneof![
            Just(None),
            Just(Some(SignedIn::Requester)),
            Just(Some(SignedIn::Opener)),
            Just(Some(SignedIn::Both))
        ]
    };
    let on_link = (id.clone(), nonce.clone());
    vec(
        prop_oneof![
            3 => prop_oneof![0..1000_i64, 1_000..20_000_i64, 60_000..400_000_i64].prop_map(|millis| Step::Wait { millis }),
            4 => (on_link.clone(), any::<bool>(), any::<bool>())
                .prop_map(|((id, nonce), mailing, by_api_key)| Step::Create { id, nonce, mailing, by_api_key }),
            1 => on_link.clone().prop_map(|(id, nonce)| Step::MailAccepted { id, nonce }),
            1 => on_link.clone().prop_map(|(id, nonce)| Step::Discard { id, nonce }),
            4 => (on_link.clone(), press, proptest::option::of((who(), any::<bool>())))
                .prop_map(|((id, nonce), press, verify)| Step::Settle { id, nonce, press, verify }),
            5 => on_link.clone().prop_map(|(id, nonce)| Step::ShowCode { id, nonce }),
            6 => (on_link.clone(), prop::bool::weighted(0.2), who())
                .prop_map(|((id, nonce), right, signed_in)| Step::EnterCode { id, nonce, right, signed_in }),
            1 => id.clone().prop_map(|id| Step::Cancel { id }),
            3 => (on_link.clone(), 0..90_i64).prop_map(|((id, nonce), wait)| Step::ReplaceLink { id, nonce, wait }),
            2 => (on_link.clone(), nonce.clone())
                .prop_map(|((id, failed), nonce)| Step::RestoreLink { id, failed, nonce }),
            1 => on_link.prop_map(|(id, nonce)| Step::RejectMail { id, nonce }),
            1 => nonce.clone().prop_map(|nonce| Step::PutTicket { nonce }),
            1 => nonce.prop_map(|nonce| Step::ConsumeTicket { nonce }),
            1 => (0..2_u32).prop_map(|slot| Step::TakePermit { slot }),
        ],
        1..40,
    )
}

/// One sequence, with its own ids, secrets and time.
struct Run {
    ids: [AttemptId; IDS],
    base: u8,
    permits: String,
    now: DateTime<Utc>,
}

impl Run {
    fn nonce(&self, number: u8) -> Nonce {
        let mut bytes = *self.ids[0].uuid().as_bytes();
        bytes[0] = self.base + number;
        Nonce::from_bytes(bytes)
    }

    fn link(&self, nonce: u8, wait: i64) -> LinkState {
        LinkState {
            nonce: self.nonce(nonce),
            expires_at: whole_seconds(self.now) + TimeDelta::minutes(10),
            resend_after: whole_seconds(self.now) + TimeDelta::seconds(wait),
        }
    }

    async fn take(&self, step: &Step, store: &dyn Store) -> Answer {
        let now = self.now;
        match *step {
            Step::Wait { .. } => Answer::Nothing,
            Step::Create { id, nonce, mailing, by_api_key } => {
                let attempt = Attempt { nonce: self.nonce(nonce), mailing, by_api_key, ..attempt(now) };
                let keep_until = now + TimeDelta::hours(10);
                Answer::Created(store.create(self.ids[id], &attempt, keep_until, now).await.unwrap())
            }
            Step::MailAccepted { id, nonce } => {
                store.mail_accepted(self.ids[id], &self.nonce(nonce)).await.unwrap();
                Answer::Nothing
            }
            Step::Discard { id, nonce } => {
                store.discard(self.ids[id], &self.nonce(nonce)).await.unwrap();
                Answer::Nothing
            }
            Step::Settle { id, nonce, press, verify } => {
                let verdict = verify.map_or(Verdict::Deny, |(signed_in, same_client)| Verdict::Verify {
                    signed_in,
                    same_client,
                });
                let press = ConfirmationId::from_bytes([press; 16]);
                answer(
                    store.settle(self.ids[id], &self.nonce(nonce), press, &verdict, now).await,
                    Answer::Stepped,
                )
            }
            Step::ShowCode { id, nonce } => {
                answer(store.show_code(self.ids[id], &self.nonce(nonce), now).await, Answer::Attempt)
            }
            Step::EnterCode { id, nonce, right, signed_in } => {
                let entered = store.enter_code(self.ids[id], &self.nonce(nonce), right, signed_in, now).await;
                answer(entered, |(attempt, entered)| Answer::Entered(attempt, entered))
            }
            Step::Cancel { id } => answer(store.cancel(self.ids[id], now).await, Answer::Stepped),
            Step::ReplaceLink { id, nonce, wait } => {
                let replaced = store.replace_link(self.ids[id], &self.link(nonce, wait), now).await;
                answer(replaced, |(attempt, previous)| Answer::Linked(attempt, previous))
            }
            Step::RestoreLink { id, failed, nonce } => {
                let (failed, previous) = (self.nonce(failed), self.link(nonce, 30));
                answer(store.restore_link(self.ids[id], &failed, &previous, now).await, Answer::Attempt)
            }
            Step::RejectMail { id, nonce } => {
                answer(store.reject_mail(self.ids[id], &self.nonce(nonce), now).await, Answer::Attempt)
            }
            Step::PutTicket { nonce } => {
                store.put_ticket(&self.nonce(nonce), Duration::from_hours(1)).await.unwrap();
                Answer::Nothing
            }
            Step::ConsumeTicket { nonce } => {
                Answer::Taken(store.consume_ticket(&self.nonce(nonce)).await.unwrap())
            }
            Step::TakePermit { slot } => {
                Answer::Taken(store.take_permit(&self.permits, slot, Duration::from_hours(1)).await.unwrap())
            }
        }
    }
}

fn answer<T>(result: Result<T, StepError>, taken: impl FnOnce(T) -> Answer) -> Answer {
    match result {
        Ok(value) => taken(value),
        Err(StepError::Refused(refusal)) => Answer::Refused(refusal),
        Err(StepError::Unavailable(error)) => panic!("{error}"),
    }
}

/// The changes that the memory store has published so far, which it does at once.
fn published(changes: &mut Receiver<Change>) -> Vec<AttemptId> {
    let mut ids = Vec::new();
    while let Ok(Change::Attempt(id)) = changes.try_recv() {
        ids.push(id);
    }
    ids
}

async fn compare(steps: &[Step], memory: &Bench, redis: &Bench) -> Result<(), TestCaseError> {
    let ids = [attempt_id(), attempt_id()];
    let mut run = Run { ids, base: 1, permits: ids[0].to_string(), now: memory.now() };
    let (mut expected, mut changes) = (memory.store.changes(), redis.store.changes());
    for (number, step) in steps.iter().enumerate() {
        if let Step::Wait { millis } = step {
            run.now += TimeDelta::milliseconds(*millis);
        }
        let mine = run.take(step, memory.store.as_ref()).await;
        let theirs = run.take(step, redis.store.as_ref()).await;
        prop_assert!(mine == theirs, "step {number}, {step:?}, is answered otherwise");
        let (mine, theirs) =
            (memory.store.read_many(&run.ids).await.unwrap(), redis.store.read_many(&run.ids).await.unwrap());
        prop_assert!(mine == theirs, "step {number}, {step:?}, leaves something else");
    }
    for id in published(&mut expected) {
        // Publications have their own connection: one of an earlier run may come only now.
        let theirs = loop {
            let theirs = next_change(&mut changes).await;
            if run.ids.contains(&theirs) {
                break theirs;
            }
        };
        prop_assert_eq!(theirs, id);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_put_back_as_it_is_publishes_nothing() {
    let (memory, redis) = (Bench::memory(), Bench::redis().await);
    let again = |id| Step::RestoreLink { id, failed: 2, nonce: 2 };
    let begin = |id| Step::Create { id, nonce: 2, mailing: false, by_api_key: false };
    compare(&[begin(1), again(1), again(1), begin(0), again(0), Step::Cancel { id: 0 }], &memory, &redis)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_of_verbs_is_answered_alike_by_both_stores() {
    let (memory, redis) = (Bench::memory(), Bench::redis().await);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        // Shrinking is bounded, too: a missing publication costs seconds each time.
        let config =
            Config { cases: 96, failure_persistence: None, max_shrink_time: 30_000, ..Config::default() };
        TestRunner::new(config)
            .run(&steps(), |steps| runtime.block_on(compare(&steps, &memory, &redis)))
            .unwrap();
    });
}
