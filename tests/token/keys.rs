//! The keyring: rotation, deployments, the published keys, and values that are derived with keys or without.

use std::collections::HashSet;

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use linkgate::domain::email::EmailAddress;
use linkgate::domain::ids::AttemptId;
use linkgate::domain::keys::SessionAlg;
use linkgate::domain::secret::{Fingerprint, Nonce};
use linkgate::token::{Particulars, TokenError, TokenType, Tokens, fresh_bytes, session_id};
use serde_json::Value;

use test_kit::smith::part;
use test_kit::tokens::{
    AUDIENCE, LIVES, START, URL, at, attempt, email, entries, fingerprint, jwks, key, mint, nonce,
    particulars, settings, tokens, tokens_of, verdict,
};

#[test]
fn tokens_of_a_retired_key_are_taken_until_it_is_removed() {
    for alg in SessionAlg::ALL {
        let tokens = tokens_of(&[key("old", 1)], URL, alg);
        let minted = TokenType::ALL.map(|typ| (typ, mint(&tokens, typ)));
        for (keys, kid, expected) in [
            (vec![key("new", 2), key("old", 1)], "new", Ok(())),
            (vec![key("new", 2)], "new", Err(TokenError::Invalid)),
            // The same id with another secret, and the same secret with another id.
            (vec![key("old", 3)], "old", Err(TokenError::Invalid)),
            (vec![key("else", 1)], "else", Err(TokenError::Invalid)),
            (vec![key("old", 1)], "old", Ok(())),
        ] {
            if tokens.replace_ring(&entries(&keys)).unwrap_or_else(|e| panic!("{e}")) {
                tokens.promote();
            }
            for (typ, token) in &minted {
                assert_eq!(verdict(&tokens, *typ, token, at(START)), expected, "{typ:?} {keys:?}");
                let fresh = mint(&tokens, *typ);
                assert_eq!(verdict(&tokens, *typ, &fresh, at(START)), Ok(()), "{typ:?} {keys:?}");
                assert_eq!(part(&fresh, 0)["kid"], kid);
            }
        }
    }
}

#[test]
fn a_new_first_key_is_accepted_and_published_before_it_signs() {
    let tokens = tokens_of(&[key("old", 1)], URL, SessionAlg::EdDsa);
    let ahead = tokens_of(&[key("new", 2)], URL, SessionAlg::EdDsa);
    let replace = |keys: &[String]| tokens.replace_ring(&entries(keys)).unwrap_or_else(|e| panic!("{e}"));
    assert!(replace(&[key("new", 2), key("old", 1)]), "it waits");
    for typ in TokenType::ALL {
        assert_eq!(part(&mint(&tokens, typ), 0)["kid"], "old");
        // Another replica is ahead of this one.
        assert_eq!(verdict(&tokens, typ, &mint(&ahead, typ), at(START)), Ok(()), "{typ:?}");
    }
    assert!(replace(&[key("new", 2), key("old", 1), key("third", 3)]), "another change is no short cut");
    assert_eq!(part(&mint(&tokens, TokenType::Session), 0)["kid"], "old");
    tokens.promote();
    assert_eq!(part(&mint(&tokens, TokenType::Session), 0)["kid"], "new");
    assert!(!replace(&[key("third", 3), key("new", 2)]), "it was published before");
    assert_eq!(part(&mint(&tokens, TokenType::Session), 0)["kid"], "third");
}

#[test]
fn tokens_of_another_deployment_with_the_same_keys_are_refused() {
    for other in ["https://login.example.org", "https://login.example.com:8443", "http://login.example.com"] {
        let (ours, theirs) = (tokens(), tokens_of(&[key("k1", 1)], other, SessionAlg::EdDsa));
        for typ in TokenType::ALL {
            assert_eq!(
                verdict(&ours, typ, &mint(&theirs, typ), at(START)),
                Err(TokenError::Invalid),
                "{typ:?}"
            );
        }
    }
}

#[test]
fn tokens_for_another_audience_are_refused() {
    let theirs = Tokens::new(
        &entries(&[key("k1", 1)]),
        linkgate::token::TokenSettings {
            audience: vec!["https://else.example".to_owned()],
            ..settings(URL, SessionAlg::EdDsa)
        },
    );
    let theirs = theirs.unwrap_or_else(|e| panic!("{e}"));
    for typ in [TokenType::Session, TokenType::EmailProof] {
        assert_eq!(
            verdict(&tokens(), typ, &mint(&theirs, typ), at(START)),
            Err(TokenError::Invalid),
            "{typ:?}"
        );
    }
}

