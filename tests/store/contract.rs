//! Writing, reading and expiry of attempts, tickets, ended sessions and permits.

use std::time::Duration;

use chrono::TimeDelta;
use linkgate::domain::attempt::{
    Attempt, CODE_TRIES, Failure, Refusal, SignedIn, State, Verified, whole_seconds,
};
use linkgate::store::Created;

use crate::bench::{
    Bench, VERIFY, attempt, attempt_id, confirmation, link, nonce, on_each_store, published, refusal,
    session_id,
};

on_each_store! {
    an_attempt_reads_back_as_it_was_written
    an_unknown_attempt_is_lost_to_every_verb
    an_attempt_that_is_there_is_left_as_it_is
    a_repeated_creation_is_fresh_again
    an_abandoned_attempt_is_replaced
    an_attempt_that_was_opened_was_not_abandoned
    an_attempt_ends_with_its_time_and_no_step_prolongs_it
    an_accepted_mail_ends_mailing
    a_discarded_attempt_is_gone
    only_the_newest_link_discards
    many_are_read_in_their_order
    a_ticket_is_consumed_once
    a_consumed_ticket_does_not_come_back
    a_ticket_ends
    a_session_stays_ended_for_its_time
    a_permit_is_taken_once_per_window
    permits_of_others_are_free
    the_store_answers
}

async fn an_attempt_reads_back_as_it_was_written(bench: Bench) {
    let now = whole_seconds(bench.now());
    let verified = |signed_in, same_client, confirmation| {
        State::Verified(Verified { at: now, signed_in, same_client, confirmation })
    };
    let states = [
        State::Pending,
        State::AwaitingCode,
        verified(Some(SignedIn::Requester), false, None),
        verified(Some(SignedIn::Opener), false, Some(confirmation())),
        verified(Some(SignedIn::Both), true, Some(confirmation())),
        verified(None, true, Some(confirmation())),
        State::Denied(confirmation()),
        State::Canceled,
        State::Failed(Failure::TooManyCodes),
        State::Failed(Failure::MailRejected),
        State::Failed(Failure::StateLost),
    ];
    for (n, state) in states.into_iter().enumerate() {
        let code_tries_left = CODE_TRIES - u8::try_from(n % 3).unwrap();
        let written = Attempt {
            state,
            code_tries_left,
            mailing: n % 2 == 0,
            by_api_key: n % 3 == 0,
            ..attempt(bench.now())
        };
        let id = attempt_id();
        bench.create(id, &written).await;
        assert!(bench.read(id).await == Some(written), "state number {n}");
    }
}

async fn an_unknown_attempt_is_lost_to_every_verb(bench: Bench) {
    let (store, now, nonce) = (&bench.store, bench.now(), nonce());
    let id = attempt_id();
    assert!(bench.read(id).await.is_none());
    assert_eq!(refusal(store.settle(id, &nonce, confirmation(), &VERIFY, now).await), Refusal::Lost);
    assert_eq!(refusal(store.show_code(id, &nonce, now).await), Refusal::Lost);
    assert_eq!(refusal(store.enter_code(id, &nonce, true, None, now).await), Refusal::Lost);
    assert_eq!(refusal(store.cancel(id, now).await), Refusal::Lost);
    assert_eq!(refusal(store.replace_link(id, &link(now), now).await), Refusal::Lost);
    assert_eq!(refusal(store.restore_link(id, &nonce, &link(now), now).await), Refusal::Lost);
    assert_eq!(refusal(store.reject_mail(id, &nonce, now).await), Refusal::Lost);
    store.mail_accepted(id, &nonce).await.unwrap();
    store.discard(id, &nonce).await.unwrap();
    assert!(bench.read(id).await.is_none(), "no verb but create makes an attempt");
}

async fn an_attempt_that_is_there_is_left_as_it_is(bench: Bench) {
    let (id, there) = bench.started().await;
    let later = attempt(bench.now());
    let created =
        bench.store.create(id, &later, bench.now() + TimeDelta::hours(1), bench.now()).await.unwrap();
    assert!(created == Created::Exists(there.clone()));
    assert!(bench.read(id).await == Some(there));
}

