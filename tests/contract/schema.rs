//! A checker for the part of JSON Schema that `openapi.yaml` uses. An unknown keyword fails, so that nothing is ignored.

use serde_json::Value;

/// `openapi.yaml`.
pub(crate) fn document() -> Value {
    serde_yaml_ng::from_str(include_str!("../../docs/openapi.yaml")).unwrap()
}

/// The target of `$ref`.
pub(crate) fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(pointer) => {
            let found = document.pointer(pointer.trim_start_matches('#'));
            resolve(document, found.unwrap_or_else(|| panic!("{pointer} leads nowhere")))
        }
        None => value,
    }
}

/// Checks `value` against the schema; the error names the mismatch.
pub(crate) fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Some(keywords) = schema.as_object() else {
        return if schema == &Value::Bool(true) { Ok(()) } else { Err(format!("{at}: must not be there")) };
    };
    for (keyword, argument) in keywords {
        keyword_holds(document, schema, (keyword, argument), value, at)?;
    }
    Ok(())
}

fn holds(
    condition: bool,
    at: &str,
    (keyword, argument): (&str, &Value),
    value: &Value,
) -> Result<(), String> {
    if condition { Ok(()) } else { Err(format!("{at}: {value} against {keyword} {argument}")) }
}

fn keyword_holds(
    document: &Value,
    schema: &Value,
    rule: (&str, &Value),
    value: &Value,
    at: &str,
) -> Result<(), String> {
    let (keyword, argument) = rule;
    let number = |value: &Value| value.as_f64();
    let ok = match keyword {
        "$ref" => return check(document, resolve(document, schema), value, at),
        "type" => match argument {
            Value::Array(types) => types.iter().any(|one| is_a(one, value)),
            one => is_a(one, value),
        },
        "const" => argument == value,
        "enum" => argument.as_array().unwrap().contains(value),
        "pattern" => value.as_str().is_none_or(|text| matches(argument.as_str().unwrap(), text)),
        "format" => value.as_str().is_none_or(|text| has_format(argument.as_str().unwrap(), text)),
        "minimum" => number(value).is_none_or(|n| n >= number(argument).unwrap()),
        "maximum" => number(value).is_none_or(|n| n <= number(argument).unwrap()),
        "minLength" => {
            value.as_str().is_none_or(|text| text.chars().count() as u64 >= argument.as_u64().unwrap())
        }
        "maxLength" => {
            value.as_str().is_none_or(|text| text.chars().count() as u64 <= argument.as_u64().unwrap())
        }
        "minItems" => value.as_array().is_none_or(|list| list.len() as u64 >= argument.as_u64().unwrap()),
        "maxItems" => value.as_array().is_none_or(|list| list.len() as u64 <= argument.as_u64().unwrap()),
        "required" => {
            argument.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some())
        }
        "additionalProperties" => {
            let known = schema["properties"].as_object().unwrap();
            argument == &Value::Bool(false)
                && value.as_object().is_none_or(|object| object.keys().all(|name| known.contains_key(name)))
        }
        "properties" => {
            for (name, of_member) in argument.as_object().unwrap() {
                if let Some(member) = value.get(name) {
                    check(document, of_member, member, &format!("{at}.{name}"))?;
                }
            }
            true
        }
        "items" => {
            for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                check(document, argument, item, &format!("{at}[{index}]"))?;
            }
            true
        }
        "oneOf" => {
            argument.as_array().unwrap().iter().filter(|one| check(document, one, value, at).is_ok()).count()
                == 1
        }
        "if" => {
            let branch = if check(document, argument, value, at).is_ok() { "then" } else { "else" };
            return schema.get(branch).map_or(Ok(()), |branch| check(document, branch, value, at));
        }
        // Checked with `if`, or for people only.
        "then" | "else" | "description" | "default" | "examples" | "example" | "discriminator" => true,
        other => panic!("{at}: {other} is unknown to this checker"),
    };
    holds(ok, at, rule, value)
}

