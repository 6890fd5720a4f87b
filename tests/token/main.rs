//! Tokens: what is minted is accepted as what it is, and nothing else is accepted.

mod forgery;
mod keys;
mod properties;
mod sealing;

use chrono::{DateTime, TimeDelta, Utc};
use linkgate::domain::ids::Subject;
use linkgate::domain::keys::SessionAlg;
use linkgate::token::{MAX_TOKEN_LEN, Particulars, TokenError, TokenType};

use serde_json::json;
use test_kit::smith::{part, with};
use test_kit::tokens::{
    ADDRESS, AUDIENCE, LIVES, START, URL, at, attempt, email, fingerprint, identity, key, mint, nonce,
    particulars, smith, tokens, tokens_of, typed, verdict,
};

#[track_caller]
fn same_particulars(read: &Particulars, minted: &Particulars) {
    assert_eq!(read.attempt, minted.attempt);
    assert!(read.email == minted.email);
    assert_eq!(read.purpose, minted.purpose);
    assert!(read.fingerprint == minted.fingerprint);
    assert_eq!(read.network, minted.network);
    assert_eq!(read.browser, minted.browser);
    assert_eq!(read.redirect_url, minted.redirect_url);
    assert_eq!(read.locale, minted.locale);
    assert_eq!(read.cross_device, minted.cross_device);
    assert_eq!(read.ticket, minted.ticket);
    assert_eq!(read.subject, minted.subject);
}

#[test]
fn links_and_attempts_say_all_that_was_put_into_them() {
    let tokens = tokens();
    let full = particulars(&tokens);
    let bare = Particulars {
        fingerprint: None,
        network: None,
        browser: None,
        redirect_url: None,
        cross_device: None,
        ticket: false,
        subject: None,
        ..full.clone()
    };
    for minted in [full, bare] {
        let (start, end) = (at(START), at(START) + LIVES);
        let link = tokens.check_link(&tokens.mint_link(&minted, &nonce(), start, end));
        let link = link.unwrap_or_else(|e| panic!("{e}"));
        same_particulars(&link.particulars, &minted);
        assert!(link.nonce == nonce());
        assert_eq!((link.issued_at, link.expires_at), (start, end));

        let grant = tokens.check_attempt(&tokens.mint_attempt(&minted, start, end), start);
        let grant = grant.unwrap_or_else(|e| panic!("{e}"));
        same_particulars(&grant.particulars, &minted);
        assert_eq!((grant.issued_at, grant.expires_at), (start, end));
    }
}

#[test]
fn tickets_and_renewals_say_who_signed_in() {
    let tokens = tokens();
    let minted = identity(&tokens);
    let ticket =
        tokens.check_ticket(&mint(&tokens, TokenType::Ticket), at(START)).unwrap_or_else(|e| panic!("{e}"));
    assert!(ticket.nonce == nonce());
    let renewal =
        tokens.check_renewal(&mint(&tokens, TokenType::Renewal), at(START)).unwrap_or_else(|e| panic!("{e}"));
    assert!(renewal.fingerprint == fingerprint());
    assert_eq!(renewal.expires_at, at(START) + LIVES);
    assert!(renewal.identity.cross_device);
    for read in [&ticket.identity, &renewal.identity] {
        assert_eq!(read.session, minted.session);
        assert_eq!(read.subject, minted.subject);
        assert_eq!(read.email, minted.email);
        assert_eq!(read.auth_time, minted.auth_time);
    }
}

