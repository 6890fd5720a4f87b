//! Planted texts, and the search for all that they could look like.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};

use super::encodings::needles;

/// Something that must not be seen anywhere but where it belongs.
#[derive(Clone)]
pub(crate) struct Planted {
    pub(crate) what: String,
    pub(crate) text: Vec<u8>,
}

/// Everything that was planted.
#[derive(Default)]
pub(crate) struct Garden(Vec<Planted>);

impl Garden {
    /// Remembers what was planted.
    pub(crate) fn plant(&mut self, what: &str, text: impl AsRef<[u8]>) {
        let text = text.as_ref().to_vec();
        assert!(text.len() >= 4, "{what} is too short to be looked for");
        if !self.0.iter().any(|planted| planted.text == text) {
            self.0.push(Planted { what: what.to_owned(), text });
        }
    }

    /// A signed token: whole, and its payload and signature by themselves. The header is no secret.
    pub(crate) fn plant_token(&mut self, what: &str, token: &str) {
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parts.len(), 3, "{what} is no token: {token}");
        self.plant(what, token);
        self.plant(&format!("{what}, payload"), parts[1]);
        self.plant(&format!("{what}, signature"), parts[2]);
    }

    pub(crate) fn all(&self) -> &[Planted] {
        &self.0
    }
}

/// Where somebody could look: a name, and what is there.
pub(crate) type Place = (String, Vec<u8>);

/// Looks for everything at once.
pub(crate) struct Search {
    planted: Vec<(String, String)>,
    exact: AhoCorasick,
    exact_of: Vec<usize>,
    any_case: AhoCorasick,
    any_case_of: Vec<usize>,
    digits_only: Vec<bool>,
}

impl Search {
    pub(crate) fn new(all: &[Planted]) -> Self {
        let (mut planted, mut digits_only) = (Vec::new(), Vec::new());
        let (mut exact, mut exact_of) = (Vec::new(), Vec::new());
        let (mut any_case, mut any_case_of) = (Vec::new(), Vec::new());
        for one in all {
            let digits = one.text.iter().all(u8::is_ascii_digit);
            let mut all = needles(&one.text);
            if digits {
                // Short as it is, it is looked for, where it is a number by itself.
                all.push(super::encodings::Needle {
                    how: "as it is".to_owned(),
                    bytes: one.text.clone(),
                    any_case: true,
                });
            }
            for needle in all {
                let is_number = digits && needle.how == "as it is";
                let number = planted.len();
                planted.push((one.what.clone(), needle.how));
                digits_only.push(is_number);
                let (list, of) = if needle.any_case {
                    (&mut any_case, &mut any_case_of)
                } else {
                    (&mut exact, &mut exact_of)
                };
                list.push(needle.bytes);
                of.push(number);
            }
        }
        let build = |case: bool, patterns: &[Vec<u8>]| {
            let mut builder = AhoCorasick::builder();
            builder.match_kind(MatchKind::Standard).ascii_case_insensitive(case);
            builder.build(patterns).unwrap()
        };
        Self {
            exact: build(false, &exact),
            any_case: build(true, &any_case),
            planted,
            exact_of,
            any_case_of,
            digits_only,
        }
    }

    /// What of all that was planted is in here, and how.
    pub(crate) fn find(&self, bytes: &[u8]) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for (automaton, of) in [(&self.exact, &self.exact_of), (&self.any_case, &self.any_case_of)] {
            for hit in automaton.find_overlapping_iter(bytes) {
                let number = of[hit.pattern().as_usize()];
                let digit =
                    |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
                let within = digit(hit.start().checked_sub(1)) || digit(Some(hit.end()));
                if !(self.digits_only[number] && within) {
                    found.insert(self.planted[number].clone());
                }
            }
        }
        found
    }

    /// Asserts that nothing is anywhere.
    #[track_caller]
    pub(crate) fn assert_clean(&self, places: &[Place]) {
        let mut faults = Vec::new();
        for (place, bytes) in places {
            for (what, how) in self.find(bytes) {
                faults.push(format!("{place}: {what}, {how}"));
            }
        }
        assert!(faults.is_empty(), "leaks:\n{}", faults.join("\n"));
    }
}
