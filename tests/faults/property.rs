//! Any order of steps, with lost commands and replies of the store and with retries: the promise holds, on the memory
//! store and on Redis.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use linkgate::clock::Clock as _;
use linkgate::domain::attempt::{Attempt, SignedIn, State, Status};
use linkgate::domain::ids::AttemptId;
use linkgate::domain::secret::RelayCode;
use linkgate::flow::{Confirmed, Decision, FlowError, Redeemed, Services};
use linkgate::store::Store;
use linkgate::store::memory::MemoryStore;
use linkgate::store::redis::{RedisOptions, RedisStore};
use linkgate::token::AttemptGrant;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::meddled::{Fate, Meddled};
use crate::people::{FAR, NEAR};
use crate::race::{caller, services, start};
use test_kit::app::noon;
use test_kit::clock::ManualClock;
use test_kit::redis_server::RedisServer;

/// The openers: the requester itself, two nearby, one far away.
const OPENERS: [(&str, &str); 4] =
    [("requester", NEAR), ("near-1", NEAR), ("near-2", NEAR), ("far-away", FAR)];

#[derive(Debug, Clone)]
enum Act {
    /// Opens the newest or an older link and presses a button.
    Press {
        opener: usize,
        newest: bool,
        decision: Decision,
    },
    /// Repeats the first press.
    PressAgain,
    TypeCode {
        right: bool,
    },
    Resend,
    Cancel,
    Redeem,
    Poll,
    Pass {
        seconds: i64,
    },
}

fn acts() -> impl Strategy<Value = Vec<(Act, Vec<Fate>)>> {
    let decision = prop_oneof![4 => Just(Decision::Approve), 1 => Just(Decision::Deny), 1 => Just(Decision::SignInOnThisDevice)];
    let act = prop_oneof![
        6 => (0..OPENERS.len(), any::<bool>(), decision)
            .prop_map(|(opener, newest, decision)| Act::Press { opener, newest, decision }),
        2 => Just(Act::PressAgain),
        3 => any::<bool>().prop_map(|right| Act::TypeCode { right }),
        1 => Just(Act::Resend),
        1 => Just(Act::Cancel),
        2 => Just(Act::Redeem),
        2 => Just(Act::Poll),
        1 => prop_oneof![Just(5), Just(31), Just(700)].prop_map(|seconds| Act::Pass { seconds }),
    ];
    let fate = prop_oneof![2 => Just(Fate::Done), 1 => Just(Fate::NeverSent), 2 => Just(Fate::ReplyLost)];
    proptest::collection::vec((act, proptest::collection::vec(fate, 0..4)), 1..14)
}

/// One attempt, and the answers that each party got.
struct Run {
    services: Services,
    store: Arc<Meddled>,
    clock: ManualClock,
    id: AttemptId,
    grant: AttemptGrant,
    /// The tokens of the links, the oldest first.
    links: Vec<String>,
    first_press: Option<(usize, String, Decision, String)>,
    successes: BTreeSet<String>,
    sessions: BTreeSet<String>,
    ended: Option<Status>,
}

