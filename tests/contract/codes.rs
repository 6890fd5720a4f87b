//! Every problem code, reached over HTTP.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;

use test_kit::app::{Answer, REDIRECT, TestApp, answer};
use test_kit::requests::{OTHER_SECRET, SECRET, plain, plain_with, start_raw, ticket, with_key};
use test_kit::smtp::Mode;

/// Codes that no request can reach, and why.
pub(crate) const UNREACHABLE: &[(&str, &str)] = &[(
    "internal",
    "a defect: what could fail inside is either checked at start (templates, keys) or has a code of its own (store, \
     mail), so there is no legitimate way to it; that an unexplained 5xx becomes this document is the guard's",
)];

/// Defines a test for each code, and the list of codes.
macro_rules! reached {
    ($($code:ident $status:literal $app:ident => $answer:block)*) => {
        /// The codes that the tests below reach, with their statuses.
        pub(crate) const REACHED: &[(&str, u16)] = &[$((stringify!($code), $status),)*];

        mod every_code_is_reached_over_http {
            use super::*;
            $(#[tokio::test]
            async fn $code() {
                let $app = TestApp::start().await;
                let answer: Answer = $answer;
                answer.expect_problem($status, stringify!($code));
                let type_of = answer.text("type");
                assert_eq!(type_of, format!("{}/problems/{}", type_of.split_once("/problems/").unwrap().0, stringify!($code)));
            })*
        }
    };
}

async fn start(app: &TestApp, members: serde_json::Value) -> Answer {
    answer(app.browser().post("/v1/attempts").json(&plain_with(&members))).await
}

reached! {
    invalid_request 400 app => { start(&app, json!({ "colour": "red" })).await }
    invalid_email_address 422 app => { start(&app, json!({ "email_address": "nobody" })).await }
    redirect_url_not_allowed 422 app => { start(&app, json!({ "redirect_url": "https://evil.example/" })).await }
    origin_not_allowed 403 app => {
        answer(app.browser().post("/v1/attempts").header("Origin", "https://evil.example").json(&plain())).await
    }
    purpose_disabled 403 _app => {
        let app = TestApp::with(&[("LINKGATE_PURPOSES", "sign_up")]).await;
        start(&app, json!({})).await
    }
    api_key_invalid 401 app => { start(&app, json!({ "sub": "customer-1" })).await }
    attempt_token_invalid 401 app => {
        answer(app.browser().get("/v1/attempts/att_00000000000000000000000000000000").bearer_auth("none")).await
    }
    session_required 401 app => { answer(app.browser().get("/v1/session")).await }
    attempt_not_found 404 app => {
        let attempt = app.browser().sign_in("ann@example.com").await;
        let other = app.browser().sign_in("bob@example.com").await;
        answer(app.browser().get(&format!("/v1/attempts/{}", other.id)).bearer_auth(&attempt.token)).await
    }
    link_malformed 400 app => { app.browser().describe("/v/no.such.link").await }
    link_expired 410 app => {
        app.browser().sign_in("ann@example.com").await;
        app.advance(TimeDelta::minutes(10));
        app.browser().describe(&app.link("ann@example.com")).await
    }
    link_already_used 410 app => {
        let browser = app.browser();
        browser.sign_in("ann@example.com").await;
        browser.press(&app.link("ann@example.com"), "approve").await.expect(303);
        app.browser().describe(&app.link("ann@example.com")).await
    }
    link_superseded 410 app => {
        let attempt = app.browser().sign_in("ann@example.com").await;
        app.advance(TimeDelta::seconds(30));
        attempt.resend().await.expect(200);
        app.browser().describe(&app.links("ann@example.com")[0]).await
    }
    link_canceled 410 app => {
        let attempt = app.browser().sign_in("ann@example.com").await;
        attempt.cancel().await.expect(204);
        app.browser().describe(&app.link("ann@example.com")).await
    }
    client_mismatch 403 app => {
        let script = app.script(SECRET);
        let attempt = script.start(plain()).await;
        let link = app.link("ann@example.com");
        script.decide_json(&link, "approve", &script.describe(&link).await.confirmation()).await.expect(200);
        let path = format!("/v1/attempts/{}/redeem", attempt.id);
        answer(app.script(OTHER_SECRET).post(&path).bearer_auth(&attempt.token)).await
    }
    code_incorrect 422 app => {
        let attempt = app.browser().sign_in("ann@example.com").await;
        let page = app.browser_at("198.51.100.9").press(&app.link("ann@example.com"), "approve").await;
        let wrong = if page.relay_code() == "000000" { "000001" } else { "000000" };
        attempt.enter_code(wrong).await
    }
    attempt_over 409 app => {
        let attempt = app.browser().sign_in("ann@example.com").await;
        attempt.cancel().await.expect(204);
        attempt.enter_code("123456").await
    }
    attempt_not_verified 409 app => { app.browser().sign_in("ann@example.com").await.redeem().await }
    signed_in_elsewhere 409 app => {
        let attempt = app.browser().sign_in("ann@example.com").await;
        app.browser().press(&app.link("ann@example.com"), "here").await.expect(303);
        attempt.redeem().await
    }
    ticket_invalid 410 app => {
        let ticket = ticket(&app).await;
        let redeem = || with_key(app.browser().post("/v1/tickets/redeem")).json(&json!({ "ticket": ticket }));
        answer(redeem()).await.expect(200);
        answer(redeem()).await
    }
    resend_too_soon 429 app => { app.browser().sign_in("ann@example.com").await.resend().await }
    rate_limited 429 app => {
        app.browser().sign_in("ann@example.com").await;
        app.browser().press(&app.link("ann@example.com"), "deny").await.expect(303);
        start(&app, json!({ "redirect_url": REDIRECT })).await
    }
    mail_rejected 422 app => {
        app.smtp.set_mode(Mode::RejectRecipient);
        answer(with_key(app.browser().post("/v1/attempts")).json(&plain())).await
    }
    mail_unavailable 503 app => {
        app.smtp.set_mode(Mode::Defer);
        start(&app, json!({})).await
    }
    store_unavailable 503 _app => {
        let app = TestApp::with(&[("LINKGATE_STORE_URL", "redis://127.0.0.1:1")]).await;
        let answer = start(&app, json!({})).await;
        assert_eq!(app.smtp.received_count(), 0, "no mail without a store");
        answer
    }
    not_found 404 app => { answer(app.browser().get("/nothing/here")).await }
    method_not_allowed 405 app => { answer(app.browser().request(Method::PUT, "/v1/attempts").json(&plain())).await }
    payload_too_large 413 app => { answer(start_raw(&app.browser(), vec![b' '; 16 * 1024 + 1])).await }
    unsupported_media_type 415 app => {
        answer(app.browser().post("/v1/attempts").header("Content-Type", "text/plain").body(plain().to_string())).await
    }
}

#[tokio::test]
async fn no_code_that_the_service_lists_is_missing_above() {
    let app = TestApp::start().await;
    let page = answer(app.browser().get("/problems")).await;
    let listed: BTreeSet<&str> =
        page.raw.split("href=\"/problems/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let mut known: BTreeSet<&str> = REACHED.iter().map(|(code, _)| *code).collect();
    for (code, why) in UNREACHABLE {
        assert!(!why.is_empty());
        assert!(known.insert(code), "{code} is reached after all");
    }
    assert_eq!(known, listed);
    assert_eq!(known.len(), 30, "a new code needs a test here");
}
