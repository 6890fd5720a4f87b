//! A reply about a link: as a page for people, as JSON for programs.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;

use super::redirect::{continue_url, redirect_url};
use super::{json, page};
use crate::domain::secret::ClientSecret;
use crate::flow::{Confirmed, LinkPage, Reissued, SessionGrant};
use crate::http::request::accept::Wants;
use crate::http::request::identity::RequestIdentity;
use crate::http::request::press::Press;
use crate::http::response::problem::Problem;
use crate::http::response::session::opener_cookies;
use crate::http::state::HttpState;
use crate::token::Link;

/// Who asked about a link, and how to answer.
pub(crate) struct LinkRequest {
    /// The link as it stands in the path.
    pub(crate) token: String,
    pub(crate) wants: Wants,
    pub(crate) who: RequestIdentity,
    /// The secret of a browser that became a client with this request.
    pub(crate) new_client: Option<ClientSecret>,
}

impl LinkRequest {
    /// A request that may end in a page with a confirmation, or in a new attempt: both are bound to the client, so a
    /// browser that is none yet becomes one.
    pub(crate) fn by_client(token: String, wants: Wants, mut who: RequestIdentity) -> Self {
        let new_client = if wants == Wants::Json { None } else { who.ensure_client() };
        Self { token, wants, who, new_client }
    }
}

/// What became of a request about a link.
pub(crate) enum LinkReply {
    /// The link works.
    Opened(Link, LinkPage),
    /// The decision was taken.
    Decided {
        link: Link,
        confirmed: Confirmed,
        press: Press,
        /// The opener's session, for a client that keeps no cookies.
        session: Option<SessionGrant>,
    },
    /// The decision was refused.
    Undecided(Link, Press, Problem),
    /// A new link was mailed.
    Reissued(Link, Reissued),
    /// Anything else that did not work. An invalid link has no [`Link`].
    Refused(Option<Link>, Problem),
}

impl LinkReply {
    /// The response, in the form that the request wants.
    ///
    /// # Errors
    /// The problem itself, for requests that do not want a page.
    pub(crate) fn respond(self, state: &HttpState, request: &LinkRequest) -> Result<HttpResponse, Problem> {
        let is_invalid = matches!(self, Self::Refused(None, _));
        let mut response = match request.wants {
            Wants::Json => self.json(state, request)?,
            wants => self.page(state, request, wants)?,
        };
        if let Some(secret) = &request.new_client
            && !is_invalid
        {
            let (name, cookie) = state.cookies.for_client(secret);
            response.headers_mut().append(name, cookie);
        }
        Ok(response)
    }

    fn json(self, state: &HttpState, request: &LinkRequest) -> Result<HttpResponse, Problem> {
        match self {
            Self::Opened(link, page) => Ok(json::opened(state, &link, &page)),
            Self::Decided { link, confirmed, session, .. } => {
                let mut response = json::decided(state, &link, &confirmed, session.as_ref());
                set_opener_cookies(&mut response, state, &confirmed, &request.who);
                Ok(response)
            }
            Self::Reissued(_, reissued) => Ok(json::reissued(&reissued)),
            Self::Undecided(_, _, problem) | Self::Refused(_, problem) => Err(problem),
        }
    }

    fn page(self, state: &HttpState, request: &LinkRequest, wants: Wants) -> Result<HttpResponse, Problem> {
        match self {
            Self::Opened(link, page) => Ok(page::opened(state, &link, &page)),
            Self::Decided { link, confirmed, press, .. } => {
                let mut response = match redirect_url(state, &link, &confirmed) {
                    Some(url) => redirect(&url),
                    None => page::decided(state, &link, &confirmed, &press),
                };
                set_opener_cookies(&mut response, state, &confirmed, &request.who);
                Ok(response)
            }
            Self::Undecided(link, press, problem) => {
                if let Some(url) = continue_url(state, &link, problem.code.row().redirect_status) {
                    return Ok(redirect(&url));
                }
                if problem.code.row().repeats_decision {
                    return Ok(page::undecided(state, &link, &press, &problem));
                }
                Self::Refused(Some(link), problem).page(state, request, wants)
            }
            Self::Reissued(link, _) => Ok(page::reissued(state, &link)),
            Self::Refused(_, problem) if wants != Wants::Page => Err(problem),
            Self::Refused(Some(link), problem) => Ok(page::refused(state, &link, &request.token, &problem)),
            Self::Refused(None, problem) => {
                let locale = request.who.caller.locale.unwrap_or(state.settings.default_locale);
                Ok(state.pages.problem(&problem, locale))
            }
        }
    }
}

/// Cookies for an opener that is signed in and keeps cookies.
fn set_opener_cookies(
    response: &mut HttpResponse,
    state: &HttpState,
    confirmed: &Confirmed,
    who: &RequestIdentity,
) {
    if let Confirmed::Verified { opener_session: Some(session), .. } = confirmed
        && !who.by_header
    {
        for (name, cookie) in opener_cookies(state, session, who) {
            response.headers_mut().append(name, cookie);
        }
    }
}

fn redirect(url: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, url)).finish()
}
