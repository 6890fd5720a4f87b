//! Openers and policies: the two tables of "Openers, and how they confirm" in `docs/architecture.md`.

use serde_json::json;

use test_kit::app::{Answer, Attempt, Client, REDIRECT, TestApp, answer};

const REQUESTER: &str = "requester-secret-0123456789";
const OTHER: &str = "another-secret-0123456789ab";
const NEAR: &str = "203.0.113.99";
const FAR: &str = "198.51.100.9";
/// Openers as the API names them, in the order of the rows.
const OPENERS: [&str; 3] = ["same_client", "same_network", "other_network"];

async fn nobody_is_signed_in(client: &Client) {
    answer(client.get("/v1/session")).await.expect_problem(401, "session_required");
}

/// The requester gets a session whose token says whether it crossed devices.
async fn redeems(app: &TestApp, attempt: &Attempt, across: bool) -> Answer {
    let session = attempt.redeem().await;
    let claims = app.claims(&session.expect(200).text("session_token"), "at+jwt").await;
    assert_eq!(claims["xdev"], across);
    assert_eq!(claims["sid"], session.body["id"]);
    session
}

/// Signs in through pages and asserts every result of this way to confirm.
async fn through_pages(app: &TestApp, attempt: &Attempt, opener: &Client, confirm: &str) {
    let link = app.link(attempt.started["email_address"].as_str().unwrap());
    let page = opener.open(&link).await;
    page.expect_page(200);
    match confirm {
        "automatic" => {
            page.shows(&["<script>", "<button", "Sign in</button>"])
                .hides(&["This wasn't me", "value=\"here\""]);
            let done = opener.decide(&link, "approve", &page.confirmation()).await;
            let session = done.redirected("__linkgate_session").unwrap();
            let current = answer(opener.get("/v1/session")).await;
            assert_eq!(current.expect(200).text("id"), session, "the opener is signed in by the redirect");
            status_is(attempt, "both", true).await;
            assert_eq!(redeems(app, attempt, false).await.text("id"), session);
        }
        "approve" => {
            let facts = ["Example", "@example.com", "22 November 2026, 12:00 UTC", "Firefox on Linux"];
            page.shows(&facts).shows(&["Yes, sign in", "This wasn't me", "on this device instead"]);
            page.hides(&["<script>", "Show the code"]);
            let done = opener.decide(&link, "approve", &page.confirmation()).await;
            assert_eq!(done.redirected("__linkgate_status").as_deref(), Some("verified"));
            assert!(done.redirected("__linkgate_ticket").is_none());
            assert!(done.set_cookie("linkgate-session").is_none());
            nobody_is_signed_in(opener).await;
            status_is(attempt, "requester", false).await;
            redeems(app, attempt, true).await;
            nobody_is_signed_in(opener).await;
        }
        "relay_code" => {
            page.shows(&["Show the code", "This wasn't me", "on this device instead"]);
            page.hides(&["<script>", "Yes, sign in", "data-relay-code"]);
            let shown = opener.decide(&link, "approve", &page.confirmation()).await;
            shown.expect_page(200);
            assert_eq!(attempt.status().await.body["status"], "awaiting_code");
            attempt.redeem().await.expect_problem(409, "attempt_not_verified");
            attempt.enter_code(&shown.relay_code()).await.expect(200);
            status_is(attempt, "requester", false).await;
            redeems(app, attempt, true).await;
            nobody_is_signed_in(opener).await;
        }
        _ => {
            page.shows(&["Open this link where you asked for it", "__linkgate_status=client_mismatch"]);
            page.hides(&["<form", "<script>", "name=\"confirmation\""]);
            let confirmation = opener.describe(&link).await.confirmation();
            for decision in ["approve", "deny", "here"] {
                let refused = opener.decide(&link, decision, &confirmation).await;
                assert_eq!(refused.redirected("__linkgate_status").as_deref(), Some("client_mismatch"));
                assert!(refused.redirected("__linkgate_session").is_none());
            }
            let status = attempt.status().await;
            assert_eq!(status.body["status"], "pending", "nothing is consumed");
            nobody_is_signed_in(opener).await;
            let own = attempt.client.press(&link, "approve").await;
            assert_eq!(own.redirected("__linkgate_status").as_deref(), Some("verified"));
        }
    }
}

