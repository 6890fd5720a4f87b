//! Keys change while the server runs: tokens of old keys work until the keys are removed.

use std::fs;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tempfile::TempDir;

use test_kit::app::{Client, REDIRECT, TestApp, answer};
use test_kit::waiting::until;

const OLD: &str = "old:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
const NEW: &str = "new:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA";
const SECRET: &str = "requester-secret-0123456789";
const NEAR: &str = "203.0.113.99";
const FAR: &str = "198.51.100.9";

/// A server whose keys are in a file.
struct Rotating {
    app: TestApp,
    directory: TempDir,
}

impl Rotating {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("keys");
        fs::write(&file, OLD).unwrap();
        let app =
            TestApp::with(&[("LINKGATE_KEYS", ""), ("LINKGATE_KEYS_FILE", file.to_str().unwrap())]).await;
        Self { app, directory }
    }

    /// Replaces the key file, as a mounted Secret does, and waits until the server has read it.
    async fn replace(&self, keys: &str, outcome: &str) {
        let counter = format!("linkgate_keyring_reloads_total{{outcome=\"{outcome}\"}}");
        let before = self.app.metric(&counter).await;
        let next = self.directory.path().join("next");
        fs::write(&next, keys).unwrap();
        fs::rename(next, self.directory.path().join("keys")).unwrap();
        until(&counter, async || self.app.metric(&counter).await > before).await;
    }

    /// Waits until the new first key signs; it is published for a while first.
    async fn promote(&self) {
        let counter = "linkgate_keyring_reloads_total{outcome=\"promoted\"}";
        self.app.advance(TimeDelta::minutes(7));
        until(counter, async || self.app.metric(counter).await > 0.0).await;
    }

    async fn kids(&self) -> Vec<Value> {
        let jwks = self.app.jwks().await;
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
    }
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

async fn renew(client: &Client, renewal: &Value) -> test_kit::app::Answer {
    answer(client.post("/v1/session/token").json(&json!({ "renewal_token": renewal }))).await
}

#[tokio::test]
async fn what_the_old_key_signed_works_while_it_is_in_the_ring_and_no_longer() {
    let rotating = Rotating::start().await;
    let app = &rotating.app;
    let script = app.script(SECRET);
    // A session, a pending attempt with an opened page, another whose code is shown, and one that will give a ticket.
    let done = script.sign_in("done@example.com").await;
    let link = app.link("done@example.com");
    script.decide_json(&link, "approve", &script.describe(&link).await.confirmation()).await.expect(200);
    let session = done.redeem().await;
    let renewal = session.body["renewal_token"].clone();
    let waiting = script.sign_in("waiting@example.com").await;
    let link = app.link("waiting@example.com");
    let confirmation = script.describe(&link).await.confirmation();
    let relayed = script.sign_in("relayed@example.com").await;
    let code = app.browser_at(FAR).press(&app.link("relayed@example.com"), "approve").await.relay_code();
    let near = script.sign_in("near@example.com").await;
    assert_eq!(kid(&session.text("session_token")), "old");
    assert_eq!(rotating.kids().await, ["old"]);

    rotating.replace(&format!("{NEW},{OLD}"), "loaded").await;
    assert_eq!(rotating.kids().await, ["new", "old"]);
    app.claims(&session.text("session_token"), "at+jwt").await;
    rotating.promote().await;
    let renewed = renew(&script, &renewal).await;
    assert_eq!(renewed.expect(200).body["id"], session.body["id"]);
    assert_eq!(renewed.body["user"], session.body["user"], "people stay who they are");
    assert_eq!(kid(&renewed.text("session_token")), "new");
    app.claims(&renewed.text("session_token"), "at+jwt").await;
    script.decide_json(&link, "approve", &confirmation).await.expect(200);
    assert_eq!(waiting.status().await.body["status"], "verified");
    waiting.redeem().await.expect(200);
    assert_eq!(
        app.browser_at(FAR).press(&app.link("relayed@example.com"), "approve").await.relay_code(),
        code
    );
    relayed.enter_code(&code).await.expect(200);
    assert_eq!(
        app.browser_at(NEAR).describe(&app.link("near@example.com")).await.body["opener"],
        "same_network"
    );
    let fresh = script.sign_in("fresh@example.com").await;
    assert_eq!(kid(&fresh.token), "new");
    assert_eq!(kid(app.link("fresh@example.com").rsplit('/').next().unwrap()), "new");

    rotating.replace(NEW, "loaded").await;
    assert_eq!(rotating.kids().await, ["new"]);
    near.status().await.expect_problem(401, "attempt_token_invalid");
    script.describe(&app.link("near@example.com")).await.expect_problem(400, "link_malformed");
    renew(&script, &renewal).await.expect_problem(401, "session_required");
    fresh.status().await.expect(200);
    script.describe(&app.link("fresh@example.com")).await.expect(200);
}

#[tokio::test]
async fn a_new_key_is_published_for_as_long_as_key_sets_are_kept_before_it_signs() {
    let rotating = Rotating::start().await;
    let app = &rotating.app;
    let script = app.script(SECRET);
    rotating.replace(&format!("{NEW},{OLD}"), "loaded").await;
    assert_eq!(rotating.kids().await, ["new", "old"]);
    assert_eq!(kid(&script.sign_in("ann@example.com").await.token), "old");
    // Tokens that another replica has signed with the new key are accepted: see `tests/token`.
    rotating.promote().await;
    assert_eq!(kid(&script.sign_in("ann@example.com").await.token), "new");
}

