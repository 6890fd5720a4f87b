//! Tokens that were cut, changed or made up.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::kit::{SECRET, all_tokens};
use super::tokens::{assert_refused, assert_unchanged};
use crate::support::app::{TestApp, answer};

fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The token with this character replaced by another one of the alphabet.
fn flipped(token: &str, at: usize) -> String {
    let mut bytes = token.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}

/// Ways to spoil a token.
fn spoiled(token: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = token.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let dots: Vec<usize> = token.match_indices('.').map(|(at, _)| at).collect();
    let mut all = vec![
        ("empty".to_owned(), "x".to_owned()),
        ("cut at the end".to_owned(), token[..token.len() - 1].to_owned()),
        ("cut in the middle".to_owned(), token[..token.len() / 2].to_owned()),
        ("without signature".to_owned(), format!("{header}.{claims}.")),
        ("without the last part".to_owned(), format!("{header}.{claims}")),
        ("without claims".to_owned(), format!("{header}..{signature}")),
        ("without header".to_owned(), format!(".{claims}.{signature}")),
        ("a part more".to_owned(), format!("{token}.x")),
        ("five parts".to_owned(), format!("{token}.x.y")),
        ("longer signature".to_owned(), format!("{token}AAAA")),
        ("zero signature".to_owned(), format!("{header}.{claims}.{}", "A".repeat(signature.len()))),
        ("padded".to_owned(), format!("{token}=")),
        ("too long".to_owned(), format!("{header}.{}.{signature}", "A".repeat(5000))),
        ("lower case".to_owned(), token.to_ascii_lowercase()),
    ];
    let places = [
        0,
        5,
        dots[0] - 1,
        dots[0] + 1,
        dots[0].midpoint(dots[1]),
        dots[1] - 1,
        dots[1] + 1,
        dots[1] + 9,
        token.len() - 1,
    ];
    all.extend(places.into_iter().map(|at| (format!("changed at {at}"), flipped(token, at))));
    // The bits of the last character that stand for nothing: another spelling of the same signature.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.iter().position(|c| *c == *token.as_bytes().last().unwrap()).unwrap();
    let twin = char::from(alphabet[last ^ 1]);
    all.push((
        "another spelling of the signature".to_owned(),
        format!("{}{twin}", &token[..token.len() - 1]),
    ));
    all
}

/// Headers that must not be believed, each with the token's own claims and signature, and with none.
fn reheaded(token: &str) -> Vec<(String, String)> {
    let header = part(token, 0);
    let (_, rest) = token.split_once('.').unwrap();
    let claims = rest.split('.').next().unwrap();
    let changes = [
        json!({ "alg": "none" }),
        json!({ "alg": "None" }),
        json!({ "alg": "" }),
        json!({ "alg": "HS512" }),
        json!({ "alg": "RS256" }),
        json!({ "alg": null }),
        json!({ "kid": "unknown" }),
        json!({ "kid": "" }),
        json!({ "kid": "../../dev/null" }),
        json!({ "kid": null }),
        json!({ "typ": "JWT" }),
        json!({ "typ": null }),
        json!({ "crit": ["exp"] }),
        json!({ "jku": "https://evil.example/jwks" }),
        json!({ "jwk": {} }),
        json!({ "x5u": "https://evil.example" }),
        json!({ "b64": false }),
        json!({ "zip": "DEF" }),
    ];
    let mut all = Vec::new();
    for change in changes {
        let mut other = header.clone();
        for (name, value) in change.as_object().unwrap() {
            other[name] = value.clone();
        }
        all.push((format!("header {change}"), format!("{}.{rest}", encode(&other))));
        all.push((format!("header {change}, no signature"), format!("{}.{claims}.", encode(&other))));
    }
    all.push((
        "header is an array".to_owned(),
        format!("{}.{rest}", encode(&json!(["HS256", header["typ"], "test"]))),
    ));
    all
}

/// The token with claims that grant more, signed with keys that an attacker may have.
fn reclaimed(token: &str, jwks: &Value) -> Vec<(String, String)> {
    let (header, mut claims) = (part(token, 0), part(token, 1));
    let (head, rest) = token.split_once('.').unwrap();
    let signature = rest.split('.').nth(1).unwrap();
    claims["exp"] = json!(4_000_000_000_u64);
    let mut all =
        vec![("later expiry, old signature".to_owned(), format!("{head}.{}.{signature}", encode(&claims)))];
    let public = jwks["keys"][0]["x"].as_str().unwrap();
    let secrets = [
        ("nothing", Vec::new()),
        ("zeros", vec![0; 32]),
        ("the master key", b"0123456789abcdef0123456789abcdef".to_vec()),
        ("the public key", URL_SAFE_NO_PAD.decode(public).unwrap()),
        ("the public key as text", public.as_bytes().to_vec()),
        ("the key set", jwks.to_string().into_bytes()),
    ];
    for (name, secret) in secrets {
        let mut forged = Header::new(Algorithm::HS256);
        forged.typ = header["typ"].as_str().map(str::to_owned);
        forged.kid = header["kid"].as_str().map(str::to_owned);
        let token =
            jsonwebtoken::encode(&forged, &claims, &EncodingKey::from_secret(&secret)).unwrap_or_default();
        if !token.is_empty() {
            all.push((format!("signed with {name}"), token));
        }
    }
    all
}

