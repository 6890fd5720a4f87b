//! Forged and tampered tokens, made by hand with what an attacker has: tokens of its own and the JWKS.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use linkgate::domain::keys::SessionAlg;
use linkgate::token::{MAX_TOKEN_LEN, TokenError, TokenType, Tokens};
use serde_json::{Value, json};

use crate::fixture::{START, URL, at, key, mint, part, refused_everywhere, tokens, tokens_of, verdict};

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn segments(token: &str) -> [&str; 3] {
    let all: Vec<&str> = token.split('.').collect();
    all.try_into().unwrap_or_else(|_| panic!("three segments"))
}

/// The token with another header, under its old signature and under none.
fn with_header(token: &str, header: &Value) -> [String; 2] {
    let [_, claims, signature] = segments(token);
    let header = encode(header);
    [format!("{header}.{claims}.{signature}"), format!("{header}.{claims}.")]
}

/// The header and claims of a token, signed as HS256, HS384 and HS512 with this key.
fn signed_with(token: &str, secret: &[u8]) -> Vec<String> {
    let [_, claims, _] = segments(token);
    [("HS256", Algorithm::HS256), ("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)]
        .into_iter()
        .map(|(name, alg)| {
            let mut header = part(token, 0);
            header["alg"] = json!(name);
            let message = format!("{}.{claims}", encode(&header));
            let key = EncodingKey::from_secret(secret);
            let signature =
                jsonwebtoken::crypto::sign(message.as_bytes(), &key, alg).unwrap_or_else(|e| panic!("{e}"));
            format!("{message}.{signature}")
        })
        .collect()
}

/// What an attacker might take for the HMAC key: the public key in every form that libraries know.
fn public_key_forms(tokens: &Tokens) -> Vec<Vec<u8>> {
    let jwks = tokens.jwks();
    let jwk = &jwks["keys"][0];
    let field =
        |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default()).unwrap_or_default();
    let (raw, prefix) = if jwk["kty"] == "OKP" {
        (field("x"), "302a300506032b6570032100")
    } else {
        (
            [&[4], &field("x")[..], &field("y")].concat(),
            "3059301306072a8648ce3d020106082a8648ce3d030107034200",
        )
    };
    let prefix: Vec<u8> = (0..prefix.len() / 2)
        .map(|i| u8::from_str_radix(&prefix[2 * i..2 * i + 2], 16).unwrap_or_else(|e| panic!("{e}")))
        .collect();
    let der = [&prefix[..], &raw].concat();
    let body = STANDARD.encode(&der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    let texts = [
        format!("{pem}\n"),
        pem,
        body,
        jwk["x"].as_str().unwrap_or_default().to_owned(),
        jwk.to_string(),
        jwks.to_string(),
        "k1".to_owned(),
        String::new(),
    ];
    [raw, der].into_iter().chain(texts.map(String::into_bytes)).collect()
}

#[test]
fn the_public_key_is_no_secret_to_sign_with() {
    for alg in SessionAlg::ALL {
        let tokens = tokens_of(&[key("k1", 1)], URL, alg);
        let forms = public_key_forms(&tokens);
        assert!(jsonwebtoken::DecodingKey::from_ed_pem(&forms[2]).is_ok() || alg == SessionAlg::Es256);
        for typ in TokenType::ALL {
            let token = mint(&tokens, typ);
            for forged in forms.iter().flat_map(|form| signed_with(&token, form)) {
                refused_everywhere(&tokens, &forged);
            }
        }
    }
}

#[test]
fn no_other_algorithm_is_taken() {
    let tokens = tokens();
    for typ in TokenType::ALL {
        let token = mint(&tokens, typ);
        for alg in [
            "none",
            "None",
            "NONE",
            "nOnE",
            "",
            "HS256 ",
            "hs256",
            "HS384",
            "HS512",
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
            "dir",
            "A256GCMKW",
        ] {
            let mut header = part(&token, 0);
            if header["alg"] != alg {
                header["alg"] = json!(alg);
                for forged in with_header(&token, &header) {
                    refused_everywhere(&tokens, &forged);
                }
            }
        }
    }
}

#[test]
fn no_header_parameter_leads_to_another_key() {
    let tokens = tokens();
    let url = "https://evil.example/jwks.json";
    for typ in TokenType::ALL {
        let token = mint(&tokens, typ);
        for (name, value) in [
            ("crit", json!(["exp"])),
            ("jku", json!(url)),
            ("x5u", json!(url)),
            ("x5c", json!(["MIIB"])),
            ("jwk", json!({"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})),
            ("b64", json!(false)),
            ("zip", json!("DEF")),
            ("cty", json!("JWT")),
            ("typ", json!("JWT")),
            ("typ", json!(null)),
            ("kid", json!("k2")),
            ("kid", json!("")),
            ("kid", json!("/dev/null")),
            ("kid", json!("k1' OR '1'='1")),
        ] {
            let mut header = part(&token, 0);
            header[name] = value;
            for forged in with_header(&token, &header) {
                refused_everywhere(&tokens, &forged);
            }
            // As if the embedded key were believed.
            let [_, claims, _] = segments(&token);
            let resigned = signed_with(&format!("{}.{claims}.", encode(&header)), &[0; 32]);
            for forged in &resigned {
                refused_everywhere(&tokens, forged);
            }
        }
    }
}

#[test]
fn one_changed_character_anywhere_spoils_a_token() {
    for alg in SessionAlg::ALL {
        let tokens = tokens_of(&[key("k1", 1)], URL, alg);
        for typ in TokenType::ALL {
            let token = mint(&tokens, typ);
            for i in 0..token.len() {
                // Also in the last character, where only canonical base64 makes a difference.
                for other in ["A", "B", "g", "_", ".", "=", "+", "é"] {
                    if token[i..=i] == *other {
                        continue;
                    }
                    let changed = format!("{}{other}{}", &token[..i], &token[i + 1..]);
                    let said = verdict(&tokens, typ, &changed, at(START));
                    assert_eq!(said, Err(TokenError::Invalid), "{typ:?} {changed}");
                }
            }
        }
    }
}

#[test]
fn pieces_and_other_spellings_of_a_token_are_refused() {
    let tokens = tokens();
    for typ in TokenType::ALL {
        let token = mint(&tokens, typ);
        let [header, claims, signature] = segments(&token);
        let padded = |text: &str| URL_SAFE.encode(URL_SAFE_NO_PAD.decode(text).unwrap_or_default());
        let mut others = vec![
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            "...".to_owned(),
            header.to_owned(),
            format!("{header}.{claims}"),
            format!("{header}.{claims}."),
            format!("{header}..{signature}"),
            format!(".{claims}.{signature}"),
            format!("{claims}.{header}.{signature}"),
            format!("{token}."),
            format!(".{token}"),
            format!("{token}.{signature}"),
            format!("{header}.{claims}.{signature}.{claims}.e30"),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{token}\0"),
            format!("{token}="),
            format!("Bearer {token}"),
            token.to_uppercase(),
            format!("{header}.{claims}.{signature}{signature}"),
            format!("{header}.{claims}.{}", &signature[..signature.len() / 2]),
            format!("{{\"protected\":\"{header}\",\"payload\":\"{claims}\",\"signature\":\"{signature}\"}}"),
        ];
        others.extend((0..token.len()).step_by(7).map(|end| token[..end].to_owned()));
        for part in [header, claims, signature].into_iter().filter(|part| padded(part) != **part) {
            others.push(token.replacen(part, &padded(part), 1));
        }
        for other in &others {
            refused_everywhere(&tokens, other);
        }
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_is_decoded() {
    let tokens = tokens();
    for text in [
        "A".repeat(MAX_TOKEN_LEN + 1),
        ".".repeat(50_000_000),
        format!("{}.", "A".repeat(10_000_000)).repeat(3),
    ] {
        let started = std::time::Instant::now();
        for typ in TokenType::ALL {
            assert_eq!(verdict(&tokens, typ, &text, at(START)), Err(TokenError::Invalid));
        }
        assert!(started.elapsed().as_millis() < 100);
    }
    // Deep nesting must not exhaust the stack.
    let deep = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":{}", "[".repeat(5_000)));
    refused_everywhere(&tokens, &format!("{deep}.e30.AAAA"));
}
