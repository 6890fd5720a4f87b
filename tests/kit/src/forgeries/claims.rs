//! Claims that are wrong in tokens whose signature is right: as if a key had leaked.

use linkgate::token::TokenType;
use serde_json::{Value, json};

use super::{Forger, Forgery};
use crate::smith::{decode, part, parts, with, without};
use crate::tokens::optional_claims;

/// Values of every JSON type but that of `good`, and of its own type some that no claim has.
fn wrong_values(claim: &str, good: &Value) -> Vec<Value> {
    let mut all =
        vec![json!(null), json!([]), json!({}), json!([good]), json!({ "value": good }), json!([good, good])];
    all.extend([
        json!(["app", 1]),
        json!(["x"]),
        json!({ "sign_up": [1] }),
        json!(0.5),
        json!(1.8e9),
        json!(1e300),
    ]);
    if !good.is_boolean() {
        all.extend([json!(true), json!(false)]);
    }
    if !good.is_number() {
        all.extend([json!(0), json!(1), json!(-1)]);
    }
    if !good.is_string() {
        all.extend([json!(""), json!("x"), json!(good.to_string())]);
    }
    // Browsers and redirect URLs are checked where they are used.
    if !matches!(claim, "ua" | "ru") {
        all.push(json!("\0"));
    }
    // An application that is the only audience may be named in an array (RFC 7519, section 4.1.3).
    all.retain(|value| claim != "aud" || !value.as_array().is_some_and(|list| list.contains(good)));
    all
}

fn typ(forger: &Forger<'_>) -> TokenType {
    TokenType::ALL.into_iter().find(|typ| typ.as_str() == forger.typ()).unwrap()
}

pub(super) fn missing_or_of_another_type(forger: &Forger<'_>) -> Vec<Forgery> {
    let (claims, optional) = (forger.claims(), optional_claims(typ(forger)));
    let mut all = Vec::new();
    for (claim, good) in claims.as_object().unwrap() {
        if !optional.contains(&claim.as_str()) {
            all.push(forger.with_claims(format!("no {claim}"), &without(&claims, claim).to_string()));
        }
        for wrong in wrong_values(claim, good) {
            let other = with(&claims, &json!({ claim: wrong })).to_string();
            all.push(forger.with_claims(format!("{claim} is {wrong}"), &other));
        }
    }
    all.extend(times(forger));
    all
}

/// Times are whole seconds, and the end is not before the beginning.
fn times(forger: &Forger<'_>) -> Vec<Forgery> {
    let claims = forger.claims();
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    let rest = without(&without(&claims, "exp"), "iat").to_string();
    let with_times = |iat: &str, exp: &str| {
        let claims = format!("{},\"iat\":{iat},\"exp\":{exp}}}", &rest[..rest.len() - 1]);
        forger.with_claims(format!("from {iat} to {exp}"), &claims)
    };
    let ends = [
        (iat - 1).to_string(),
        format!("{exp}.0"),
        format!("{exp}.5"),
        format!("\"{exp}\""),
        format!("+{exp}"),
        format!("0{exp}"),
        i64::MIN.to_string(),
        i64::MAX.to_string(),
        // One second more than chrono can tell.
        "8210266876800".to_owned(),
    ];
    let more = ["0", "-0", "-1", "9223372036854775808", "1e300", "-1e300", "1e10", "NaN", "Infinity", "null"];
    let ends = ends.into_iter().chain(more.map(str::to_owned));
    let mut all: Vec<Forgery> = ends.map(|end| with_times(&iat.to_string(), &end)).collect();
    let starts = [(exp + 1).to_string(), i64::MAX.to_string(), i64::MIN.to_string()];
    let starts = starts.into_iter().chain(["1e300", "-1e300", "\"0\"", "1.5", "null"].map(str::to_owned));
    all.extend(starts.map(|start| with_times(&start, &exp.to_string())));
    all
}

