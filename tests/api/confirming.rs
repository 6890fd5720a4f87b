//! A confirmation can be repeated by the same opener, and by no other.

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::json;

use test_kit::app::{TestApp, answer};

const FAR: &str = "198.51.100.9";
const NEAR: &str = "203.0.113.99";

#[tokio::test]
async fn the_same_confirmation_gets_the_same_answer_again() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let page = attempt.client.open(&link).await;
    let confirmation = page.confirmation();
    let presses = join_all((0..5).map(|_| attempt.client.decide(&link, "approve", &confirmation))).await;
    let location = presses[0].header("location").to_owned();
    assert!(location.contains("__linkgate_status=verified&__linkgate_session=sess_"));
    for press in &presses {
        assert_eq!(press.expect(303).header("location"), location);
        assert!(press.set_cookie("linkgate-session").is_some(), "each may be the one that arrives");
    }
    answer(attempt.client.get("/v1/session")).await.expect(200);
    attempt.redeem().await.expect(200);
}

#[tokio::test]
async fn by_json_the_same_confirmation_gets_the_same_answer_again() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let neighbour = app.script_at("neighbour-secret-0123456789", NEAR);
    let confirmation = neighbour.describe(&link).await.confirmation();
    let first = neighbour.decide_json(&link, "approve", &confirmation).await;
    let second = neighbour.decide_json(&link, "approve", &confirmation).await;
    assert_eq!(first.expect(200).body, second.expect(200).body);
    // The other decision with the same confirmation gets the first answer, too: to the store it is the same press.
    let here = neighbour.decide_json(&link, "here", &confirmation).await;
    assert_eq!(here.expect(200).body["signed_in"], "requester");
    assert!(here.body["session"].is_null());
    assert_eq!(attempt.status().await.body["signed_in"], "requester");
}

#[tokio::test]
async fn another_opener_of_a_used_link_gets_nothing() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let late = app.browser_at(NEAR);
    let late_page = late.open(&link).await;
    let tab = attempt.client.open(&link).await;
    attempt.client.press(&link, "approve").await.expect(303);

    // With its own confirmation, read while the link still worked.
    for decision in ["approve", "deny", "here"] {
        let refused = late.decide(&link, decision, &late_page.confirmation()).await;
        assert_eq!(refused.redirected("__linkgate_status").as_deref(), Some("failed"), "{decision}");
        assert!(refused.redirected("__linkgate_session").is_none());
        assert!(refused.set_cookie("linkgate-session").is_none());
        late.decide_json(&link, decision, &late_page.confirmation())
            .await
            .expect_problem(410, "link_already_used");
    }
    // Another tab of the same browser has not pressed a button yet.
    let refused = attempt.client.decide(&link, "approve", &tab.confirmation()).await;
    assert_eq!(refused.redirected("__linkgate_status").as_deref(), Some("failed"));
    late.open(&link).await.expect_page(410).shows(&["already been used"]).hides(&["name=\"confirmation\""]);
    assert_eq!(attempt.status().await.body["status"], "verified");
}

#[tokio::test]
async fn another_decision_with_the_same_confirmation_does_not_undo_the_first() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let owner = app.browser_at(FAR);
    let page = owner.open(&link).await;
    owner.decide(&link, "deny", &page.confirmation()).await.expect(303);
    let again = owner.decide(&link, "deny", &page.confirmation()).await;
    assert_eq!(again.redirected("__linkgate_status").as_deref(), Some("denied"));
    for decision in ["approve", "here"] {
        let changed = owner.decide(&link, decision, &page.confirmation()).await;
        assert_eq!(changed.redirected("__linkgate_status").as_deref(), Some("failed"));
        assert!(changed.redirected("__linkgate_session").is_none());
    }
    assert_eq!(attempt.status().await.body["status"], "denied");

    let attempt = app.browser_at("192.0.2.1").sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let neighbour = app.browser_at("192.0.2.2");
    let page = neighbour.open(&link).await;
    neighbour.decide(&link, "approve", &page.confirmation()).await.expect(303);
    let changed = neighbour.decide(&link, "deny", &page.confirmation()).await;
    assert_eq!(changed.redirected("__linkgate_status").as_deref(), Some("failed"));
    attempt.redeem().await.expect(200);
    // The attempt was not denied: the network may start another.
    app.browser_at("192.0.2.1").sign_in("ann@example.com").await;
}

#[tokio::test]
async fn of_many_openers_at_once_one_wins() {
    let app = TestApp::with(&[("LINKGATE_CROSS_DEVICE", "approve")]).await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let openers: Vec<_> =
        (0..16).map(|n| app.script_at(&format!("opener-{n:02}-secret-0123456789"), FAR)).collect();
    let described = join_all(openers.iter().map(|opener| opener.describe(&link))).await;
    let confirmations: Vec<String> = described.iter().map(|answer| answer.confirmation()).collect();
    let decided =
        join_all(openers.iter().zip(&confirmations).enumerate().map(|(n, (opener, confirmation))| {
            let decision = if n % 2 == 0 { "approve" } else { "here" };
            opener.decide_json(&link, decision, confirmation)
        }))
        .await;
    let (won, lost): (Vec<_>, Vec<_>) = decided.iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    for answer in lost {
        answer.expect_problem(410, "link_already_used");
    }
    let status = attempt.status().await;
    assert_eq!(status.body["signed_in"], won[0].body["signed_in"]);
}

#[tokio::test]
async fn only_our_own_pages_and_listed_applications_decide() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let browser = &attempt.client;
    let confirmation = browser.open(&link).await.confirmation();
    let form =
        || browser.post(&link).form(&[("decision", "approve"), ("confirmation", confirmation.as_str())]);
    let data = || browser.post(&link).json(&json!({ "decision": "approve", "confirmation": confirmation }));
    let own = app.url.clone();
    let refused: [RequestBuilder; 8] = [
        form(),
        form().header("Origin", "https://evil.example"),
        form().header("Origin", "https://app.example.com"),
        form().header("Origin", "null"),
        form().header("Sec-Fetch-Site", "cross-site"),
        form().header("Origin", &own).header("Sec-Fetch-Site", "cross-site"),
        data().header("Origin", "https://evil.example"),
        data().header("Sec-Fetch-Site", "same-site"),
    ];
    for request in refused {
        answer(request).await.expect_problem(403, "origin_not_allowed");
    }
    assert_eq!(attempt.status().await.body["status"], "pending");
    let taken: [RequestBuilder; 6] = [
        form().header("Origin", "null").header("Sec-Fetch-Site", "same-origin"),
        form().header("Sec-Fetch-Site", "same-origin"),
        form().header("Origin", &own),
        data().header("Origin", "https://app.example.com"),
        data().header("Origin", &own),
        data(),
    ];
    for request in taken {
        assert!(answer(request).await.status.as_u16() < 400);
    }
}
