//! Issuance permits are shared by all replicas.

use futures_util::future::join_all;
use serde_json::json;

use crate::people::{FAR, client};
use test_kit::app::answer;
use test_kit::fleet::Fleet;

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_send_together_what_one_may() {
    let limits = [("LINKGATE_MAILS_PER_NETWORK", "12/15m"), ("LINKGATE_MAILS_PER_ADDRESS", "1/30s")];
    let fleet = Fleet::with(3, &limits).await;
    let urls: Vec<String> = fleet.replicas.iter().map(test_kit::fleet::Replica::url).collect();
    let start = async |number: usize, email: String| {
        let body = json!({ "email_address": email, "purpose": "sign_in" });
        let answer = answer(client(&urls[number % 3], FAR).post("/v1/attempts").json(&body)).await;
        if answer.status != 201 {
            answer.expect_problem(429, "rate_limited");
        }
        answer.status.as_u16()
    };
    let one = join_all((0..6).map(|number| start(number, "ann@example.com".to_owned()))).await;
    assert_eq!(one.iter().filter(|status| **status == 201).count(), 1, "{one:?}");
    let many = join_all((0..30).map(|number| start(number, format!("u{number}@example.com")))).await;
    assert_eq!(many.iter().filter(|status| **status == 201).count(), 11, "{many:?}");
    assert_eq!(fleet.smtp.received().len(), 12);
}
