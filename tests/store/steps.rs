//! Every step of an attempt, every refusal, every publication.

use chrono::{DateTime, TimeDelta, Utc};
use linkgate::domain::attempt::{
    Attempt, CODE_TRIES, CodeEntered, Failure, Refusal, SignedIn, State, Status, Verdict, Verified,
    whole_seconds,
};
use linkgate::store::Stepped;

use crate::bench::{
    Bench, VERIFY, attempt, attempt_id, confirmation, link, nonce, on_each_store, published, refusal,
};

on_each_store! {
    settling_verifies_and_remembers_how
    denying_remembers_by_whom
    the_same_confirmation_gets_the_same_answer
    another_confirmation_finds_the_link_used
    a_confirmation_is_no_other_verdict
    an_older_link_is_superseded
    a_link_works_until_its_very_end
    showing_the_code_may_be_repeated
    the_right_code_verifies_and_may_be_repeated
    five_wrong_codes_fail_the_attempt
    a_code_costs_nothing_unless_it_is_wanted
    canceling_may_be_repeated_and_ends_all_else
    a_new_link_takes_over_and_voids_the_code
    a_new_link_has_to_wait_its_turn
    no_link_outlives_its_attempt
    a_link_that_was_not_mailed_gives_way_again
    a_rejected_mail_fails_the_attempt
    what_is_over_stays_as_it_is
    each_change_is_published_once_and_nothing_else_is
}

async fn settling_verifies_and_remembers_how(bench: Bench) {
    let ways = [
        (Some(SignedIn::Both), true),
        (Some(SignedIn::Requester), false),
        (Some(SignedIn::Opener), false),
        (None, true),
    ];
    for (signed_in, same_client) in ways {
        let (id, pending) = bench.started().await;
        let confirmation = confirmation();
        let verdict = Verdict::Verify { signed_in, same_client };
        let settled =
            bench.store.settle(id, &pending.nonce, confirmation, &verdict, bench.now()).await.unwrap();
        let at = whole_seconds(bench.now());
        let verified = Verified { at, signed_in, same_client, confirmation: Some(confirmation) };
        assert!(settled.attempt == Attempt { state: State::Verified(verified), ..pending });
        assert!(bench.read(id).await == Some(settled.attempt));
    }
}

async fn denying_remembers_by_whom(bench: Bench) {
    let (id, shown) = bench.awaiting_code().await;
    let confirmation = confirmation();
    let denied =
        bench.store.settle(id, &shown.nonce, confirmation, &Verdict::Deny, bench.now()).await.unwrap();
    assert!(denied.attempt == Attempt { state: State::Denied(confirmation), ..shown });
    assert!(bench.read(id).await == Some(denied.attempt));
}

async fn the_same_confirmation_gets_the_same_answer(bench: Bench) {
    for verdict in [VERIFY, Verdict::Deny] {
        let (id, pending) = bench.started().await;
        let confirmation = confirmation();
        let first =
            bench.store.settle(id, &pending.nonce, confirmation, &verdict, bench.now()).await.unwrap();
        // Also long after the link has ended.
        bench.advance(1200);
        let again =
            bench.store.settle(id, &pending.nonce, confirmation, &verdict, bench.now()).await.unwrap();
        assert!(first.attempt == again.attempt && first.changed && !again.changed);
    }
}

async fn another_confirmation_finds_the_link_used(bench: Bench) {
    for (verdict, status) in [(VERIFY, Status::Verified), (Verdict::Deny, Status::Denied)] {
        let (id, pending) = bench.started().await;
        let settle =
            async || bench.store.settle(id, &pending.nonce, confirmation(), &verdict, bench.now()).await;
        let first = settle().await.unwrap();
        assert_eq!(refusal(settle().await), Refusal::Over(status));
        assert!(bench.read(id).await == Some(first.attempt));
    }
}

async fn a_confirmation_is_no_other_verdict(bench: Bench) {
    let verdicts = [(VERIFY, Verdict::Deny, Status::Verified), (Verdict::Deny, VERIFY, Status::Denied)];
    for (first, second, status) in verdicts {
        let (id, pending) = bench.started().await;
        let confirmation = confirmation();
        bench.store.settle(id, &pending.nonce, confirmation, &first, bench.now()).await.unwrap();
        let result = bench.store.settle(id, &pending.nonce, confirmation, &second, bench.now()).await;
        assert_eq!(refusal(result), Refusal::Over(status));
    }
}

