//! Takes tokens apart, puts them together, and signs with whatever key it is given.
//!
//! [`Smith`] derives the keys of a deployment from the description in `docs/architecture.md`, not with linkgate's code:
//! a token that it signs is accepted only if both agree.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// DER of a PKCS #8 Ed25519 private key up to its 32 bytes (RFC 8410, section 7).
const ED25519_PRIVATE: &str = "302e020100300506032b657004220420";

/// DER of an Ed25519 public key up to its 32 bytes (RFC 8410, section 4).
const ED25519_PUBLIC: &str = "302a300506032b6570032100";

/// DER of an uncompressed P-256 public key up to its 65 bytes (RFC 5480, section 2).
const P256_PUBLIC: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

/// A key that no deployment has.
pub const FOREIGN_SEED: &[u8; 32] = b"the forger's own key of 32 bytes";

/// The header (0) or the claims (1) of a token.
pub fn part(token: &str, at: usize) -> Value {
    serde_json::from_slice(&decode(parts(token)[at])).unwrap()
}

/// Header, claims and signature, still encoded.
pub fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

/// To base64url.
pub fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// From base64url.
pub fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}

/// The object with these members added or replaced.
pub fn with(object: &Value, members: &Value) -> Value {
    let mut object = object.clone();
    for (name, value) in members.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

/// The object without this member.
pub fn without(object: &Value, member: &str) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove(member).unwrap();
    object
}

/// Signs any two texts with HMAC.
pub fn hmac(alg: Algorithm, secret: &[u8], header: &str, claims: &str) -> String {
    signed(&EncodingKey::from_secret(secret), alg, header, claims)
}

/// Signs any two texts with the Ed25519 key that has this seed.
pub fn ed25519(seed: &[u8; 32], header: &str, claims: &str) -> String {
    signed(&ed25519_key(seed), Algorithm::EdDSA, header, claims)
}

fn ed25519_key(seed: &[u8; 32]) -> EncodingKey {
    EncodingKey::from_ed_der(&[&hex(ED25519_PRIVATE), &seed[..]].concat())
}

fn signed(key: &EncodingKey, alg: Algorithm, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, alg).unwrap();
    format!("{message}.{signature}")
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
    digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()
}

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

/// Signs with the keys of a deployment, so that only the contents of a token can be wrong.
pub struct Smith {
    ring_secret: Vec<u8>,
    prk: Prk,
    public_url: String,
}

impl Smith {
    /// The smith of the deployment with this secret (the first key of its ring) and public URL.
    pub fn new(secret: &[u8], public_url: &str) -> Self {
        let prk = Salt::new(HKDF_SHA256, b"linkgate v1").extract(secret);
        Self { ring_secret: secret.to_vec(), prk, public_url: public_url.to_owned() }
    }

    /// The secret in the ring.
    pub fn ring_secret(&self) -> &[u8] {
        &self.ring_secret
    }

    fn derive(&self, label: &[&[u8]]) -> [u8; 32] {
        let mut key = [0; 32];
        self.prk.expand(label, Len32).unwrap().fill(&mut key).unwrap();
        key
    }

    /// The HMAC key of an internal type.
    pub fn secret(&self, typ: &str) -> [u8; 32] {
        self.derive(&[b"internal ", typ.as_bytes(), b" ", self.public_url.as_bytes()])
    }

    /// The private half of the published key, when that is Ed25519.
    pub fn seed(&self) -> [u8; 32] {
        self.derive(&[b"session Ed25519"])
    }

    /// Signs any two texts with the key of a type.
    pub fn sign(&self, typ: &str, header: &str, claims: &str) -> String {
        if is_public(typ) {
            ed25519(&self.seed(), header, claims)
        } else {
            hmac(Algorithm::HS256, &self.secret(typ), header, claims)
        }
    }

    /// The token with other texts in it, signed with the key of the token's type.
    pub fn resign(&self, token: &str, header: &str, claims: &str) -> String {
        self.sign(part(token, 0)["typ"].as_str().unwrap(), header, claims)
    }

    /// The token with another header, signed again.
    pub fn with_header(&self, token: &str, header: &Value) -> String {
        self.resign(token, &header.to_string(), &part(token, 1).to_string())
    }

    /// The token with other claims, signed again.
    pub fn with_claims(&self, token: &str, claims: &str) -> String {
        self.resign(token, &part(token, 0).to_string(), claims)
    }
}

/// Whether tokens of this type are signed with the published key.
pub fn is_public(typ: &str) -> bool {
    matches!(typ, "at+jwt" | "email-proof+jwt")
}

/// The public key in every form that a careless verifier might take for an HMAC key.
pub fn public_key_forms(jwks: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let jwk = &jwks["keys"][0];
    let text = |name: &str| jwk[name].as_str().unwrap();
    let (raw, prefix, required) = if jwk["kty"] == "OKP" {
        let required = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text("x"));
        (decode(text("x")), ED25519_PUBLIC, required)
    } else {
        let raw = [&[4], &decode(text("x"))[..], &decode(text("y"))].concat();
        let (x, y) = (text("x"), text("y"));
        (raw, P256_PUBLIC, format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
    };
    let der = [&hex(prefix), &raw[..]].concat();
    let body = STANDARD.encode(&der);
    let lines = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap());
    let lines = lines.collect::<Vec<_>>().join("\n");
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----");
    let known = [
        jsonwebtoken::DecodingKey::from_ed_pem(pem.as_bytes()),
        jsonwebtoken::DecodingKey::from_ec_pem(pem.as_bytes()),
    ];
    assert!(known.iter().any(Result::is_ok), "libraries read the PEM");
    vec![
        ("raw", raw),
        ("DER", der),
        ("DER in base64", body.clone().into_bytes()),
        ("PEM and a newline", format!("{pem}\n").into_bytes()),
        ("PEM with CRLF", pem.replace('\n', "\r\n").into_bytes()),
        ("PEM in one line", pem.replace(&lines, &body).into_bytes()),
        ("PEM", pem.into_bytes()),
        ("base64url", text("x").as_bytes().to_vec()),
        ("JWK", jwk.to_string().into_bytes()),
        ("JWK, required members", required.into_bytes()),
        ("JWKS", jwks.to_string().into_bytes()),
    ]
}

/// The JWK of the key that no deployment has, under this key id.
pub fn foreign_jwk(kid: &Value) -> Value {
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&ed25519_key(FOREIGN_SEED), Algorithm::EdDSA);
    with(&serde_json::to_value(jwk.unwrap()).unwrap(), &json!({ "kid": kid, "use": "sig" }))
}
