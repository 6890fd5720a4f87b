//! The tools of a forger: takes tokens apart, puts them together, and signs with whatever it is given.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// The secret of the ring that test servers have.
pub(crate) const RING_SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

/// DER of a PKCS #8 Ed25519 private key up to its 32 bytes (RFC 8410, section 7).
const ED25519_PRIVATE: &str = "302e020100300506032b657004220420";

/// DER of an Ed25519 public key up to its 32 bytes (RFC 8410, section 4).
const ED25519_PUBLIC: &str = "302a300506032b6570032100";

/// DER of an uncompressed P-256 public key up to its 65 bytes (RFC 5480, section 2).
const P256_PUBLIC: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

/// A way to forge, in words, and what came of it.
pub(crate) type Forgery = (String, String);

/// A header or a claims set of a token, as JSON.
pub(crate) fn part(token: &str, at: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts(token)[at]).unwrap()).unwrap()
}

/// Header, claims and signature as they stand.
pub(crate) fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

pub(crate) fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The object with these members besides its own, or instead of them.
pub(crate) fn with(object: &Value, members: &Value) -> Value {
    let mut object = object.clone();
    for (name, value) in members.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

/// The object without this member.
pub(crate) fn without(object: &Value, member: &str) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove(member).unwrap();
    object
}

/// Signs any two texts with HMAC.
pub(crate) fn hmac(alg: Algorithm, secret: &[u8], header: &str, claims: &str) -> String {
    signed(&EncodingKey::from_secret(secret), alg, header, claims)
}

/// Signs any two texts with the Ed25519 key that has this seed.
pub(crate) fn ed25519(seed: &[u8; 32], header: &str, claims: &str) -> String {
    let key = EncodingKey::from_ed_der(&[&hex(ED25519_PRIVATE), &seed[..]].concat());
    signed(&key, Algorithm::EdDSA, header, claims)
}

fn signed(key: &EncodingKey, alg: Algorithm, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, alg).unwrap();
    format!("{message}.{signature}")
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
        .collect()
}

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

/// Signs as the server does, with the keys that it derives: then nothing but the contents of a token is wrong.
pub(crate) struct Smith {
    prk: Prk,
    public_url: String,
}

impl Smith {
    /// The smith of the server at this public URL.
    pub(crate) fn of(public_url: &str) -> Self {
        Self {
            prk: Salt::new(HKDF_SHA256, b"linkgate v1").extract(RING_SECRET),
            public_url: public_url.to_owned(),
        }
    }

    fn derive(&self, label: &[&[u8]]) -> [u8; 32] {
        let mut key = [0; 32];
        self.prk.expand(label, Len32).unwrap().fill(&mut key).unwrap();
        key
    }

    /// The HMAC key of an internal type.
    pub(crate) fn secret(&self, typ: &str) -> [u8; 32] {
        self.derive(&[b"internal ", typ.as_bytes(), b" ", self.public_url.as_bytes()])
    }

    /// The private half of the published key.
    pub(crate) fn seed(&self) -> [u8; 32] {
        self.derive(&[b"session Ed25519"])
    }

    /// Signs as the token was signed, with other texts in it.
    pub(crate) fn resign(&self, token: &str, header: &str, claims: &str) -> String {
        let typ = part(token, 0)["typ"].as_str().unwrap().to_owned();
        if is_public(&typ) {
            ed25519(&self.seed(), header, claims)
        } else {
            hmac(Algorithm::HS256, &self.secret(&typ), header, claims)
        }
    }

    /// The token with another header, signed again.
    pub(crate) fn with_header(&self, token: &str, header: &Value) -> String {
        self.resign(token, &header.to_string(), &part(token, 1).to_string())
    }

    /// The token with other claims, signed again.
    pub(crate) fn with_claims(&self, token: &str, claims: &str) -> String {
        self.resign(token, &part(token, 0).to_string(), claims)
    }
}

/// Whether tokens of this type are signed with the published key.
pub(crate) fn is_public(typ: &str) -> bool {
    matches!(typ, "at+jwt" | "email-proof+jwt")
}

/// What a careless verifier might take for an HMAC key: the public key in every form that libraries know.
pub(crate) fn public_key_forms(jwks: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let jwk = &jwks["keys"][0];
    let x = jwk["x"].as_str().unwrap();
    let field = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let (raw, prefix) = if jwk["kty"] == "OKP" {
        (field("x"), ED25519_PUBLIC)
    } else {
        ([&[4], &field("x")[..], &field("y")].concat(), P256_PUBLIC)
    };
    let der = [&hex(prefix), &raw[..]].concat();
    let body = STANDARD.encode(&der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----");
    let known = [
        jsonwebtoken::DecodingKey::from_ed_pem(pem.as_bytes()),
        jsonwebtoken::DecodingKey::from_ec_pem(pem.as_bytes()),
    ];
    assert!(known.iter().any(Result::is_ok), "a PEM that libraries read");
    let required = if jwk["kty"] == "OKP" {
        format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)
    } else {
        format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{}"}}"#, jwk["y"].as_str().unwrap())
    };
    vec![
        ("raw", raw),
        ("DER", der),
        ("DER in base64", body.clone().into_bytes()),
        ("PEM and a newline", format!("{pem}\n").into_bytes()),
        ("PEM with CRLF", pem.replace('\n', "\r\n").into_bytes()),
        ("PEM", pem.into_bytes()),
        ("base64url", x.as_bytes().to_vec()),
        ("JWK", jwk.to_string().into_bytes()),
        ("JWK, required members", required.into_bytes()),
        ("JWKS", jwks.to_string().into_bytes()),
    ]
}

/// A key of the forger's own.
pub(crate) const FOREIGN_SEED: &[u8; 32] = b"the forger's own key of 32 bytes";

/// The JWK of the forger's own key.
pub(crate) fn foreign_jwk() -> Value {
    let key = EncodingKey::from_ed_der(&[&hex(ED25519_PRIVATE), &FOREIGN_SEED[..]].concat());
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
    with(&serde_json::to_value(jwk).unwrap(), &json!({ "kid": "test", "use": "sig" }))
}
