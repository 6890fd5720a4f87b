//! `/v1/session` and `/v1/tickets`: sessions after sign-in.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use crate::http::request::authority::ApiKeyHolder;
use crate::http::request::body::Body;
use crate::http::request::headers::cookie;
use crate::http::request::identity::RequestIdentity;
use crate::http::request::page_origin::PageOrigin;
use crate::http::response::problem::Problem;
use crate::http::response::session::SessionJson;
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
    body: Body,
) -> Result<HttpResponse, Problem> {
    let TicketBody { ticket } = body.json()?;
    ApiKeyHolder::check(&request)?;
    let session = state.services.sessions.redeem_ticket(&ticket).await?;
    Ok(HttpResponse::Ok().json(SessionJson::granted(&session, false)))
}

/// `GET /v1/session`
pub(super) async fn read(
    state: Data<HttpState>,
    request: HttpRequest,
    who: RequestIdentity,
) -> Result<HttpResponse, Problem> {
    let renewal = cookie(&request, &state.cookies.session);
    let session = state.services.sessions.current(renewal, &who.caller).await?;
    Ok(HttpResponse::Ok().json(SessionJson::from(&session)))
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
    who: RequestIdentity,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let in_body: Option<RenewalBody> = body.optional_json()?;
    let renewal = in_body.as_ref().map(|body| body.renewal_token.as_str());
    let renewal = renewal.or_else(|| cookie(&request, &state.cookies.session));
    let session = state.services.sessions.renew(renewal, &who.caller).await?;
    Ok(HttpResponse::Ok().json(SessionJson::granted(&session, false)))
}

/// `DELETE /v1/session`
pub(super) async fn sign_out(
    state: Data<HttpState>,
    request: HttpRequest,
    who: RequestIdentity,
    origin: PageOrigin,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let in_body: Option<RenewalBody> = body.optional_json()?;
    let renewal = match &in_body {
        Some(body) => Some(body.renewal_token.as_str()),
        None => cookie(&request, &state.cookies.session)
            .map_or(Ok(None), |renewal| origin.may_use_cookies().map(|()| Some(renewal)))?,
    };
    state.services.sessions.sign_out(renewal, &who.caller).await?;
    Ok(HttpResponse::NoContent().append_header(state.cookies.without_session()).finish())
}