async fn an_older_link_is_superseded(bench: Bench) {
    let (id, there) = bench.started().await;
    let (store, now, old) = (&bench.store, bench.now(), nonce());
    assert_eq!(refusal(store.settle(id, &old, confirmation(), &VERIFY, now).await), Refusal::Superseded);
    assert_eq!(refusal(store.show_code(id, &old, now).await), Refusal::Superseded);
    assert_eq!(refusal(store.restore_link(id, &old, &link(now), now).await), Refusal::Superseded);
    assert_eq!(refusal(store.reject_mail(id, &old, now).await), Refusal::Superseded);
    assert!(bench.read(id).await == Some(there));
}

async fn a_link_works_until_its_very_end(bench: Bench) {
    let (id, there) = bench.started().await;
    let (other, _) = bench.started().await;
    bench.advance(599);
    let last = there.expires_at - TimeDelta::milliseconds(1);
    assert!(bench.store.show_code(id, &there.nonce, last).await.is_ok());
    for now in [there.expires_at, there.expires_at + TimeDelta::milliseconds(1)] {
        let expired = Refusal::Over(Status::Expired);
        let store = &bench.store;
        assert_eq!(refusal(store.settle(id, &there.nonce, confirmation(), &VERIFY, now).await), expired);
        assert_eq!(refusal(store.show_code(id, &there.nonce, now).await), expired);
        assert_eq!(refusal(store.enter_code(id, &there.nonce, true, None, now).await), expired);
        assert_eq!(refusal(store.cancel(id, now).await), expired);
        assert_eq!(refusal(store.replace_link(other, &link(now), now).await), expired);
        assert_eq!(refusal(store.restore_link(id, &there.nonce, &link(now), now).await), expired);
        assert_eq!(refusal(store.reject_mail(id, &there.nonce, now).await), expired);
    }
}

async fn showing_the_code_may_be_repeated(bench: Bench) {
    let (id, pending) = bench.started().await;
    let shown = bench.store.show_code(id, &pending.nonce, bench.now()).await.unwrap();
    assert!(shown == Attempt { state: State::AwaitingCode, ..pending.clone() });
    assert!(bench.store.show_code(id, &pending.nonce, bench.now()).await.unwrap() == shown);
    assert!(bench.read(id).await == Some(shown));
}

async fn the_right_code_verifies_and_may_be_repeated(bench: Bench) {
    for signed_in in [Some(SignedIn::Requester), None] {
        let (id, shown) = bench.awaiting_code().await;
        let at = whole_seconds(bench.now());
        let verified = Verified { at, signed_in, same_client: false, confirmation: None };
        let expected = Attempt { state: State::Verified(verified), ..shown.clone() };
        for told in [CodeEntered::Right, CodeEntered::Again] {
            let entered =
                bench.store.enter_code(id, &shown.nonce, true, signed_in, bench.now()).await.unwrap();
            assert!(entered == (expected.clone(), told));
            bench.advance(1);
        }
        let over = Refusal::Over(Status::Verified);
        let wrong = bench.store.enter_code(id, &shown.nonce, false, signed_in, bench.now()).await;
        assert_eq!(refusal(wrong), over);
        let pressed = bench.store.settle(id, &shown.nonce, confirmation(), &VERIFY, bench.now()).await;
        assert_eq!(refusal(pressed), over, "what a code verified, no button did");
        assert!(bench.read(id).await == Some(expected));
    }
}

async fn five_wrong_codes_fail_the_attempt(bench: Bench) {
    let (id, shown) = bench.awaiting_code().await;
    let wrong = async || bench.store.enter_code(id, &shown.nonce, false, None, bench.now()).await;
    for left in (1..CODE_TRIES).rev() {
        let expected = Attempt { code_tries_left: left, ..shown.clone() };
        assert!(wrong().await.unwrap() == (expected.clone(), CodeEntered::Wrong(left)));
        assert!(bench.read(id).await == Some(expected));
    }
    let failed = Attempt { code_tries_left: 0, state: State::Failed(Failure::TooManyCodes), ..shown.clone() };
    assert!(wrong().await.unwrap() == (failed.clone(), CodeEntered::Wrong(0)));
    assert_eq!(refusal(wrong().await), Refusal::Over(Status::Failed));
    let right = bench.store.enter_code(id, &shown.nonce, true, None, bench.now()).await;
    assert_eq!(refusal(right), Refusal::Over(Status::Failed));
    assert!(bench.read(id).await == Some(failed));
}

