//! Tokens under algorithms and keys that are not theirs, with signatures and payloads that were tampered with, and in
//! spellings that are not the one that was signed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::forge::{
    FOREIGN_SEED, Forgery, RING_SECRET, Smith, ed25519, encode, hmac, is_public, part, parts,
    public_key_forms, with,
};
use super::places::{PLACES, Scene, assert_refused};
use test_kit::app::{TestApp, answer};

const HMACS: [(&str, Algorithm); 3] =
    [("HS256", Algorithm::HS256), ("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)];

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Offers every forgery of every type where the type belongs.
async fn refuse_all(scene: &Scene, forge: impl Fn(&str, &str) -> Vec<Forgery>) {
    for (name, token) in scene.each() {
        let (mut count, mut offers) = (0, 0);
        for (how, forged) in forge(name, token) {
            assert_ne!(forged, token, "{name}, {how}: it is the token itself");
            offers += scene.refuses(name, &how, &forged).await;
            count += 1;
        }
        println!("{name}: {count} forged tokens refused in {offers} requests");
        assert!(count > 0 && offers >= count / 2, "{name}: {count} were offered {offers} times");
    }
    scene.assert_untouched().await;
}

/// `none` in every mixture of cases, and what else stands for "do not look".
fn nones() -> Vec<Value> {
    let mut all: Vec<Value> = (0..16_u8)
        .map(|bits| {
            let letter =
                |(at, c): (usize, char)| if bits >> at & 1 == 1 { c.to_ascii_uppercase() } else { c };
            json!("none".chars().enumerate().map(letter).collect::<String>())
        })
        .collect();
    for text in ["", " none", "none ", "none\0", "n\u{43e}ne", "\u{ff4e}one", "null", "plain", "unsecured"] {
        all.push(json!(text));
    }
    all.extend([
        json!(null),
        json!(false),
        json!(0),
        json!([]),
        json!(["none"]),
        json!(["HS256"]),
        json!({}),
    ]);
    all
}

#[tokio::test]
async fn no_spelling_of_alg_none_is_taken() {
    let scene = Scene::start().await;
    refuse_all(&scene, |_, token| {
        let [_, claims, signature] = parts(token);
        let mut all = Vec::new();
        for alg in nones() {
            let header = encode(with(&part(token, 0), &json!({ "alg": alg })).to_string());
            for (how, end) in [
                ("no signature", "."),
                ("two parts", ""),
                ("its old one", &format!(".{signature}")),
                ("one byte", ".AA"),
            ] {
                all.push((format!("alg {alg}, {how}"), format!("{header}.{claims}{end}")));
            }
        }
        all
    })
    .await;
}

#[tokio::test]
async fn no_other_algorithm_is_taken_not_even_with_the_right_secret() {
    let scene = Scene::start().await;
    let smith = Smith::of(&scene.app.url);
    refuse_all(&scene, |_, token| {
        let (header, claims) = (part(token, 0), part(token, 1).to_string());
        let typ = header["typ"].as_str().unwrap();
        let as_alg = |alg: &str| with(&header, &json!({ "alg": alg })).to_string();
        let mut all = Vec::new();
        let secret = if is_public(typ) { smith.seed() } else { smith.secret(typ) };
        for (name, alg) in HMACS {
            let forged = hmac(alg, &secret, &as_alg(name), &claims);
            // Of internal tokens, HS256 is the real thing.
            if name != "HS256" || is_public(typ) {
                all.push((format!("{name} with the right secret"), forged));
            }
            // The header says what it should, the signature is another one.
            if name != "HS256" || is_public(typ) {
                all.push((format!("{name} unsaid"), hmac(alg, &secret, &header.to_string(), &claims)));
            }
        }
        for name in [
            "hs256",
            "Hs256",
            "HS256 ",
            " HS256",
            "HS256\0",
            "HS-256",
            "SHA256",
            "RS256",
            "RS384",
            "RS512",
            "PS256",
            "PS512",
            "ES256",
            "ES384",
            "ES512",
            "ES256K",
            "EdDSA",
            "Ed25519",
            "Ed448",
            "eddsa",
            "dir",
            "A256GCMKW",
            "ECDH-ES",
            "PBES2-HS256+A128KW",
        ] {
            if header["alg"] != name {
                // Under a signature that is right for this very header.
                let forged = smith.with_header(token, &with(&header, &json!({ "alg": name })));
                all.push((format!("alg {name:?}"), forged));
            }
        }
        all
    })
    .await;
}

#[tokio::test]
async fn the_public_key_is_no_secret_to_sign_with() {
    for session_alg in ["EdDSA", "ES256"] {
        let scene = Scene::of(TestApp::with(&[("LINKGATE_SESSION_ALG", session_alg)]).await).await;
        let jwks = answer(scene.app.browser().get("/.well-known/jwks.json")).await.body;
        assert_eq!(jwks["keys"][0]["alg"], session_alg);
        let forms = public_key_forms(&jwks);
        refuse_all(&scene, |_, token| {
            let claims = part(token, 1).to_string();
            let mut all = Vec::new();
            for (form, secret) in &forms {
                for (name, alg) in HMACS {
                    let header = with(&part(token, 0), &json!({ "alg": name })).to_string();
                    all.push((format!("{name} keyed with the {form}"), hmac(alg, secret, &header, &claims)));
                }
            }
            all
        })
        .await;
    }
}

#[tokio::test]
async fn no_foreign_key_passes_under_our_key_id() {
    let scene = Scene::start().await;
    let smith = Smith::of(&scene.app.url);
    let elsewhere = Smith::of("https://login.example.com");
    refuse_all(&scene, |_, token| {
        let (header, claims) = (part(token, 0), part(token, 1).to_string());
        let typ = header["typ"].as_str().unwrap();
        let hs256 = with(&header, &json!({ "alg": "HS256" })).to_string();
        let mut secrets = vec![
            ("nothing".to_owned(), Vec::new()),
            ("zeros".to_owned(), vec![0; 32]),
            ("the forger's key".to_owned(), FOREIGN_SEED.to_vec()),
            ("the secret of the ring".to_owned(), RING_SECRET.to_vec()),
            ("the key id".to_owned(), b"test".to_vec()),
            ("the public URL".to_owned(), scene.app.url.clone().into_bytes()),
            ("the key of another deployment".to_owned(), elsewhere.secret(typ).to_vec()),
            ("the seed of the published key".to_owned(), smith.seed().to_vec()),
        ];
        for other in ["link+jwt", "attempt+jwt", "ticket+jwt", "renewal+jwt", "at+jwt", "seal", "mac"] {
            if other != typ {
                secrets.push((format!("the key of {other}"), smith.secret(other).to_vec()));
            }
        }
        let mut all: Vec<Forgery> = secrets
            .into_iter()
            .map(|(whose, secret)| (whose, hmac(Algorithm::HS256, &secret, &hs256, &claims)))
            .collect();
        for alg in ["EdDSA", "HS256"] {
            let header = with(&header, &json!({ "alg": alg })).to_string();
            all.push((format!("an Ed25519 key of its own, {alg}"), ed25519(FOREIGN_SEED, &header, &claims)));
        }
        if !is_public(typ) {
            let header = with(&header, &json!({ "alg": "EdDSA" })).to_string();
            all.push(("the published key".to_owned(), ed25519(&smith.seed(), &header, &claims)));
        }
        all
    })
    .await;
}

#[tokio::test]
async fn a_signature_that_was_stripped_swapped_flipped_or_cut_is_refused() {
    let scene = Scene::start().await;
    let signatures: Vec<String> =
        scene.tokens.each().iter().map(|(_, token)| parts(token)[2].to_owned()).collect();
    refuse_all(&scene, |_, token| {
        let [header, claims, signature] = parts(token);
        let mut all: Vec<Forgery> = signatures
            .iter()
            .filter(|other| *other != signature)
            .map(|s| ("swapped".to_owned(), s.clone()))
            .collect();
        all.push(("stripped".to_owned(), String::new()));
        for length in 1..signature.len() {
            all.push((format!("cut to {length}"), signature[..length].to_owned()));
        }
        for at in 0..signature.len() {
            // In the last place this is another spelling of the same bytes.
            let value = ALPHABET.iter().position(|c| *c == signature.as_bytes()[at]).unwrap() ^ 1;
            let flipped = char::from(ALPHABET[value]);
            all.push((
                format!("flipped at {at}"),
                format!("{}{flipped}{}", &signature[..at], &signature[at + 1..]),
            ));
        }
        all.push(("zeros".to_owned(), "A".repeat(signature.len())));
        all.push(("longer".to_owned(), format!("{signature}AAAA")));
        all.push(("twice".to_owned(), format!("{signature}{signature}")));
        all.push(("reversed".to_owned(), signature.chars().rev().collect()));
        all.push(("the claims".to_owned(), claims.to_owned()));
        let hexadecimal: Vec<String> = signature.bytes().map(|b| format!("{b:02x}")).collect();
        all.push(("hexadecimal".to_owned(), hexadecimal.concat()));
        let token = |(how, end)| (format!("signature {how}"), format!("{header}.{claims}.{end}"));
        let mut all: Vec<Forgery> = all.into_iter().map(token).collect();
        all.push(("without the last part".to_owned(), format!("{header}.{claims}")));
        all
    })
    .await;
}

#[tokio::test]
async fn a_payload_that_was_changed_is_refused() {
    let scene = Scene::start().await;
    let others: Vec<Value> = scene.tokens.each().iter().map(|(_, token)| part(token, 1)).collect();
    refuse_all(&scene, |_, token| {
        let [header, payload, signature] = parts(token);
        let claims = part(token, 1);
        let mut changed: Vec<(String, Value)> = Vec::new();
        for (claim, value) in claims.as_object().unwrap() {
            for other in &others {
                if let Some(theirs) = other.get(claim).filter(|theirs| *theirs != value) {
                    changed.push((
                        format!("{claim} of another token"),
                        with(&claims, &json!({ claim: theirs })),
                    ));
                }
            }
            changed.push((format!("{claim} is null"), with(&claims, &json!({ claim: null }))));
        }
        let later = claims["exp"].as_i64().unwrap() + 86_400;
        changed.push(("it lives longer".to_owned(), with(&claims, &json!({ "exp": later }))));
        changed.push(("no claims".to_owned(), json!({})));
        changed.push(("another purpose".to_owned(), with(&claims, &json!({ "pur": "verify_email" }))));
        changed.push(("another subject".to_owned(), with(&claims, &json!({ "sub": "user_victim" }))));
        let token = |text: &str| format!("{header}.{}.{signature}", encode(text));
        let mut all: Vec<Forgery> =
            changed.into_iter().map(|(how, claims)| (how, token(&claims.to_string()))).collect();
        // The same claims, written in another way, are not what was signed either.
        all.push(("a space more".to_owned(), token(&format!("{claims} "))));
        all.push(("without claims".to_owned(), format!("{header}..{signature}")));
        all.push(("without header".to_owned(), format!(".{payload}.{signature}")));
        all.push(("header and claims swapped".to_owned(), format!("{payload}.{header}.{signature}")));
        all
    })
    .await;
}

#[tokio::test]
async fn a_token_has_one_spelling() {
    let scene = Scene::start().await;
    refuse_all(&scene, |_, token| {
        let [header, claims, signature] = parts(token);
        let bytes = |part: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
        let fullwidth = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c);
        let mut all: Vec<(&str, String)> = vec![
            ("a part more", format!("{token}.x")),
            ("an empty part more", format!("{token}.")),
            ("an empty part before", format!(".{token}")),
            ("five parts", format!("{token}.x.y")),
            ("two tokens", format!("{token}.{token}")),
            ("a list of two", format!("{token},{token}")),
            ("padded", format!("{token}=")),
            ("padded twice", format!("{token}==")),
            ("an equals sign within", format!("{header}=.{claims}.{signature}")),
            ("lower case", token.to_ascii_lowercase()),
            ("upper case", token.to_ascii_uppercase()),
            ("full width", token.chars().map(fullwidth).collect()),
            ("a scheme before", format!("Bearer {token}")),
            ("percent-encoded dots", token.replace('.', "%2E")),
            ("other dots", token.replace('.', "\u{ff0e}")),
            (
                "JSON serialization",
                json!({ "protected": header, "payload": claims, "signature": signature }).to_string(),
            ),
            ("in quotes", format!("\"{token}\"")),
            ("a zero-width space", format!("{header}\u{200b}.{claims}.{signature}")),
            ("a semicolon after", format!("{token};x")),
            ("a fragment after", format!("{token}#x")),
            ("a query after", format!("{token}?x=y")),
        ];
        for space in [" ", "\t", "\n", "\r\n", "\0", "\u{b}", "\u{a0}", "\u{2003}"] {
            all.push(("space before", format!("{space}{token}")));
            all.push(("space after", format!("{token}{space}")));
            all.push(("space at a dot", format!("{header}.{space}{claims}.{signature}")));
            all.push(("space within", format!("{}{space}{}", &token[..10], &token[10..])));
        }
        for (at, one) in [header, claims, signature].into_iter().enumerate() {
            for other in
                [URL_SAFE.encode(bytes(one)), STANDARD.encode(bytes(one)), STANDARD_NO_PAD.encode(bytes(one))]
            {
                let mut spelled = [header, claims, signature].map(str::to_owned);
                spelled[at] = other;
                all.push(("another alphabet or padding", spelled.join(".")));
            }
        }
        let mut all: Vec<Forgery> = all.into_iter().map(|(how, token)| (how.to_owned(), token)).collect();
        all.retain(|(_, spelled)| spelled != token);
        all
    })
    .await;
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
        let script = app.script(test_kit::requests::SECRET);
        let by_body = script.request(reqwest::Method::DELETE, "/v1/session");
        answer(by_body.json(&json!({ "renewal_token": token }))).await.expect(204);
        let cookie = format!("linkgate-session={token}; linkgate-client={}", test_kit::requests::SECRET);
        let by_cookie =
            app.browser().request(reqwest::Method::DELETE, "/v1/session").header("Origin", &app.url);
        answer(by_cookie.header("Cookie", cookie)).await.expect(204);
    }
    scene.assert_untouched().await;
}
