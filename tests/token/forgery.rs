//! The check of tokens against every forgery of the table in `tests/kit/src/forgeries.rs`.

use linkgate::domain::keys::SessionAlg;
use linkgate::token::{MAX_TOKEN_LEN, TokenError, TokenType};
use test_kit::forgeries::{Forger, RULES, rule};
use test_kit::smith::encode;
use test_kit::tokens::{
    Ids, KID, START, URL, at, ids, jwks, key, mint, mint_with, refused_everywhere, smith, tokens, tokens_of,
    verdict,
};

/// Asserts that every forgery of a rule, from a token of each type, is invalid as every type; with Ed25519 and with P-256.
#[track_caller]
fn refuses(name: &str) {
    for alg in SessionAlg::ALL {
        let tokens = tokens_of(&[key(KID, 1)], URL, alg);
        let (smith, jwks) = (smith(), jwks(&tokens));
        // Two attempts, whose ids differ.
        let others: Vec<String> = [ids(), Ids::of(9)]
            .into_iter()
            .flat_map(|ids| TokenType::ALL.map(|typ| mint_with(&tokens, typ, ids)))
            .collect();
        let mut count = 0;
        for token in &others[..TokenType::ALL.len()] {
            let forger =
                Forger { token, others: &others, smith: &smith, url: URL, jwks: &jwks, lure: "127.0.0.1:9" };
            for forgery in rule(name)(&forger) {
                assert_ne!(forgery.token, *token, "{}: it is the token itself", forgery.how);
                for typ in TokenType::ALL {
                    let said = verdict(&tokens, typ, &forgery.token, at(START));
                    assert_eq!(
                        said,
                        Err(TokenError::Invalid),
                        "{}, as {typ:?}: {}",
                        forgery.how,
                        forgery.token
                    );
                }
                count += 1;
            }
        }
        println!("{count} forged tokens are refused");
        assert!(count > 0);
    }
}

#[test]
fn no_spelling_of_alg_none_is_taken() {
    refuses("no_spelling_of_alg_none_is_taken");
}

#[test]
fn no_other_algorithm_is_taken_not_even_with_the_right_secret() {
    refuses("no_other_algorithm_is_taken_not_even_with_the_right_secret");
}

#[test]
fn the_public_key_is_no_secret_to_sign_with() {
    refuses("the_public_key_is_no_secret_to_sign_with");
}

#[test]
fn no_foreign_key_passes_under_our_key_id() {
    refuses("no_foreign_key_passes_under_our_key_id");
}

#[test]
fn a_signature_that_was_stripped_swapped_flipped_or_cut_is_refused() {
    refuses("a_signature_that_was_stripped_swapped_flipped_or_cut_is_refused");
}

#[test]
fn a_payload_that_was_changed_is_refused() {
    refuses("a_payload_that_was_changed_is_refused");
}

#[test]
fn a_token_has_one_spelling() {
    refuses("a_token_has_one_spelling");
}

#[test]
fn a_token_that_was_lengthened_is_refused() {
    refuses("a_token_that_was_lengthened_is_refused");
}

#[test]
fn a_token_in_five_parts_is_invalid() {
    refuses("a_token_in_five_parts_is_invalid");
}

#[test]
fn a_token_under_the_name_of_another_type_is_neither() {
    refuses("a_token_under_the_name_of_another_type_is_neither");
}

#[test]
fn a_key_id_leads_to_a_key_of_the_ring_and_nowhere_else() {
    refuses("a_key_id_leads_to_a_key_of_the_ring_and_nowhere_else");
}

#[test]
fn an_empty_or_known_file_behind_a_key_id_is_no_key() {
    refuses("an_empty_or_known_file_behind_a_key_id_is_no_key");
}

#[test]
fn no_key_is_taken_from_a_token() {
    refuses("no_key_is_taken_from_a_token");
}

#[test]
fn no_extension_of_the_header_is_understood_and_none_is_passed_over() {
    refuses("no_extension_of_the_header_is_understood_and_none_is_passed_over");
}

#[test]
fn a_header_says_each_thing_once_and_is_an_object() {
    refuses("a_header_says_each_thing_once_and_is_an_object");
}

#[test]
fn no_claim_may_be_missing_or_of_another_json_type() {
    refuses("no_claim_may_be_missing_or_of_another_json_type");
}

#[test]
fn no_claim_stands_twice_and_none_is_unknown() {
    refuses("no_claim_stands_twice_and_none_is_unknown");
}

#[test]
fn claims_are_one_object_and_nothing_else() {
    refuses("claims_are_one_object_and_nothing_else");
}

#[test]
fn issuer_and_audience_are_ours_to_the_letter() {
    refuses("issuer_and_audience_are_ours_to_the_letter");
}

#[test]
fn no_claim_has_a_value_that_linkgate_never_writes() {
    refuses("no_claim_has_a_value_that_linkgate_never_writes");
}

#[test]
fn ids_and_sealed_addresses_of_other_tokens_do_not_fit() {
    refuses("ids_and_sealed_addresses_of_other_tokens_do_not_fit");
}

#[test]
fn every_rule_of_the_table_has_a_test_here() {
    for (name, _) in RULES {
        assert!(include_str!("forgery.rs").contains(&format!("fn {name}()")), "{name}");
    }
}

#[test]
fn a_good_token_that_the_smith_signs_again_is_good() {
    // Otherwise every forgery of the smith would be refused for its signature.
    let (tokens, smith) = (tokens(), smith());
    for typ in TokenType::ALL {
        let token = mint(&tokens, typ);
        // The claims are in another order.
        let again = smith.with_claims(&token, &test_kit::smith::part(&token, 1).to_string());
        assert_eq!(verdict(&tokens, typ, &again, at(START)), Ok(()), "{typ:?}");
    }
}

#[test]
fn one_changed_character_anywhere_spoils_a_token() {
    for alg in SessionAlg::ALL {
        let tokens = tokens_of(&[key(KID, 1)], URL, alg);
        for typ in TokenType::ALL {
            let token = mint(&tokens, typ);
            for i in 0..token.len() {
                // In the last character, only the check for canonical base64 notices.
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
fn a_token_that_is_too_long_is_refused_before_it_is_decoded() {
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
    let deep = encode(format!("{{\"alg\":{}", "[".repeat(5_000)));
    refused_everywhere(&tokens, &format!("{deep}.e30.AAAA"));
}