async fn a_code_costs_nothing_unless_it_is_wanted(bench: Bench) {
    let (id, pending) = bench.started().await;
    for right in [true, false] {
        let entered = bench.store.enter_code(id, &pending.nonce, right, None, bench.now()).await.unwrap();
        assert!(entered == (pending.clone(), CodeEntered::Wrong(CODE_TRIES)), "nobody was shown a code");
    }
    let shown = bench.store.show_code(id, &pending.nonce, bench.now()).await.unwrap();
    for right in [true, false] {
        let entered = bench.store.enter_code(id, &nonce(), right, None, bench.now()).await.unwrap();
        assert!(entered == (shown.clone(), CodeEntered::Wrong(CODE_TRIES)), "the link was replaced");
    }
    assert!(bench.read(id).await == Some(shown));
}

async fn canceling_may_be_repeated_and_ends_all_else(bench: Bench) {
    let (id, pending) = bench.started().await;
    let canceled = Attempt { state: State::Canceled, ..pending.clone() };
    for changed in [true, false] {
        let attempt = canceled.clone();
        assert!(bench.store.cancel(id, bench.now()).await.unwrap() == Stepped { attempt, changed });
        bench.advance(1200);
    }
    let result = bench.store.settle(id, &pending.nonce, confirmation(), &VERIFY, bench.now()).await;
    assert_eq!(refusal(result), Refusal::Over(Status::Canceled));
    let (other, shown) = bench.awaiting_code().await;
    bench.store.settle(other, &shown.nonce, confirmation(), &VERIFY, bench.now()).await.unwrap();
    assert_eq!(refusal(bench.store.cancel(other, bench.now()).await), Refusal::Over(Status::Verified));
}

async fn a_new_link_takes_over_and_voids_the_code(bench: Bench) {
    let (id, shown) = bench.awaiting_code().await;
    bench.store.enter_code(id, &shown.nonce, false, None, bench.now()).await.unwrap();
    bench.advance(60);
    let link = link(bench.now());
    let (replaced, previous) = bench.store.replace_link(id, &link, bench.now()).await.unwrap();
    assert!(previous == shown.link());
    let expected = Attempt {
        nonce: link.nonce,
        expires_at: link.expires_at,
        resend_after: link.resend_after,
        code_tries_left: CODE_TRIES - 1,
        state: State::Pending,
        ..shown.clone()
    };
    assert!(replaced == expected);
    assert!(bench.read(id).await == Some(expected));
    let result = bench.store.settle(id, &shown.nonce, confirmation(), &VERIFY, bench.now()).await;
    assert_eq!(refusal(result), Refusal::Superseded);
}

async fn no_link_outlives_its_attempt(bench: Bench) {
    let (id, there) = bench.started().await;
    bench.advance(9 * 60);
    let (replaced, _) = bench.store.replace_link(id, &link(bench.now()), bench.now()).await.unwrap();
    assert_eq!(replaced.expires_at, there.ends_at, "the link would have ended 4 minutes later");
    assert!(bench.read(id).await == Some(replaced));
}

async fn a_new_link_has_to_wait_its_turn(bench: Bench) {
    let (id, there) = bench.started().await;
    let early = there.resend_after - TimeDelta::milliseconds(1);
    let result = bench.store.replace_link(id, &link(early), early).await;
    assert_eq!(refusal(result), Refusal::TooSoon(there.resend_after));
    assert!(bench.read(id).await == Some(there.clone()));
    assert!(bench.store.replace_link(id, &link(early), there.resend_after).await.is_ok());
}

async fn a_link_that_was_not_mailed_gives_way_again(bench: Bench) {
    let (id, there) = bench.started().await;
    bench.advance(60);
    let link = link(bench.now());
    let (_, previous) = bench.store.replace_link(id, &link, bench.now()).await.unwrap();
    let restored = bench.store.restore_link(id, &link.nonce, &previous, bench.now()).await.unwrap();
    assert!(restored == there);
    assert!(bench.read(id).await == Some(there));
    let again = bench.store.restore_link(id, &link.nonce, &previous, bench.now()).await;
    assert_eq!(refusal(again), Refusal::Superseded);
}

