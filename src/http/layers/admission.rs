//! Rejects requests that no route should see, and limits refusals by network.

use std::time::Duration;

use actix_web::ResponseError as _;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, ORIGIN};

use super::errors;
use crate::http::request::accept::Wants;
use crate::http::request::headers::bearer;
use crate::http::request::identity::network;
use crate::http::request::limits::MAX_REQUEST_PART;
use crate::http::response::codes::Code;
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;
use crate::metrics::LimitScope;

/// Rejects requests that no route should see.
pub(super) fn admit(request: &ServiceRequest) -> Result<(), Problem> {
    let state = HttpState::of(request.request());
    if head_length(request) > MAX_REQUEST_PART || announced_body(request) > MAX_REQUEST_PART {
        return Err(Problem::new(Code::PayloadTooLarge));
    }
    // The path as the router sees it, with `%76` decoded. Routes of links check the origin themselves: forms of our own
    // pages may come without one.
    let is_api = request.match_info().as_str().starts_with("/v1/");
    if is_api && request.headers().get_all(ORIGIN).any(|origin| !state.allows_origin(origin.as_bytes())) {
        return Err(Problem::new(Code::OriginNotAllowed));
    }
    // An API key could be guessed, so it is not looked at once its network has spent its refusals.
    if bearer(request.headers()).is_some()
        && !is_signed(request.headers())
        && let Some(after) = state.refusals.spent(network(request.request()), state.clock.now())
    {
        return Err(too_many(state, after));
    }
    Ok(())
}

/// The size of path and headers, in bytes.
fn head_length(request: &ServiceRequest) -> usize {
    let headers: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    headers + request.uri().path_and_query().map_or(0, |target| target.as_str().len())
}

/// `Content-Length`, whether or not the route reads the body. A body without it is counted as it is read.
fn announced_body(request: &ServiceRequest) -> usize {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or_default()
}

/// Whether `Authorization` has the form of a signed token, which nobody can guess.
fn is_signed(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().contains(&b'.'))
}

/// Counts a refusal, and replaces it once its network has spent its limit.
pub(super) fn limit_refusals(response: &mut ServiceResponse<BoxBody>) {
    if !response.response().extensions().get::<Code>().is_some_and(|code| code.row().refusal) {
        return;
    }
    let request = response.request();
    let state = HttpState::of(request);
    let Some(after) = state.refusals.count(network(request), state.clock.now()) else { return };
    let problem = too_many(state, after);
    let replacement = match Wants::of(request) {
        Wants::Page => state.pages.problem(&problem, state.settings.default_locale),
        Wants::Json | Wants::Either => problem.error_response(),
    };
    errors::replace(response, replacement);
}

fn too_many(state: &HttpState, after: Duration) -> Problem {
    state.metrics.limited(LimitScope::Refusals);
    Problem::after(Code::RateLimited, after)
}
