//! Checks session tokens and email proofs as an application does: with the JWKS alone.

use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use crate::app::{TestApp, answer};

impl TestApp {
    /// The published keys.
    pub async fn jwks(&self) -> Value {
        let answer = answer(self.browser().get("/.well-known/jwks.json")).await;
        answer.expect(200);
        assert_eq!(answer.header("cache-control"), "max-age=300");
        answer.body
    }

    /// The claims of a token of this type, after checking signature, issuer, audience and expiry.
    pub async fn claims(&self, token: &str, typ: &str) -> Value {
        let claims = self.signed_claims(token, typ).await;
        let now = self.clock_now().timestamp();
        assert!(claims["iat"].as_i64().unwrap() <= now && now < claims["exp"].as_i64().unwrap(), "{claims}");
        claims
    }

    /// As [`TestApp::claims`], without the expiry.
    pub async fn signed_claims(&self, token: &str, typ: &str) -> Value {
        let keys: JwkSet = serde_json::from_value(self.jwks().await).unwrap();
        let header = decode_header(token).unwrap();
        assert_eq!(header.typ.as_deref(), Some(typ));
        let key = keys.find(&header.kid.unwrap()).expect("the key is published");
        let algorithm = key.common.key_algorithm.unwrap().to_string().parse().unwrap();
        let mut validation = Validation::new(algorithm);
        // The library uses the system's clock.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.url]);
        validation.set_audience(&[&self.url]);
        decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims
    }

    /// The time on the service's clock.
    pub fn clock_now(&self) -> DateTime<Utc> {
        linkgate::clock::Clock::now(&self.clock)
    }
}
