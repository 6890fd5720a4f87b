//! The victim opens the attacker's own link: it must not be signed in as another person without being told.

use serde_json::json;

use test_kit::app::{Answer, Attempt, Client, ORIGIN, REDIRECT, TestApp, answer};
use test_kit::requests::token_of;

const MALLORY: &str = "mallory@example.com";
const NEAR: &str = "203.0.113.99";
const FAR: &str = "198.51.100.9";
const POLICIES: [&str; 4] = ["adaptive", "approve", "relay_code", "same_client"];

async fn app_with(policy: &str) -> TestApp {
    TestApp::with(&[("LINKGATE_CROSS_DEVICE", policy)]).await
}

/// The address that the session of this browser belongs to.
async fn signed_in(client: &Client) -> Option<String> {
    let session = answer(client.get("/v1/session")).await;
    session.body["user"]["email_address"].as_str().map(str::to_owned)
}

async fn signs_in(app: &TestApp, browser: &Client, email: &str) {
    browser.sign_in(email).await;
    browser.press(&app.link(email), "approve").await.expect(303);
    assert_eq!(signed_in(browser).await.as_deref(), Some(email));
}

fn gives_no_session(answer: &Answer) {
    assert!(answer.set_cookie("linkgate-session").is_none(), "{}", answer.raw);
    for secret in ["session_token", "renewal_token", "__linkgate_ticket"] {
        assert!(
            !answer.raw.contains(secret) && !answer.header("location").contains(secret),
            "{}",
            answer.raw
        );
    }
}

/// The attacker's attempt, and its link.
async fn attackers_link(app: &TestApp) -> (Attempt, String) {
    let attempt = app.browser().sign_in(MALLORY).await;
    (attempt, app.link(MALLORY))
}

#[tokio::test]
async fn opening_the_attackers_link_signs_nobody_in_whatever_the_policy() {
    for policy in POLICIES {
        let app = app_with(policy).await;
        let (attempt, link) = attackers_link(&app).await;
        for ip in [NEAR, FAR] {
            let victim = app.browser_at(ip);
            for _ in 0..2 {
                let page = victim.open(&link).await;
                // The page does not act automatically: it has no script, and the victim is not the attacker's client.
                gives_no_session(page.expect_page(200).hides(&[
                    "<script",
                    "id=\"automatic\"",
                    "http-equiv=\"refresh\"",
                ]));
                assert!(page.header("refresh").is_empty());
            }
            gives_no_session(victim.describe(&link).await.expect(200));
            assert_eq!(signed_in(&victim).await, None, "{policy} {ip}");
        }
        assert_eq!(attempt.status().await.body["status"], "pending", "{policy}");
        // For the attacker's own client, the page would act automatically.
        attempt.client.open(&link).await.shows(&["id=\"automatic\"", "<script"]);
    }
}

#[tokio::test]
async fn saying_yes_to_the_attackers_link_signs_the_victim_in_nowhere() {
    for policy in POLICIES {
        let app = app_with(policy).await;
        for ip in [NEAR, FAR] {
            let (_, link) = attackers_link(&app).await;
            let victim = app.browser_at(ip);
            let page = victim.open(&link).await;
            if policy == "same_client" {
                page.expect_page(200).hides(&["name=\"confirmation\""]);
                continue;
            }
            page.shows(&[MALLORY]);
            let pressed = victim.decide(&link, "approve", &page.confirmation()).await;
            gives_no_session(&pressed);
            assert_eq!(signed_in(&victim).await, None, "{policy} {ip}");
        }
    }
}

#[tokio::test]
async fn a_victim_that_is_signed_in_stays_itself() {
    for policy in POLICIES {
        let app = app_with(policy).await;
        let victim = app.browser_at(NEAR);
        signs_in(&app, &victim, "victim@example.com").await;
        for decision in ["approve", "deny"] {
            let (_, link) = attackers_link(&app).await;
            let page = victim.open(&link).await;
            if policy != "same_client" {
                gives_no_session(&victim.decide(&link, decision, &page.confirmation()).await);
            }
            assert_eq!(
                signed_in(&victim).await.as_deref(),
                Some("victim@example.com"),
                "{policy} {decision}"
            );
            // A network whose attempt was denied cannot send another mail.
            if decision == "deny" {
                break;
            }
        }
    }
}

#[tokio::test]
async fn signing_in_on_this_device_takes_a_press_on_a_page_that_names_the_address() {
    for (policy, ip) in [("adaptive", NEAR), ("adaptive", FAR), ("approve", FAR), ("relay_code", NEAR)] {
        let app = app_with(policy).await;
        let (_, link) = attackers_link(&app).await;
        let victim = app.browser_at(ip);
        let page = victim.open(&link).await;
        page.expect_page(200)
            .shows(&[MALLORY, "on this device instead", "This wasn't me"])
            .hides(&["<script"]);
        // The choice is a separate button, never the default of a form.
        let form = [("confirmation", page.confirmation())];
        let unsaid = answer(victim.post(&link).header("Origin", &app.url).form(&form)).await;
        unsaid.expect_problem(400, "invalid_request");
        assert_eq!(signed_in(&victim).await, None);
        victim.decide(&link, "here", &page.confirmation()).await.expect(303);
        assert_eq!(signed_in(&victim).await.as_deref(), Some(MALLORY), "said and done");
    }
    // A setting removes the button.
    let app = TestApp::with(&[("LINKGATE_OPENER_SESSION", "off")]).await;
    for ip in [NEAR, FAR] {
        let (_, link) = attackers_link(&app).await;
        let victim = app.browser_at(ip);
        let page = victim.open(&link).await;
        page.hides(&["on this device instead", "value=\"here\""]);
        gives_no_session(victim.decide(&link, "here", &page.confirmation()).await.expect_page(400));
        assert_eq!(signed_in(&victim).await, None);
    }
}