impl Run {
    async fn truth(&self) -> Option<Attempt> {
        self.store.inner.read(self.id).await.unwrap()
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Repeats a step until the store has replied. The fates are those of the first commands.
    async fn again<T>(
        &self,
        fates: &[Fate],
        act: impl AsyncFn() -> Result<T, FlowError>,
    ) -> Result<T, FlowError> {
        self.store.expect(fates);
        for _ in 0..=fates.len() {
            match act().await {
                Err(FlowError::StoreUnavailable(_)) => {}
                result => {
                    self.store.expect(&[]);
                    return result;
                }
            }
        }
        panic!("the store answers, and the service does not");
    }

    async fn press(&mut self, press: (usize, String, Decision, String), fates: &[Fate]) {
        let (opener, token, decision, confirmation) = press;
        let caller = caller(OPENERS[opener].0, OPENERS[opener].1);
        let link = self.services.links.read(&token).unwrap();
        let result = self
            .again(fates, async || self.services.links.decide(&link, decision, &confirmation, &caller).await)
            .await;
        let truth = self.truth().await;
        let state = truth.as_ref().map(|truth| truth.state.clone());
        match result {
            Ok(Confirmed::Verified { .. }) => {
                assert!(matches!(state, Some(State::Verified(_))), "a success that is not in the store");
                self.successes.insert(confirmation);
            }
            Ok(Confirmed::Denied) => assert!(matches!(state, Some(State::Denied(_)))),
            Ok(Confirmed::AwaitingCode { .. }) => assert!(state == Some(State::AwaitingCode)),
            Err(FlowError::LinkUsed) => {
                let used = matches!(state, Some(State::Verified(_) | State::Denied(_)));
                assert!(used, "\"already used\" for a link that nobody used");
            }
            Err(FlowError::LinkSuperseded) => assert!(truth.is_some_and(|truth| truth.nonce != link.nonce)),
            Err(FlowError::LinkCanceled) => {
                assert!(matches!(state, Some(State::Canceled | State::Failed(_))));
            }
            Err(FlowError::LinkExpired) => {
                assert!(
                    self.now() >= link.expires_at || truth.is_none_or(|truth| self.now() >= truth.expires_at)
                );
            }
            // A step that this opener is not offered.
            Err(FlowError::InvalidRequest(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn open_and_press(&mut self, opener: usize, newest: bool, decision: Decision, fates: &[Fate]) {
        let token = if newest { self.links.last() } else { self.links.first() }.unwrap().clone();
        let caller = caller(OPENERS[opener].0, OPENERS[opener].1);
        self.store.expect(&fates[..fates.len().min(1)]);
        let before = self.truth().await;
        let seen = self.services.links.open(&token, &caller).await.unwrap();
        assert!(before == self.truth().await, "opening changes nothing");
        self.store.expect(&[]);
        let Ok(page) = seen.page else { return };
        let press = (opener, token, decision, page.confirmation);
        self.first_press.get_or_insert_with(|| press.clone());
        self.press(press, fates).await;
    }

    async fn type_code(&mut self, right: bool, fates: &[Fate]) {
        let Some(stored) = self.truth().await else { return };
        let link = self.services.links.read(self.links.last().unwrap()).unwrap();
        let sound = link.key.relay_code(self.id, &stored.nonce).expose();
        let wrong = if sound == "000000" { "000001" } else { "000000" };
        let code = if right { sound.as_str() } else { wrong };
        let act =
            async || self.services.attempts.enter_code(&self.grant, RelayCode::parse(code).unwrap()).await;
        let result = self.again(fates, act).await;
        match result {
            Ok(view) => {
                assert!(right && view.status == Status::Verified);
                assert!(matches!(self.truth().await.unwrap().state, State::Verified(_)));
                self.successes.insert("code".to_owned());
            }
            Err(FlowError::CodeIncorrect(_)) => assert!(!right || stored.state != State::AwaitingCode),
            Err(FlowError::AttemptOver) => {}
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn act(&mut self, act: Act, fates: &[Fate]) {
        match act {
            Act::Press { opener, newest, decision } => {
                self.open_and_press(opener, newest, decision, fates).await;
            }
            Act::PressAgain => {
                if let Some(press) = self.first_press.clone() {
                    self.press(press, fates).await;
                }
            }
            Act::TypeCode { right } => self.type_code(right, fates).await,
            Act::Resend => self.resend(fates).await,
            Act::Cancel => {
                match self.again(fates, async || self.services.attempts.cancel(&self.grant).await).await {
                    Ok(()) => assert!(self.truth().await.unwrap().state == State::Canceled),
                    Err(FlowError::AttemptOver) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            Act::Redeem => {
                let caller = caller(OPENERS[0].0, OPENERS[0].1);
                let result = self
                    .again(fates, async || self.services.attempts.redeem(&self.grant, &caller).await)
                    .await;
                if let Ok(Redeemed::Session(session)) = result {
                    let State::Verified(verified) = self.truth().await.unwrap().state else {
                        panic!("a session without a success");
                    };
                    assert!(verified.signed_in != Some(SignedIn::Opener), "somebody else's session");
                    self.sessions.insert(session.identity.session.to_string());
                }
            }
            Act::Poll => self.poll(fates).await,
            Act::Pass { seconds } => self.clock.advance(TimeDelta::seconds(seconds)),
        }
        assert!(self.successes.len() <= 1, "two successes: {:?}", self.successes);
        assert!(self.sessions.len() <= 1, "two sessions: {:?}", self.sessions);
    }

    /// Asserts that the newest link is the first one, or one that was mailed.
    async fn resend(&mut self, fates: &[Fate]) {
        // A read comes first; the fate is for the step after it.
        let fates = [Fate::Done, *fates.first().unwrap_or(&Fate::Done)];
        let requester = caller(OPENERS[0].0, OPENERS[0].1);
        let _ =
            self.again(&fates, async || self.services.attempts.resend(&self.grant, &requester).await).await;
        let mails = self.services.mailbox.list(Some(self.grant.particulars.email.as_typed())).unwrap();
        let mailed = mails.iter().rev().map(|mail| mail["link"].as_str().unwrap());
        let mailed = mailed.map(|link| link.rsplit('/').next().unwrap().to_owned());
        self.links.truncate(1);
        self.links.extend(mailed);
        let newest = self.services.links.read(self.links.last().unwrap()).unwrap().nonce;
        // The older link is restored in the background.
        for _ in 0..500 {
            if self.truth().await.is_none_or(|truth| truth.nonce == newest) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        panic!("the newest link was never mailed");
    }

    async fn poll(&mut self, fates: &[Fate]) {
        let view =
            self.again(fates, async || self.services.attempts.status(&self.grant).await).await.unwrap();
        let truth = self.truth().await.map_or(Status::Failed, |truth| truth.status(self.now()));
        assert_eq!(view.status, truth);
        // An ended attempt stays ended, except that it may be lost.
        if let Some(ended) = self.ended {
            assert!(
                view.status == ended || view.status == Status::Failed,
                "{ended:?}, then {:?}",
                view.status
            );
        }
        if view.status.is_over() {
            self.ended = Some(view.status);
        }
    }
}

async fn holds(store: Arc<dyn Store>, clock: ManualClock, acts: Vec<(Act, Vec<Fate>)>) {
    let store = Arc::new(Meddled::new(store));
    let services = services(store.clone(), &clock);
    let (id, grant, link) = start(&services).await;
    let mut run = Run {
        services,
        store,
        clock,
        id,
        grant,
        links: vec![link],
        first_press: None,
        successes: BTreeSet::new(),
        sessions: BTreeSet::new(),
        ended: None,
    };
    for (act, fates) in acts {
        run.act(act, &fates).await;
    }
    // No waiter is forgotten.
    run.clock.advance(TimeDelta::hours(2));
    run.poll(&[]).await;
    assert!(run.ended.is_some(), "the attempt never ended");
}

fn check(cases: u32, store: impl Fn(&ManualClock) -> Arc<dyn Store>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&acts(), |acts| {
        let clock = ManualClock::new(noon());
        runtime.block_on(holds(store(&clock), clock, acts));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn the_promise_holds_in_any_order_on_the_memory_store() {
    check(300, |clock| Arc::new(MemoryStore::new(Arc::new(clock.clone()))));
}

#[test]
fn the_promise_holds_in_any_order_on_redis() {
    let redis = RedisServer::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = RedisOptions { url: redis.url(), fence: true, ca_pem: None };
    let store: Arc<dyn Store> = runtime.block_on(async { Arc::new(RedisStore::connect(&options).unwrap()) });
    check(60, |_| store.clone());
}