async fn status_is(attempt: &Attempt, signed_in: &str, same_client: bool) {
    let status = attempt.status().await;
    assert_eq!(status.body["status"], "verified");
    assert_eq!(status.body["signed_in"], signed_in);
    assert_eq!(status.body["verified_from_same_client"], same_client);
    assert_eq!(status.body["verified_at"], "2026-11-22T12:00:00Z");
    assert!(status.text("session_id").starts_with("sess_"));
    assert_eq!(status.header("retry-after"), "", "over");
}

/// The same with JSON, for applications with their own pages.
async fn through_json(app: &TestApp, attempt: &Attempt, opener: &Client, relation: &str, confirm: &str) {
    let link = app.link(attempt.started["email_address"].as_str().unwrap());
    let described = opener.describe(&link).await;
    assert_eq!(described.expect(200).body["object"], "link");
    assert_eq!(described.body["opener"], relation);
    assert_eq!(described.body["confirm"], confirm);
    assert_eq!(described.body["sign_in_here"], matches!(confirm, "approve" | "relay_code"));
    assert_eq!(described.body["status"], "pending");
    assert_eq!(described.body["application"], "Example");
    assert_eq!(described.body["requested_from"], "Firefox on Linux");
    assert_eq!(described.body["requested_at"], "2026-11-22T12:00:00Z");
    assert_eq!(described.body["expires_at"], "2026-11-22T12:10:00Z");
    let decided = opener.decide_json(&link, "approve", &described.confirmation()).await;
    if confirm == "mismatch" {
        decided.expect_problem(403, "client_mismatch");
        assert_eq!(attempt.status().await.body["status"], "pending");
        return;
    }
    assert_eq!(decided.expect(200).body["object"], "confirmation");
    assert_eq!(decided.body["purpose"], "sign_in");
    match confirm {
        "automatic" => {
            assert_eq!(decided.body["signed_in"], "both");
            assert!(decided.body["session"]["renewal_token"].is_string());
            assert_eq!(decided.body["session"]["id"], decided.body["session_id"]);
            status_is(attempt, "both", true).await;
        }
        "approve" => {
            assert_eq!(decided.body["signed_in"], "requester");
            assert!(decided.body["session"].is_null() && decided.body["relay_code"].is_null());
            status_is(attempt, "requester", false).await;
        }
        _ => {
            assert_eq!(decided.body["status"], "awaiting_code");
            assert!(decided.body["signed_in"].is_null() && decided.body["session_id"].is_null());
            assert!(decided.body["session"].is_null() && decided.body["redirect_url"].is_null());
            attempt.enter_code(&decided.relay_code()).await.expect(200);
            status_is(attempt, "requester", false).await;
        }
    }
    if confirm != "relay_code" {
        assert_eq!(decided.body["status"], "verified");
        assert!(decided.text("redirect_url").starts_with(&format!("{REDIRECT}?__linkgate_status=verified")));
    }
    let session = redeems(app, attempt, confirm != "automatic").await;
    assert!(session.body["renewal_token"].is_string());
}

/// One column of the table, as a setting.
async fn the_policy_confirms(policy: &str, column: [&str; 3]) {
    let app = TestApp::with(&[("LINKGATE_CROSS_DEVICE", policy)]).await;
    for (opener, confirm) in OPENERS.into_iter().zip(column) {
        let browser = app.browser();
        let attempt = browser.sign_in(&format!("{opener}@example.com")).await;
        assert_eq!(attempt.started["cross_device"], policy);
        let other = match opener {
            // The network does not matter for the same client.
            "same_client" => browser.moved_to(FAR),
            "same_network" => app.browser_at(NEAR),
            _ => app.browser_at(FAR),
        };
        through_pages(&app, &attempt, &other, confirm).await;

        let attempt = app.script(REQUESTER).sign_in(&format!("{opener}.json@example.com")).await;
        let other = match opener {
            "same_client" => app.script_at(REQUESTER, FAR),
            "same_network" => app.script_at(OTHER, NEAR),
            _ => app.script_at(OTHER, FAR),
        };
        through_json(&app, &attempt, &other, opener, confirm).await;
    }
}

#[tokio::test]
async fn adaptive_approves_in_the_same_network_and_relays_a_code_elsewhere() {
    the_policy_confirms("adaptive", ["automatic", "approve", "relay_code"]).await;
}