#[tokio::test]
async fn a_ticket_for_whoever_is_redirected_takes_a_press_on_a_page_that_says_so() {
    let app = app_with("approve").await;
    let options =
        json!({ "email_address": MALLORY, "purpose": "sign_in", "redirect_url": REDIRECT, "ticket": true });
    app.browser().start_with_key(options).await;
    let link = app.link(MALLORY);
    let victim = app.browser_at(FAR);
    let page = victim.open(&link).await;
    gives_no_session(
        page.expect_page(200).shows(&[MALLORY, "You will be signed in here"]).hides(&["<script"]),
    );
    let pressed = victim.decide(&link, "approve", &page.confirmation()).await;
    assert!(pressed.redirected("__linkgate_ticket").is_some(), "said and done");
}

#[tokio::test]
async fn no_foreign_page_can_press_a_button_for_the_victim() {
    let app = app_with("adaptive").await;
    for ip in [NEAR, FAR] {
        let (attempt, link) = attackers_link(&app).await;
        let victim = app.browser_at(ip);
        // The attacker reads the page from the victim's network and without a cookie, which is what a cross-site form
        // of the victim's browser would look like under SameSite=Lax.
        let bare = app.browser_at(ip);
        let confirmations = [
            answer(bare.get(&link).header("Accept", "application/json")).await.confirmation(),
            attempt.client.open(&link).await.confirmation(),
            victim.open(&link).await.confirmation(),
        ];
        for confirmation in &confirmations {
            for decision in ["here", "approve", "deny"] {
                let form = || {
                    app.browser_at(ip)
                        .post(&link)
                        .form(&[("decision", decision), ("confirmation", confirmation)])
                };
                let data = || {
                    let body = json!({ "decision": decision, "confirmation": confirmation });
                    app.browser_at(ip).post(&link).json(&body)
                };
                for request in [
                    form().header("Origin", "https://evil.example").header("Sec-Fetch-Site", "cross-site"),
                    form().header("Origin", "https://evil.example"),
                    form().header("Origin", "null"),
                    form().header("Origin", "null").header("Sec-Fetch-Site", "cross-site"),
                    form().header("Origin", ORIGIN).header("Sec-Fetch-Site", "cross-site"),
                    form(),
                    data().header("Origin", "https://evil.example").header("Sec-Fetch-Site", "cross-site"),
                    data().header("Origin", "null"),
                    data().header("Sec-Fetch-Site", "cross-site"),
                    victim
                        .post(&link)
                        .header("Origin", "https://evil.example")
                        .form(&[("decision", decision), ("confirmation", confirmation)]),
                ] {
                    let refused = answer(request).await;
                    refused.expect_problem(403, "origin_not_allowed");
                    gives_no_session(&refused);
                }
            }
        }
        assert_eq!(attempt.status().await.body["status"], "pending");
        assert_eq!(signed_in(&victim).await, None);
    }
}

#[tokio::test]
async fn no_foreign_page_can_redeem_the_attackers_attempt_in_the_victims_browser() {
    let app = app_with("adaptive").await;
    // Without a client, the attempt token alone redeems the attempt.
    let body = json!({ "email_address": MALLORY, "purpose": "sign_in", "cross_device": "approve" });
    let attempt = app.browser().start_with_key(body).await;
    app.browser_at(FAR).press(&app.link(MALLORY), "approve").await.expect_page(200);
    assert_eq!(attempt.status().await.body["status"], "verified");
    let victim = app.browser_at(NEAR);
    victim.sign_in("victim@example.com").await;
    let path = format!("/v1/attempts/{}/redeem", attempt.id);
    for origin in ["https://evil.example", "null", "https://app.example.com.evil.example"] {
        let request = victim.post(&path).bearer_auth(&attempt.token).header("Origin", origin);
        let refused = answer(request).await;
        gives_no_session(refused.expect_problem(403, "origin_not_allowed"));
        // Its header requires a preflight.
        let preflight = victim.preflight(&path, origin, "POST", "authorization").await;
        preflight.expect_problem(403, "origin_not_allowed");
    }
    // A simple request cannot carry the token, whether in the query, in the body or in a cookie.
    let form = [("attempt_token", attempt.token.as_str()), ("access_token", attempt.token.as_str())];
    for request in [
        victim.post(&path).form(&form),
        victim.post(&format!("{path}?attempt_token={0}&access_token={0}", attempt.token)),
        victim.post(&path).header("Cookie", format!("attempt_token={}", attempt.token)),
    ] {
        gives_no_session(answer(request).await.expect_problem(401, "attempt_token_invalid"));
    }
    assert_eq!(signed_in(&victim).await, None);
    // A GET of a link signs no one in, whatever its query says.
    let (_, link) = attackers_link(&app).await;
    for query in ["?decision=here", "?decision=approve&confirmation=x", "?_method=POST&decision=here"] {
        gives_no_session(&victim.open(&format!("/v/{}{query}", token_of(&link))).await);
    }
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        gives_no_session(&answer(victim.get(&link).header(name, "POST")).await);
    }
    assert_eq!(signed_in(&victim).await, None);
}
