//! Tokens that are signed with the right key and are still not what their type expects.

use serde_json::{Map, Value, json};

use super::*;
use crate::domain::email::TypedAddress;
use crate::domain::ids::AttemptId;
use crate::domain::keys::{KeyringEntries, SessionAlg};
use crate::domain::locale::Locale;
use crate::domain::policy::Purpose;
use crate::domain::secret::{Fingerprint, Nonce};
use crate::token::{Identity, Particulars, TokenSettings, Tokens, session_id};

const START: i64 = 1_800_000_000;
const ISSUER: &str = "https://login.example.com";

fn tokens() -> Tokens {
    let entries = KeyringEntries::parse("k1:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE");
    let entries = entries.unwrap_or_else(|e| panic!("{e:?}"));
    let settings = TokenSettings {
        public_url: ISSUER.to_owned(),
        audience: vec!["app".to_owned()],
        session_alg: SessionAlg::EdDsa,
        subject_salt: String::new(),
    };
    Tokens::new(&entries, settings).unwrap_or_else(|e| panic!("{e}"))
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_else(|| panic!("{seconds}"))
}

fn mint(tokens: &Tokens, typ: TokenType, n: u8) -> String {
    let typed = TypedAddress::parse(&format!("user{n}@example.com")).unwrap_or_else(|e| panic!("{e}"));
    let email = typed.canonical().clone();
    let lives = std::time::Duration::from_mins(10);
    let (nonce, fingerprint) = (Nonce::from_bytes([n; 16]), Fingerprint::from_bytes([n; 16]));
    let attempt = AttemptId::from_uuid(uuid::Uuid::from_u128(n.into()));
    let identity = Identity {
        session: session_id(attempt, at(START)),
        subject: tokens.subject_of(&email),
        email: email.clone(),
        auth_time: at(START),
        cross_device: true,
    };
    let particulars = Particulars {
        attempt,
        email: typed,
        purpose: Purpose::SignUp,
        fingerprint: Some(fingerprint),
        network: Some(
            tokens.active_key().network_hash(&crate::domain::network::Network::of([192, 0, 2, n].into())),
        ),
        browser: Some("Firefox on Linux".to_owned()),
        redirect_url: Some("https://app.example.com/in".to_owned()),
        locale: Locale::De,
        cross_device: Some(crate::domain::policy::CrossDevice::Approve),
        ticket: true,
        subject: Some(tokens.subject_of(&email)),
    };
    match typ {
        TokenType::Link => tokens.mint_link(&particulars, &nonce, at(START), at(START + 600)),
        TokenType::Attempt => tokens.mint_attempt(&particulars, at(START), at(START + 600)),
        TokenType::Ticket => tokens.mint_ticket(attempt, Purpose::SignUp, &identity, &nonce, lives),
        TokenType::Renewal => tokens.mint_renewal(&identity, &fingerprint, lives, at(START)),
        TokenType::Session => tokens.mint_session(&identity, lives, at(START)),
        TokenType::EmailProof => tokens.mint_email_proof(&email, Some(&identity.subject), lives, at(START)),
    }
}

fn verdict(tokens: &Tokens, typ: TokenType, token: &str, now: i64) -> Result<(), TokenError> {
    let now = at(now);
    match typ {
        TokenType::Link => tokens.check_link(token).map(drop),
        TokenType::Attempt => tokens.check_attempt(token, now).map(drop),
        TokenType::Ticket => tokens.check_ticket(token, now).map(drop),
        TokenType::Renewal => tokens.check_renewal(token, now).map(drop),
        TokenType::Session => tokens.check_session(token, now).map(drop),
        TokenType::EmailProof => tokens.check_email_proof(token, now).map(drop),
    }
}

