//! Tokens of every type with known contents, and their check as every type.

use std::time::Duration;

use chrono::{DateTime, Utc};
use linkgate::domain::email::{EmailAddress, TypedAddress};
use linkgate::domain::ids::AttemptId;
use linkgate::domain::keys::{KeyringEntries, SessionAlg};
use linkgate::domain::locale::Locale;
use linkgate::domain::network::Network;
use linkgate::domain::policy::{CrossDevice, Purpose};
use linkgate::domain::secret::{Fingerprint, Nonce};
use linkgate::token::{Identity, Particulars, TokenError, TokenSettings, TokenType, Tokens, session_id};
use serde_json::Value;

use crate::smith::{Smith, encode};

/// When the tokens are issued, in seconds since 1970.
pub const START: i64 = 1_800_000_000;

/// How long they live.
pub const LIVES: Duration = Duration::from_mins(10);

/// The public URL, which is the issuer.
pub const URL: &str = "https://login.example.com";

/// The audience of session tokens and email proofs.
pub const AUDIENCE: &str = "app";

/// The id of the only key of [`tokens`].
pub const KID: &str = "k1";

/// The address in the tokens.
pub const ADDRESS: &str = "first.last@example.com";

/// The types whose address is sealed.
pub const SEALED: [TokenType; 4] =
    [TokenType::Link, TokenType::Attempt, TokenType::Ticket, TokenType::Renewal];

/// The instant so many seconds after 1970.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// An entry of a keyring whose 32 bytes are all `n`.
pub fn key(kid: &str, n: u8) -> String {
    format!("{kid}:{}", encode([n; 32]))
}

