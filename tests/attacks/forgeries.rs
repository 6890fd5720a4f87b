//! Forged tokens at every route that takes a token.
//!
//! The table of all forgeries is in `tests/kit/src/forgeries.rs`, and `tests/token/forgery.rs` holds the check of tokens
//! to it. Here some of each rule show that every route checks.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};

use chrono::TimeDelta;
use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::json;
use test_kit::app::{TestApp, answer};
use test_kit::forgeries::{Forger, Forgery, RULES, rule};
use test_kit::requests::SECRET;
use test_kit::smith::{encode, hmac, part, parts, with};

use super::places::{PLACES, Scene, assert_refused, read_with};

/// How many forgeries of a rule are offered for each type.
const OF_EACH: usize = 4;

/// Offers forgeries of a rule, for each type, to every route that takes the type; all of them, or some.
async fn refuse(scene: &Scene, name: &str, jwks: &serde_json::Value, lure: &str, of_each: usize) {
    let smith = scene.smith();
    let others: Vec<String> = scene.tokens.each().map(|(_, token)| token.to_owned()).to_vec();
    let mut offers = 0;
    for (typ, token) in scene.each() {
        let forger = Forger { token, others: &others, smith: &smith, url: &scene.app.url, jwks, lure };
        let all: Vec<Forgery> = rule(name)(&forger);
        for forgery in all.iter().step_by(all.len().div_ceil(of_each).max(1)) {
            assert_ne!(forgery.token, token, "{name}, {}: it is the token itself", forgery.how);
            offers += scene.refuses(typ, &forgery.how, &forgery.token).await;
        }
    }
    println!("{name}: refused {offers} times");
    assert!(offers > 0, "{name}");
}

#[tokio::test]
async fn every_route_refuses_forgeries_of_every_kind() {
    for session_alg in ["EdDSA", "ES256"] {
        let scene = Scene::of(TestApp::with(&[("LINKGATE_SESSION_ALG", session_alg)]).await).await;
        let jwks = scene.app.jwks().await;
        assert_eq!(jwks["keys"][0]["alg"], session_alg);
        for (name, _) in RULES {
            refuse(&scene, name, &jwks, "evil.example", OF_EACH).await;
        }
        scene.assert_untouched().await;
    }
}

#[tokio::test]
async fn a_good_token_that_the_smith_signs_again_is_good() {
    let scene = Scene::start().await;
    let smith = scene.smith();
    // The claims are in another order: a different token, and just as valid.
    let again = |token: &str| smith.with_claims(token, &part(token, 1).to_string());
    let mut tokens = scene.tokens;
    for token in [
        &mut tokens.link,
        &mut tokens.attempt.token,
        &mut tokens.ticket,
        &mut tokens.renewal,
        &mut tokens.session,
    ] {
        *token = again(token);
    }
    super::places::use_up(&scene.app, &tokens).await;
}

#[tokio::test]
async fn no_key_is_taken_from_a_token_or_fetched_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let scene = Scene::start().await;
    let jwks = scene.app.jwks().await;
    refuse(&scene, "no_key_is_taken_from_a_token", &jwks, &address.to_string(), usize::MAX).await;
    scene.assert_untouched().await;
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock, "nobody came for a key");
    // The listener does accept connections.
    let _visitor = TcpStream::connect(address).unwrap();
    listener.set_nonblocking(false).unwrap();
    listener.accept().unwrap();
}

#[tokio::test]
async fn what_is_no_token_at_all_is_refused_everywhere() {
    let scene = Scene::start().await;
    let (app, id) = (&scene.app, &scene.tokens.attempt.id);
    let bad = [
        "",
        " ",
        "x",
        ".",
        "..",
        "...",
        "....",
        "null",
        "\0",
        "a.b.c",
        "\u{e9}.\u{e9}.\u{e9}",
        "e30.e30.e30",
        "e30.e30.",
        "W10.W10.AA",
        "eyJhbGciOiJub25lIn0.e30.",
        "eyJhbGciOiJIUzI1NiJ9.e30.AA",
        "undefined",
        "[object Object]",
        "%00",
        "<script>alert(1)</script>",
        "a/b",
        "../../etc/passwd",
        "*",
        "lg:a:*",
        "' OR 1=1 --",
        "${jndi:ldap://127.0.0.1/x}",
        "x\r\nSet-Cookie: x=y",
    ];
    for text in bad {
        assert_refused(app, id, &format!("{text:?}"), text, |_| true).await;
    }
    assert_eq!(PLACES.iter().filter(|place| place.wants == "link").count(), 6);
    scene.assert_untouched().await;
}

#[tokio::test]
async fn signing_out_with_a_forged_token_signs_nobody_out() {
    let scene = Scene::start().await;
    let (app, renewal) = (&scene.app, &scene.tokens.renewal);
    let [header, claims, signature] = parts(renewal);
    let none = encode(with(&part(renewal, 0), &json!({ "alg": "none" })).to_string());
    let forged = [
        format!("{none}.{claims}."),
        format!("{header}.{claims}."),
        hmac(Algorithm::HS256, &[0; 32], &part(renewal, 0).to_string(), &part(renewal, 1).to_string()),
        format!("{header}.{claims}.{}", "A".repeat(signature.len())),
    ];
    for token in &forged {
        let by_body = app.script(SECRET).request(Method::DELETE, "/v1/session");
        answer(by_body.json(&json!({ "renewal_token": token }))).await.expect(204);
        let cookie = format!("linkgate-session={token}; linkgate-client={SECRET}");
        let by_cookie = app.browser().request(Method::DELETE, "/v1/session").header("Origin", &app.url);
        answer(by_cookie.header("Cookie", cookie)).await.expect(204);
    }
    scene.assert_untouched().await;
}

#[tokio::test]
async fn a_token_is_good_until_its_last_second_at_every_route() {
    let scene = Scene::start().await;
    let (smith, app) = (scene.smith(), &scene.app);
    let id = &scene.tokens.attempt.id;
    let now = app.clock_now().timestamp();
    let ending = |token: &str, end: i64| {
        let times = json!({ "iat": now - 60, "exp": end });
        smith.with_claims(token, &with(&part(token, 1), &times).to_string())
    };
    for (name, token) in scene.each() {
        for end in [now, now - 1, now - 59, now - 61] {
            let answer = read_with(app, id, name, &ending(token, end)).await;
            assert!(!let_in(answer.status.as_u16()), "{name}, exp {end}: {}", answer.raw);
        }
        // Valid one second before its end.
        let answer = read_with(app, id, name, &ending(token, now + 1)).await;
        assert!(let_in(answer.status.as_u16()), "{name}, exp now + 1: {}", answer.raw);
    }
    // The ticket is spent.
    let last: Vec<(&str, String)> = scene
        .each()
        .filter(|(name, _)| *name != "ticket")
        .map(|(name, token)| (name, ending(token, now + 1)))
        .collect();
    app.advance(TimeDelta::seconds(1));
    for (name, token) in last {
        let answer = read_with(app, id, name, &token).await;
        assert!(!let_in(answer.status.as_u16()), "{name}, at its end: {}", answer.raw);
    }
}

/// 422: the token was good, and the request names a redirect URL that is not listed.
fn let_in(status: u16) -> bool {
    matches!(status, 200 | 422)
}
