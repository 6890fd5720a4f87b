//! Headers that name another type or key, or ask for more than a signature.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::{Forger, Forgery};
use crate::smith::{FOREIGN_SEED, ed25519, encode, foreign_jwk, hmac, part, parts, with, without};

/// The token with these headers, each under a signature that is right for it, under the old one, under none, and under
/// HMACs with a key of zeros, which a header could have brought along.
fn forge(forger: &Forger<'_>, headers: Vec<(String, String)>) -> Vec<Forgery> {
    let [_, payload, signature] = parts(forger.token);
    let claims = forger.claims().to_string();
    let mut all = Vec::new();
    for (how, header) in headers {
        let signed = forger.smith.resign(forger.token, &header, &claims);
        all.push(Forgery::new(format!("{how}, signed"), signed));
        let encoded = encode(&header);
        all.push(Forgery::new(how.clone(), format!("{encoded}.{payload}.{signature}")));
        all.push(Forgery::new(format!("{how}, unsigned"), format!("{encoded}.{payload}.")));
        let zeros = hmac(Algorithm::HS256, &[0; 32], &header, &claims);
        all.push(Forgery::new(format!("{how}, keyed with zeros"), zeros));
        let Ok(header @ Value::Object(_)) = serde_json::from_str(&header) else { continue };
        for (name, alg) in
            [("HS256", Algorithm::HS256), ("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)]
        {
            let header = with(&header, &json!({ "alg": name })).to_string();
            let how = format!("{how}, {name} keyed with zeros");
            all.push(Forgery::new(how, hmac(alg, &[0; 32], &header, &claims)));
        }
    }
    all
}

/// The header with one parameter set to each of these values.
fn set(header: &Value, name: &str, values: &[Value]) -> Vec<(String, String)> {
    let short = |value: &Value| value.to_string().chars().take(60).collect::<String>();
    let set = |value| (format!("{name} {}", short(value)), with(header, &json!({ name: value })).to_string());
    values.iter().map(set).collect()
}

pub(super) fn other_types(forger: &Forger<'_>) -> Vec<Forgery> {
    let typ = forger.typ();
    let mut all = Vec::new();
    for other in forger.others.iter().map(|other| part(other, 0)["typ"].clone()).filter(|other| *other != typ)
    {
        let header = with(&forger.header(), &json!({ "typ": other }));
        all.push(Forgery::new(format!("it says {other}"), forger.smith.with_header(forger.token, &header)));
    }
    all
}

pub(super) fn key_ids(forger: &Forger<'_>) -> Vec<Forgery> {
    let (header, kid) = (forger.header(), forger.kid());
    let mut values: Vec<Value> = [
        "",
        " ",
        "unknown",
        "k2",
        "\0",
        "/dev/null",
        "../../dev/null",
        "../../../../dev/null",
        "file:///dev/null",
        "C:\\NUL",
        "' UNION SELECT 'AAAA' -- ",
        "x'; SELECT pg_sleep(5) --",
        "*",
        "lg:*",
        "lg:a:*",
        "\r\nFLUSHALL\r\n",
        "$(id)",
        "`id`",
        "|id",
        "http://127.0.0.1/key",
        "${env:LINKGATE_KEYS}",
        "{{kid}}",
        "0",
        "null",
        "__proto__",
    ]
    .map(|kid| json!(kid))
    .to_vec();
    let (first, rest) = kid.split_at(1);
    values.extend(
        [
            kid.to_ascii_uppercase(),
            format!("{}{rest}", first.to_ascii_uppercase()),
            format!(" {kid}"),
            format!("{kid} "),
            format!("{kid}\0"),
            format!("{kid}\0x"),
            format!("{kid}\r\nX-Evil: 1"),
            kid[..kid.len() - 1].to_owned(),
            format!("{kid}t"),
            // Cyrillic.
            format!("\u{43a}{rest}"),
            format!("keys/{kid}"),
            format!("./{kid}"),
            format!("{kid}/../{kid}"),
            format!("{kid}' OR '1'='1"),
            format!("{kid}\"; DROP TABLE keys; --"),
            format!("?{rest}"),
            format!("[{first}]{rest}"),
            format!("{kid}*"),
            format!("{kid}\r\nGET x"),
            format!("%{:02x}{rest}", first.as_bytes()[0]),
            "k".repeat(6000),
        ]
        .map(|kid| json!(kid)),
    );
    values.extend([
        json!(null),
        json!(0),
        json!(1),
        json!(1.5),
        json!(true),
        json!([kid]),
        json!([]),
        json!({}),
        json!({ &*kid: kid }),
        json!({ "$ne": null }),
    ]);
    values.retain(|value| *value != kid);
    let mut headers = set(&header, "kid", &values);
    headers.push(("no kid".to_owned(), without(&header, "kid").to_string()));
    forge(forger, headers)
}

pub(super) fn files(forger: &Forger<'_>) -> Vec<Forgery> {
    let claims = forger.claims().to_string();
    let mut all = Vec::new();
    for kid in
        ["/dev/null", "../../../../../../dev/null", "/proc/sys/kernel/randomize_va_space", "unknown", "", "*"]
    {
        let header = with(&forger.header(), &json!({ "alg": "HS256", "kid": kid })).to_string();
        for secret in [&b""[..], b"2\n", b"2", b"\0", &[0; 32]] {
            all.push(Forgery::new(kid, hmac(Algorithm::HS256, secret, &header, &claims)));
        }
    }
    all
}

pub(super) fn keys(forger: &Forger<'_>) -> Vec<Forgery> {
    let (header, claims) = (forger.header(), forger.claims().to_string());
    let jwk = foreign_jwk(&header["kid"]);
    let mut members = vec![
        json!({ "jwk": jwk }),
        json!({ "jwk": jwk, "kid": null }),
        json!({ "jwk": { "kty": "oct", "k": encode(FOREIGN_SEED) } }),
        json!({ "jwks": { "keys": [jwk] } }),
        json!({ "x5c": [encode(FOREIGN_SEED)] }),
        json!({ "x5t": encode([0; 20]), "x5t#S256": encode([0; 32]) }),
    ];
    let lure = forger.lure;
    for url in [
        format!("http://{lure}/jwks.json"),
        format!("https://{lure}/jwks.json"),
        format!("//{lure}/jwks.json"),
        format!("{}@{lure}/", forger.url),
    ] {
        members.extend([
            json!({ "jku": url }),
            json!({ "x5u": url }),
            json!({ "jku": url, "x5u": url, "jwk": jwk }),
            json!({ "kid": url }),
            json!({ "iss": url }),
        ]);
    }
    let mut all = Vec::new();
    for member in members {
        for alg in ["EdDSA", "HS256"] {
            let header = with(&with(&header, &member), &json!({ "alg": alg })).to_string();
            let how = format!("{member}, {alg}");
            all.push(Forgery::new(how.clone(), ed25519(FOREIGN_SEED, &header, &claims)));
            all.push(Forgery::new(how, hmac(Algorithm::HS256, FOREIGN_SEED, &header, &claims)));
        }
    }
    all
}

pub(super) fn extensions(forger: &Forger<'_>) -> Vec<Forgery> {
    let header = forger.header();
    let (jwk, typ, alg) = (foreign_jwk(&header["kid"]), forger.typ(), header["alg"].as_str().unwrap());
    let zeros = json!({ "kty": "oct", "k": encode([0; 32]) });
    let url = json!("https://evil.example/jwks.json");
    let parameters = [
        (
            "crit",
            vec![
                json!([]),
                json!(["exp"]),
                json!(["b64"]),
                json!(["alg"]),
                json!(null),
                json!("exp"),
                json!([1]),
                json!(["x", "x"]),
            ],
        ),
        ("b64", vec![json!(false), json!(true), json!(null)]),
        ("zip", vec![json!("DEF"), json!("GZ"), json!(""), json!(null)]),
        ("jwk", vec![jwk.clone(), zeros, json!({}), json!(null)]),
        ("jku", vec![url.clone(), json!(""), json!(null)]),
        ("x5u", vec![url.clone(), json!(null)]),
        ("x5c", vec![json!(["MIIB"]), json!(["AAAA"]), json!([])]),
        ("x5t", vec![json!("AAAA")]),
        ("x5t#S256", vec![json!("AAAA")]),
        ("cty", vec![json!("JWT"), json!("json")]),
        ("enc", vec![json!("A256GCM")]),
        ("epk", vec![jwk]),
        ("p2c", vec![json!(2_000_000_000)]),
        ("url", vec![json!("https://evil.example")]),
        ("nonce", vec![json!("x")]),
        ("exp", vec![json!(1)]),
        ("__proto__", vec![json!({})]),
        ("", vec![json!("")]),
        ("alg", vec![json!(alg.to_ascii_lowercase()), json!({ alg: null }), json!([alg]), json!(null)]),
        (
            "typ",
            vec![
                json!("JWT"),
                json!("jwt"),
                json!(""),
                json!(null),
                json!(1),
                json!([typ]),
                json!(format!("application/{typ}")),
                json!(typ.to_ascii_uppercase()),
                json!("code+jwt"),
            ],
        ),
    ];
    let mut headers: Vec<(String, String)> =
        parameters.iter().flat_map(|(name, values)| set(&header, name, values)).collect();
    let unencoded = with(&header, &json!({ "b64": false, "crit": ["b64"] }));
    headers.push(("b64 false and crit".to_owned(), unencoded.to_string()));
    for name in ["typ", "alg", "kid"] {
        headers.push((format!("no {name}"), without(&header, name).to_string()));
    }
    forge(forger, headers)
}

pub(super) fn shapes(forger: &Forger<'_>) -> Vec<Forgery> {
    let header = forger.header();
    let text = header.to_string();
    let (front, inside) = (&text[..text.len() - 1], &text[1..]);
    let mut headers: Vec<(&str, String)> = vec![
        ("alg twice, none first", format!("{{\"alg\":\"none\",{inside}")),
        ("alg twice, none last", format!("{front},\"alg\":\"none\"}}")),
        ("alg twice, once escaped", format!("{{\"\\u0061lg\":\"none\",{inside}")),
        ("kid twice", format!("{{\"kid\":\"other\",{inside}")),
        ("typ twice", format!("{{\"typ\":\"JWT\",{inside}")),
        ("an array", json!([header["alg"], header["typ"], header["kid"]]).to_string()),
        ("in an array", json!([header]).to_string()),
        ("in a string", json!(text).to_string()),
        ("two headers", format!("{text}{text}")),
        ("a comment", format!("/**/{text}")),
        ("a space before", format!(" {text}")),
        ("a byte order mark", format!("\u{feff}{text}")),
        ("a brace after", format!("{text}}}")),
        ("a NUL after", format!("{text}\0")),
        ("deep", format!("{{\"x\":{}", "[".repeat(5000))),
    ];
    for name in ["alg", "typ", "kid"] {
        headers.push(("the same twice", format!("{{\"{name}\":{},{inside}", header[name])));
    }
    for other in ["null", "true", "0", "\"\"", "{}", "[]", "", "{", "}"] {
        headers.push((other, other.to_owned()));
    }
    forge(forger, headers.into_iter().map(|(how, header)| (how.to_owned(), header)).collect())
}