/// A keyring of these entries.
pub fn entries(keys: &[String]) -> KeyringEntries {
    KeyringEntries::parse(&keys.join(",")).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// The settings of a deployment.
pub fn settings(public_url: &str, session_alg: SessionAlg) -> TokenSettings {
    TokenSettings {
        public_url: public_url.to_owned(),
        audience: vec![AUDIENCE.to_owned()],
        session_alg,
        subject_salt: String::new(),
    }
}

/// The tokens of a deployment with these keys.
pub fn tokens_of(keys: &[String], public_url: &str, alg: SessionAlg) -> Tokens {
    Tokens::new(&entries(keys), settings(public_url, alg)).unwrap()
}

/// The tokens of a deployment with one key and Ed25519.
pub fn tokens() -> Tokens {
    tokens_of(&[key(KID, 1)], URL, SessionAlg::EdDsa)
}

/// The published key set.
pub fn jwks(tokens: &Tokens) -> Value {
    serde_json::from_str(&tokens.jwks_text()).unwrap()
}

/// The smith of [`tokens`].
pub fn smith() -> Smith {
    Smith::new(&[1; 32], URL)
}

/// The same, parsed.
pub fn email() -> EmailAddress {
    EmailAddress::parse(ADDRESS).unwrap()
}

/// An address as a person types it.
pub fn typed(address: &str) -> TypedAddress {
    TypedAddress::parse(address).unwrap()
}

/// The ids of one attempt of one person.
#[derive(Clone, Copy)]
pub struct Ids {
    person: u8,
    pub attempt: AttemptId,
    pub nonce: Nonce,
    pub fingerprint: Fingerprint,
}

impl Ids {
    /// Those of the `n`th attempt.
    pub fn of(n: u8) -> Self {
        let attempt = 0x0190_a0b0_c0d0_7000_8000_0000_0000_0000 + u128::from(n);
        Self {
            person: n,
            attempt: AttemptId::from_uuid(uuid::Uuid::from_u128(attempt)),
            nonce: Nonce::from_bytes([n - 1; 16]),
            fingerprint: Fingerprint::from_bytes([n - 2; 16]),
        }
    }

    fn email(self) -> EmailAddress {
        let address = if self.person == USUAL {
            ADDRESS.to_owned()
        } else {
            format!("user{}@example.com", self.person)
        };
        EmailAddress::parse(&address).unwrap()
    }
}

/// The attempt of the tokens that [`mint`] mints.
const USUAL: u8 = 7;

/// The ids of the tokens that [`mint`] mints.
pub fn ids() -> Ids {
    Ids::of(USUAL)
}

/// The attempt of the tokens that [`mint`] mints.
pub fn attempt() -> AttemptId {
    ids().attempt
}

/// Their nonce.
pub fn nonce() -> Nonce {
    ids().nonce
}

/// The fingerprint of their client.
pub fn fingerprint() -> Fingerprint {
    ids().fingerprint
}

/// The contents of a link or an attempt token, with every optional claim.
pub fn particulars(tokens: &Tokens) -> Particulars {
    particulars_of(tokens, ids())
}

fn particulars_of(tokens: &Tokens, ids: Ids) -> Particulars {
    Particulars {
        attempt: ids.attempt,
        email: typed(ids.email().as_str()),
        purpose: Purpose::SignIn,
        fingerprint: Some(ids.fingerprint),
        network: Some(tokens.active_key().network_hash(&Network::of([192, 0, 2, 1].into()))),
        browser: Some("Firefox on Linux".to_owned()),
        redirect_url: Some("https://app.example.com/in?next=%2F".to_owned()),
        locale: Locale::De,
        cross_device: Some(CrossDevice::RelayCode),
        ticket: true,
        subject: Some(tokens.subject_of(&ids.email())),
    }
}

/// The person in tickets, renewals, sessions and email proofs.
pub fn identity(tokens: &Tokens) -> Identity {
    identity_of(tokens, ids())
}

fn identity_of(tokens: &Tokens, ids: Ids) -> Identity {
    Identity {
        session: session_id(ids.attempt, at(START)),
        subject: tokens.subject_of(&ids.email()),
        email: ids.email(),
        auth_time: at(START),
        cross_device: true,
    }
}

/// A token that lives from [`START`] for [`LIVES`].
pub fn mint(tokens: &Tokens, typ: TokenType) -> String {
    mint_with(tokens, typ, ids())
}

/// The same with other ids.
pub fn mint_with(tokens: &Tokens, typ: TokenType, ids: Ids) -> String {
    let (start, end) = (at(START), at(START) + LIVES);
    let (particulars, identity) = (particulars_of(tokens, ids), identity_of(tokens, ids));
    match typ {
        TokenType::Link => tokens.mint_link(&particulars, &ids.nonce, start, end),
        TokenType::Attempt => tokens.mint_attempt(&particulars, start, end),
        TokenType::Ticket => tokens.mint_ticket(ids.attempt, Purpose::SignIn, &identity, &ids.nonce, LIVES),
        TokenType::Renewal => tokens.mint_renewal(&identity, &ids.fingerprint, LIVES, start),
        TokenType::Session => tokens.mint_session(&identity, LIVES, start),
        TokenType::EmailProof => tokens.mint_email_proof(&ids.email(), Some(&identity.subject), LIVES, start),
    }
}

/// Checks a token as this type. Links are checked for expiry, too, as those who open them do.
///
/// # Errors
///
/// The error of the check.
pub fn verdict(tokens: &Tokens, typ: TokenType, token: &str, now: DateTime<Utc>) -> Result<(), TokenError> {
    match typ {
        TokenType::Link if now >= tokens.check_link(token)?.expires_at => Err(TokenError::Expired),
        TokenType::Link => Ok(()),
        TokenType::Attempt => tokens.check_attempt(token, now).map(drop),
        TokenType::Ticket => tokens.check_ticket(token, now).map(drop),
        TokenType::Renewal => tokens.check_renewal(token, now).map(drop),
        TokenType::Session => tokens.check_session(token, now).map(drop),
        TokenType::EmailProof => tokens.check_email_proof(token, now).map(drop),
    }
}

/// Asserts that the token is invalid as every type.
#[track_caller]
pub fn refused_everywhere(tokens: &Tokens, token: &str) {
    for typ in TokenType::ALL {
        assert_eq!(verdict(tokens, typ, token, at(START)), Err(TokenError::Invalid), "{typ:?} {token}");
    }
}

/// The claims that a token of this type may lack.
pub fn optional_claims(typ: TokenType) -> &'static [&'static str] {
    match typ {
        TokenType::Link | TokenType::Attempt => &["cfp", "net", "ua", "ru", "xd", "tk", "sub"],
        TokenType::Renewal => &["xdev"],
        TokenType::EmailProof => &["sub"],
        TokenType::Ticket | TokenType::Session => &[],
    }
}
