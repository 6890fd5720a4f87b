//! Connections are kept, shared and replaced, and have Nagle's algorithm off.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use linkgate::mailer::Mailer;

use super::{HASTE, hasty_mailer, mailer, reason, send, send_to, settings, trusting_mailer};
use test_kit::smtp::{Mode, Sink, Tls};

#[tokio::test]
async fn mails_after_one_another_use_one_connection() {
    let sink = Sink::start(Mode::Accept);
    let mailer = mailer(&sink.url());
    for n in 0..20 {
        send_to(&mailer, &format!("user{n}@example.org")).await.unwrap();
    }
    assert_eq!((sink.connections(), sink.received_count()), (1, 20));
}

#[tokio::test]
async fn a_relay_gets_all_commands_of_a_mail_at_once_if_and_only_if_it_takes_them_so() {
    for pipelining in [true, false] {
        let sink = Sink::start(Mode::Accept);
        sink.set_pipelining(pipelining);
        let mailer = mailer(&sink.url());
        for _ in 0..3 {
            send(&mailer).await.unwrap();
        }
        assert_eq!((sink.connections(), sink.received_count()), (1, 3));
        assert_eq!(sink.early_commands(), if pipelining { 6 } else { 0 });
    }
}

#[tokio::test]
async fn mails_at_once_use_at_most_eight_connections_and_arrive_once_each() {
    let sink = Sink::start(Mode::Accept);
    let mailer = mailer(&sink.url());
    let addresses: Vec<_> = (0..50).map(|n| format!("user{n}@example.org")).collect();
    for result in join_all(addresses.iter().map(|address| send_to(&mailer, address))).await {
        assert_eq!(result, Ok(()));
    }
    assert!(sink.connections() <= 8, "{}", sink.connections());
    let mut received: Vec<_> = sink.received().into_iter().flat_map(|mail| mail.rcpt_to).collect();
    let mut wanted = addresses;
    received.sort();
    wanted.sort();
    assert_eq!(received, wanted);
}

#[tokio::test]
async fn a_pooled_connection_that_died_is_replaced_without_notice() {
    let sink = Sink::start(Mode::HangUpAfterMail);
    let mailer = mailer(&sink.url());
    for _ in 0..3 {
        assert_eq!(send(&mailer).await, Ok(()));
    }
    assert_eq!((sink.connections(), sink.received_count()), (3, 3));

    sink.set_mode(Mode::Accept);
    join_all((0..8).map(|_| send(&mailer))).await;
    sink.cut_connections();
    for result in join_all((0..8).map(|_| send(&mailer))).await {
        assert_eq!(result, Ok(()));
    }
}

#[tokio::test]
async fn a_relay_that_ends_a_connection_with_421_gets_the_mail_on_another() {
    let sink = Sink::start(Mode::OneMailOnly);
    let mailer = mailer(&sink.url());
    for _ in 0..3 {
        assert_eq!(send(&mailer).await, Ok(()));
    }
    assert_eq!((sink.connections(), sink.received_count()), (3, 3));
}

#[tokio::test]
async fn a_pooled_connection_that_went_silent_leaves_time_for_a_fresh_one() {
    let sink = Sink::start(Mode::Accept);
    let mailer = hasty_mailer(&sink.url());
    send(&mailer).await.unwrap();
    sink.set_mode(Mode::Silent);
    let start = Instant::now();
    let switch = async {
        tokio::time::sleep(HASTE / 8).await;
        sink.set_mode(Mode::Accept);
    };
    let (result, ()) = tokio::join!(send(&mailer), switch);
    assert_eq!(result, Ok(()));
    assert!((HASTE / 4..HASTE).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert_eq!(sink.connections(), 2);
}

#[tokio::test]
async fn a_relay_that_ponders_over_recipients_keeps_its_connection() {
    let sink = Sink::start(Mode::Ponder);
    let mailer = Mailer::with_limit(settings(&sink.url()), Duration::from_secs(4)).unwrap();
    for _ in 0..2 {
        assert_eq!(send(&mailer).await, Ok(()));
    }
    assert_eq!((sink.connections(), sink.received_count()), (1, 2));
}

#[test]
fn a_connection_may_be_used_by_another_runtime_and_outlived_by_it() {
    fn is_shared<T: Send + Sync>(_: &T) {}
    fn is_sent<T: Send>(future: T) -> T {
        future
    }
    let sink = Sink::start(Mode::Accept);
    let mailer = mailer(&sink.url());
    is_shared(&mailer);
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for _ in 0..2 {
            assert_eq!(runtime.block_on(is_sent(send(&mailer))), Ok(()));
        }
    }
    assert_eq!((sink.connections(), sink.received_count()), (2, 4));
}

#[tokio::test]
async fn a_connection_is_replaced_once_and_not_again() {
    let sink = Sink::start(Mode::Accept);
    let mailer = mailer(&sink.url());
    send(&mailer).await.unwrap();
    sink.stop();
    let why = reason(send(&mailer).await);
    assert!(why.starts_with("connecting: "), "{why}");
}

#[tokio::test]
async fn a_thousand_mails_do_not_wait_for_delayed_acknowledgements() {
    for tls in [Tls::None, Tls::AfterStart, Tls::Implicit] {
        let sink = Sink::start_with(Mode::Accept, tls, None);
        let mailer = trusting_mailer(&sink, &sink.url());
        send(&mailer).await.unwrap();
        let start = Instant::now();
        for _ in 0..500 {
            send(&mailer).await.unwrap();
        }
        let alone = 500.0 / start.elapsed().as_secs_f64();
        let start = Instant::now();
        let workers = (0..8).map(|_| async {
            for _ in 0..100 {
                send(&mailer).await.unwrap();
            }
        });
        join_all(workers).await;
        let together = 800.0 / start.elapsed().as_secs_f64();
        println!("{tls:?}: {alone:.0} mails a second on one connection, {together:.0} on eight");
        // With Nagle's algorithm: 23.
        assert!(alone > 100.0, "{alone}");
    }
}