pub(super) fn repeated_or_unknown(forger: &Forger<'_>) -> Vec<Forgery> {
    let claims = forger.claims();
    let text = claims.to_string();
    let (front, back) = (&text[..text.len() - 1], &text[1..]);
    let mut all = Vec::new();
    for (claim, good) in claims.as_object().unwrap() {
        let escaped = format!("\\u{:04x}{}", claim.as_bytes()[0], &claim[1..]);
        for (how, twice) in [
            ("the same after", format!("{front},\"{claim}\":{good}}}")),
            ("the same before", format!("{{\"{claim}\":{good},{back}")),
            ("another before", format!("{{\"{claim}\":null,{back}")),
            ("another after", format!("{front},\"{claim}\":null}}")),
            ("once escaped", format!("{front},\"{escaped}\":{good}}}")),
        ] {
            all.push(forger.with_claims(format!("{claim} twice, {how}"), &twice));
        }
    }
    for (unknown, value) in [
        ("nbf", json!(0)),
        ("nbf", json!(1)),
        ("nbf", json!(4_000_000_000_u64)),
        ("nbf", json!("0")),
        ("nbf", json!(null)),
        ("admin", json!(true)),
        ("admin", json!(1)),
        ("scope", json!("all")),
        ("scope", json!(1)),
        ("cnf", json!({})),
        ("cnf", json!(1)),
        ("__proto__", json!({ "email_verified": true })),
        ("Exp", json!(4_000_000_000_u64)),
        ("exp ", json!(4_000_000_000_u64)),
        ("", json!(0)),
        ("", json!(1)),
    ] {
        let more = with(&claims, &json!({ unknown: value })).to_string();
        all.push(forger.with_claims(format!("{unknown:?} {value}"), &more));
    }
    // An attempt token is a link without this claim.
    if typ(forger) == TokenType::Attempt {
        let more = with(&claims, &json!({ "jti": "AAAAAAAAAAAAAAAAAAAAAA" })).to_string();
        all.push(forger.with_claims("a link's id", &more));
    }
    all
}

pub(super) fn shapes(forger: &Forger<'_>) -> Vec<Forgery> {
    let claims = forger.claims();
    let text = claims.to_string();
    // To serde, an array of the fields' values in the order of the struct is the struct. The payload has this order.
    let payload = String::from_utf8(decode(parts(forger.token)[1])).unwrap();
    let mut values: Vec<(&String, &Value)> = claims.as_object().unwrap().iter().collect();
    values.sort_by_key(|(name, _)| payload.find(&format!("\"{name}\":")));
    let mut array: Vec<&Value> = values.into_iter().map(|(_, value)| value).collect();
    let ordered = json!(array).to_string();
    // Attempt tokens leave their first field out.
    array.insert(0, &Value::Null);
    let one_more = json!(array).to_string();
    let sorted: Vec<&Value> = claims.as_object().unwrap().values().collect();
    let shapes = [
        ("an array in the order of the fields", ordered),
        ("an array with a null before", one_more),
        ("an array in the order of the names", json!(sorted).to_string()),
        ("a string", json!(text).to_string()),
        ("in an array", json!([claims]).to_string()),
        ("two objects", format!("{text}{text}")),
        ("trailing bytes", format!("{text}x")),
        ("a space before", format!(" {text}")),
        ("a byte order mark before", format!("\u{feff}{text}")),
    ];
    let empty = ["", "null", "1", "\"a\"", "[]", "{}", "{"].map(|text| (text, text.to_owned()));
    shapes.into_iter().chain(empty).map(|(how, text)| forger.with_claims(how, &text)).collect()
}

pub(super) fn issuer_and_audience(forger: &Forger<'_>) -> Vec<Forgery> {
    let claims = forger.claims();
    let (Some(issuer), Some(audience)) = (claims["iss"].as_str(), claims["aud"].as_str()) else {
        return Vec::new();
    };
    let lookalikes = |name: &str| {
        [
            format!("{name}/"),
            name.replace("http", "https"),
            name.to_ascii_uppercase(),
            format!("{name}.evil.example"),
            format!("{name}@evil.example"),
            name[..name.len() - 1].to_owned(),
            format!(" {name}"),
            format!("{name}\0"),
            "http://127.0.0.1".to_owned(),
            "https://evil.example".to_owned(),
            "https://login.example.org".to_owned(),
            "*".to_owned(),
        ]
    };
    let mut wrong: Vec<Value> = lookalikes(issuer).map(|other| json!({ "iss": other })).to_vec();
    wrong.push(json!({ "iss": [issuer] }));
    for other in lookalikes(audience) {
        for aud in [json!(other), json!([other]), json!([other, other]), json!({ &*other: audience })] {
            wrong.push(json!({ "aud": aud }));
        }
    }
    wrong.push(json!({ "aud": [audience, 1] }));
    // In a name without `http`, there is nothing to replace.
    let ours = [json!(audience), json!([audience]), json!([audience, audience])];
    wrong.retain(|wrong| !ours.contains(&wrong["aud"]));
    wrong
        .iter()
        .map(|wrong| forger.with_claims(wrong.to_string(), &with(&claims, wrong).to_string()))
        .collect()
}