fn is_a(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("type {other} is unknown to this checker"),
    }
}

fn has_format(format: &str, text: &str) -> bool {
    match format {
        // All times of the API are in UTC.
        "date-time" => chrono::DateTime::parse_from_rfc3339(text).is_ok() && text.ends_with('Z'),
        "uri" => url::Url::parse(text).is_ok(),
        "idn-email" => text.contains('@'),
        other => panic!("format {other} is unknown to this checker"),
    }
}

/// The regular expressions of the document: `^`, literals, `[classes]`, `\.`, `{n}`, `{n,m}`, `+`, `*`, `?`, `$`.
fn matches(pattern: &str, text: &str) -> bool {
    let inner =
        pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')).expect("an anchored pattern");
    let mut rest: Vec<char> = inner.chars().collect();
    let mut pieces: Vec<Piece> = Vec::new();
    while !rest.is_empty() {
        let class = atom(&mut rest);
        let (min, max) = repeats(&mut rest);
        pieces.push((class, min, max));
    }
    let text: Vec<char> = text.chars().collect();
    matches_from(&pieces, &text)
}

/// The ranges of a class, and its repetitions.
type Piece = (Vec<(char, char)>, usize, usize);

fn atom(rest: &mut Vec<char>) -> Vec<(char, char)> {
    match rest.remove(0) {
        '\\' => {
            let escaped = rest.remove(0);
            vec![(escaped, escaped)]
        }
        '[' => {
            let mut class = Vec::new();
            while rest[0] != ']' {
                let from = rest.remove(0);
                let is_range = rest[0] == '-' && rest[1] != ']';
                let to = if is_range { rest.drain(..2).nth(1).unwrap() } else { from };
                class.push((from, to));
            }
            rest.remove(0);
            class
        }
        literal => vec![(literal, literal)],
    }
}

fn repeats(rest: &mut Vec<char>) -> (usize, usize) {
    let (taken, counts) = match rest.first() {
        Some('+') => (1, (1, usize::MAX)),
        Some('*') => (1, (0, usize::MAX)),
        Some('?') => (1, (0, 1)),
        Some('{') => {
            let inside: String = rest[1..].iter().take_while(|c| **c != '}').collect();
            let (min, max) = inside.split_once(',').unwrap_or((&inside, &inside));
            (inside.len() + 2, (min.parse().unwrap(), max.parse().unwrap_or(usize::MAX)))
        }
        _ => (0, (1, 1)),
    };
    rest.drain(..taken);
    counts
}

fn matches_from(pieces: &[Piece], text: &[char]) -> bool {
    let Some(((class, min, max), more)) = pieces.split_first() else { return text.is_empty() };
    let fits =
        text.iter().take(*max).take_while(|c| class.iter().any(|(from, to)| (from..=to).contains(c))).count();
    (*min..=fits).rev().any(|taken| matches_from(more, &text[taken..]))
}

#[test]
fn the_checker_knows_right_from_wrong() {
    for (pattern, good, bad) in [
        ("^att_[0-9a-f]{4}$", "att_09af", "att_09aF"),
        ("^[A-Za-z0-9._-]{1,4}$", "a.-_", "a.-_x"),
        (r"^[a-z]+\.[a-z]+$", "a.b", "aXb"),
    ] {
        assert!(matches(pattern, good) && !matches(pattern, bad), "{pattern}");
    }
    let schema = serde_json::json!({ "type": "object", "required": ["a"], "additionalProperties": false, "properties": { "a": { "type": ["string", "null"] } } });
    let is = |value| check(&Value::Null, &schema, &value, "$").is_ok();
    assert!(is(serde_json::json!({ "a": null })) && is(serde_json::json!({ "a": "x" })));
    assert!(
        !is(serde_json::json!({}))
            && !is(serde_json::json!({ "a": 1 }))
            && !is(serde_json::json!({ "a": null, "b": 1 }))
    );
}
