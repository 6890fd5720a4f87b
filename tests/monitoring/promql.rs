//! Enough of the query language of Prometheus to find the metrics and labels that a query names.

use std::collections::{BTreeMap, BTreeSet};

/// Keywords.
const KEYWORDS: [&str; 10] =
    ["and", "or", "unless", "bool", "offset", "group_left", "group_right", "by", "on", "inf"];

/// A label, an operator and a value.
type Matcher = (String, String, String);

/// The names in a query.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) metrics: Vec<(String, Vec<Matcher>)>,
    pub(crate) grouped_by: BTreeSet<String>,
}

pub(crate) fn named(query: &str) -> Named {
    let tokens = lex(query);
    let (mut named, mut at) = (Named::default(), 0);
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    while at < tokens.len() {
        match token(at) {
            "[" => at += tokens[at..].iter().position(|token| token == "]").expect("a range ends"),
            "by" | "on" | "group_left" | "without" | "ignoring" if token(at + 1) == "(" => {
                at += 2;
                while token(at) != ")" {
                    if token(at) != "," {
                        named.grouped_by.insert(token(at).to_owned());
                    }
                    at += 1;
                }
            }
            word if is_name(word)
                && !KEYWORDS.contains(&word)
                && !["(", "by", "without"].contains(&token(at + 1)) =>
            {
                let name = word.to_owned();
                let mut matchers = Vec::new();
                if token(at + 1) == "{" {
                    at += 2;
                    while token(at) != "}" {
                        if token(at) == "," {
                            at += 1;
                            continue;
                        }
                        let value = token(at + 2).trim_matches('"').to_owned();
                        matchers.push((token(at).to_owned(), token(at + 1).to_owned(), value));
                        at += 3;
                    }
                }
                named.metrics.push((name, matchers));
            }
            _ => {}
        }
        at += 1;
    }
    named
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

fn lex(query: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), query);
    while let Some(c) = rest.chars().next() {
        let of_word = |c: char| c.is_ascii_alphanumeric() || "_:$.".contains(c);
        let length = match c {
            '"' => rest[1..].find('"').expect("a text ends") + 2,
            '=' | '!' | '>' | '<' => 1 + usize::from(rest[1..].starts_with(['=', '~'])),
            c if of_word(c) => rest.find(|c| !of_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        if !c.is_whitespace() {
            tokens.push(rest[..length].to_owned());
        }
        rest = &rest[length..];
    }
    tokens
}

/// The series of an exposition, with the values of each label.
pub(crate) fn exposed(text: &str) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let mut found: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        // An exemplar follows ` # `.
        let series = line.split(" # ").next().and_then(|sample| sample.rsplit_once(' ')).expect("a sample").0;
        let named = named(series);
        let [(name, labels)] = &named.metrics[..] else { panic!("one series: {line}") };
        let known = found.entry(name.clone()).or_default();
        for (label, _, value) in labels {
            known.entry(label.clone()).or_default().insert(value.clone());
        }
    }
    found
}

#[test]
fn metrics_matchers_and_groups_are_found_wherever_they_stand() {
    let query = r#"histogram_quantile(0.5, sum by (job, le) (rate(a_bucket{x="y",z=~"5.."}[1h]))) > 2 * 1e3
        and on (job) group_left () b:c == 0 or absent(d{}) offset 5m"#;
    let named = named(query);
    let metrics: Vec<&str> = named.metrics.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(metrics, ["a_bucket", "b:c", "d"]);
    let matcher = |label: &str, operator: &str, value: &str| (label.into(), operator.into(), value.into());
    assert_eq!(named.metrics[0].1, [matcher("x", "=", "y"), matcher("z", "=~", "5..")]);
    assert_eq!(named.grouped_by.iter().map(String::as_str).collect::<Vec<_>>(), ["job", "le"]);
}