fn parts(token: &str) -> (Map<String, Value>, Map<String, Value>) {
    let mut parts = token.split('.').map(|part| object(part).unwrap_or_else(|e| panic!("{e}")));
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// Signs any two texts with the key of a type.
fn sign_text(tokens: &Tokens, typ: TokenType, header: &str, claims: &str) -> String {
    let key = tokens.active_key();
    let pair = key.0.pair(typ);
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    pair.sign(message)
}

fn text(map: &Map<String, Value>) -> String {
    Value::Object(map.clone()).to_string()
}

/// What is made of the header and claims of a good token, signed again, is refused.
#[track_caller]
fn refused(tokens: &Tokens, typ: TokenType, header: &str, claims: &str) {
    let token = sign_text(tokens, typ, header, claims);
    assert_eq!(
        verdict(tokens, typ, &token, START + 1),
        Err(TokenError::Invalid),
        "{typ:?} {header} {claims}"
    );
}

#[test]
fn a_good_token_signed_again_is_still_good() {
    let tokens = tokens();
    for typ in TokenType::ALL {
        let (header, claims) = parts(&mint(&tokens, typ, 1));
        let token = sign_text(&tokens, typ, &text(&header), &text(&claims));
        assert_eq!(verdict(&tokens, typ, &token, START + 1), Ok(()), "{typ:?}");
    }
}

#[test]
fn claims_that_are_no_object_are_refused() {
    let tokens = tokens();
    for typ in TokenType::ALL {
        let token = mint(&tokens, typ, 1);
        let (header, _) = parts(&token);
        // The payload as it was minted has the order of the struct's fields, which an array would need.
        let payload = token.split('.').nth(1).unwrap_or_default();
        let claims =
            String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap_or_default()).unwrap_or_default();
        let (_, map) = parts(&token);
        let mut values: Vec<(usize, &Value)> = map
            .iter()
            .map(|(name, value)| (claims.find(&format!("\"{name}\":")).unwrap_or(0), value))
            .collect();
        values.sort_by_key(|(position, _)| *position);
        let mut array: Vec<&Value> = values.into_iter().map(|(_, value)| value).collect();
        refused(&tokens, typ, &text(&header), &json!(array).to_string());
        // Attempt tokens leave their first field out.
        array.insert(0, &Value::Null);
        refused(&tokens, typ, &text(&header), &json!(array).to_string());
        for other in
            ["", "null", "1", "\"a\"", "[]", "{}", "{", &format!(" {claims}"), &format!("{claims}{claims}")]
        {
            refused(&tokens, typ, &text(&header), other);
        }
    }
}

#[test]
fn missing_extra_and_repeated_claims_are_refused() {
    let tokens = tokens();
    let optional = ["cfp", "net", "ua", "ru", "xd", "tk", "sub"];
    for typ in TokenType::ALL {
        let (header, claims) = parts(&mint(&tokens, typ, 1));
        let header = text(&header);
        for (name, value) in &claims {
            let mut fewer = claims.clone();
            fewer.remove(name);
            let may_miss = match typ {
                TokenType::Link | TokenType::Attempt => optional.contains(&name.as_str()),
                TokenType::Renewal => name == "xdev",
                TokenType::EmailProof => name == "sub",
                TokenType::Ticket | TokenType::Session => false,
            };
            if !may_miss {
                refused(&tokens, typ, &header, &text(&fewer));
            }
            let twice = format!("{{\"{name}\":{value},{}", &text(&claims)[1..]);
            refused(&tokens, typ, &header, &twice);
        }
        for extra in ["nbf", "scope", "admin", "cnf", ""] {
            let mut more = claims.clone();
            more.insert(extra.to_owned(), json!(1));
            refused(&tokens, typ, &header, &text(&more));
        }
    }
    let (header, mut claims) = parts(&mint(&tokens, TokenType::Attempt, 1));
    claims.insert("jti".to_owned(), json!("AAAAAAAAAAAAAAAAAAAAAA"));
    refused(&tokens, TokenType::Attempt, &text(&header), &text(&claims));
}

