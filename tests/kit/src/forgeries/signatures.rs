//! Algorithms and keys that are not the token's, damaged signatures and payloads, and other spellings.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::{Forger, Forgery};
use crate::smith::{
    FOREIGN_SEED, Smith, decode, ed25519, encode, hmac, is_public, part, parts, public_key_forms, with,
};

const HMACS: [(&str, Algorithm); 3] =
    [("HS256", Algorithm::HS256), ("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)];

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The name of every other algorithm that there is, and misspelled ones.
const ALGORITHMS: [&str; 25] = [
    "",
    "hs256",
    "Hs256",
    "HS256 ",
    " HS256",
    "HS256\0",
    "HS-256",
    "SHA256",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "ES256K",
    "EdDSA",
    "Ed25519",
    "Ed448",
    "eddsa",
    "dir",
    "A256GCMKW",
    "ECDH-ES",
    "PBES2-HS256+A128KW",
];

/// `none` in every mixture of cases, and other values that a verifier might take for "do not check".
fn nones() -> Vec<Value> {
    let cased = (0..16_u8).map(|bits| {
        let letter = |(at, c): (usize, char)| if bits >> at & 1 == 1 { c.to_ascii_uppercase() } else { c };
        json!("none".chars().enumerate().map(letter).collect::<String>())
    });
    let texts = ["", " none", "none ", "none\0", "n\u{43e}ne", "\u{ff4e}one", "null", "plain", "unsecured"];
    let values =
        [json!(null), json!(false), json!(0), json!([]), json!(["none"]), json!(["HS256"]), json!({})];
    cased.chain(texts.map(|text| json!(text))).chain(values).collect()
}

pub(super) fn none(forger: &Forger<'_>) -> Vec<Forgery> {
    let [_, claims, signature] = parts(forger.token);
    let signature = format!(".{signature}");
    let mut all = Vec::new();
    for alg in nones() {
        let header = encode(with(&forger.header(), &json!({ "alg": alg })).to_string());
        for (how, end) in
            [("no signature", "."), ("two parts", ""), ("its old one", &*signature), ("one byte", ".AA")]
        {
            all.push(Forgery::new(format!("alg {alg}, {how}"), format!("{header}.{claims}{end}")));
        }
    }
    all
}

pub(super) fn other_algorithms(forger: &Forger<'_>) -> Vec<Forgery> {
    let (smith, typ, header) = (forger.smith, forger.typ(), forger.header());
    let (claims, [_, payload, signature]) = (forger.claims().to_string(), parts(forger.token));
    let secret = if is_public(&typ) { smith.seed() } else { smith.secret(&typ) };
    let mut all = Vec::new();
    // Of internal tokens, HS256 is the right algorithm.
    for (name, alg) in HMACS.into_iter().filter(|(name, _)| *name != "HS256" || is_public(&typ)) {
        let other = with(&header, &json!({ "alg": name })).to_string();
        all.push(Forgery::new(format!("{name} with the right secret"), hmac(alg, &secret, &other, &claims)));
        let how = format!("{name}, not named in the header");
        all.push(Forgery::new(how, hmac(alg, &secret, &header.to_string(), &claims)));
    }
    for name in ALGORITHMS.into_iter().chain(["HS256", "HS384", "HS512"]) {
        if header["alg"] == name {
            continue;
        }
        let other = with(&header, &json!({ "alg": name }));
        // Under a signature that is right for this very header.
        all.push(Forgery::new(format!("alg {name:?}, signed"), smith.with_header(forger.token, &other)));
        let other = encode(other.to_string());
        all.push(Forgery::new(format!("alg {name:?}"), format!("{other}.{payload}.{signature}")));
        all.push(Forgery::new(format!("alg {name:?}, unsigned"), format!("{other}.{payload}.")));
    }
    all
}

pub(super) fn public_key(forger: &Forger<'_>) -> Vec<Forgery> {
    let claims = forger.claims().to_string();
    let mut forms = public_key_forms(forger.jwks);
    forms.extend([("key id", forger.kid().into_bytes()), ("empty text", Vec::new())]);
    let forge = |(form, secret): &(&str, Vec<u8>)| {
        HMACS.map(|(name, alg)| {
            let header = with(&forger.header(), &json!({ "alg": name })).to_string();
            Forgery::new(format!("{name} keyed with the {form}"), hmac(alg, secret, &header, &claims))
        })
    };
    forms.iter().flat_map(forge).collect()
}

pub(super) fn foreign_keys(forger: &Forger<'_>) -> Vec<Forgery> {
    let (smith, typ, header) = (forger.smith, forger.typ(), forger.header());
    let claims = forger.claims().to_string();
    let hs256 = with(&header, &json!({ "alg": "HS256" })).to_string();
    let mut secrets = vec![
        ("nothing".to_owned(), Vec::new()),
        ("zeros".to_owned(), vec![0; 32]),
        ("the forger's key".to_owned(), FOREIGN_SEED.to_vec()),
        ("the secret of the ring".to_owned(), smith.ring_secret().to_vec()),
        ("the key id".to_owned(), forger.kid().into_bytes()),
        ("the public URL".to_owned(), forger.url.as_bytes().to_vec()),
        ("the seed of the published key".to_owned(), smith.seed().to_vec()),
    ];
    let elsewhere = Smith::new(smith.ring_secret(), "https://elsewhere.example.com");
    secrets.push(("the key of another deployment".to_owned(), elsewhere.secret(&typ).to_vec()));
    for other in ["link+jwt", "attempt+jwt", "ticket+jwt", "renewal+jwt", "at+jwt", "seal", "mac"] {
        if other != typ {
            secrets.push((format!("the key of {other}"), smith.secret(other).to_vec()));
        }
    }
    let mut all = Vec::new();
    for (whose, secret) in secrets {
        all.push(Forgery::new(whose.clone(), hmac(Algorithm::HS256, &secret, &hs256, &claims)));
        if is_public(&typ) {
            let token = hmac(Algorithm::HS256, &secret, &header.to_string(), &claims);
            all.push(Forgery::new(format!("{whose}, not named in the header"), token));
        }
    }
    for alg in ["EdDSA", "HS256"] {
        let header = with(&header, &json!({ "alg": alg })).to_string();
        let how = format!("an Ed25519 key of the forger's own, {alg}");
        all.push(Forgery::new(how, ed25519(FOREIGN_SEED, &header, &claims)));
        if !is_public(&typ) {
            let token = ed25519(&smith.seed(), &header, &claims);
            all.push(Forgery::new(format!("the published key, {alg}"), token));
        }
    }
    all
}

pub(super) fn damaged(forger: &Forger<'_>) -> Vec<Forgery> {
    let [header, claims, signature] = parts(forger.token);
    let mut ends = vec![
        ("stripped".to_owned(), String::new()),
        ("zeros".to_owned(), "A".repeat(signature.len())),
        ("longer".to_owned(), format!("{signature}AAAA")),
        ("twice".to_owned(), format!("{signature}{signature}")),
        ("reversed".to_owned(), signature.chars().rev().collect()),
        ("the claims".to_owned(), claims.to_owned()),
        (
            "hexadecimal".to_owned(),
            signature.bytes().map(|b| format!("{b:02x}")).collect::<Vec<_>>().concat(),
        ),
    ];
    let others = forger.others.iter().map(|other| parts(other)[2]).filter(|other| *other != signature);
    ends.extend(others.map(|other| ("swapped".to_owned(), other.to_owned())));
    ends.extend(
        (1..signature.len()).map(|length| (format!("cut to {length}"), signature[..length].to_owned())),
    );
    for at in 0..signature.len() {
        // In the last place this is another spelling of the same bytes.
        let value = ALPHABET.iter().position(|c| *c == signature.as_bytes()[at]).unwrap() ^ 1;
        let flipped = char::from(ALPHABET[value]);
        let flipped = format!("{}{flipped}{}", &signature[..at], &signature[at + 1..]);
        ends.push((format!("flipped at {at}"), flipped));
    }
    let forge = |(how, end)| Forgery::new(format!("signature {how}"), format!("{header}.{claims}.{end}"));
    let mut all: Vec<Forgery> = ends.into_iter().map(forge).collect();
    all.push(Forgery::new("without the last part", format!("{header}.{claims}")));
    all
}

pub(super) fn changed_payloads(forger: &Forger<'_>) -> Vec<Forgery> {
    let [header, payload, signature] = parts(forger.token);
    let claims = forger.claims();
    let token = |text: &str, signature: &str| format!("{header}.{}.{signature}", encode(text));
    let mut all = Vec::new();
    let mut change = |how: String, claims: Value| {
        all.push(Forgery::new(how, token(&claims.to_string(), signature)));
    };
    for (claim, value) in claims.as_object().unwrap() {
        for other in forger.others {
            if let Some(theirs) = part(other, 1).get(claim).filter(|theirs| *theirs != value) {
                change(format!("{claim} of another token"), with(&claims, &json!({ claim: theirs })));
            }
        }
        change(format!("{claim} is null"), with(&claims, &json!({ claim: null })));
    }
    let later = claims["exp"].as_i64().unwrap() + 86_400;
    change("it lives longer".to_owned(), with(&claims, &json!({ "exp": later })));
    change("no claims".to_owned(), json!({}));
    change("another purpose".to_owned(), with(&claims, &json!({ "pur": "verify_email" })));
    change("another subject".to_owned(), with(&claims, &json!({ "sub": "user_victim" })));
    // The sealed address of another token, and that token's payload, under either signature.
    for other in forger.others.iter().filter(|other| *other != forger.token) {
        let [_, their_payload, their_signature] = parts(other);
        if let Some(address) = part(other, 1).get("em") {
            let spliced = with(&claims, &json!({ "em": address })).to_string();
            all.push(Forgery::new("another's address and signature", token(&spliced, their_signature)));
        }
        all.push(Forgery::new("another's payload", format!("{header}.{their_payload}.{signature}")));
    }
    // The same claims, written in another way, are not what was signed either.
    all.push(Forgery::new("a space more", token(&format!("{claims} "), signature)));
    all.push(Forgery::new("without claims", format!("{header}..{signature}")));
    all.push(Forgery::new("without header", format!(".{payload}.{signature}")));
    all.push(Forgery::new("header and claims swapped", format!("{payload}.{header}.{signature}")));
    all
}

pub(super) fn spellings(forger: &Forger<'_>) -> Vec<Forgery> {
    let token = forger.token;
    let [header, claims, signature] = parts(token);
    let fullwidth = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c);
    let mut all: Vec<(&str, String)> = vec![
        ("nothing", String::new()),
        ("a dot", ".".to_owned()),
        ("two dots", "..".to_owned()),
        ("three dots", "...".to_owned()),
        ("the header alone", header.to_owned()),
        ("without signature", format!("{header}.{claims}.")),
        ("a part more", format!("{token}.x")),
        ("the signature again", format!("{token}.{signature}")),
        ("an empty part more", format!("{token}.")),
        ("an empty part before", format!(".{token}")),
        ("five parts", format!("{token}.x.y")),
        ("the claims again", format!("{token}.{claims}.e30")),
        ("two tokens", format!("{token}.{token}")),
        ("a list of two", format!("{token},{token}")),
        ("padded", format!("{token}=")),
        ("padded twice", format!("{token}==")),
        ("an equals sign within", format!("{header}=.{claims}.{signature}")),
        ("lower case", token.to_ascii_lowercase()),
        ("upper case", token.to_ascii_uppercase()),
        ("full width", token.chars().map(fullwidth).collect()),
        ("a scheme before", format!("Bearer {token}")),
        ("percent-encoded dots", token.replace('.', "%2E")),
        ("other dots", token.replace('.', "\u{ff0e}")),
        (
            "JSON serialization",
            json!({ "protected": header, "payload": claims, "signature": signature }).to_string(),
        ),
        ("in quotes", format!("\"{token}\"")),
        ("a zero-width space", format!("{header}\u{200b}.{claims}.{signature}")),
        ("a semicolon after", format!("{token};x")),
        ("a fragment after", format!("{token}#x")),
        ("a query after", format!("{token}?x=y")),
    ];
    for space in [" ", "\t", "\n", "\r\n", "\0", "\u{b}", "\u{a0}", "\u{2003}"] {
        all.push(("space before", format!("{space}{token}")));
        all.push(("space after", format!("{token}{space}")));
        all.push(("space at a dot", format!("{header}.{space}{claims}.{signature}")));
        all.push(("space within", format!("{}{space}{}", &token[..10], &token[10..])));
    }
    for (at, one) in [header, claims, signature].into_iter().enumerate() {
        let bytes = decode(one);
        for other in [URL_SAFE.encode(&bytes), STANDARD.encode(&bytes), STANDARD_NO_PAD.encode(&bytes)] {
            let mut spelled = [header, claims, signature].map(str::to_owned);
            spelled[at] = other;
            all.push(("another alphabet or padding", spelled.join(".")));
        }
    }
    all.extend((0..token.len()).step_by(7).map(|end| ("cut", token[..end].to_owned())));
    all.retain(|(_, spelled)| spelled != token);
    all.into_iter().map(|(how, token)| Forgery::new(how, token)).collect()
}

pub(super) fn lengthened(forger: &Forger<'_>) -> Vec<Forgery> {
    let token = forger.token;
    let [header, payload, signature] = parts(token);
    let longest = linkgate::token::MAX_TOKEN_LEN - token.len();
    let mut all = Vec::new();
    for more in [1, 2, 3, 4, longest, longest + 1, 14_000 - token.len()] {
        let bytes = format!("{header}.{payload}{}.{signature}", "A".repeat(more));
        all.push(Forgery::new(format!("{more} bytes more"), bytes));
        all.push(Forgery::new(format!("{more} parts more"), format!("{token}{}", ".".repeat(more))));
    }
    all
}

pub(super) fn five_parts(forger: &Forger<'_>) -> Vec<Forgery> {
    let (token, head) = (forger.token, forger.header());
    let [header, claims, signature] = parts(token);
    let mut all = Vec::new();
    for (alg, enc) in [
        ("dir", "A256GCM"),
        ("A256KW", "A128CBC-HS256"),
        ("RSA-OAEP", "A256GCM"),
        ("PBES2-HS256+A128KW", "A128GCM"),
    ] {
        let wrapping = json!({
            "alg": alg, "enc": enc, "kid": head["kid"], "typ": head["typ"], "p2c": 2_000_000_000, "p2s": "AA",
        });
        let jwe = encode(wrapping.to_string());
        for forged in [
            format!("{jwe}..AAAAAAAAAAAAAAAA.{claims}.AAAAAAAAAAAAAAAAAAAAAA"),
            format!("{jwe}.AA.AAAAAAAAAAAAAAAA.{}.AAAAAAAAAAAAAAAAAAAAAA", encode(token)),
            format!("{jwe}.{header}.{claims}.{signature}.AAAA"),
            format!("{jwe}...."),
        ] {
            all.push(Forgery::new(format!("JWE {alg}"), forged));
        }
    }
    let nested = with(&head, &json!({ "cty": "JWT" })).to_string();
    all.push(Forgery::new("a JWS within", forger.smith.resign(token, &nested, token)));
    all
}
