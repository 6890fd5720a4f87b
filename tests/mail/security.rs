//! No mail without the required TLS or the required login.

use super::{mailer, reason, send, trusting_mailer};
use test_kit::smtp::{Mode, Sink, Tls};

#[tokio::test]
async fn starttls_and_implicit_tls_deliver_encrypted() {
    for tls in [Tls::AfterStart, Tls::Implicit] {
        let sink = Sink::start_with(Mode::Accept, tls, None);
        for host in ["localhost", "127.0.0.1"] {
            let mailer = trusting_mailer(&sink, &sink.url().replace("localhost", host));
            assert_eq!(send(&mailer).await, Ok(()), "{tls:?} {host}");
        }
        let encrypted: Vec<_> = sink.received().iter().map(|mail| mail.encrypted).collect();
        assert_eq!(encrypted, [true, true], "{tls:?}");
    }
}

#[tokio::test]
async fn a_relay_that_does_not_offer_the_required_tls_gets_no_mail() {
    let sink = Sink::start(Mode::Accept);
    let why = reason(send(&mailer(&format!("{}?tls=required", sink.url()))).await);
    assert!(why.starts_with("STARTTLS: the relay does not offer it"), "{why}");
    let implicit = sink.url().replace("smtp:", "smtps:");
    let why = reason(send(&mailer(&implicit)).await);
    assert!(why.starts_with("TLS handshake: "), "{why}");
    assert!(!sink.commands().iter().any(|c| c.starts_with("MAIL") || c.starts_with("AUTH")));
    assert_eq!(sink.received_count(), 0);
}

#[tokio::test]
async fn a_relay_with_a_certificate_that_nobody_vouches_for_gets_no_mail() {
    for tls in [Tls::AfterStart, Tls::Implicit] {
        let sink = Sink::start_with(Mode::Accept, tls, Some(("me", "secret")));
        let url = sink.url().replace("localhost", "me:secret@localhost");
        let why = reason(send(&mailer(&url)).await);
        assert!(why.contains("certificate"), "{why}");
        assert!(!sink.commands().iter().any(|c| c.starts_with("AUTH") || c.starts_with("MAIL")), "{tls:?}");
    }
}

#[tokio::test]
async fn an_answer_injected_before_tls_is_not_taken_for_one_inside_it() {
    let sink = Sink::start_with(Mode::Accept, Tls::Injected, None);
    let why = reason(send(&trusting_mailer(&sink, &sink.url())).await);
    assert!(why.starts_with("STARTTLS: "), "{why}");
    let commands = sink.commands();
    assert_eq!(commands.iter().filter(|c| c.starts_with("EHLO")).count(), 1, "{commands:?}");
}

#[tokio::test]
async fn user_and_password_sign_on_and_are_never_in_a_reason() {
    let sink = Sink::start_with(Mode::Accept, Tls::AfterStart, Some(("me@example.com", "p/w d")));
    let url =
        |password: &str| sink.url().replace("localhost", &format!("me%40example.com:{password}@localhost"));
    let right = trusting_mailer(&sink, &url("p%2Fw%20d"));
    assert_eq!(send(&right).await, Ok(()));
    let why = reason(send(&trusting_mailer(&sink, &url("wrong"))).await);
    assert_eq!(why, "AUTH: the relay answered 535 5.7.8");
    let why = reason(send(&trusting_mailer(&sink, &sink.url())).await);
    assert_eq!(why, "MAIL FROM: the relay answered 530 5.7.0");
    assert_eq!(sink.received_count(), 1);
}