pub(super) fn values(forger: &Forger<'_>) -> Vec<Forgery> {
    let wrong: &[(&str, Value)] = match typ(forger) {
        TokenType::Link => &[
            ("loc", json!("de-AT")),
            // Not canonical: the last character has bits that no byte takes.
            ("jti", json!("AAAAAAAAAAAAAAAAAAAAAB")),
            ("net", json!("AAAAAAAAAAB")),
        ],
        TokenType::Attempt => &[("loc", json!("de-AT")), ("net", json!("AAAAAAAAAAB"))],
        TokenType::Ticket => {
            &[("pur", json!("verify_email")), ("sid", json!("att_00000000000000000000000000000001"))]
        }
        TokenType::Renewal => &[("sid", json!("att_00000000000000000000000000000001"))],
        TokenType::Session => &[
            ("email_verified", json!(false)),
            ("email", json!("Victim@Example.com")),
            ("email", json!("victim@example.com\r\nBcc: x@evil.example")),
            ("amr", json!(["pwd"])),
            ("amr", json!(["email_link", "pwd"])),
            ("sid", json!("sess_*")),
            ("sub", json!("a b")),
            ("jti", json!("x")),
            ("auth_time", json!(i64::MAX)),
        ],
        TokenType::EmailProof => &[
            ("email_verified", json!(false)),
            ("email", json!("Victim@Example.com")),
            ("email", json!("victim@example.com\r\nBcc: x@evil.example")),
        ],
    };
    let forge = |(claim, value): &(&str, Value)| {
        let claims = with(&forger.claims(), &json!({ *claim: value })).to_string();
        forger.with_claims(format!("{claim} {value}"), &claims)
    };
    wrong.iter().map(forge).collect()
}

/// The claim that an address is sealed for, with the type of the token.
fn sealed_for(typ: TokenType) -> Option<&'static str> {
    match typ {
        TokenType::Link | TokenType::Ticket => Some("jti"),
        TokenType::Attempt => Some("aid"),
        TokenType::Renewal => Some("sid"),
        TokenType::Session | TokenType::EmailProof => None,
    }
}

pub(super) fn ids(forger: &Forger<'_>) -> Vec<Forgery> {
    let (typ, claims) = (typ(forger), forger.claims());
    let mut all = Vec::new();
    let bound = sealed_for(typ);
    for claim in bound.into_iter().chain(bound.map(|_| "em")) {
        for other in forger.others {
            let theirs = part(other, 1)[claim].clone();
            if !theirs.is_null() && theirs != claims[claim] {
                let spliced = with(&claims, &json!({ claim: theirs })).to_string();
                all.push(forger.with_claims(format!("{claim} of another token"), &spliced));
            }
        }
    }
    for claim in ["jti", "aid", "em", "cfp", "sid", "net"] {
        let Some(good) = claims.get(claim).and_then(Value::as_str) else { continue };
        let mut bad = vec![
            "x".to_owned(),
            good[1..].to_owned(),
            format!("{good}A"),
            format!("{good}="),
            format!(" {good}"),
            format!("{good}\0"),
            format!("{}*", &good[1..]),
            format!("{}+", &good[1..]),
            "A".repeat(4000),
        ];
        // Zeros are an id, but not the one that the address was sealed for.
        if claim == "em" || (Some(claim) == bound && claim != "sid") {
            bad.push("A".repeat(good.len()));
        }
        for value in bad {
            let other = with(&claims, &json!({ claim: value })).to_string();
            all.push(forger.with_claims(format!("{claim} {value:?}"), &other));
        }
    }
    all
}
