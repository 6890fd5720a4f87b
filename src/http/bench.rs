//! The rendering of responses alone: the benches tell its cost from that of the rest.

use actix_web::HttpResponse;

use super::response::attempt::{attempt_response, started_response};
use super::response::links::opened_page;
use super::response::session::granted_session;
use super::state::HttpState;
use crate::flow::{AttemptView, LinkPage, SessionGrant, Started};
use crate::token::Link;

/// The page of a link that works.
#[must_use]
pub fn link_page(state: &HttpState, link: &Link, page: &LinkPage) -> HttpResponse {
    opened_page(state, link, page)
}

/// The response to a start.
#[must_use]
pub fn started(state: &HttpState, started: &Started) -> HttpResponse {
    started_response(&state.cookies, started)
}

/// The response to a poll.
#[must_use]
pub fn attempt(view: &AttemptView) -> HttpResponse {
    attempt_response(view)
}

/// The response to a redemption by a client without cookies.
#[must_use]
pub fn session(session: &SessionGrant) -> HttpResponse {
    HttpResponse::Ok().json(granted_session(session, true))
}