#[test]
fn sessions_and_email_proofs_have_the_claims_of_the_architecture() {
    for alg in SessionAlg::ALL {
        let tokens = tokens_of(&[key("k1", 1)], URL, alg);
        let minted = identity(&tokens);
        let session = mint(&tokens, TokenType::Session);
        assert_eq!(tokens.check_session(&session, at(START)), Ok((minted.session, minted.subject.clone())));
        let mut claims = part(&session, 1);
        let jti = claims["jti"].take();
        assert_eq!(jti.as_str().map(str::len), Some(22));
        let expected = json!({
            "iss": URL, "aud": AUDIENCE, "sub": minted.subject.as_str(), "sid": minted.session.to_string(),
            "email": ADDRESS, "email_verified": true, "amr": ["email_link"], "auth_time": START, "jti": null,
            "xdev": true, "iat": START, "exp": START + 600,
        });
        assert_eq!(claims, expected);
        let header = json!({"alg": alg.as_str(), "typ": "at+jwt", "kid": "k1"});
        assert_eq!(part(&session, 0), header);

        for subject in [None, Some(&minted.subject)] {
            let proof = tokens.mint_email_proof(&email(), subject, LIVES, at(START));
            assert_eq!(tokens.check_email_proof(&proof, at(START)), Ok((email(), subject.cloned())));
            assert_eq!(part(&proof, 0)["typ"], "email-proof+jwt");
        }
    }
}

#[test]
fn a_token_of_one_type_is_refused_as_every_other() {
    for alg in SessionAlg::ALL {
        let tokens = tokens_of(&[key("k1", 1)], URL, alg);
        for minted in TokenType::ALL {
            let token = mint(&tokens, minted);
            for offered in TokenType::ALL {
                let expected = if offered == minted { Ok(()) } else { Err(TokenError::Invalid) };
                assert_eq!(
                    verdict(&tokens, offered, &token, at(START)),
                    expected,
                    "{minted:?} as {offered:?}"
                );
            }
        }
    }
}

#[test]
fn a_token_ends_at_its_last_second_without_leeway() {
    let tokens = tokens();
    for typ in TokenType::ALL {
        let token = mint(&tokens, typ);
        let end = at(START) + LIVES;
        let before = end - TimeDelta::nanoseconds(1);
        assert_eq!(verdict(&tokens, typ, &token, before), Ok(()), "{typ:?}");
        for late in [end, end + TimeDelta::seconds(1), DateTime::<Utc>::MAX_UTC] {
            assert_eq!(verdict(&tokens, typ, &token, late), Err(TokenError::Expired), "{typ:?}");
        }
    }
}

#[test]
fn no_time_that_fits_an_integer_makes_a_check_panic() {
    let (tokens, smith) = (tokens(), smith());
    let times =
        [i64::MIN, -9_000_000_000_000, -1, 0, START, START + 1, 8_000_000_000_000, i64::MAX - 1, i64::MAX];
    for typ in TokenType::ALL {
        let token = mint(&tokens, typ);
        for (iat, exp) in times.iter().flat_map(|iat| times.map(|exp| (*iat, exp))) {
            let mut claims = with(&part(&token, 1), &json!({ "iat": iat, "exp": exp }));
            if claims.get("auth_time").is_some() {
                claims["auth_time"] = json!(iat);
            }
            let fits = [iat, exp].iter().all(|t| DateTime::from_timestamp(*t, 0).is_some()) && iat <= exp;
            let expected = match () {
                () if !fits => Err(TokenError::Invalid),
                () if exp <= START => Err(TokenError::Expired),
                () => Ok(()),
            };
            let token = smith.with_claims(&token, &claims.to_string());
            assert_eq!(verdict(&tokens, typ, &token, at(START)), expected, "{typ:?} {iat} {exp}");
        }
    }
}

#[test]
fn one_audience_of_several_is_enough() {
    let tokens = tokens();
    for typ in [TokenType::Session, TokenType::EmailProof] {
        let token = mint(&tokens, typ);
        let claims = with(&part(&token, 1), &json!({ "aud": ["other", AUDIENCE] }));
        let token = smith().with_claims(&token, &claims.to_string());
        assert_eq!(verdict(&tokens, typ, &token, at(START)), Ok(()), "{typ:?}");
    }
}

