//! Whose page sent a request, by `Origin` and `Sec-Fetch-Site`.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderValue, ORIGIN};

use super::headers::SEC_FETCH_SITE;
use crate::http::response::codes::Code;
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;

/// The web page, if any, that sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageOrigin {
    /// A page of this server.
    Own,
    /// A page of an origin on the operator's list.
    Listed,
    /// No page: a program sends neither header.
    Program,
    /// A page of any other origin.
    Foreign,
    /// Several `Origin` headers.
    Ambiguous,
}

impl PageOrigin {
    /// Reads `Origin` and `Sec-Fetch-Site`.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let (state, headers) = (HttpState::of(request), request.headers());
        let mut origins = headers.get_all(ORIGIN).map(HeaderValue::as_bytes);
        let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
        match (origins.next(), origins.next()) {
            (_, Some(_)) => Self::Ambiguous,
            (origin, None) if is_own(state, origin, site) => Self::Own,
            (Some(origin), None) if state.allows_origin(origin) => Self::Listed,
            (None, None) if site.is_none() => Self::Program,
            _ => Self::Foreign,
        }
    }

    /// Whether the session cookie counts: browsers attach it to requests of any page, so the page must be a known one.
    ///
    /// # Errors
    /// [`Code::OriginNotAllowed`].
    pub(crate) fn may_use_cookies(self) -> Result<(), Problem> {
        // Under `/v1`, the admission layer has compared every `Origin` with the list, so several are no danger.
        match self {
            Self::Own | Self::Listed | Self::Ambiguous => Ok(()),
            Self::Program | Self::Foreign => Err(Problem::new(Code::OriginNotAllowed)),
        }
    }

    /// Whether a decision about a link counts: forms from our own pages; JSON also from pages of listed origins and
    /// from programs.
    ///
    /// # Errors
    /// [`Code::OriginNotAllowed`], [`Code::InvalidRequest`] for several `Origin` headers.
    pub(crate) fn may_decide(self, by_json: bool) -> Result<(), Problem> {
        match self {
            Self::Own => Ok(()),
            Self::Listed | Self::Program if by_json => Ok(()),
            Self::Ambiguous => Err(Problem::invalid("The header origin occurs more than once.")),
            Self::Listed | Self::Program | Self::Foreign => Err(Problem::new(Code::OriginNotAllowed)),
        }
    }
}

/// Under `Referrer-Policy: no-referrer`, browsers send `Origin: null` with forms of our own pages, and only
/// `Sec-Fetch-Site` identifies them.
fn is_own(state: &HttpState, origin: Option<&[u8]>, site: Option<&[u8]>) -> bool {
    let is_ours = |origin: &[u8]| origin == state.settings.public_url.as_bytes();
    match (origin, site) {
        (Some(origin), Some(site)) => site == b"same-origin" && (is_ours(origin) || origin == b"null"),
        (Some(origin), None) => is_ours(origin),
        (None, site) => site == Some(b"same-origin".as_slice()),
    }
}
