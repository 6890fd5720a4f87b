//! The names, values and attributes of our cookies. [`crate::http::request::headers::cookie`] reads them.

use actix_web::http::header::{HeaderValue, SET_COOKIE};
use chrono::TimeDelta;

use crate::domain::secret::{AddressMark, ClientSecret};

/// How long a browser keeps its client secret: the longest that browsers grant.
const CLIENT_COOKIE: TimeDelta = TimeDelta::days(400);

/// How many addresses of a client are remembered.
const MARKS: usize = 8;

/// A header that sets a cookie.
pub(crate) type SetCookie = (actix_web::http::header::HeaderName, HeaderValue);

/// See the module.
pub(crate) struct Cookies {
    pub(crate) client: String,
    pub(crate) session: String,
    pub(crate) verified: String,
    secure: bool,
}

impl Cookies {
    /// On https the `__Host-` prefix keeps other hosts of the domain from planting cookies (RFC 6265bis, section
    /// 4.1.3.2); browsers refuse it on http.
    pub(crate) fn new(https: bool) -> Self {
        let name = |base: &str| if https { format!("__Host-{base}") } else { base.to_owned() };
        Self {
            client: name("linkgate-client"),
            session: name("linkgate-session"),
            verified: name("linkgate-verified"),
            secure: https,
        }
    }

    /// `value` is base64url and dots: nothing in it has to be quoted.
    fn set(&self, name: &str, value: &str, lives: TimeDelta) -> SetCookie {
        let secure = if self.secure { "; Secure" } else { "" };
        let seconds = lives.num_seconds().max(0);
        let cookie = format!("{name}={value}; HttpOnly; SameSite=Lax{secure}; Path=/; Max-Age={seconds}");
        // Names and values are our own, so they are always valid in a header.
        (SET_COOKIE, HeaderValue::try_from(cookie).unwrap_or_else(|_| HeaderValue::from_static("")))
    }

    /// The cookie of a client secret.
    pub(crate) fn for_client(&self, secret: &ClientSecret) -> SetCookie {
        self.set(&self.client, secret.expose(), CLIENT_COOKIE)
    }

    /// The cookie of a session that lives so long.
    pub(crate) fn for_session(&self, renewal_token: &str, lives: TimeDelta) -> SetCookie {
        self.set(&self.session, renewal_token, lives)
    }

    /// The cookie of the addresses that a client has verified: this mark first, then those that it had.
    pub(crate) fn for_verified(&self, mark: AddressMark, others: &[AddressMark]) -> SetCookie {
        let others = others.iter().filter(|other| **other != mark).take(MARKS - 1);
        let marks: Vec<String> = std::iter::once(&mark).chain(others).map(AddressMark::encode).collect();
        self.set(&self.verified, &marks.join("."), CLIENT_COOKIE)
    }

    /// The marks in that cookie.
    pub(crate) fn marks(text: &str) -> Vec<AddressMark> {
        text.split('.').take(MARKS).filter_map(|mark| AddressMark::decode(mark).ok()).collect()
    }
}