#[test]
fn no_duration_and_no_instant_is_too_much_to_mint() {
    use std::time::Duration;
    let tokens = tokens();
    let mut who = identity(&tokens);
    for now in [DateTime::<Utc>::MIN_UTC, at(0), at(START), DateTime::<Utc>::MAX_UTC] {
        who.auth_time = now;
        for lives in [Duration::ZERO, Duration::from_nanos(1), LIVES, Duration::MAX] {
            let minted = [
                tokens.mint_session(&who, lives, now),
                tokens.mint_email_proof(&email(), None, lives, now),
                tokens.mint_ticket(
                    attempt(),
                    linkgate::domain::policy::Purpose::SignIn,
                    &who,
                    &nonce(),
                    lives,
                ),
                tokens.mint_renewal(&who, &fingerprint(), lives, now),
            ];
            let types = [TokenType::Session, TokenType::EmailProof, TokenType::Ticket, TokenType::Renewal];
            for (typ, token) in types.into_iter().zip(&minted) {
                let expected =
                    if lives >= LIVES && now < at(START + 1) { Ok(()) } else { Err(TokenError::Expired) };
                assert_eq!(verdict(&tokens, typ, token, now), expected, "{typ:?} {now} {lives:?}");
            }
        }
        let end = DateTime::<Utc>::MAX_UTC;
        assert!(tokens.check_link(&tokens.mint_link(&particulars(&tokens), &nonce(), now, end)).is_ok());
    }
}

#[test]
fn minting_again_gives_the_same_token_where_nothing_in_it_is_fresh() {
    let tokens = tokens();
    for typ in TokenType::ALL {
        let same = mint(&tokens, typ) == mint(&tokens, typ);
        assert_eq!(same, typ != TokenType::Session, "{typ:?}");
    }
}

#[test]
fn a_mailed_url_has_at_most_640_bytes_and_nothing_that_mail_programs_break() {
    let tokens = tokens_of(&[key("kid-of-16-chars.", 1)], URL, SessionAlg::EdDsa);
    let particulars = Particulars {
        email: typed(&"an.address.of.40.characters@example.com".replacen("an.", "an0.", 1)),
        redirect_url: Some(format!("https://app.example.com/{}", "a".repeat(40))),
        browser: Some("Firefox on Windows".to_owned()),
        cross_device: None,
        ticket: false,
        subject: None,
        ..particulars(&tokens)
    };
    assert_eq!(
        (particulars.email.as_typed().len(), particulars.redirect_url.as_ref().map(String::len)),
        (40, Some(64))
    );
    let link = tokens.mint_link(&particulars, &nonce(), at(START), at(START) + LIVES);
    let url = format!("{URL}/v/{link}");
    println!("the mailed URL has {} bytes", url.len());
    assert!(url.len() <= 640, "{} bytes", url.len());
    assert!(!url.contains(['=', '&', ' ']), "{url}");
}

#[test]
fn the_longest_tokens_that_are_minted_are_taken() {
    let tokens = tokens_of(&[key("kid-of-16-chars.", 1)], URL, SessionAlg::EdDsa);
    let particulars = Particulars {
        // As typed: the domain is Unicode, and there are spaces around it.
        email: typed(&format!("{:<1024}", "a@example.com")),
        redirect_url: Some(format!("https://app.example.com/{}", "a".repeat(2024))),
        browser: Some("b".repeat(64)),
        subject: Some(Subject::try_from("s".repeat(255)).unwrap_or_else(|e| panic!("{e}"))),
        ..particulars(&tokens)
    };
    let token = tokens.mint_attempt(&particulars, at(START), at(START) + LIVES);
    assert!(token.len() <= MAX_TOKEN_LEN, "{} bytes", token.len());
    assert!(tokens.check_attempt(&token, at(START)).is_ok());
    let token = tokens.mint_link(&particulars, &nonce(), at(START), at(START) + LIVES);
    assert!(tokens.check_link(&token).is_ok());
}
