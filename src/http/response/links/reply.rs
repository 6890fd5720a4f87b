//! A reply about a link: as a page for people, as JSON for programs.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;

use super::redirect::{continue_url, redirect_url};
use super::{json, page};
use crate::domain::secret::ClientSecret;
use crate::flow::{Confirmed, FlowError, LinkPage, Reissued, SessionGrant};
use crate::http::request::accept::Wants;
use crate::http::request::identity::RequestIdentity;
use crate::http::request::press::Press;
use crate::http::response::problem::Problem;
use crate::http::response::session::session_cookies;
use crate::http::state::HttpState;
use crate::token::Link;

/// A request about a link: its sender, and the form of the reply.
pub(crate) struct LinkRequest {
    /// The link as it stands in the path.
    pub(crate) token: String,
    pub(crate) wants: Wants,
    pub(crate) who: RequestIdentity,
    /// The secret of a browser that became a client by this request.
    pub(crate) new_client: Option<ClientSecret>,
}

impl LinkRequest {
    /// A request that may end in a page with a confirmation, or in a new attempt. Both are bound to a client, so a browser
    /// without a client secret gets one.
    pub(crate) fn by_client(token: String, wants: Wants, mut who: RequestIdentity) -> Self {
        let new_client = if wants == Wants::Json { None } else { who.ensure_client() };
        Self { token, wants, who, new_client }
    }

    /// The response, in the form that the request wants. A link that is not authentic has no reply.
    ///
    /// # Errors
    /// The problem itself, for requests that do not want a page.
    pub(crate) fn respond(
        &self,
        state: &HttpState,
        reply: Result<LinkReply, FlowError>,
    ) -> Result<HttpResponse, Problem> {
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) if self.wants == Wants::Page => {
                let locale = self.who.caller.locale.unwrap_or(state.settings.default_locale);
                return Ok(state.pages.problem(&error.into(), locale));
            }
            Err(error) => return Err(error.into()),
        };
        let mut response = match self.wants {
            Wants::Json => reply.json(state)?,
            _ => reply.page(state, self)?,
        };
        let mut append = |(name, cookie)| response.headers_mut().append(name, cookie);
        self.new_client.iter().map(|secret| state.cookies.for_client(secret)).for_each(&mut append);
        if let Ok(LinkOutcome::Decided(Confirmed::Verified { opener_session: Some(session), .. }, _)) =
            &reply.outcome
        {
            let renewal = Some(session.renewal_token.as_str());
            session_cookies(state, &self.who, renewal, session.expires_at, &session.identity.email)
                .for_each(append);
        }
        Ok(response)
    }
}

/// The result of a request about an authentic link.
pub(crate) enum LinkOutcome {
    /// The link works.
    Opened(LinkPage),
    /// The decision was taken. The opener gets its session here if it keeps no cookies.
    Decided(Confirmed, Option<SessionGrant>),
    /// A new link was mailed.
    Reissued(Reissued),
}

/// The reply about an authentic link.
pub(crate) struct LinkReply {
    link: Link,
    press: Option<Press>,
    outcome: Result<LinkOutcome, Problem>,
}

impl LinkReply {
    /// The reply to a request that asked for this decision, or for none.
    pub(crate) fn new(link: Link, press: Option<Press>, outcome: Result<LinkOutcome, FlowError>) -> Self {
        Self { link, press, outcome: outcome.map_err(Problem::from) }
    }

    fn json(&self, state: &HttpState) -> Result<HttpResponse, Problem> {
        Ok(match self.outcome.as_ref().map_err(Problem::clone)? {
            LinkOutcome::Opened(page) => json::opened(state, &self.link, page),
            LinkOutcome::Decided(confirmed, session) => {
                json::decided(state, &self.link, confirmed, session.as_ref())
            }
            LinkOutcome::Reissued(reissued) => json::reissued(reissued),
        })
    }

    fn page(&self, state: &HttpState, request: &LinkRequest) -> Result<HttpResponse, Problem> {
        let (link, press) = (&self.link, self.press.as_ref());
        match &self.outcome {
            Ok(LinkOutcome::Opened(page)) => Ok(page::opened(state, link, page)),
            Ok(LinkOutcome::Decided(confirmed, _)) => Ok(match redirect_url(state, link, confirmed) {
                Some(url) => redirect(&url),
                None => page::decided(state, link, confirmed, press),
            }),
            Ok(LinkOutcome::Reissued(_)) => Ok(page::done(state, link, "reissued")),
            Err(problem) => {
                let row = problem.code.row();
                if press.is_some()
                    && let Some(url) = continue_url(state, link, row.redirect_status)
                {
                    return Ok(redirect(&url));
                }
                let press = press.filter(|_| row.repeats_decision);
                match (press, request.wants) {
                    (Some(press), _) => Ok(page::undecided(state, link, press, problem)),
                    (None, Wants::Page) => Ok(page::refused(state, link, &request.token, problem)),
                    _ => Err(problem.clone()),
                }
            }
        }
    }
}

fn redirect(url: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, url)).finish()
}
