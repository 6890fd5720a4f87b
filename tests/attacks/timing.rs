//! Response times must not reveal secrets. `cargo run --release --example timing` measures them.

use std::time::{Duration, Instant};

use test_kit::app::TestApp;
use test_kit::proxy::{Mode as Wire, Proxy};
use test_kit::smtp::Mode;

#[tokio::test]
async fn a_recipient_that_the_relay_rejects_takes_as_long_as_one_that_it_accepts() {
    // Delays each reply of the relay. On an open connection, a mail takes four replies where one command is sent at a
    // time, and a rejection three; with all commands in one write, each takes two.
    let reply = Duration::from_millis(150);
    for (pipelining, replies) in [(false, 4), (true, 2)] {
        let sink = test_kit::smtp::Sink::start(Mode::Accept);
        sink.set_pipelining(pipelining);
        let proxy = Proxy::start(sink.address().port());
        let relay = format!("smtp://localhost:{}", proxy.port());
        let app = TestApp::with(&[("LINKGATE_MAIL_URL", &relay)]).await;
        proxy.set(Wire::Delay(reply));
        // The first mail includes the connection, so it is not measured.
        for number in 0..4 {
            app.browser_at(&format!("203.0.{number}.7")).sign_in(&format!("ann{number}@example.com")).await;
        }
        sink.set_mode(Mode::RejectRecipient);
        for number in 4..8 {
            let client = app.browser_at(&format!("203.0.{number}.7"));
            let begun = Instant::now();
            client.sign_in(&format!("ann{number}@example.com")).await;
            assert!(begun.elapsed() + Duration::from_millis(5) >= reply * replies, "{:?}", begun.elapsed());
        }
        // They were rejected: no mail was sent.
        assert_eq!(sink.received_count(), 4);
    }
}
