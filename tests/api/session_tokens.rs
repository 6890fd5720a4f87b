//! Session tokens, as applications check them: with the JWKS and a JWT library.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};

use test_kit::app::{Answer, TestApp, answer, noon};

/// Signs in as a script and redeems.
async fn session(app: &TestApp) -> Answer {
    let script = app.script("requester-secret-0123456789");
    let attempt = script.sign_in("Ann@Example.com").await;
    let link = app.link("ann@example.com");
    script.decide_json(&link, "approve", &script.describe(&link).await.confirmation()).await.expect(200);
    app.advance(TimeDelta::seconds(7));
    let redeemed = attempt.redeem().await;
    redeemed.expect(200);
    redeemed
}

async fn renew(app: &TestApp, session: &Answer) -> Answer {
    let script = app.script("requester-secret-0123456789");
    let body = json!({ "renewal_token": session.body["renewal_token"] });
    let renewed = answer(script.post("/v1/session/token").json(&body)).await;
    renewed.expect(200);
    renewed
}

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_session_token_carries_exactly_what_the_contract_names() {
    let app = TestApp::start().await;
    let session = session(&app).await;
    let claims = app.claims(&session.text("session_token"), "at+jwt").await;
    let wanted = [
        "amr",
        "aud",
        "auth_time",
        "email",
        "email_verified",
        "exp",
        "iat",
        "iss",
        "jti",
        "sid",
        "sub",
        "xdev",
    ];
    assert_eq!(names(&claims), wanted.into());
    assert_eq!(claims["iss"], app.url.as_str());
    assert_eq!(claims["aud"], app.url.as_str());
    assert_eq!(claims["sub"], session.body["user"]["id"]);
    assert_eq!(claims["sid"], session.body["id"]);
    assert_eq!(claims["amr"], json!(["email_link"]));
    assert_eq!(claims["email"], "ann@example.com");
    assert_eq!(claims["email_verified"], true);
    assert_eq!(claims["xdev"], false);
    assert_eq!(claims["auth_time"], noon().timestamp(), "when the link was confirmed");
    assert_eq!(claims["iat"], noon().timestamp() + 7);
    assert_eq!(claims["exp"], noon().timestamp() + 7 + 300);
}

#[tokio::test]
async fn a_renewed_token_is_another_token_of_the_same_session() {
    let app = TestApp::start().await;
    let session = session(&app).await;
    let first = app.claims(&session.text("session_token"), "at+jwt").await;
    app.advance(TimeDelta::hours(3));
    let second = app.claims(&renew(&app, &session).await.text("session_token"), "at+jwt").await;
    for claim in ["iss", "sub", "sid", "aud", "email", "auth_time", "xdev", "amr"] {
        assert_eq!(first[claim], second[claim], "{claim}");
    }
    assert_ne!(first["jti"], second["jti"]);
    assert_eq!(second["iat"].as_i64().unwrap() - first["iat"].as_i64().unwrap(), 3 * 3600);
    assert_eq!(second["exp"].as_i64().unwrap() - second["iat"].as_i64().unwrap(), 300);
}

#[tokio::test]
async fn a_session_approved_across_devices_says_so_after_renewal_too() {
    let app = TestApp::start().await;
    let script = app.script("requester-secret-0123456789");
    let attempt = script.sign_in("ann@example.com").await;
    app.browser_at("203.0.113.99").press(&app.link("ann@example.com"), "approve").await.expect(303);
    let session = attempt.redeem().await;
    let claims = app.claims(&renew(&app, &session).await.text("session_token"), "at+jwt").await;
    assert_eq!(claims["xdev"], true);
}

#[tokio::test]
async fn the_published_keys_are_public_halves_with_their_use() {
    for (setting, kty, crv, alg) in [("EdDSA", "OKP", "Ed25519", "EdDSA"), ("ES256", "EC", "P-256", "ES256")]
    {
        let app = TestApp::with(&[("LINKGATE_SESSION_ALG", setting)]).await;
        let jwks = app.jwks().await;
        let [key] = jwks["keys"].as_array().unwrap().as_slice() else { panic!("{jwks}") };
        let text = |member: &str| key[member].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            [text("kty"), text("crv"), text("alg"), text("use"), text("kid")],
            [kty, crv, alg, "sig", "test"].map(str::to_owned)
        );
        assert!(key["d"].is_null() && key["k"].is_null(), "no secret half");

        let session = session(&app).await;
        let header = jsonwebtoken::decode_header(session.text("session_token")).unwrap();
        assert_eq!(header.kid.as_deref(), Some("test"));
        assert_eq!(app.claims(&session.text("session_token"), "at+jwt").await["email"], "ann@example.com");
    }
}

#[tokio::test]
async fn several_audiences_and_another_lifetime_are_a_setting() {
    let app = TestApp::with(&[
        ("LINKGATE_AUDIENCE", "https://api.example.com,https://shop.example.com"),
        ("LINKGATE_SESSION_TTL", "10m"),
    ])
    .await;
    let session = session(&app).await;
    assert_eq!(session.body["expires_in"], 600);
    let payload = payload(&session.text("session_token"));
    assert_eq!(payload["aud"], json!(["https://api.example.com", "https://shop.example.com"]));
    assert_eq!(payload["exp"].as_i64().unwrap() - payload["iat"].as_i64().unwrap(), 600);
}

#[tokio::test]
async fn the_address_is_readable_in_no_token_but_those_for_applications() {
    let app = TestApp::start().await;
    let script = app.script("requester-secret-0123456789");
    let attempt = script.sign_in("readable.ann@example.com").await;
    let link = app.link("readable.ann@example.com");
    script.decide_json(&link, "approve", &script.describe(&link).await.confirmation()).await.expect(200);
    let renewal = attempt.redeem().await.text("renewal_token");
    for token in [link.rsplit('/').next().unwrap(), &attempt.token, &renewal] {
        let payload = payload(token).to_string();
        assert!(!payload.contains("readable") && !payload.contains("example.com\""), "{payload}");
    }
}

/// The claims of a token, unverified.
fn payload(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