async fn a_rejected_mail_fails_the_attempt(bench: Bench) {
    let (id, there) = bench.started().await;
    let failed = bench.store.reject_mail(id, &there.nonce, bench.now()).await.unwrap();
    assert!(failed == Attempt { state: State::Failed(Failure::MailRejected), ..there });
    assert!(bench.read(id).await == Some(failed));
}

async fn what_is_over_stays_as_it_is(bench: Bench) {
    let now = bench.now();
    let verified = Verified {
        at: whole_seconds(now),
        signed_in: Some(SignedIn::Both),
        same_client: true,
        confirmation: Some(confirmation()),
    };
    let ends = [
        (State::Verified(verified), Status::Verified),
        (State::Denied(confirmation()), Status::Denied),
        (State::Canceled, Status::Canceled),
        (State::Failed(Failure::StateLost), Status::Failed),
    ];
    for (state, status) in ends {
        let (id, there) = (attempt_id(), Attempt { state, ..attempt(now) });
        bench.create(id, &there).await;
        let (store, nonce, over, later) = (&bench.store, &there.nonce, Refusal::Over(status), far(now));
        assert_eq!(refusal(store.settle(id, nonce, confirmation(), &VERIFY, later).await), over);
        assert_eq!(refusal(store.settle(id, nonce, confirmation(), &Verdict::Deny, later).await), over);
        assert_eq!(refusal(store.show_code(id, nonce, later).await), over);
        assert_eq!(refusal(store.enter_code(id, nonce, true, None, later).await), over);
        assert_eq!(refusal(store.replace_link(id, &link(now), later).await), over);
        assert_eq!(refusal(store.restore_link(id, nonce, &link(now), later).await), over);
        assert_eq!(refusal(store.reject_mail(id, nonce, later).await), over);
        if status != Status::Canceled {
            assert_eq!(refusal(store.cancel(id, later).await), over);
        }
        assert!(bench.read(id).await == Some(there));
    }
}

/// After every link has ended: an ended attempt does not become `expired`.
fn far(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::days(1)
}

async fn each_change_is_published_once_and_nothing_else_is(bench: Bench) {
    let (store, now) = (&bench.store, bench.now());
    let mut changes = store.changes();
    let mut expected = Vec::new();

    let (id, pending) = bench.started().await;
    let n = &pending.nonce;
    store.mail_accepted(id, n).await.unwrap();
    store.show_code(id, n, now).await.unwrap();
    expected.push(id);
    store.show_code(id, n, now).await.unwrap();
    store.enter_code(id, n, false, None, now).await.unwrap();
    expected.push(id);
    store.enter_code(id, &nonce(), false, None, now).await.unwrap();
    store.enter_code(id, n, true, None, now).await.unwrap();
    expected.push(id);
    store.enter_code(id, n, true, None, now).await.unwrap();
    refusal(store.cancel(id, now).await);

    let press = confirmation();
    for verdict in [VERIFY, Verdict::Deny] {
        let (id, pending) = bench.started().await;
        for _ in 0..2 {
            store.settle(id, &pending.nonce, press, &verdict, now).await.unwrap();
        }
        refusal(store.settle(id, &pending.nonce, confirmation(), &verdict, now).await);
        expected.push(id);
    }

    let (id, _) = bench.started().await;
    store.cancel(id, now).await.unwrap();
    store.cancel(id, now).await.unwrap();
    expected.push(id);

    let (id, there) = bench.started().await;
    let link = link(now);
    refusal(store.replace_link(id, &link, now).await);
    store.replace_link(id, &link, there.resend_after).await.unwrap();
    store.restore_link(id, &link.nonce, &there.link(), now).await.unwrap();
    store.reject_mail(id, &there.nonce, now).await.unwrap();
    expected.extend([id, id, id]);

    let (id, there) = (attempt_id(), Attempt { mailing: true, ..attempt(now) });
    bench.create(id, &there).await;
    store.mail_accepted(id, &there.nonce).await.unwrap();
    store.mail_accepted(id, &there.nonce).await.unwrap();
    store.discard(id, &nonce()).await.unwrap();
    store.discard(id, &there.nonce).await.unwrap();
    store.discard(id, &there.nonce).await.unwrap();
    expected.extend([id, id]);

    published(&mut changes, &expected).await;
}
