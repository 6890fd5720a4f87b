//! Tokens: only what linkgate's own keys have signed is accepted, and of that only what is exactly a token of its type.

pub mod fixture;

use std::fmt;

use linkgate::domain::email::EmailAddress;
use linkgate::token::{TokenError, TokenType};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use test_kit::smith::decode;
use test_kit::tokens::{self, AUDIENCE, KID, URL, optional_claims};

use self::fixture::{Key, NOW, TOKENS, minted, now, sign};

/// The claims that each type must have, besides `iat` and `exp`.
fn required_claims(typ: TokenType) -> &'static [&'static str] {
    match typ {
        TokenType::Link => &["jti", "aid", "em", "pur", "loc"],
        TokenType::Attempt => &["aid", "em", "pur", "loc"],
        TokenType::Ticket => &["jti", "aid", "em", "pur", "sid", "sub"],
        TokenType::Renewal => &["sid", "sub", "em", "cfp", "auth_time"],
        TokenType::Session => {
            &["iss", "sub", "sid", "aud", "email", "email_verified", "amr", "auth_time", "jti", "xdev"]
        }
        TokenType::EmailProof => &["iss", "aud", "email", "email_verified"],
    }
}

/// The first byte chooses between three kinds of input:
///
/// - `s`: a header and, on the lines after it, claims, which are signed with the key that the second byte chooses.
/// - `f`: a good token of the type that the second byte chooses, in which a piece is replaced: two bytes say where,
///   one how much, and the rest is put there.
/// - Anything else: the whole input is checked as a token.
pub fn check(data: &[u8]) {
    match data {
        [b's', key, rest @ ..] => {
            let Ok(text) = std::str::from_utf8(rest) else { return };
            if let Some((header, claims)) = text.split_once('\n') {
                signed(Key::ALL[usize::from(*key) % Key::ALL.len()], header, claims);
            }
        }
        [b'f', typ, high, low, len, new @ ..] => {
            let typ = TokenType::ALL[usize::from(*typ) % TokenType::ALL.len()];
            if let Ok(new) = std::str::from_utf8(new) {
                forged(typ, u16::from_be_bytes([*high, *low]).into(), (*len).into(), new);
            }
        }
        _ => {
            if let Ok(text) = std::str::from_utf8(data) {
                refused(text);
            }
        }
    }
}

fn verdict(typ: TokenType, token: &str) -> Result<(), TokenError> {
    tokens::verdict(&TOKENS, typ, token, now())
}

/// The text is invalid as every type.
fn refused(text: &str) {
    for typ in TokenType::ALL {
        assert_eq!(verdict(typ, text), Err(TokenError::Invalid), "{typ:?} {text}");
    }
}

fn forged(typ: TokenType, from: usize, len: usize, new: &str) {
    let good = minted(typ);
    let from = from % (good.len() + 1);
    let to = (from + len).min(good.len());
    let text = format!("{}{new}{}", &good[..from], &good[to..]);
    if text != *good {
        return refused(&text);
    }
    for other in TokenType::ALL {
        let expected = if other == typ { Ok(()) } else { Err(TokenError::Invalid) };
        assert_eq!(verdict(other, &text), expected, "{typ:?} offered as {other:?}");
    }
}

fn signed(key: Key, header: &str, claims: &str) {
    let token = sign(key, header, claims);
    for typ in TokenType::ALL {
        let taken = verdict(typ, &token);
        if taken == Err(TokenError::Invalid) {
            continue;
        }
        let about = format!("{typ:?} {header} {claims}");
        assert!(key.signs(typ), "signed with another key: {about}");
        header_is_strict(typ, header);
        claims_are_strict(typ, claims, taken == Ok(()), &about);
        if taken == Ok(()) || typ == TokenType::Link {
            minted_again(typ, &token);
        }
    }
}

/// Exactly three parameters, each once and with its only valid value.
fn header_is_strict(typ: TokenType, header: &str) {
    let Pairs(mut pairs) = serde_json::from_str(header).expect("a header is a JSON object");
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    let alg = match typ {
        TokenType::Session | TokenType::EmailProof => "EdDSA",
        _ => "HS256",
    };
    let expected = [("alg", alg), ("kid", KID), ("typ", typ.as_str())];
    let expected = expected.map(|(name, value)| (name.to_owned(), Value::from(value)));
    assert_eq!(pairs, expected, "{header}");
}