#[test]
fn the_key_set_has_the_public_halves_and_nothing_private() {
    for (alg, members) in [
        (SessionAlg::EdDsa, vec!["alg", "crv", "kid", "kty", "use", "x"]),
        (SessionAlg::Es256, vec!["alg", "crv", "kid", "kty", "use", "x", "y"]),
    ] {
        let jwks = jwks(&tokens_of(&[key("new", 2), key("old", 1)], URL, alg));
        assert_eq!(
            jwks.as_object().map(|set| set.keys().cloned().collect::<Vec<_>>()),
            Some(vec!["keys".to_owned()])
        );
        let keys = jwks["keys"].as_array().cloned().unwrap_or_default();
        assert_eq!(keys.iter().map(|jwk| jwk["kid"].clone()).collect::<Vec<_>>(), ["new", "old"]);
        assert_ne!(keys[0]["x"], keys[1]["x"]);
        for jwk in &keys {
            let mut names: Vec<&str> =
                jwk.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            assert_eq!(names, members);
            let (kty, crv) = if alg == SessionAlg::EdDsa { ("OKP", "Ed25519") } else { ("EC", "P-256") };
            assert_eq!((&jwk["kty"], &jwk["crv"]), (&Value::from(kty), &Value::from(crv)));
            assert_eq!((&jwk["alg"], &jwk["use"]), (&Value::from(alg.as_str()), &Value::from("sig")));
        }
    }
}

#[test]
fn an_application_verifies_sessions_with_the_key_set_alone() {
    for (name, alg) in [(SessionAlg::EdDsa, Algorithm::EdDSA), (SessionAlg::Es256, Algorithm::ES256)] {
        let tokens = tokens_of(&[key("new", 2), key("old", 1)], URL, name);
        let set: JwkSet = serde_json::from_str(&tokens.jwks_text()).unwrap_or_else(|e| panic!("{e}"));
        for typ in [TokenType::Session, TokenType::EmailProof] {
            let token = mint(&tokens, typ);
            let header = jsonwebtoken::decode_header(&token).unwrap_or_else(|e| panic!("{e}"));
            let jwk: &Jwk = set.find(&header.kid.unwrap_or_default()).unwrap_or_else(|| panic!("a key"));
            let check = DecodingKey::from_jwk(jwk).unwrap_or_else(|e| panic!("{e}"));
            let mut validation = Validation::new(alg);
            validation.set_issuer(&[URL]);
            validation.set_audience(&[AUDIENCE]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            let claims =
                jsonwebtoken::decode::<Value>(&token, &check, &validation).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(claims.claims["email_verified"], true);
            let other = DecodingKey::from_jwk(&set.keys[1]).unwrap_or_else(|e| panic!("{e}"));
            assert!(jsonwebtoken::decode::<Value>(&token, &other, &validation).is_err());
        }
    }
}

#[test]
fn the_same_secret_gives_the_same_keys_on_every_replica() {
    for alg in SessionAlg::ALL {
        let (one, two) = (tokens_of(&[key("k1", 9)], URL, alg), tokens_of(&[key("k1", 9)], URL, alg));
        assert_eq!(jwks(&one), jwks(&two));
        for typ in TokenType::ALL {
            assert_eq!(verdict(&two, typ, &mint(&one, typ), at(START)), Ok(()), "{typ:?}");
        }
    }
}

#[test]
fn the_keys_of_a_secret_never_change() {
    // If these values change, an update of linkgate ends every session and breaks every mailed link.
    for (alg, x) in [
        (SessionAlg::EdDsa, "mHM625Q5SKBbHaqE-4jahvqIWR3ZWdq7nBTo-hA8K08"),
        (SessionAlg::Es256, "O7YxK1hxozF_7Xn5tta432ld-4Xok7oAcJgJ9XCobws"),
    ] {
        assert_eq!(jwks(&tokens_of(&[key("k1", 1)], URL, alg))["keys"][0]["x"], x);
    }
    let tokens = tokens();
    let particulars = Particulars {
        attempt: AttemptId::from_uuid(uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0007)),
        redirect_url: Some("https://app.example.com/signed-in?next=%2F".to_owned()),
        subject: Some(linkgate::token::subject(&email(), "salt")),
        ..particulars(&tokens)
    };
    let link = tokens.mint_link(&particulars, &nonce(), at(START), at(START) + LIVES);
    assert_eq!(link.rsplit('.').next(), Some("aKIutOwBDJqyFiLpTERZJGDJJ4ydzOMx45Jqf2KRqes"));
    assert_eq!(part(&link, 1)["em"], "mEWSLmS1x7-AfbThZtj1Wk_VT-eDKWEXEw5IGtgFb74KOeSKTs4");
}

