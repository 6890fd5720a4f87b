//! Relays that refuse, stall or hang up.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use linkgate::mailer::MailError;

use super::{HASTE, hasty_mailer, mailer, reason, send};
use test_kit::smtp::{Mode, Sink};

#[tokio::test]
async fn a_recipient_that_the_relay_rejects_is_rejected() {
    for pipelining in [true, false] {
        let sink = Sink::start(Mode::RejectRecipient);
        sink.set_pipelining(pipelining);
        let mailer = mailer(&sink.url());
        for _ in 0..2 {
            assert_eq!(send(&mailer).await, Err(MailError::Rejected));
        }
        // The connection can still be used.
        sink.set_mode(Mode::Accept);
        assert_eq!(send(&mailer).await, Ok(()));
        assert_eq!((sink.connections(), sink.received_count()), (1, 1));
        assert_eq!(sink.commands().iter().filter(|command| *command == "RSET").count(), 2);
    }
}

#[tokio::test]
async fn a_rejection_stands_whatever_the_relay_does_to_the_connection_then() {
    for mode in [
        Mode::RejectRecipientButTakeData,
        Mode::RejectRecipientAndHangUp,
        Mode::RejectRecipientAndHadEnough,
        Mode::RejectRecipientAndFallSilent,
    ] {
        let sink = Sink::start(mode);
        let mailer = mailer(&sink.url());
        let start = Instant::now();
        for _ in 0..2 {
            assert_eq!(send(&mailer).await, Err(MailError::Rejected), "{mode:?}");
        }
        // A reply that no longer matters is not awaited.
        assert!(start.elapsed() < Duration::from_secs(4), "{mode:?} {:?}", start.elapsed());
        sink.set_mode(Mode::Accept);
        assert_eq!(send(&mailer).await, Ok(()), "{mode:?}");
        assert_eq!((sink.connections(), sink.received_count()), (3, 1), "{mode:?}");
    }
}

#[tokio::test]
async fn a_temporary_answer_makes_mail_unavailable() {
    let sink = Sink::start(Mode::Defer);
    let mailer = mailer(&sink.url());
    assert_eq!(reason(send(&mailer).await), "RCPT TO: the relay answered 451 4.7.1");
    assert_eq!(sink.received_count(), 0);
}

#[tokio::test]
async fn a_relay_that_never_answers_makes_mail_unavailable_within_the_limit() {
    let sink = Sink::start(Mode::Silent);
    let mailer = hasty_mailer(&sink.url());
    let start = Instant::now();
    assert_eq!(reason(send(&mailer).await), "greeting: the relay did not answer in time");
    let taken = start.elapsed();
    // An idle machine takes some milliseconds above the limit, a busy one more.
    assert!((HASTE..HASTE * 2).contains(&taken), "{taken:?}");
}

#[tokio::test]
async fn who_waits_for_a_free_connection_waits_no_longer_than_the_limit() {
    let sink = Sink::start(Mode::Silent);
    let mailer = hasty_mailer(&sink.url());
    let start = Instant::now();
    let halfway = async {
        tokio::time::sleep(HASTE / 2).await;
        sink.connections()
    };
    let (results, connections) = tokio::join!(join_all((0..20).map(|_| send(&mailer))), halfway);
    assert!(start.elapsed() < HASTE * 2, "{:?}", start.elapsed());
    assert_eq!(connections, 8);
    for result in results {
        let why = reason(result);
        assert!(why.ends_with("did not answer in time"), "{why}");
    }
}

#[tokio::test]
async fn a_relay_that_is_not_there_makes_mail_unavailable_at_once() {
    // A bound port without a listener, so that no other test takes it.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let start = Instant::now();
    let mailer = mailer(&format!("smtp://{}", taken.local_addr().unwrap()));
    let why = reason(send(&mailer).await);
    assert!(why.starts_with("connecting: ") && why.contains("refused"), "{why}");
    assert!(start.elapsed() < HASTE);
}

#[tokio::test]
async fn a_relay_whose_name_is_unknown_makes_mail_unavailable() {
    let why = reason(send(&mailer("smtp://relay.invalid")).await);
    assert!(why.starts_with("looking the relay up: "), "{why}");
}

#[tokio::test]
async fn a_relay_that_hangs_up_on_the_message_gets_it_once() {
    let sink = Sink::start(Mode::HangUpInData);
    let mailer = mailer(&sink.url());
    let why = reason(send(&mailer).await);
    assert!(why.starts_with("the message: the relay closed"), "{why}");
    assert_eq!((sink.connections(), sink.received_count()), (1, 0));
}
