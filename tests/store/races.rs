//! Races: each has one winner, and all others learn of it.

use std::sync::Arc;
use std::time::Duration;

use linkgate::domain::attempt::{
    Attempt, CODE_TRIES, CodeEntered, Failure, Refusal, SignedIn, State, Status, Verdict,
};
use linkgate::store::{Created, Store};
use tokio::sync::Barrier;

use crate::bench::{
    Bench, VERIFY, attempt, attempt_id, confirmation, link, nonce, on_each_store, published, refusal,
};

const RACERS: usize = 64;

on_each_store! {
    of_distinct_confirmations_exactly_one_wins
    equal_confirmations_all_get_the_same_answer
    confirming_and_denying_exclude_each_other
    a_cancel_and_a_confirmation_exclude_each_other
    a_new_link_and_a_confirmation_of_the_old_exclude_each_other
    of_many_wrong_codes_exactly_five_count
    the_right_code_many_times_verifies_once
    a_code_and_a_confirmation_exclude_each_other
    of_many_creations_exactly_one_is_fresh
    of_many_new_links_exactly_one_is_taken
    a_ticket_is_consumed_by_exactly_one
    a_permit_is_taken_by_exactly_one
}

/// Starts `runners` of `run(store, number)` at the same moment, and returns their results.
async fn race<T, R>(
    bench: &Bench,
    runners: usize,
    run: impl FnOnce(Arc<dyn Store>, usize) -> R + Clone,
) -> Vec<T>
where
    T: Send + 'static,
    R: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(runners));
    let tasks: Vec<_> = (0..runners)
        .map(|number| {
            let (start, runner) = (Arc::clone(&start), run.clone()(Arc::clone(&bench.store), number));
            tokio::spawn(async move {
                start.wait().await;
                runner.await
            })
        })
        .collect();
    let mut results = Vec::with_capacity(runners);
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

async fn of_distinct_confirmations_exactly_one_wins(bench: Bench) {
    let ((id, pending), now) = (bench.started().await, bench.now());
    let results = race(&bench, RACERS, move |store, _| async move {
        store.settle(id, &pending.nonce, confirmation(), &VERIFY, now).await
    })
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert!(lost.into_iter().all(|lost| refusal(lost) == Refusal::Over(Status::Verified)));
}

async fn equal_confirmations_all_get_the_same_answer(bench: Bench) {
    let ((id, pending), now, press) = (bench.started().await, bench.now(), confirmation());
    let results = race(&bench, RACERS, move |store, _| async move {
        store.settle(id, &pending.nonce, press, &VERIFY, now).await
    })
    .await;
    let kept = bench.read(id).await.unwrap();
    let stepped: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert!(stepped.iter().all(|stepped| stepped.attempt == kept));
    assert_eq!(stepped.iter().filter(|stepped| stepped.changed).count(), 1, "the others repeat it");
}

async fn confirming_and_denying_exclude_each_other(bench: Bench) {
    let ((id, pending), now) = (bench.started().await, bench.now());
    let results = race(&bench, RACERS, move |store, number| async move {
        let verdict = if number % 2 == 0 { VERIFY } else { Verdict::Deny };
        store.settle(id, &pending.nonce, confirmation(), &verdict, now).await
    })
    .await;
    let status = bench.read(id).await.unwrap().status(now);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.into_iter().filter(Result::is_err).all(|lost| refusal(lost) == Refusal::Over(status)));
}

async fn a_cancel_and_a_confirmation_exclude_each_other(bench: Bench) {
    for _ in 0..16 {
        let ((id, pending), now) = (bench.started().await, bench.now());
        let results = race(&bench, 2, move |store, number| async move {
            match number {
                0 => store.settle(id, &pending.nonce, confirmation(), &VERIFY, now).await,
                _ => store.cancel(id, now).await,
            }
        })
        .await;
        let [confirmed, canceled] = results.try_into().ok().unwrap();
        let status = bench.read(id).await.unwrap().status(now);
        let (won, lost) = match status {
            Status::Verified => (confirmed, canceled),
            Status::Canceled => (canceled, confirmed),
            other => panic!("{other:?}"),
        };
        assert_eq!(won.unwrap().attempt.status(now), status);
        assert_eq!(refusal(lost), Refusal::Over(status));
    }
}

async fn a_new_link_and_a_confirmation_of_the_old_exclude_each_other(bench: Bench) {
    for _ in 0..16 {
        let (id, pending) = bench.started().await;
        let (now, link) = (pending.resend_after, link(pending.resend_after));
        let results = race(&bench, 2, {
            let link = link.clone();
            move |store, number| async move {
                match number {
                    0 => store.settle(id, &pending.nonce, confirmation(), &VERIFY, now).await.map(|_| ()),
                    _ => store.replace_link(id, &link, now).await.map(|_| ()),
                }
            }
        })
        .await;
        let [confirmed, replaced] = results.try_into().ok().unwrap();
        if bench.read(id).await.unwrap().nonce == link.nonce {
            assert!(replaced.is_ok());
            assert_eq!(refusal(confirmed), Refusal::Superseded);
        } else {
            assert!(confirmed.is_ok());
            assert_eq!(refusal(replaced), Refusal::Over(Status::Verified));
        }
    }
}