#[tokio::test]
async fn in_an_emergency_a_ring_with_a_new_key_alone_ends_all_links_and_sessions_at_once() {
    let rotating = Rotating::start().await;
    let app = &rotating.app;
    let script = app.script(SECRET);
    let done = script.sign_in("done@example.com").await;
    let link = app.link("done@example.com");
    script.decide_json(&link, "approve", &script.describe(&link).await.confirmation()).await.expect(200);
    let session = done.redeem().await;
    let renewal = session.body["renewal_token"].clone();
    renew(&script, &renewal).await.expect(200);
    let waiting = script.sign_in("waiting@example.com").await;
    let link = app.link("waiting@example.com");
    let confirmation = script.describe(&link).await.confirmation();

    rotating.replace(NEW, "loaded").await;
    assert_eq!(rotating.kids().await, ["new"]);
    script.describe(&link).await.expect_problem(400, "link_malformed");
    script.decide_json(&link, "approve", &confirmation).await.expect_problem(400, "link_malformed");
    waiting.status().await.expect_problem(401, "attempt_token_invalid");
    done.redeem().await.expect_problem(401, "attempt_token_invalid");
    renew(&script, &renewal).await.expect_problem(401, "session_required");
    // The new key signs at once: no old one is left.
    let again = script.sign_in("done@example.com").await;
    assert_eq!(kid(&again.token), "new");
    let link = app.link("done@example.com");
    script.decide_json(&link, "approve", &script.describe(&link).await.confirmation()).await.expect(200);
    assert_eq!(kid(&again.redeem().await.text("session_token")), "new");
}

#[tokio::test]
async fn the_metrics_tell_which_keys_there_are_which_one_signs_and_whether_the_file_is_good() {
    const GOOD: &str = "linkgate_keyring_last_reload_successful";
    const SINCE: &str = "linkgate_keyring_last_reload_success_timestamp_seconds";
    let rotating = Rotating::start().await;
    let app = &rotating.app;
    let keys = async || {
        let text = app.metrics().await;
        let lines = text.lines().filter_map(|line| line.strip_prefix("linkgate_keyring_key{kid="));
        let mut keys: Vec<String> = lines.map(str::to_owned).collect();
        keys.sort();
        keys
    };
    let begun = app.metric(SINCE).await;
    assert_eq!((keys().await, app.metric(GOOD).await), (vec!["\"old\"} 1".to_owned()], 1.0));
    app.advance(TimeDelta::minutes(1));
    rotating.replace(&format!("{NEW},{OLD}"), "loaded").await;
    assert_eq!(keys().await, ["\"new\"} 0", "\"old\"} 1"]);
    assert_eq!(app.metric(SINCE).await - begun, 60.0);
    rotating.promote().await;
    assert_eq!(keys().await, ["\"new\"} 1", "\"old\"} 0"]);
    rotating.replace("broken", "refused").await;
    assert_eq!((keys().await.len(), app.metric(GOOD).await), (2, 0.0));
    rotating.replace(NEW, "loaded").await;
    assert_eq!((keys().await, app.metric(GOOD).await), (vec!["\"new\"} 1".to_owned()], 1.0));
}

#[tokio::test]
async fn a_broken_key_file_keeps_the_old_ring() {
    let rotating = Rotating::start().await;
    let app = &rotating.app;
    let attempt = app.script(SECRET).sign_in("ann@example.com").await;
    for broken in ["", "new:tooshort", &format!("{NEW},{NEW}")] {
        rotating.replace(broken, "refused").await;
        assert_eq!(rotating.kids().await, ["old"]);
        attempt.status().await.expect(200);
        app.script(SECRET).sign_in("ann@example.com").await;
    }
    // The repaired file is read.
    rotating.replace(&format!("{NEW},{OLD}"), "loaded").await;
    assert_eq!(rotating.kids().await, ["new", "old"]);
    attempt.status().await.expect(200);
}

#[tokio::test]
async fn a_link_that_is_resent_after_the_keys_have_changed_still_knows_its_network() {
    let rotating = Rotating::start().await;
    let app = &rotating.app;
    let attempt = app.script(SECRET).sign_in("ann@example.com").await;
    rotating.replace(&format!("{NEW},{OLD}"), "loaded").await;
    rotating.promote().await;
    app.advance(TimeDelta::seconds(30));
    attempt.resend().await.expect(200);
    let link = app.link("ann@example.com");
    assert_eq!(kid(link.rsplit('/').next().unwrap()), "new");
    assert_eq!(app.browser_at(NEAR).describe(&link).await.body["opener"], "same_network");
    assert_eq!(app.browser_at(FAR).describe(&link).await.body["opener"], "other_network");
    assert_eq!(app.script(SECRET).describe(&link).await.body["opener"], "same_client");
}

#[tokio::test]
async fn whoever_was_denied_is_not_let_off_by_a_change_of_keys() {
    let rotating = Rotating::start().await;
    let app = &rotating.app;
    for email in ["before@example.com", "after@example.com", "resent@example.com"] {
        app.script(SECRET).sign_in(email).await;
    }
    let resent = app.script(SECRET).sign_in("resent@example.com").await;
    app.browser_at(FAR).press(&app.link("before@example.com"), "deny").await.expect(303);
    rotating.replace(&format!("{NEW},{OLD}"), "loaded").await;
    rotating.promote().await;
    app.browser_at(FAR).press(&app.link("after@example.com"), "deny").await.expect(303);
    app.advance(TimeDelta::seconds(30));
    resent.resend().await.expect(200);
    app.browser_at(FAR).press(&app.link("resent@example.com"), "deny").await.expect(303);
    for email in ["before@example.com", "after@example.com", "resent@example.com"] {
        let body = json!({ "email_address": email, "purpose": "sign_in", "redirect_url": REDIRECT });
        let again = answer(app.browser().post("/v1/attempts").json(&body)).await;
        again.expect_problem(429, "rate_limited");
    }
}