async fn a_repeated_creation_is_fresh_again(bench: Bench) {
    let (id, there) = bench.started().await;
    bench.create(id, &there).await;
    assert!(bench.read(id).await == Some(there));
}

async fn an_abandoned_attempt_is_replaced(bench: Bench) {
    let id = attempt_id();
    let abandoned = Attempt { mailing: true, ..attempt(bench.now()) };
    bench.create(id, &abandoned).await;
    let keep_until = bench.now() + TimeDelta::hours(1);

    bench.advance(14);
    let next = attempt(bench.now());
    let created = bench.store.create(id, &next, keep_until, bench.now()).await.unwrap();
    assert!(created == Created::Exists(abandoned.clone()), "after 14 s it may yet be mailed");

    bench.advance(1);
    let mut changes = bench.store.changes();
    bench.create(id, &next).await;
    assert!(bench.read(id).await == Some(next));
    published(&mut changes, &[id]).await;
}

async fn an_attempt_that_was_opened_was_not_abandoned(bench: Bench) {
    let id = attempt_id();
    let mailing = Attempt { mailing: true, ..attempt(bench.now()) };
    bench.create(id, &mailing).await;
    let verified =
        bench.store.settle(id, &mailing.nonce, confirmation(), &VERIFY, bench.now()).await.unwrap();
    bench.advance(60);
    let keep_until = bench.now() + TimeDelta::hours(1);
    let created = bench.store.create(id, &attempt(bench.now()), keep_until, bench.now()).await.unwrap();
    assert!(created == Created::Exists(verified.attempt));
}

async fn an_attempt_ends_with_its_time_and_no_step_prolongs_it(bench: Bench) {
    let (id, written) = (attempt_id(), Attempt { resend_after: bench.now(), ..attempt(bench.now()) });
    let now = bench.now();
    bench.store.create(id, &written, now + TimeDelta::seconds(1), now).await.unwrap();
    bench.store.show_code(id, &written.nonce, now).await.unwrap();
    bench.store.replace_link(id, &link(now), now).await.unwrap();
    bench.store.cancel(id, now).await.unwrap();
    bench.outlive(async || bench.read(id).await.is_none()).await;
    assert_eq!(refusal(bench.store.cancel(id, now).await), Refusal::Lost);
    bench.create(id, &written).await;
}

async fn an_accepted_mail_ends_mailing(bench: Bench) {
    let id = attempt_id();
    let mailing = Attempt { mailing: true, ..attempt(bench.now()) };
    bench.create(id, &mailing).await;
    bench.store.mail_accepted(id, &nonce()).await.unwrap();
    assert!(bench.read(id).await.unwrap().mailing, "another link's mail says nothing of this one");
    for _ in 0..2 {
        bench.store.mail_accepted(id, &mailing.nonce).await.unwrap();
        assert!(bench.read(id).await == Some(Attempt { mailing: false, ..mailing.clone() }));
    }
}

async fn a_discarded_attempt_is_gone(bench: Bench) {
    let (id, there) = bench.started().await;
    bench.store.discard(id, &there.nonce).await.unwrap();
    assert!(bench.read(id).await.is_none());
    bench.create(id, &attempt(bench.now())).await;
}

async fn only_the_newest_link_discards(bench: Bench) {
    let (id, there) = bench.started().await;
    bench.store.discard(id, &nonce()).await.unwrap();
    assert!(bench.read(id).await == Some(there));
}

async fn many_are_read_in_their_order(bench: Bench) {
    let (a, first) = bench.started().await;
    let (b, second) = bench.started().await;
    let unknown = attempt_id();
    let read = bench.store.read_many(&[b, unknown, a, b]).await.unwrap();
    assert!(read == [Some(second.clone()), None, Some(first), Some(second)]);
    assert!(bench.store.read_many(&[]).await.unwrap().is_empty());
    let mut more = vec![unknown; 1000];
    more[300] = b;
    let read = bench.store.read_many(&more).await.unwrap();
    assert_eq!(read.len(), more.len());
    assert!(read[300].is_some() && read.iter().flatten().count() == 1);
}

