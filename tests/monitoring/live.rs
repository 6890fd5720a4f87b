//! A server of which all has been asked that is counted: every way to end, mails that fail, a store that is away.

use chrono::TimeDelta;
use serde_json::json;

use test_kit::app::{TestApp, answer};
use test_kit::smtp::Mode;

/// What a request calls itself, and exemplars call it.
pub(crate) const REQUEST_ID: &str = "a-request-to-be-found";

const FAR: &str = "198.51.100.9";

/// A server that works, after sign-ins that ended in all ways.
pub(crate) async fn driven() -> TestApp {
    let app = TestApp::start().await;
    drive(&app, "example.com").await;
    app
}

/// Signs in, and fails to in all ways, with addresses of this domain.
pub(crate) async fn drive(app: &TestApp, domain: &str) {
    let [ann, bob, eve, joe, may, tim] =
        ["ann", "bob", "eve", "joe", "may", "tim"].map(|name| format!("{name}@{domain}"));
    let verified = app.browser().sign_in(&ann).await;
    app.advance(TimeDelta::seconds(7));
    verified.client.press(&app.link(&ann), "approve").await.expect(303);
    verified.redeem().await.expect(200);

    app.browser().sign_in(&bob).await;
    app.browser_at(FAR).press(&app.link(&bob), "deny").await.expect(303);

    app.browser().sign_in(&eve).await.cancel().await.expect(204);

    let failed = app.browser().sign_in(&joe).await;
    app.browser_at(FAR).press(&app.link(&joe), "approve").await.expect(200);
    let code = app.browser_at(FAR).press(&app.link(&joe), "approve").await.relay_code();
    let wrong = if code == "000000" { "111111" } else { "000000" };
    for _ in 0..5 {
        failed.enter_code(wrong).await.expect(422);
    }

    let body = json!({ "email_address": may, "purpose": "sign_in" });
    app.smtp.set_mode(Mode::RejectRecipient);
    app.browser().sign_in(&tim).await;
    app.smtp.set_mode(Mode::Defer);
    let unavailable = app.browser().post("/v1/attempts").header("X-Request-Id", REQUEST_ID).json(&body);
    answer(unavailable).await.expect(503);
    app.smtp.set_mode(Mode::Accept);
}

/// A server whose store has never been there, after somebody tried to sign in.
pub(crate) async fn storeless() -> TestApp {
    // Nobody listens on port 1.
    let app = TestApp::with(&[("LINKGATE_STORE_URL", "redis://127.0.0.1:1")]).await;
    let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
    answer(app.browser().post("/v1/attempts").json(&body)).await.expect(503);
    app
}
