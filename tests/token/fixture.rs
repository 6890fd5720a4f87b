//! Tokens of every type with known contents, and one question to ask of all of them: are you taken?

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use linkgate::domain::email::{EmailAddress, TypedAddress};
use linkgate::domain::ids::AttemptId;
use linkgate::domain::keys::{KeyringEntries, SessionAlg};
use linkgate::domain::locale::Locale;
use linkgate::domain::policy::{CrossDevice, Purpose};
use linkgate::domain::secret::{Fingerprint, Nonce};
use linkgate::token::{Identity, Particulars, TokenError, TokenSettings, TokenType, Tokens, session_id};
use serde_json::Value;

pub(crate) const START: i64 = 1_800_000_000;
pub(crate) const URL: &str = "https://login.example.com";
pub(crate) const AUDIENCE: &str = "https://app.example.com";
pub(crate) const ADDRESS: &str = "first.last@example.com";
pub(crate) const LIVES: Duration = Duration::from_mins(10);
pub(crate) const SEALED: [TokenType; 4] =
    [TokenType::Link, TokenType::Attempt, TokenType::Ticket, TokenType::Renewal];

pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_else(|| panic!("{seconds} is no time"))
}

/// A key whose 32 bytes are all `n`.
pub(crate) fn key(kid: &str, n: u8) -> String {
    format!("{kid}:{}", URL_SAFE_NO_PAD.encode([n; 32]))
}

pub(crate) fn entries(keys: &[String]) -> KeyringEntries {
    KeyringEntries::parse(&keys.join(",")).unwrap_or_else(|e| panic!("{e:?}"))
}

pub(crate) fn settings(public_url: &str, session_alg: SessionAlg) -> TokenSettings {
    TokenSettings {
        public_url: public_url.to_owned(),
        audience: vec![AUDIENCE.to_owned()],
        session_alg,
        subject_salt: "salt".to_owned(),
    }
}

pub(crate) fn tokens_of(keys: &[String], public_url: &str, alg: SessionAlg) -> Tokens {
    Tokens::new(&entries(keys), settings(public_url, alg)).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn tokens() -> Tokens {
    tokens_of(&[key("k1", 1)], URL, SessionAlg::EdDsa)
}

pub(crate) fn typed(address: &str) -> TypedAddress {
    TypedAddress::parse(address).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn email() -> EmailAddress {
    EmailAddress::parse(ADDRESS).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn nonce() -> Nonce {
    Nonce::from_bytes([6; 16])
}

pub(crate) fn fingerprint() -> Fingerprint {
    Fingerprint::from_bytes([5; 16])
}

pub(crate) fn attempt() -> AttemptId {
    AttemptId::from_uuid(uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0007))
}

pub(crate) fn particulars(tokens: &Tokens) -> Particulars {
    let network = linkgate::domain::network::Network::of([192, 0, 2, 1].into());
    Particulars {
        attempt: attempt(),
        email: typed(ADDRESS),
        purpose: Purpose::SignIn,
        fingerprint: Some(fingerprint()),
        network: Some(tokens.active_key().network_hash(&network)),
        browser: Some("Firefox on Linux".to_owned()),
        redirect_url: Some("https://app.example.com/signed-in?next=%2F".to_owned()),
        locale: Locale::De,
        cross_device: Some(CrossDevice::RelayCode),
        ticket: true,
        subject: Some(tokens.subject_of(&email())),
    }
}

pub(crate) fn identity(tokens: &Tokens) -> Identity {
    Identity {
        session: session_id(attempt(), at(START)),
        subject: tokens.subject_of(&email()),
        email: email(),
        auth_time: at(START),
        cross_device: true,
    }
}

/// A token that lives from [`START`] for [`LIVES`].
pub(crate) fn mint(tokens: &Tokens, typ: TokenType) -> String {
    let end = at(START) + LIVES;
    let identity = identity(tokens);
    match typ {
        TokenType::Link => tokens.mint_link(&particulars(tokens), &nonce(), at(START), end),
        TokenType::Attempt => tokens.mint_attempt(&particulars(tokens), at(START), end),
        TokenType::Ticket => tokens.mint_ticket(attempt(), Purpose::SignIn, &identity, &nonce(), LIVES),
        TokenType::Renewal => tokens.mint_renewal(&identity, &fingerprint(), LIVES, at(START)),
        TokenType::Session => tokens.mint_session(&identity, LIVES, at(START)),
        TokenType::EmailProof => tokens.mint_email_proof(&email(), Some(&identity.subject), LIVES, at(START)),
    }
}

/// What is said to a token that is offered as this type. The expiry of links is left to who opens them.
pub(crate) fn verdict(
    tokens: &Tokens,
    typ: TokenType,
    token: &str,
    now: DateTime<Utc>,
) -> Result<(), TokenError> {
    match typ {
        TokenType::Link => match tokens.check_link(token) {
            Ok(link) if now < link.expires_at => Ok(()),
            Ok(_) => Err(TokenError::Expired),
            Err(error) => Err(error),
        },
        TokenType::Attempt => tokens.check_attempt(token, now).map(drop),
        TokenType::Ticket => tokens.check_ticket(token, now).map(drop),
        TokenType::Renewal => tokens.check_renewal(token, now).map(drop),
        TokenType::Session => tokens.check_session(token, now).map(drop),
        TokenType::EmailProof => tokens.check_email_proof(token, now).map(drop),
    }
}

/// The token is no token, whatever it is offered as.
#[track_caller]
pub(crate) fn refused_everywhere(tokens: &Tokens, token: &str) {
    for typ in TokenType::ALL {
        assert_eq!(verdict(tokens, typ, token, at(START)), Err(TokenError::Invalid), "{typ:?} {token}");
    }
}

/// The decoded header (0) or claims (1).
pub(crate) fn part(token: &str, n: usize) -> Value {
    let part = token.split('.').nth(n).unwrap_or_else(|| panic!("a part {n}"));
    let json = URL_SAFE_NO_PAD.decode(part).unwrap_or_else(|e| panic!("{e}"));
    serde_json::from_slice(&json).unwrap_or_else(|e| panic!("{e}"))
}
