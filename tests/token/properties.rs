//! No input makes a check panic, and only minted tokens are accepted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use linkgate::token::{TokenError, TokenType, Tokens};
use proptest::prelude::*;

use test_kit::tokens::{START, at, mint, tokens, verdict};

fn refused(tokens: &Tokens, token: &str) -> Result<(), TestCaseError> {
    for typ in TokenType::ALL {
        prop_assert_eq!(verdict(tokens, typ, token, at(START)), Err(TokenError::Invalid));
    }
    Ok(())
}

fn any_type() -> impl Strategy<Value = TokenType> {
    proptest::sample::select(TokenType::ALL.to_vec())
}

#[test]
fn no_random_text_is_a_token() {
    let tokens = tokens();
    proptest!(|(text in "\\PC{0,200}", bytes in any::<[Vec<u8>; 3]>(), dotted in "[A-Za-z0-9_.-]{0,300}")| {
        refused(&tokens, &text)?;
        refused(&tokens, &dotted)?;
        refused(&tokens, &bytes.map(|part| URL_SAFE_NO_PAD.encode(part)).join("."))?;
    });
}

#[test]
fn no_random_json_under_a_good_header_is_a_token() {
    let tokens = tokens();
    proptest!(|(typ in any_type(), claims in "[\\[{]\\PC{0,100}[\\]}]", signature in any::<[u8; 32]>())| {
        let minted = mint(&tokens, typ);
        let header = minted.split('.').next().unwrap_or_default();
        let parts = [URL_SAFE_NO_PAD.encode(claims), URL_SAFE_NO_PAD.encode(signature)];
        refused(&tokens, &format!("{header}.{}.{}", parts[0], parts[1]))?;
    });
}

#[test]
fn no_token_with_a_part_replaced_removed_or_repeated_is_a_token() {
    let tokens = tokens();
    proptest!(|(typ in any_type(), from in any::<prop::sample::Index>(), len in 0_usize..40, new in "\\PC{0,40}")| {
        let minted = mint(&tokens, typ);
        let from = from.index(minted.len());
        let to = (from + len).min(minted.len());
        prop_assume!(minted[from..to] != new);
        refused(&tokens, &format!("{}{new}{}", &minted[..from], &minted[to..]))?;
        if from < to {
            refused(&tokens, &format!("{}{}", &minted[..to], &minted[from..]))?;
        }
    });
}

#[test]
fn no_bit_of_a_token_can_be_flipped() {
    let tokens = tokens();
    proptest!(|(typ in any_type(), part in 0_usize..3, byte in any::<prop::sample::Index>(), bit in 0_u8..8)| {
        let minted = mint(&tokens, typ);
        let mut parts: Vec<Vec<u8>> =
            minted.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap_or_default()).collect();
        let at = byte.index(parts[part].len());
        parts[part][at] ^= 1 << bit;
        let parts: Vec<String> = parts.into_iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
        refused(&tokens, &parts.join("."))?;
    });
}

#[test]
fn no_random_text_is_a_confirmation() {
    let tokens = tokens();
    let handle = tokens.active_key();
    proptest!(|(text in "\\PC{0,60}", shaped in "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")| {
        for text in [text, shaped] {
            prop_assert!(handle.check_confirmation(&text, &test_kit::tokens::nonce(), None).is_err());
        }
    });
}