#[test]
fn claims_of_the_wrong_json_type_or_value_are_refused() {
    let tokens = tokens();
    let values = [
        json!(null),
        json!(true),
        json!(0.5),
        json!(1.8e9),
        json!("\u{0}"),
        json!([]),
        json!(["app", 1]),
        json!({}),
        json!({"sign_up": [1]}),
        json!(["x"]),
    ];
    for typ in TokenType::ALL {
        let (header, claims) = parts(&mint(&tokens, typ, 1));
        for (name, good) in &claims {
            let boolean = good.is_boolean();
            // Texts for people and URLs are checked where they are used; JSON's type is all that counts here.
            let free_text = matches!(name.as_str(), "ua" | "ru");
            for bad in &values {
                if (boolean && bad.is_boolean()) || (free_text && bad.is_string()) {
                    continue;
                }
                let mut other = claims.clone();
                other.insert(name.clone(), bad.clone());
                refused(&tokens, typ, &text(&header), &text(&other));
            }
        }
    }
    for (typ, name, bad) in [
        (TokenType::Session, "email_verified", json!(false)),
        (TokenType::EmailProof, "email_verified", json!(false)),
        (TokenType::Session, "amr", json!(["pwd"])),
        (TokenType::Session, "amr", json!(["email_link", "pwd"])),
        (TokenType::Session, "iss", json!([ISSUER])),
        (TokenType::Session, "iss", json!("https://login.example.com/")),
        (TokenType::EmailProof, "iss", json!("https://login.example.org")),
        (TokenType::EmailProof, "aud", json!("App")),
        (TokenType::EmailProof, "email", json!("User1@example.com")),
        (TokenType::Ticket, "pur", json!("verify_email")),
        (TokenType::Ticket, "sid", json!("att_00000000000000000000000000000001")),
        (TokenType::Link, "loc", json!("de-AT")),
        (TokenType::Link, "jti", json!("AAAAAAAAAAAAAAAAAAAAAB")),
        (TokenType::Link, "net", json!("AAAAAAAAAAB")),
    ] {
        let (header, mut claims) = parts(&mint(&tokens, typ, 1));
        claims.insert(name.to_owned(), bad);
        refused(&tokens, typ, &text(&header), &text(&claims));
    }
}

#[test]
fn one_audience_of_several_is_enough() {
    let tokens = tokens();
    let (header, mut claims) = parts(&mint(&tokens, TokenType::Session, 1));
    claims.insert("aud".to_owned(), json!(["other", "app"]));
    let token = sign_text(&tokens, TokenType::Session, &text(&header), &text(&claims));
    assert_eq!(verdict(&tokens, TokenType::Session, &token, START), Ok(()));
}

#[test]
fn no_time_that_fits_an_integer_makes_a_check_panic() {
    let tokens = tokens();
    let times =
        [i64::MIN, -9_000_000_000_000, -1, 0, START, START + 1, 8_000_000_000_000, i64::MAX - 1, i64::MAX];
    for typ in TokenType::ALL {
        let (header, claims) = parts(&mint(&tokens, typ, 1));
        for (iat, exp) in times.iter().flat_map(|iat| times.map(|exp| (*iat, exp))) {
            let mut other = claims.clone();
            other.insert("iat".to_owned(), json!(iat));
            other.insert("exp".to_owned(), json!(exp));
            if other.contains_key("auth_time") {
                other.insert("auth_time".to_owned(), json!(iat));
            }
            let token = sign_text(&tokens, typ, &text(&header), &text(&other));
            let fits = [iat, exp].iter().all(|t| DateTime::from_timestamp(*t, 0).is_some()) && iat <= exp;
            let expected = match () {
                () if !fits => Err(TokenError::Invalid),
                () if exp <= START && typ != TokenType::Link => Err(TokenError::Expired),
                () => Ok(()),
            };
            assert_eq!(verdict(&tokens, typ, &token, START), expected, "{typ:?} {iat} {exp}");
        }
    }
}