#[tokio::test]
async fn a_token_that_was_cut_or_changed_anywhere_is_refused() {
    let app = TestApp::start().await;
    let tokens = all_tokens(&app).await;
    let mails = app.smtp.received_count();
    for (name, token) in tokens.each() {
        for (how, bad) in spoiled(token) {
            assert_spoiled(&app, &tokens.attempt.id, name, &how, &bad).await;
        }
    }
    assert_unchanged(&app, &tokens, mails).await;
}

#[tokio::test]
async fn a_token_with_another_header_is_refused() {
    let app = TestApp::start().await;
    let tokens = all_tokens(&app).await;
    let mails = app.smtp.received_count();
    for (name, token) in tokens.each() {
        for (how, bad) in reheaded(token) {
            assert_spoiled(&app, &tokens.attempt.id, name, &how, &bad).await;
        }
    }
    assert_unchanged(&app, &tokens, mails).await;
}

#[tokio::test]
async fn a_token_with_other_claims_is_refused_whatever_public_thing_signed_it() {
    let app = TestApp::start().await;
    let tokens = all_tokens(&app).await;
    let mails = app.smtp.received_count();
    let jwks = answer(app.browser().get("/.well-known/jwks.json")).await.body;
    for (name, token) in tokens.each() {
        for (how, bad) in reclaimed(token, &jwks) {
            assert_spoiled(&app, &tokens.attempt.id, name, &how, &bad).await;
        }
    }
    assert_unchanged(&app, &tokens, mails).await;
}

/// Offers it where the good one belongs, which is where it could do harm.
async fn assert_spoiled(app: &TestApp, id: &str, name: &str, how: &str, bad: &str) {
    // Only what has three parts can be mistaken for a session token; the rest would be an unknown API key.
    if name == "session" && bad.matches('.').count() != 2 {
        return;
    }
    let script = app.script(SECRET);
    let one = match name {
        "link" => (script.get(&format!("/v/{bad}")), 400, "link_malformed"),
        "attempt" => {
            (script.get(&format!("/v1/attempts/{id}")).bearer_auth(bad), 401, "attempt_token_invalid")
        }
        "ticket" => (
            super::kit::with_key(script.post("/v1/tickets/redeem")).json(&json!({ "ticket": bad })),
            410,
            "ticket_invalid",
        ),
        "renewal" => {
            (script.post("/v1/session/token").json(&json!({ "renewal_token": bad })), 401, "session_required")
        }
        _ => {
            let body = json!({ "email_address": "new@example.com", "purpose": "verify_email" });
            if bad.matches('.').count() != 2 {
                return;
            }
            (script.post("/v1/attempts").bearer_auth(bad).json(&body), 401, "session_required")
        }
    };
    let (request, status, code) = one;
    let answer = answer(request).await;
    assert_eq!(answer.status.as_u16(), status, "{name}, {how}: {}", answer.raw);
    answer.expect_problem(status, code);
}

#[tokio::test]
async fn what_is_no_token_at_all_is_refused_everywhere() {
    let app = TestApp::start().await;
    let tokens = all_tokens(&app).await;
    let mails = app.smtp.received_count();
    for bad in ["a.b.c", "e30.e30.e30", "eyJhbGciOiJub25lIn0.e30.", "W10.W10.AA"] {
        assert_refused(&app, &tokens.attempt.id, bad, bad, None).await;
    }
    for bad in ["", " ", "x", "..", "...", "null", "\0", "é.é.é"] {
        let redeem =
            super::kit::with_key(app.browser().post("/v1/tickets/redeem")).json(&json!({ "ticket": bad }));
        answer(redeem).await.expect_problem(410, "ticket_invalid");
        let renew = app.script(SECRET).post("/v1/session/token").json(&json!({ "renewal_token": bad }));
        answer(renew).await.expect_problem(401, "session_required");
    }
    for bad in ["x", "%00", "%ff.%ff.%ff", "a%2fb", "a.b.c%0d%0aSet-Cookie:x=y", "<script>"] {
        app.browser().describe(&format!("/v/{bad}")).await.expect_problem(400, "link_malformed");
        let page = app.browser().open(&format!("/v/{bad}")).await;
        page.expect(400);
        assert!(
            page.raw.contains("<html")
                && !page.raw.contains("<script>")
                && page.header("set-cookie").is_empty()
        );
    }
    assert_unchanged(&app, &tokens, mails).await;
}