async fn a_ticket_is_consumed_once(bench: Bench) {
    let ticket = nonce();
    assert!(!bench.store.consume_ticket(&ticket).await.unwrap(), "what is not there does not work");
    bench.store.put_ticket(&ticket, Duration::from_mins(1)).await.unwrap();
    assert!(!bench.store.consume_ticket(&nonce()).await.unwrap());
    assert!(bench.store.consume_ticket(&ticket).await.unwrap());
    assert!(!bench.store.consume_ticket(&ticket).await.unwrap());
}

async fn a_consumed_ticket_does_not_come_back(bench: Bench) {
    let ticket = nonce();
    bench.store.put_ticket(&ticket, Duration::from_mins(1)).await.unwrap();
    bench.store.put_ticket(&ticket, Duration::from_mins(1)).await.unwrap();
    assert!(bench.store.consume_ticket(&ticket).await.unwrap());
    bench.store.put_ticket(&ticket, Duration::from_mins(1)).await.unwrap();
    assert!(!bench.store.consume_ticket(&ticket).await.unwrap());
}

async fn a_ticket_ends(bench: Bench) {
    // Both live equally long, and the second was put later: when it has expired, so has the first.
    let (ticket, marker) = (nonce(), session_id());
    bench.store.put_ticket(&ticket, Duration::from_millis(200)).await.unwrap();
    bench.store.end_session(marker, Duration::from_millis(200)).await.unwrap();
    bench.outlive(async || !bench.store.session_ended(marker).await.unwrap()).await;
    assert!(!bench.store.consume_ticket(&ticket).await.unwrap());
}

async fn a_session_stays_ended_for_its_time(bench: Bench) {
    let (id, short) = (session_id(), session_id());
    assert!(!bench.store.session_ended(id).await.unwrap());
    bench.store.end_session(id, Duration::from_mins(1)).await.unwrap();
    bench.store.end_session(id, Duration::from_hours(1)).await.unwrap();
    bench.store.end_session(short, Duration::from_secs(1)).await.unwrap();
    bench.outlive(async || !bench.store.session_ended(short).await.unwrap()).await;
    assert!(bench.store.session_ended(id).await.unwrap());
}

async fn a_permit_is_taken_once_per_window(bench: Bench) {
    let store = &bench.store;
    let (hash, window) = (&unique_hash(), Duration::from_secs(1));
    assert!(store.permit_taken(hash, 0).await.unwrap().is_none());
    assert!(store.take_permit(hash, 0, window).await.unwrap());
    let left = store.permit_taken(hash, 0).await.unwrap();
    // On a slow machine, the second may pass before the query.
    assert!(left.is_none_or(|left| !left.is_zero() && left <= window));
    assert!(store.take_permit(hash, 1, Duration::from_mins(1)).await.unwrap());
    assert!(!store.take_permit(hash, 1, Duration::from_mins(1)).await.unwrap());
    store.release_permit(hash, 1).await.unwrap();
    store.release_permit(hash, 1).await.unwrap();
    assert!(store.permit_taken(hash, 1).await.unwrap().is_none());
    assert!(store.take_permit(hash, 1, Duration::from_mins(1)).await.unwrap());
    let left = store.permit_taken(hash, 1).await.unwrap().unwrap();
    assert!(left > Duration::from_secs(40) && left <= Duration::from_mins(1));
    bench.outlive(async || store.permit_taken(hash, 0).await.unwrap().is_none()).await;
    assert!(store.take_permit(hash, 0, window).await.unwrap());
}

async fn permits_of_others_are_free(bench: Bench) {
    let window = Duration::from_mins(1);
    let (a, b) = (&unique_hash(), &unique_hash());
    for (hash, slot) in [(a, 1), (a, 2), (b, 1), (b, 11)] {
        assert!(bench.store.take_permit(hash, slot, window).await.unwrap());
    }
}

/// A limit that no other test uses.
fn unique_hash() -> String {
    nonce().encode()
}

async fn the_store_answers(bench: Bench) {
    bench.store.ping().await.unwrap();
}