#[test]
fn a_header_with_anything_more_less_or_else_is_refused() {
    let tokens = tokens();
    for typ in TokenType::ALL {
        let (header, claims) = parts(&mint(&tokens, typ, 1));
        let (claims, plain) = (text(&claims), text(&header));
        let alg = header["alg"].as_str().unwrap_or_default();
        let url = "https://evil.example/";
        for (name, value) in [
            ("crit", json!([])),
            ("crit", json!(["b64"])),
            ("b64", json!(true)),
            ("b64", json!(false)),
            ("jku", json!(url)),
            ("x5u", json!(url)),
            ("jwk", json!({"kty": "oct", "k": "AAAA"})),
            ("x5c", json!(["AAAA"])),
            ("x5t", json!("AAAA")),
            ("x5t#S256", json!("AAAA")),
            ("zip", json!("DEF")),
            ("cty", json!("JWT")),
            ("enc", json!("A256GCM")),
            ("nonce", json!("a")),
            ("exp", json!(1)),
            ("alg", json!("none")),
            ("alg", json!(alg.to_lowercase())),
            ("alg", json!({alg: null})),
            ("alg", json!([alg])),
            ("alg", json!(null)),
            ("typ", json!("JWT")),
            ("typ", json!(null)),
            ("typ", json!(typ.as_str().to_uppercase())),
            ("typ", json!(format!("application/{}", typ.as_str()))),
            ("kid", json!(null)),
            ("kid", json!("K1")),
            ("kid", json!("")),
            ("kid", json!(1)),
            ("kid", json!("../../dev/null")),
        ] {
            let mut other = header.clone();
            other.insert(name.to_owned(), value);
            refused(&tokens, typ, &text(&other), &claims);
        }
        for name in ["alg", "typ", "kid"] {
            let mut fewer = header.clone();
            fewer.remove(name);
            refused(&tokens, typ, &text(&fewer), &claims);
            refused(&tokens, typ, &format!("{{\"{name}\":{},{}", header[name], &plain[1..]), &claims);
        }
        let array = json!([header["alg"], header["typ"], header["kid"]]).to_string();
        for other in [
            "",
            "{}",
            "null",
            &array,
            &format!(" {plain}"),
            &format!("\u{feff}{plain}"),
            &format!("{plain}}}"),
        ] {
            refused(&tokens, typ, other, &claims);
        }
    }
}

#[test]
fn one_key_does_for_one_internal_type() {
    let tokens = tokens();
    for typ in TokenType::ALL {
        let (header, claims) = parts(&mint(&tokens, typ, 1));
        for other in TokenType::ALL.into_iter().filter(|other| *other != typ) {
            let both_public =
                [typ, other].iter().all(|t| matches!(t, TokenType::Session | TokenType::EmailProof));
            let token = sign_text(&tokens, other, &text(&header), &text(&claims));
            let expected = if both_public { Ok(()) } else { Err(TokenError::Invalid) };
            assert_eq!(verdict(&tokens, typ, &token, START), expected, "{typ:?} signed as {other:?}");
        }
    }
}

#[test]
fn a_sealed_address_opens_in_its_own_token_only() {
    let tokens = tokens();
    let sealed =
        TokenType::ALL.into_iter().filter(|typ| !matches!(typ, TokenType::Session | TokenType::EmailProof));
    let seals: Vec<(TokenType, u8, Value)> = sealed
        .flat_map(|typ| [1, 2].map(|n| (typ, n)))
        .map(|(typ, n)| (typ, n, parts(&mint(&tokens, typ, n)).1["em"].clone()))
        .collect();
    for (typ, n, _) in &seals {
        let (header, claims) = parts(&mint(&tokens, *typ, *n));
        for (from, m, em) in &seals {
            let mut spliced = claims.clone();
            spliced.insert("em".to_owned(), em.clone());
            let token = sign_text(&tokens, *typ, &text(&header), &text(&spliced));
            let expected = if (from, m) == (typ, n) { Ok(()) } else { Err(TokenError::Invalid) };
            assert_eq!(verdict(&tokens, *typ, &token, START), expected, "{typ:?} {n} from {from:?} {m}");
        }
    }
}
