//! What an old link, another attempt, a repeated press or an unusual header may do, and what not.

use chrono::TimeDelta;
use serde_json::json;

use test_kit::app::{REDIRECT, TestApp, answer};

const FAR: &str = "198.51.100.9";

#[tokio::test]
async fn an_old_link_asks_for_a_new_attempt_for_a_day_only() {
    let app = TestApp::start().await;
    app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    app.advance(TimeDelta::hours(23));
    app.browser_at(FAR).reissue(&link).await.expect_page(200);
    app.advance(TimeDelta::hours(2));
    app.browser_at(FAR).reissue(&link).await.expect_page(410).hides(&["Send me a new link"]);
    assert_eq!(app.links("ann@example.com").len(), 2);
}

#[tokio::test]
async fn a_subject_or_a_ticket_that_a_back_end_ordered_is_not_given_again_by_an_old_link() {
    let app = TestApp::start().await;
    for option in [json!({ "sub": "customer-1" }), json!({ "ticket": true })] {
        let mut body =
            json!({ "email_address": "ann@example.com", "purpose": "sign_in", "redirect_url": REDIRECT });
        body.as_object_mut().unwrap().extend(option.as_object().unwrap().clone());
        app.browser().start_with_key(body).await;
        let (link, mails) = (app.link("ann@example.com"), app.links("ann@example.com").len());
        app.advance(TimeDelta::minutes(16));
        app.browser_at(FAR).open(&link).await.expect_page(410).hides(&["Send me a new link"]);
        app.browser_at(FAR).reissue(&link).await.expect_page(410);
        assert_eq!(app.links("ann@example.com").len(), mails);
    }
}

#[tokio::test]
async fn a_link_that_was_asked_for_anew_is_for_the_client_that_asked() {
    let app = TestApp::start().await;
    app.browser().sign_in("ann@example.com").await;
    let old = app.link("ann@example.com");
    app.advance(TimeDelta::minutes(16));
    let phone = app.browser_at(FAR);
    phone.reissue(&old).await.expect_page(200);
    let link = app.link("ann@example.com");
    assert_eq!(app.browser_at(FAR).describe(&link).await.body["confirm"], "mismatch");
    assert_eq!(phone.describe(&link).await.body["confirm"], "automatic");
}

#[tokio::test]
async fn whoever_was_denied_has_no_mail_sent_by_another_attempt_either() {
    let app = TestApp::start().await;
    let browser = app.browser();
    browser.sign_in("ann@example.com").await;
    let denied = app.link("ann@example.com");
    let other = browser.sign_in("ann@example.com").await;
    app.browser_at(FAR).press(&denied, "deny").await.expect(303);
    app.advance(TimeDelta::seconds(31));
    other.resend().await.expect_problem(429, "rate_limited");
    assert_eq!(app.links("ann@example.com").len(), 2);
}

#[tokio::test]
async fn a_byte_that_is_no_text_takes_no_hop_away() {
    let app = TestApp::start().await;
    let browser = app.browser();
    browser.sign_in("ann@example.com").await;
    app.browser_at(FAR).press(&app.link("ann@example.com"), "deny").await.expect(303);
    let hops = reqwest::header::HeaderValue::from_bytes(b"\xff, 203.0.113.7").unwrap();
    let mut request = browser
        .post("/v1/attempts")
        .json(&json!({ "email_address": "ann@example.com", "purpose": "sign_in" }))
        .build()
        .unwrap();
    request.headers_mut().insert("x-forwarded-for", hops);
    let response = reqwest::Client::new().execute(request).await.unwrap();
    assert_eq!(response.status(), 429);
}

#[tokio::test]
async fn an_idempotency_key_that_comes_again_after_sign_out_leads_to_a_session_of_its_own() {
    let app = TestApp::start().await;
    let script = app.script("requester-secret-0123456789");
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
        let started =
            answer(script.post("/v1/attempts").header("Idempotency-Key", "daily").json(&body)).await;
        let link = app.link("ann@example.com");
        script.decide_json(&link, "approve", &script.describe(&link).await.confirmation()).await.expect(200);
        let path = format!("/v1/attempts/{}/redeem", started.expect(201).text("id"));
        let session = answer(script.post(&path).bearer_auth(started.text("attempt_token"))).await;
        let renewal = json!({ "renewal_token": session.expect(200).body["renewal_token"] });
        answer(script.request(reqwest::Method::DELETE, "/v1/session").json(&renewal)).await.expect(204);
        sessions.push(session.text("id"));
        app.advance(TimeDelta::minutes(16));
    }
    assert_ne!(sessions[0], sessions[1]);
}

#[tokio::test]
async fn a_press_that_is_repeated_gets_the_same_ticket() {
    let app = TestApp::start().await;
    let body = json!({
        "email_address": "ann@example.com", "purpose": "sign_in", "redirect_url": REDIRECT,
        "deliver": false, "ticket": true, "cross_device": "approve",
    });
    let attempt = app.browser().start_with_key(body).await;
    let link = attempt.started["link"].as_str().unwrap();
    let person = app.browser_at(FAR);
    let confirmation = person.open(link).await.confirmation();
    let first = person.decide(link, "approve", &confirmation).await.redirected("__linkgate_ticket");
    app.advance(TimeDelta::seconds(20));
    let again = person.decide(link, "approve", &confirmation).await.redirected("__linkgate_ticket");
    assert!(first.is_some() && first == again);
}
