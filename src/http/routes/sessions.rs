//! `/v1/session` and `/v1/tickets`: sessions after sign-in.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use serde::Deserialize;

use crate::http::request::authority::check_api_key;
use crate::http::request::body::Body;
use crate::http::request::head::Head;
use crate::http::request::headers::cookie;
use crate::http::request::identity::RequestIdentity;
use crate::http::request::page_origin::PageOrigin;
use crate::http::response::problem::Problem;
use crate::http::response::session::{current_session, granted_session};
use crate::http::state::HttpState;

/// The body with a ticket.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketBody {
    ticket: String,
}

/// `POST /v1/tickets/redeem`
pub(super) async fn redeem_ticket(
    state: Data<HttpState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let TicketBody { ticket } = Body::read(&request, payload).await?.json()?;
    check_api_key(&request)?;
    let session = state.services.sessions.redeem_ticket(&ticket).await?;
    Ok(HttpResponse::Ok().json(granted_session(&session, false)))
}

/// `GET /v1/session`
pub(super) async fn read(
    state: Data<HttpState>,
    request: HttpRequest,
    Head(who): Head<RequestIdentity>,
) -> Result<HttpResponse, Problem> {
    let renewal = cookie(&request, &state.cookies.session);
    let session = state.services.sessions.current(renewal, &who.caller).await?;
    Ok(HttpResponse::Ok().json(current_session(&session)))
}

/// The body of clients without cookies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenewalBody {
    renewal_token: String,
}

/// `POST /v1/session/token`
pub(super) async fn token(
    state: Data<HttpState>,
    request: HttpRequest,
    Head(who): Head<RequestIdentity>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let in_body: Option<RenewalBody> = Body::read(&request, payload).await?.optional_json()?;
    let renewal = in_body.as_ref().map(|body| body.renewal_token.as_str());
    let renewal = renewal.or_else(|| cookie(&request, &state.cookies.session));
    let session = state.services.sessions.renew(renewal, &who.caller).await?;
    Ok(HttpResponse::Ok().json(granted_session(&session, false)))
}

/// `DELETE /v1/session`
pub(super) async fn sign_out(
    state: Data<HttpState>,
    request: HttpRequest,
    Head(who): Head<RequestIdentity>,
    Head(origin): Head<PageOrigin>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let in_body: Option<RenewalBody> = Body::read(&request, payload).await?.optional_json()?;
    let in_cookie = cookie(&request, &state.cookies.session);
    if in_body.is_none() && in_cookie.is_some() {
        origin.may_use_cookies()?;
    }
    let renewal = in_body.as_ref().map(|body| body.renewal_token.as_str()).or(in_cookie);
    state.services.sessions.sign_out(renewal, &who.caller).await?;
    let ended = state.cookies.for_session("", TimeDelta::zero());
    Ok(HttpResponse::NoContent().append_header(ended).finish())
}