fn claims_are_strict(typ: TokenType, claims: &str, unexpired: bool, about: &str) {
    let Pairs(pairs) = serde_json::from_str(claims).expect("claims are a JSON object");
    let required: Vec<&str> = [required_claims(typ), &["iat", "exp"]].concat();
    let optional = optional_claims(typ);
    for (position, (name, _)) in pairs.iter().enumerate() {
        assert!(required.contains(&&**name) || optional.contains(&&**name), "{name} is unknown: {about}");
        assert!(!pairs[..position].iter().any(|(other, _)| other == name), "{name} is there twice: {about}");
    }
    let claim = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    for name in required {
        assert!(claim(name).is_some_and(|value| !value.is_null()), "{name} is missing: {about}");
    }
    let time = |name: &str| claim(name).and_then(Value::as_i64).expect("a whole number of seconds");
    assert!(time("iat") <= time("exp"), "{about}");
    assert_eq!(NOW < time("exp"), unexpired, "{about}");
    if matches!(typ, TokenType::Session | TokenType::EmailProof) && unexpired {
        assert_eq!(claim("iss"), Some(&URL.into()), "{about}");
        assert_eq!(claim("email_verified"), Some(&true.into()), "{about}");
        let names_us = match claim("aud") {
            Some(Value::String(one)) => one == AUDIENCE,
            Some(Value::Array(many)) => many.iter().all(Value::is_string) && many.contains(&AUDIENCE.into()),
            _ => false,
        };
        assert!(names_us, "{about}");
        let email = claim("email").and_then(Value::as_str).expect("an address");
        assert!(EmailAddress::from_canonical(email).is_ok(), "{about}");
    }
}

/// The contents of a token, minted again, give the same claims.
fn minted_again(typ: TokenType, token: &str) {
    let again = match typ {
        TokenType::Link => {
            let Ok(link) = TOKENS.check_link(token) else { return };
            TOKENS.mint_link(&link.particulars, &link.nonce, link.issued_at, link.expires_at)
        }
        TokenType::Attempt => {
            let Ok(grant) = TOKENS.check_attempt(token, now()) else { return };
            TOKENS.mint_attempt(&grant.particulars, grant.issued_at, grant.expires_at)
        }
        TokenType::Renewal => {
            let Ok(renewal) = TOKENS.check_renewal(token, now()) else { return };
            // `iat` is not read, and the end counts from the authentication.
            let lives = (renewal.expires_at - renewal.identity.auth_time).to_std();
            let Ok(lives) = lives else { return };
            TOKENS.mint_renewal(&renewal.identity, &renewal.fingerprint, lives, renewal.identity.auth_time)
        }
        TokenType::Ticket | TokenType::Session | TokenType::EmailProof => return,
    };
    if again.len() > linkgate::token::MAX_TOKEN_LEN {
        return;
    }
    let read = |token: &str| {
        let payload = token.split('.').nth(1).unwrap_or_default();
        let json = decode(payload);
        let mut claims: Value = serde_json::from_slice(&json).expect("claims are JSON");
        if let Some(claims) = claims.as_object_mut() {
            // An absent claim means `false`.
            claims.retain(|name, value| name != "iat" && *value != Value::Bool(false));
        }
        claims
    };
    assert_eq!(verdict(typ, &again), verdict(typ, token), "{again}");
    assert_eq!(read(&again), read(token));
}

/// The names and values of a JSON object, repeated ones included.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// One good token of each type as a seed: as it is, taken apart to be signed again, and to be forged.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, typ) in (0_u8..).zip(TokenType::ALL) {
        let token = minted(typ);
        let part =
            |n| String::from_utf8(decode(token.split('.').nth(n).unwrap_or_default())).unwrap_or_default();
        seeds.push([b"s", &[b'0' + number][..], part(0).as_bytes(), b"\n", part(1).as_bytes()].concat());
        for end in [0, 20, 40, 200] {
            let new = &token.as_bytes()[end..end + 4];
            seeds.push(
                [b"f", &[b'0' + number, 0, u8::try_from(end).unwrap_or_default(), 4][..], new].concat(),
            );
        }
        // The same token without signature, with an empty one, and one with a foreign key.
        let message = token.rsplit_once('.').map_or("", |(message, _)| message);
        seeds.push(message.into());
        seeds.push(format!("{message}.").into());
        seeds.push(sign(Key::Foreign, &part(0).replace(KID, "k2"), &part(1)).into());
    }
    let none = r#"{"alg":"none","typ":"at+jwt","kid":"k1"}"#;
    seeds.push([b"s4", none.as_bytes(), b"\n{}"].concat());
    seeds.push(b"s0{\"alg\":\"HS256\",\"typ\":\"link+jwt\",\"kid\":\"k1\",\"crit\":[\"b64\"],\"b64\":false}\n{\"exp\":1e300,\"exp\":-1}".to_vec());
    seeds
}
