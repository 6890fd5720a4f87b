//! No address is readable in a token.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use linkgate::token::TokenType;

use test_kit::smith::part;
use test_kit::tokens::{ADDRESS, LIVES, SEALED, START, at, mint, particulars, tokens};

/// Whether `hay` contains `needle`, in any case.
fn has(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

/// The forms in which a text could be readable, at any position within base64.
fn spellings(text: &str) -> Vec<String> {
    let hex = text.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let mut all = vec![text.to_owned(), text.chars().rev().collect(), hex, text.replace('@', "%40")];
    for offset in 0..3_usize {
        let padded = format!("{}{text}", "\0".repeat(offset));
        for engine in [URL_SAFE_NO_PAD, STANDARD_NO_PAD, STANDARD] {
            // The characters at both ends depend on neighbouring bytes, too.
            let encoded = engine.encode(&padded);
            let encoded = encoded.trim_end_matches('=');
            all.push(encoded[(offset * 4).div_ceil(3)..encoded.len() - 1].to_owned());
        }
    }
    all
}

#[test]
fn no_part_of_an_address_can_be_read_in_a_token() {
    let tokens = tokens();
    for typ in SEALED {
        let token = mint(&tokens, typ);
        let mut layers: Vec<Vec<u8>> = vec![token.clone().into_bytes()];
        layers.extend(
            token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap_or_else(|e| panic!("{e}"))),
        );
        let claims = part(&token, 1);
        let texts = claims.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str());
        layers.extend(texts.filter_map(|text| URL_SAFE_NO_PAD.decode(text).ok()));
        let sealed = layers.iter().any(|layer| layer.len() == ADDRESS.len() + 16);
        assert!(sealed, "{typ:?}: the sealed address, with its tag, is one of the layers");
        for readable in [ADDRESS, "first.last"] {
            for spelling in spellings(readable) {
                let found = layers.iter().any(|layer| has(layer, spelling.as_bytes()));
                assert!(!found, "{typ:?} shows {spelling}");
            }
        }
    }
}

#[test]
fn the_search_for_addresses_finds_one_where_there_is_one() {
    let tokens = tokens();
    let session = mint(&tokens, TokenType::Session);
    let claims = part(&session, 1).to_string();
    assert!(has(claims.as_bytes(), ADDRESS.as_bytes()));
    assert!(spellings(ADDRESS).iter().any(|spelling| session.contains(spelling.as_str())));
}

#[test]
fn one_address_is_sealed_differently_in_each_token() {
    let tokens = tokens();
    let mut seals: Vec<String> =
        SEALED.iter().map(|typ| part(&mint(&tokens, *typ), 1)["em"].to_string()).collect();
    let other = linkgate::domain::secret::Nonce::from_bytes([7; 16]);
    let link = tokens.mint_link(&particulars(&tokens), &other, at(START), at(START) + LIVES);
    seals.push(part(&link, 1)["em"].to_string());
    seals.sort();
    seals.dedup();
    assert_eq!(seals.len(), SEALED.len() + 1);
}