#[tokio::test]
async fn approve_approves_everywhere() {
    the_policy_confirms("approve", ["automatic", "approve", "approve"]).await;
}

#[tokio::test]
async fn relay_code_relays_a_code_everywhere() {
    the_policy_confirms("relay_code", ["automatic", "relay_code", "relay_code"]).await;
}

#[tokio::test]
async fn same_client_sends_others_back_to_where_the_link_was_asked_for() {
    the_policy_confirms("same_client", ["automatic", "mismatch", "mismatch"]).await;
}

#[tokio::test]
async fn a_back_end_chooses_the_policy_of_an_attempt() {
    let app = TestApp::with(&[("LINKGATE_CROSS_DEVICE", "same_client")]).await;
    for (policy, near, far) in [
        ("adaptive", "approve", "relay_code"),
        ("approve", "approve", "approve"),
        ("relay_code", "relay_code", "relay_code"),
        ("same_client", "mismatch", "mismatch"),
    ] {
        let body = json!({
            "email_address": format!("{policy}@example.com"), "purpose": "sign_in",
            "cross_device": policy, "client": { "ip": "203.0.113.7" },
        });
        let attempt = app.script(REQUESTER).start_with_key(body).await;
        assert_eq!(attempt.started["cross_device"], policy);
        let link = app.link(&format!("{policy}@example.com"));
        assert_eq!(app.script(REQUESTER).describe(&link).await.body["confirm"], "automatic");
        assert_eq!(app.script_at(OTHER, NEAR).describe(&link).await.body["confirm"], near);
        assert_eq!(app.script_at(OTHER, FAR).describe(&link).await.body["confirm"], far);
    }
    let body = json!({ "email_address": "a@example.com", "purpose": "sign_in", "cross_device": "approve" });
    let anybody = answer(app.browser().post("/v1/attempts").json(&body)).await;
    anybody.expect_problem(401, "api_key_invalid");
    assert!(app.links("a@example.com").is_empty());
}

#[tokio::test]
async fn a_neighbour_in_ipv6_shares_56_bits() {
    let app = TestApp::start().await;
    app.browser_at("2001:db8:1:2ff::1").sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    assert_eq!(
        app.script_at(OTHER, "2001:db8:1:200::9").describe(&link).await.body["opener"],
        "same_network"
    );
    assert_eq!(
        app.script_at(OTHER, "2001:db8:1:300::9").describe(&link).await.body["opener"],
        "other_network"
    );
}

#[tokio::test]
async fn a_hop_that_no_trusted_proxy_vouches_for_is_not_believed() {
    let app = TestApp::start().await;
    app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let liar = app.script_at(OTHER, "203.0.113.7, 198.51.100.9");
    assert_eq!(
        liar.describe(&link).await.body["opener"],
        "other_network",
        "the right-most untrusted hop counts"
    );
}

#[tokio::test]
async fn a_stranger_never_gets_the_page_that_confirms_by_itself() {
    let app = TestApp::with(&[("LINKGATE_CROSS_DEVICE", "approve")]).await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let scanner = app.browser();
    let page = scanner.open(&app.link("ann@example.com")).await;
    page.expect_page(200).hides(&["<script>", "id=\"automatic\""]);
    assert!(!page.header("content-security-policy").contains("script-src"));
    assert_eq!(attempt.status().await.body["status"], "pending");
}

#[tokio::test]
async fn without_a_redirect_url_the_opener_ends_on_a_page_that_says_so() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
    let attempt = browser.start(body.clone()).await;
    let done = browser.press(&app.link("ann@example.com"), "approve").await;
    done.expect_page(200).shows(&["You are signed in", "ann@example.com"]);
    assert!(done.set_cookie("linkgate-session").is_some());
    assert_eq!(attempt.status().await.body["signed_in"], "both");

    let attempt = app.browser().start(body).await;
    let neighbour = app.browser_at(NEAR);
    let done = neighbour.press(&app.link("ann@example.com"), "approve").await;
    done.expect_page(200).shows(&["Go back to where you asked"]).hides(&["You are signed in"]);
    nobody_is_signed_in(&neighbour).await;
    assert_eq!(attempt.status().await.body["signed_in"], "requester");
}
