//! Every way to forge or tamper with a token that linkgate has to refuse, by the rule that refuses it.
//!
//! `tests/token/forgery.rs` holds the check of tokens to all of them, with one test for each rule;
//! `tests/attacks/forgeries.rs` offers some of each to every route that takes a token.

mod claims;
mod headers;
mod signatures;

use serde_json::Value;

use crate::smith::{Smith, part};

/// What a forger has: a good token, other good ones, and keys.
pub struct Forger<'a> {
    /// The token to forge.
    pub token: &'a str,
    /// Good tokens of all types of the same deployment; the token itself may be among them.
    pub others: &'a [String],
    /// Signs with the keys of the deployment.
    pub smith: &'a Smith,
    /// The public URL.
    pub url: &'a str,
    /// The published keys.
    pub jwks: &'a Value,
    /// Host and port from which a key in a header could be fetched.
    pub lure: &'a str,
}

impl Forger<'_> {
    fn header(&self) -> Value {
        part(self.token, 0)
    }

    fn claims(&self) -> Value {
        part(self.token, 1)
    }

    /// The `typ` of the token.
    fn typ(&self) -> String {
        self.header()["typ"].as_str().unwrap().to_owned()
    }

    fn kid(&self) -> String {
        self.header()["kid"].as_str().unwrap().to_owned()
    }

    /// Signs the token again with these claims.
    fn with_claims(&self, how: impl Into<String>, claims: &str) -> Forgery {
        Forgery::new(how, self.smith.with_claims(self.token, claims))
    }
}

/// A token that is refused, and in words what is wrong with it.
pub struct Forgery {
    pub how: String,
    pub token: String,
}

impl Forgery {
    fn new(how: impl Into<String>, token: impl Into<String>) -> Self {
        Self { how: how.into(), token: token.into() }
    }
}

/// Makes all forgeries that one rule refuses; none where the rule does not concern the type of the token.
pub type Rule = fn(&Forger<'_>) -> Vec<Forgery>;

/// All rules. Each name is that of its test.
pub const RULES: [(&str, Rule); 21] = [
    ("no_spelling_of_alg_none_is_taken", signatures::none),
    ("no_other_algorithm_is_taken_not_even_with_the_right_secret", signatures::other_algorithms),
    ("the_public_key_is_no_secret_to_sign_with", signatures::public_key),
    ("no_foreign_key_passes_under_our_key_id", signatures::foreign_keys),
    ("a_signature_that_was_stripped_swapped_flipped_or_cut_is_refused", signatures::damaged),
    ("a_payload_that_was_changed_is_refused", signatures::changed_payloads),
    ("a_token_has_one_spelling", signatures::spellings),
    ("a_token_that_was_lengthened_is_refused", signatures::lengthened),
    ("a_token_in_five_parts_is_invalid", signatures::five_parts),
    ("a_token_under_the_name_of_another_type_is_neither", headers::other_types),
    ("a_key_id_leads_to_a_key_of_the_ring_and_nowhere_else", headers::key_ids),
    ("an_empty_or_known_file_behind_a_key_id_is_no_key", headers::files),
    ("no_key_is_taken_from_a_token", headers::keys),
    ("no_extension_of_the_header_is_understood_and_none_is_passed_over", headers::extensions),
    ("a_header_says_each_thing_once_and_is_an_object", headers::shapes),
    ("no_claim_may_be_missing_or_of_another_json_type", claims::missing_or_of_another_type),
    ("no_claim_stands_twice_and_none_is_unknown", claims::repeated_or_unknown),
    ("claims_are_one_object_and_nothing_else", claims::shapes),
    ("issuer_and_audience_are_ours_to_the_letter", claims::issuer_and_audience),
    ("no_claim_has_a_value_that_linkgate_never_writes", claims::values),
    ("ids_and_sealed_addresses_of_other_tokens_do_not_fit", claims::ids),
];

/// The rule with this name.
pub fn rule(name: &str) -> Rule {
    RULES.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no rule {name}")).1
}