async fn of_many_wrong_codes_exactly_five_count(bench: Bench) {
    let ((id, shown), now) = (bench.awaiting_code().await, bench.now());
    let results = race(&bench, RACERS, move |store, _| async move {
        store.enter_code(id, &shown.nonce, false, None, now).await
    })
    .await;
    let (counted, over): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let mut left: Vec<u8> = counted
        .into_iter()
        .map(|counted| match counted.unwrap().1 {
            CodeEntered::Wrong(left) => left,
            CodeEntered::Right | CodeEntered::Again => panic!("it was wrong"),
        })
        .collect();
    left.sort_unstable();
    assert_eq!(left, (0..CODE_TRIES).collect::<Vec<_>>());
    assert!(over.into_iter().all(|over| refusal(over) == Refusal::Over(Status::Failed)));
    assert!(bench.read(id).await.unwrap().state == State::Failed(Failure::TooManyCodes));
}

async fn the_right_code_many_times_verifies_once(bench: Bench) {
    let mut changes = bench.store.changes();
    let ((id, shown), now) = (bench.awaiting_code().await, bench.now());
    let results = race(&bench, RACERS, move |store, _| async move {
        store.enter_code(id, &shown.nonce, true, Some(SignedIn::Requester), now).await
    })
    .await;
    let kept = bench.read(id).await.unwrap();
    let (attempts, told): (Vec<_>, Vec<_>) = results.into_iter().map(Result::unwrap).unzip();
    assert!(attempts.into_iter().all(|attempt| attempt == kept));
    assert_eq!(told.iter().filter(|told| **told == CodeEntered::Right).count(), 1);
    assert_eq!(told.iter().filter(|told| **told == CodeEntered::Again).count(), told.len() - 1);
    // The code was shown once, and entered once.
    let (other, _) = bench.started().await;
    bench.store.cancel(other, now).await.unwrap();
    published(&mut changes, &[id, id, other]).await;
}

async fn a_code_and_a_confirmation_exclude_each_other(bench: Bench) {
    for _ in 0..16 {
        let ((id, shown), now) = (bench.awaiting_code().await, bench.now());
        let results = race(&bench, 2, move |store, number| async move {
            match number {
                0 => {
                    let settled = store.settle(id, &shown.nonce, confirmation(), &VERIFY, now).await;
                    settled.map(|settled| settled.attempt)
                }
                _ => store.enter_code(id, &shown.nonce, true, None, now).await.map(|(attempt, _)| attempt),
            }
        })
        .await;
        let kept = bench.read(id).await.unwrap();
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert!(won.into_iter().map(Result::unwrap).collect::<Vec<Attempt>>() == [kept]);
        assert_eq!(lost.into_iter().map(refusal).collect::<Vec<_>>(), [Refusal::Over(Status::Verified)]);
    }
}

async fn of_many_creations_exactly_one_is_fresh(bench: Bench) {
    let (id, now) = (attempt_id(), bench.now());
    let results = race(&bench, RACERS, move |store, _| async move {
        let mine = attempt(now);
        let created = store.create(id, &mine, now + chrono::TimeDelta::hours(1), now).await.unwrap();
        (mine, created)
    })
    .await;
    let kept = bench.read(id).await.unwrap();
    let (fresh, exists): (Vec<_>, Vec<_>) =
        results.into_iter().partition(|(_, created)| *created == Created::Fresh);
    assert!(fresh.into_iter().map(|(mine, _)| mine).collect::<Vec<_>>() == [kept.clone()]);
    assert!(exists.into_iter().all(|(_, created)| created == Created::Exists(kept.clone())));
}

async fn of_many_new_links_exactly_one_is_taken(bench: Bench) {
    let (id, there) = bench.started().await;
    let now = there.resend_after;
    let results =
        race(&bench, RACERS, move |store, _| async move { store.replace_link(id, &link(now), now).await })
            .await;
    let kept = bench.read(id).await.unwrap();
    let (taken, early): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let [(attempt, previous)] =
        taken.into_iter().map(Result::unwrap).collect::<Vec<_>>().try_into().ok().unwrap();
    assert!(attempt == kept && previous == there.link());
    assert!(early.into_iter().all(|early| refusal(early) == Refusal::TooSoon(kept.resend_after)));
}

async fn a_ticket_is_consumed_by_exactly_one(bench: Bench) {
    let ticket = nonce();
    bench.store.put_ticket(&ticket, Duration::from_mins(1)).await.unwrap();
    let results =
        race(&bench, RACERS, move |store, _| async move { store.consume_ticket(&ticket).await }).await;
    assert_eq!(results.into_iter().filter(|consumed| *consumed.as_ref().unwrap()).count(), 1);
}

async fn a_permit_is_taken_by_exactly_one(bench: Bench) {
    let hash = nonce().encode();
    let results = race(&bench, RACERS, move |store, _| async move {
        store.take_permit(&hash, 7, Duration::from_mins(1)).await
    })
    .await;
    assert_eq!(results.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);
}
