//! A ring of one known key, one good token of each type, and a way to sign anything with what is derived from that key.
//!
//! The keys are derived here once more, after the words of the architecture and not with linkgate's code: what is signed
//! here is taken there only when both agree.

use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use linkgate::domain::email::TypedAddress;
use linkgate::domain::ids::AttemptId;
use linkgate::domain::keys::{KeyringEntries, SessionAlg};
use linkgate::domain::locale::Locale;
use linkgate::domain::network::Network;
use linkgate::domain::policy::{CrossDevice, Purpose};
use linkgate::domain::secret::{Fingerprint, Nonce};
use linkgate::token::{Identity, Particulars, TokenSettings, TokenType, Tokens, session_id};
use serde_json::json;

/// When good tokens are issued.
pub const START: i64 = 1_800_000_000;

/// When they are checked.
pub const NOW: i64 = START + 1;

/// When they end.
pub const END: i64 = START + 600;

/// The issuer.
pub const URL: &str = "https://login.example.com";

/// The audience.
pub const AUDIENCE: &str = "app";

/// The id of the one key.
pub const KID: &str = "k1";

const SECRET: [u8; 32] = [1; 32];

/// The tokens under test.
pub static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    let entries = KeyringEntries::parse(&format!("{KID}:{}", URL_SAFE_NO_PAD.encode(SECRET)));
    let settings = TokenSettings {
        public_url: URL.to_owned(),
        audience: vec![AUDIENCE.to_owned()],
        session_alg: SessionAlg::EdDsa,
        subject_salt: String::new(),
    };
    Tokens::new(&entries.unwrap_or_else(|faults| panic!("{faults:?}")), settings).expect("a good key")
});

static MINTED: LazyLock<[String; 6]> = LazyLock::new(|| TokenType::ALL.map(mint));

static PRK: LazyLock<Prk> = LazyLock::new(|| Salt::new(HKDF_SHA256, b"linkgate v1").extract(&SECRET));

static ED25519: LazyLock<Ed25519KeyPair> = LazyLock::new(|| {
    Ed25519KeyPair::from_seed_unchecked(&derive(b"session Ed25519")).expect("a seed of 32 bytes")
});

/// An instant.
#[must_use]
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).expect("a time")
}

/// What base64url stands for.
#[must_use]
pub fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).expect("base64url")
}

/// What something is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The right key of a type.
    Of(TokenType),
    /// HMAC with the published key: the oldest trick.
    Published,
    /// HMAC with a key of nobody's.
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
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = |secret: &[u8]| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes()).as_ref().to_vec()
    };
    let signature = match key {
        Key::Of(TokenType::Session | TokenType::EmailProof) => {
            ED25519.sign(message.as_bytes()).as_ref().to_vec()
        }
        Key::Of(typ) => mac(&derive(format!("internal {} {URL}", typ.as_str()).as_bytes())),
        Key::Published => mac(ED25519.public_key().as_ref()),
        Key::Foreign => mac(&[2; 32]),
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The good token of a type, the same in every run.
#[must_use]
pub fn minted(typ: TokenType) -> &'static String {
    let position = TokenType::ALL.iter().position(|other| *other == typ);
    &MINTED[position.unwrap_or_default()]
}

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

fn derive(label: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    PRK.expand(&[label], Len32).and_then(|okm| okm.fill(&mut key)).expect("32 bytes");
    key
}

fn mint(typ: TokenType) -> String {
    let typed = TypedAddress::parse("first.last@example.com").expect("an address");
    let email = typed.canonical().clone();
    let attempt = AttemptId::from_uuid("0190a0b0-c0d0-7000-8000-000000000007".parse().expect("a UUID"));
    let (nonce, fingerprint) = (Nonce::from_bytes([6; 16]), Fingerprint::from_bytes([5; 16]));
    let identity = Identity {
        session: session_id(attempt, at(START)),
        subject: TOKENS.subject_of(&email),
        email: email.clone(),
        auth_time: at(START),
        cross_device: true,
    };
    let particulars = Particulars {
        attempt,
        email: typed,
        purpose: Purpose::SignIn,
        fingerprint: Some(fingerprint),
        network: Some(TOKENS.active_key().network_hash(&Network::of([192, 0, 2, 1].into()))),
        browser: Some("Firefox on Linux".to_owned()),
        redirect_url: Some("https://app.example.com/in?next=%2F".to_owned()),
        locale: Locale::De,
        cross_device: Some(CrossDevice::RelayCode),
        ticket: true,
        subject: Some(identity.subject.clone()),
    };
    let lives = Duration::from_secs(600);
    match typ {
        TokenType::Link => TOKENS.mint_link(&particulars, &nonce, at(START), at(END)),
        TokenType::Attempt => TOKENS.mint_attempt(&particulars, at(START), at(END)),
        TokenType::Ticket => TOKENS.mint_ticket(attempt, Purpose::SignIn, &identity, &nonce, lives),
        TokenType::Renewal => TOKENS.mint_renewal(&identity, &fingerprint, lives, at(START)),
        TokenType::EmailProof => TOKENS.mint_email_proof(&email, Some(&identity.subject), lives, at(START)),
        // Minted ones have a fresh `jti` each: an input would not do the same twice.
        TokenType::Session => {
            let header = json!({"alg": "EdDSA", "typ": typ.as_str(), "kid": KID});
            let claims = json!({
                "iss": URL,
                "sub": identity.subject.as_str(),
                "sid": identity.session.to_string(),
                "aud": AUDIENCE,
                "email": email.as_str(),
                "email_verified": true,
                "amr": ["email_link"],
                "auth_time": START,
                "jti": nonce.encode(),
                "xdev": true,
                "iat": START,
                "exp": END,
            });
            sign(Key::Of(typ), &header.to_string(), &claims.to_string())
        }
    }
}
