//! Checks session tokens as a back end does: prints the subject and the email address of the token on its command line.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

#[derive(Deserialize)]
struct Claims {
    sub: String,
    email: String,
}

fn check(token: &str, keys: &JwkSet, linkgate: &str) -> Result<Claims, Box<dyn std::error::Error>> {
    let header = decode_header(token)?;
    if header.typ.as_deref() != Some("at+jwt") {
        return Err("not a session token".into());
    }
    let key = header.kid.and_then(|kid| keys.find(&kid)).ok_or("unknown key")?;
    let mut rules = Validation::new(match header.alg {
        Algorithm::ES256 => Algorithm::ES256,
        _ => Algorithm::EdDSA,
    });
    rules.set_issuer(&[linkgate]);
    rules.set_audience(&[linkgate]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    rules.leeway = 5;
    Ok(decode::<Claims>(token, &DecodingKey::from_jwk(key)?, &rules)?.claims)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let linkgate = std::env::var("LINKGATE").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let token = std::env::args().nth(1).ok_or("usage: session_token <token>")?;
    // A server caches the keys, and fetches them again for an unknown `kid`, at most once a minute.
    let keys = reqwest::get(format!("{linkgate}/.well-known/jwks.json")).await?.json::<JwkSet>().await?;
    let claims = check(&token, &keys, &linkgate)?;
    println!("{} {}", claims.sub, claims.email);
    Ok(())
}
