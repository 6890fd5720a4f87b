//! Servers after everything that is counted: every end of an attempt, mails that fail, a store that is unavailable.

use chrono::TimeDelta;
use serde_json::json;

use test_kit::app::{TestApp, answer};
use test_kit::smtp::Mode;

/// A request id, which appears in exemplars.
pub(crate) const REQUEST_ID: &str = "a-request-to-be-found";

const FAR: &str = "198.51.100.9";

/// A server after sign-ins with every end.
pub(crate) async fn driven() -> TestApp {
    let app = TestApp::start().await;
    drive(&app, "example.com").await;
    app
}

/// Runs sign-ins with every end, with addresses of this domain.
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

/// A server whose store was never reachable, after an attempt to sign in.
pub(crate) async fn storeless() -> TestApp {
    // Port 1 has no listener.
    let app = TestApp::with(&[("LINKGATE_STORE_URL", "redis://127.0.0.1:1")]).await;
    let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
    answer(app.browser().post("/v1/attempts").json(&body)).await.expect(503);
    app
}
