//! Whole flows over three replicas, with each request on another one.

use serde_json::{Value, json};

use crate::people::{FAR, NEAR, back_end, browser, client, confirm, path_of, start_by_key};
use test_kit::app::{API_KEY, Answer, Client, answer, link_of};
use test_kit::fleet::Fleet;

/// The newest link that was mailed to this address.
fn link_to(fleet: &Fleet, email: &str) -> String {
    let mails = fleet.smtp.received();
    path_of(&link_of(&mails.iter().rfind(|mail| mail.rcpt_to == [email]).unwrap().message))
}

async fn renew(client: &Client, renewal: &Value) -> Answer {
    answer(client.post("/v1/session/token").json(&json!({ "renewal_token": renewal }))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn any_replica_serves_any_request() {
    let fleet = Fleet::start().await;
    for round in 0..3 {
        same_client(&fleet, &format!("same{round}@example.com")).await;
        by_relay_code(&fleet, &format!("code{round}@example.com")).await;
        approved(&fleet, &format!("approved{round}@example.com")).await;
        by_ticket(&fleet, &format!("ticket{round}@example.com")).await;
        denied(&fleet, &format!("denied{round}@example.com")).await;
    }
    let connections = fleet.balancer.connections();
    println!("connections per replica: {connections:?}");
    let (least, most) = (connections.iter().min().unwrap(), connections.iter().max().unwrap());
    assert!(*least > 30 && most - least <= 3, "not in turn: {connections:?}");
}

/// A browser with cookies, to the end of its session.
async fn same_client(fleet: &Fleet, email: &str) {
    let browser = browser(&fleet.url(), NEAR);
    let attempt = browser.sign_in(email).await;
    let link = link_to(fleet, email);
    assert_eq!(browser.press(&link, "approve").await.redirected("__linkgate_status").unwrap(), "verified");
    assert_eq!(attempt.wait("pending").await.body["signed_in"], "both");
    let session = attempt.redeem().await;
    assert_eq!(attempt.redeem().await.body["id"], session.expect(200).body["id"], "one session per attempt");
    let token = answer(browser.post("/v1/session/token")).await;
    assert_eq!(token.expect(200).body["id"], session.body["id"]);
    answer(browser.request(reqwest::Method::DELETE, "/v1/session").header("Origin", fleet.url()))
        .await
        .expect(204);
    for _ in 0..3 {
        attempt.redeem().await.expect_problem(409, "attempt_over");
    }
}

/// A distant opener is shown a code, which the requester enters.
async fn by_relay_code(fleet: &Fleet, email: &str) {
    let (requester, opener) = (client(&fleet.url(), NEAR), client(&fleet.url(), FAR));
    let attempt = requester.sign_in(email).await;
    let link = link_to(fleet, email);
    let code = confirm(&opener, &link).await.relay_code();
    for _ in 0..3 {
        assert_eq!(confirm(&opener, &link).await.relay_code(), code, "the same on each replica");
    }
    assert_eq!(attempt.wait("pending").await.body["status"], "awaiting_code");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(attempt.enter_code(wrong).await.expect(422).body["code_tries_left"], 4);
    assert_eq!(attempt.enter_code(&code).await.expect(200).body["status"], "verified");
    let session = attempt.redeem().await;
    session.expect(200);
    let renewal = &session.body["renewal_token"];
    assert_eq!(renew(&requester, renewal).await.expect(200).body["id"], session.body["id"]);
    let end = requester.request(reqwest::Method::DELETE, "/v1/session");
    answer(end.json(&json!({ "renewal_token": renewal }))).await.expect(204);
    for _ in 0..3 {
        renew(&requester, renewal).await.expect_problem(401, "session_required");
    }
    for _ in 0..3 {
        opener.describe(&link).await.expect_problem(410, "link_already_used");
    }
}

/// A nearby opener approves; the requester is signed in.
async fn approved(fleet: &Fleet, email: &str) {
    let (requester, opener) = (client(&fleet.url(), NEAR), client(&fleet.url(), NEAR));
    let attempt = requester.sign_in(email).await;
    let link = link_to(fleet, email);
    let page = opener.describe(&link).await;
    for _ in 0..3 {
        // The same press, on each replica.
        let confirmed = opener.decide_json(&link, "approve", &page.confirmation()).await;
        assert_eq!(confirmed.expect(200).body["signed_in"], "requester");
    }
    attempt.redeem().await.expect(200);
}

async fn by_ticket(fleet: &Fleet, email: &str) {
    let (requester, opener) = (back_end(&fleet.url()), client(&fleet.url(), NEAR));
    let (attempt, link) = start_by_key(&requester, email, json!({ "ticket": true })).await;
    let redirect = confirm(&opener, &link).await.text("redirect_url");
    let redirect = url::Url::parse(&redirect).unwrap();
    let ticket = redirect.query_pairs().find(|(name, _)| name == "__linkgate_ticket").unwrap().1.into_owned();
    let redeem = || {
        let request = requester.post("/v1/tickets/redeem").bearer_auth(API_KEY);
        answer(request.json(&json!({ "ticket": ticket })))
    };
    assert_eq!(redeem().await.expect(200).body["user"]["email_address"], email);
    for _ in 0..3 {
        redeem().await.expect_problem(410, "ticket_invalid");
    }
    attempt.redeem().await.expect_problem(409, "signed_in_elsewhere");
}

async fn denied(fleet: &Fleet, email: &str) {
    let (requester, opener) = (client(&fleet.url(), NEAR), client(&fleet.url(), FAR));
    let attempt = requester.sign_in(email).await;
    let link = link_to(fleet, email);
    let confirmation = opener.describe(&link).await.confirmation();
    opener.decide_json(&link, "deny", &confirmation).await.expect(200);
    for _ in 0..3 {
        assert_eq!(attempt.status().await.body["status"], "denied");
        let again = json!({ "email_address": email, "purpose": "sign_in" });
        let refused = answer(requester.post("/v1/attempts").json(&again)).await;
        refused.expect_problem(429, "rate_limited");
    }
}