#[test]
fn a_subject_is_stable_over_rotations_and_changes_with_the_salt_and_the_address() {
    let tokens = tokens();
    let before = tokens.subject_of(&email());
    tokens.replace_ring(&entries(&[key("k2", 2)])).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(tokens.subject_of(&email()), before);
    let digest = before.as_str().strip_prefix("user_").unwrap_or_default();
    assert!(digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{digest}");

    let other = EmailAddress::parse("other@example.com").unwrap_or_else(|e| panic!("{e}"));
    let typed = EmailAddress::parse(" First.Last@EXAMPLE.com").unwrap_or_else(|e| panic!("{e}"));
    let all = ["", "salt", "salt2"].map(|salt| linkgate::token::subject(&email(), salt));
    assert_eq!(all[0], before);
    assert_eq!(tokens.subject_of(&typed), before);
    assert_eq!(HashSet::from([&all[0], &all[1], &all[2], &tokens.subject_of(&other)]).len(), 4);
}

#[test]
fn a_session_is_derived_from_its_attempt() {
    let other = AttemptId::from_uuid(uuid::Uuid::from_u128(8));
    let then = at(START);
    assert_eq!(session_id(attempt(), then), session_id(attempt(), then));
    assert_ne!(session_id(attempt(), then), session_id(other, then));
    assert_ne!(session_id(attempt(), then), session_id(attempt(), at(START + 1)), "verified another time");
    assert_ne!(session_id(attempt(), then).uuid(), attempt().uuid());
}

#[test]
fn relay_codes_are_spread_evenly_and_hang_on_attempt_nonce_key_and_deployment() {
    let handle = tokens().active_key();
    let mut buckets = [0_u32; 10];
    let mut distinct = HashSet::new();
    for n in 0..10_000_u128 {
        let code = handle.relay_code(attempt(), &Nonce::from_bytes(n.to_be_bytes())).expose();
        assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()), "{code}");
        buckets[usize::from(code.as_bytes()[0] - b'0')] += 1;
        distinct.insert(code);
    }
    // The inputs are fixed, so the test is not flaky: 1000 are expected in each, with a deviation of 30; 9950 distinct ones.
    assert!(buckets.iter().all(|n| (850..1150).contains(n)), "{buckets:?}");
    assert!(distinct.len() > 9_900, "{}", distinct.len());

    let other = AttemptId::from_uuid(uuid::Uuid::from_u128(8));
    let handles = [
        tokens_of(&[key("k1", 2)], URL, SessionAlg::EdDsa).active_key(),
        tokens_of(&[key("k1", 1)], "https://login.example.org", SessionAlg::EdDsa).active_key(),
    ];
    let code = handle.relay_code(attempt(), &nonce());
    assert!(code == handle.relay_code(attempt(), &nonce()));
    assert!(code != handle.relay_code(other, &nonce()));
    assert!(handles.iter().all(|handle| code != handle.relay_code(attempt(), &nonce())));
}

#[test]
fn a_confirmation_belongs_to_one_link_one_opener_and_one_key() {
    let handle = tokens().active_key();
    let other_key = tokens_of(&[key("k1", 2)], URL, SessionAlg::EdDsa).active_key();
    let (mine, theirs) = (fingerprint(), Fingerprint::from_bytes([9; 16]));
    let openers = [None, Some(&mine), Some(&theirs)];
    for opener in openers {
        let text = handle.sign_confirmation(&nonce(), opener);
        assert_ne!(text, handle.sign_confirmation(&nonce(), opener), "each is fresh");
        for other in openers {
            let same = other.map(Fingerprint::as_bytes) == opener.map(Fingerprint::as_bytes);
            assert_eq!(handle.check_confirmation(&text, &nonce(), other).is_ok(), same);
        }
        assert!(handle.check_confirmation(&text, &Nonce::from_bytes([7; 16]), opener).is_err());
        assert!(other_key.check_confirmation(&text, &nonce(), opener).is_err());
        for i in 0..text.len() {
            let c = if &text[i..=i] == "A" { "B" } else { "A" };
            let changed = format!("{}{c}{}", &text[..i], &text[i + 1..]);
            assert!(handle.check_confirmation(&changed, &nonce(), opener).is_err(), "{changed}");
        }
        for bad in ["", &text[1..], &format!("{text}="), &format!("{text}A"), &"é".repeat(21)] {
            assert!(handle.check_confirmation(bad, &nonce(), opener).is_err(), "{bad}");
        }
    }
}

#[test]
fn fresh_secrets_differ() {
    let all: HashSet<[u8; 16]> = (0..1000).map(|_| fresh_bytes()).collect();
    assert_eq!(all.len(), 1000);
}
