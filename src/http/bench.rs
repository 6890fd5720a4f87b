//! What handlers do after their use case, by itself: for the benches, which tell the cost of rendering from that of the
//! rest.

use actix_web::HttpResponse;

use crate::flow::{AttemptView, LinkPage, SessionGrant, Started};
use crate::http::routes::attempts::started_response;
use crate::http::routes::{links, sessions, status};
use crate::http::state::HttpState;
use crate::token::Link;

/// The page of a link that works.
#[must_use]
pub fn link_page(state: &HttpState, link: &Link, page: &LinkPage) -> HttpResponse {
    links::link_page(state, link, page)
}

/// The answer to a start.
#[must_use]
pub fn started(state: &HttpState, started: Started) -> HttpResponse {
    started_response(state, started)
}

/// The answer to a poll.
#[must_use]
pub fn attempt(view: &AttemptView) -> HttpResponse {
    status::attempt_response(view)
}

/// The answer to a redemption by a client without cookies.
#[must_use]
pub fn session(session: &SessionGrant) -> HttpResponse {
    HttpResponse::Ok().json(sessions::session_json(session, true))
}
