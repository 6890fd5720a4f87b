//! The tokens of the test kit: one good token of each type, and a way to sign anything with a key of the deployment.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use jsonwebtoken::Algorithm;
use linkgate::token::{TokenType, Tokens};
use serde_json::json;
use test_kit::smith::{Smith, decode, hmac, part, with};
use test_kit::tokens::{self, START};

/// When tokens are checked.
pub const NOW: i64 = START + 1;

/// The tokens under test.
pub static TOKENS: LazyLock<Tokens> = LazyLock::new(tokens::tokens);

static SMITH: LazyLock<Smith> = LazyLock::new(tokens::smith);

static MINTED: LazyLock<[String; 6]> = LazyLock::new(|| TokenType::ALL.map(mint));

static PUBLISHED: LazyLock<Vec<u8>> =
    LazyLock::new(|| decode(tokens::jwks(&TOKENS)["keys"][0]["x"].as_str().unwrap_or_default()));

/// The time of every check.
#[must_use]
pub fn now() -> DateTime<Utc> {
    tokens::at(NOW)
}

/// What a token is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The right key of a type.
    Of(TokenType),
    /// HMAC with the published key: the oldest trick.
    Published,
    /// HMAC with a key that no deployment has.
    Foreign,
}

impl Key {
    /// All keys.
    pub const ALL: [Self; 8] = [
        Self::Of(TokenType::Link),
        Self::Of(TokenType::Attempt),
        Self::Of(TokenType::Ticket),
        Self::Of(TokenType::Renewal),
        Self::Of(TokenType::Session),
        Self::Of(TokenType::EmailProof),
        Self::Published,
        Self::Foreign,
    ];

    /// Whether this is the key of tokens of a type. Sessions and email proofs share one.
    #[must_use]
    pub fn signs(self, typ: TokenType) -> bool {
        let is_public = |typ| matches!(typ, TokenType::Session | TokenType::EmailProof);
        matches!(self, Self::Of(own) if own == typ || is_public(own) && is_public(typ))
    }
}

/// A compact JWS of any two texts.
#[must_use]
pub fn sign(key: Key, header: &str, claims: &str) -> String {
    match key {
        Key::Of(typ) => SMITH.sign(typ.as_str(), header, claims),
        Key::Published => hmac(Algorithm::HS256, &PUBLISHED, header, claims),
        Key::Foreign => hmac(Algorithm::HS256, &[2; 32], header, claims),
    }
}

/// The good token of a type, the same in every run.
#[must_use]
pub fn minted(typ: TokenType) -> &'static String {
    let position = TokenType::ALL.iter().position(|other| *other == typ);
    &MINTED[position.unwrap_or_default()]
}

fn mint(typ: TokenType) -> String {
    let token = tokens::mint(&TOKENS, typ);
    if typ != TokenType::Session {
        return token;
    }
    // Each has a fresh `jti`, with which an input would not do the same twice.
    let claims = with(&part(&token, 1), &json!({ "jti": tokens::nonce().encode() }));
    SMITH.with_claims(&token, &claims.to_string())
}
