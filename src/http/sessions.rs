//! `/v1/session` and `/v1/tickets`: sessions after sign-in.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::cookies::SetCookie;
use super::extract::{Json, OptionalJson, Who, bearer, cookie};
use super::problem::{Code, Problem};
use super::state::HttpState;
use super::time::Time;
use crate::domain::email::EmailAddress;
use crate::flow::{OpenerSession, SessionGrant};
use crate::token::{Identity, client_id};

/// A session, as the API tells it.
#[derive(Serialize)]
pub(super) struct SessionJson<'a> {
    object: &'static str,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    expires_at: Time,
    client_id: Option<&'a str>,
    user: UserJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renewal_token: Option<&'a str>,
}

#[derive(Serialize)]
struct UserJson<'a> {
    id: &'a str,
    email_address: &'a str,
}

impl<'a> SessionJson<'a> {
    fn of(identity: &'a Identity, client_id: Option<&'a str>, expires_at: DateTime<Utc>) -> Self {
        Self {
            object: "session",
            id: identity.session.to_string(),
            session_token: None,
            expires_in: None,
            expires_at: Time(expires_at),
            client_id,
            user: UserJson { id: identity.subject.as_str(), email_address: identity.email.as_str() },
            renewal_token: None,
        }
    }
}

/// The session as JSON. The renewal token is in it for clients without cookies only.
pub(super) fn session_json(session: &SessionGrant, with_renewal: bool) -> SessionJson<'_> {
    SessionJson {
        session_token: Some(&session.session_token),
        expires_in: Some(session.expires_in.as_secs()),
        renewal_token: session.renewal_token.as_deref().filter(|_| with_renewal),
        ..SessionJson::of(&session.identity, session.client_id.as_deref(), session.expires_at)
    }
}

/// The session, with its cookie for clients that keep cookies.
pub(super) fn session_response(state: &HttpState, session: &SessionGrant, who: &Who) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if !who.by_header
        && let Some(renewal) = &session.renewal_token
    {
        response.append_header(state.cookies.for_session(renewal, session.expires_at, state.clock.now()));
    }
    if let Some(cookie) = verified_cookie(state, who, &session.identity.email) {
        response.append_header(cookie);
    }
    response.json(session_json(session, who.by_header))
}

/// The cookie by which a client proves from now on that it has verified this address.
pub(super) fn verified_cookie(state: &HttpState, who: &Who, email: &EmailAddress) -> Option<SetCookie> {
    let client = who.caller.client.as_ref().filter(|_| !who.by_header)?;
    let mark = state.sessions.address_mark(client, email);
    Some(state.cookies.for_verified(mark, &who.caller.marks))
}

/// What an opener that is signed in keeps: its session, and that it has verified the address.
pub(super) fn opener_cookies(state: &HttpState, here: &OpenerSession, who: &Who) -> Vec<SetCookie> {
    let session = state.cookies.for_session(&here.renewal_token, here.expires_at, state.clock.now());
    std::iter::once(session).chain(verified_cookie(state, who, here.email())).collect()
}

/// The body of a ticket.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketBody {
    ticket: String,
}

/// `POST /v1/tickets/redeem`
pub(super) async fn redeem_ticket(
    state: Data<HttpState>,
    request: HttpRequest,
    body: Json<TicketBody>,
) -> Result<HttpResponse, Problem> {
    if bearer(request.headers()).and_then(|key| state.api_key(key)).is_none() {
        return Err(Problem::new(Code::ApiKeyInvalid));
    }
    let session = state.sessions.redeem_ticket(&body.0.ticket).await?;
    Ok(HttpResponse::Ok().json(session_json(&session, false)))
}

/// `GET /v1/session`
pub(super) async fn read(
    state: Data<HttpState>,
    request: HttpRequest,
    who: Who,
) -> Result<HttpResponse, Problem> {
    let renewal = cookie(&request, &state.cookies.session);
    let session = state.sessions.current(renewal, &who.caller).await?;
    let client = client_id(&session.fingerprint);
    let body = SessionJson::of(&session.identity, Some(&client), session.expires_at);
    Ok(HttpResponse::Ok().json(body))
}

/// The body of clients without cookies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RenewalBody {
    renewal_token: String,
}

/// The renewal token of a request: in its body, or in its cookie.
fn renewal(state: &HttpState, request: &HttpRequest, body: OptionalJson<RenewalBody>) -> Option<String> {
    match body.0 {
        Some(body) => Some(body.renewal_token),
        None => cookie(request, &state.cookies.session).map(str::to_owned),
    }
}

/// `POST /v1/session/token`
pub(super) async fn token(
    state: Data<HttpState>,
    request: HttpRequest,
    who: Who,
    body: OptionalJson<RenewalBody>,
) -> Result<HttpResponse, Problem> {
    let renewal = renewal(&state, &request, body);
    let session = state.sessions.renew(renewal.as_deref(), &who.caller).await?;
    Ok(HttpResponse::Ok().json(session_json(&session, false)))
}

/// `DELETE /v1/session`
pub(super) async fn sign_out(
    state: Data<HttpState>,
    request: HttpRequest,
    who: Who,
    body: OptionalJson<RenewalBody>,
) -> Result<HttpResponse, Problem> {
    let by_cookie = body.0.is_none() && cookie(&request, &state.cookies.session).is_some();
    // A cookie comes by itself, so the page that sent the request must be known; unlisted origins never get here.
    if by_cookie
        && !request.headers().contains_key(header::ORIGIN)
        && !state.is_from_own_page(request.headers())
    {
        return Err(Problem::new(Code::OriginNotAllowed));
    }
    let renewal = renewal(&state, &request, body);
    state.sessions.sign_out(renewal.as_deref(), &who.caller).await?;
    Ok(HttpResponse::NoContent().append_header(state.cookies.without_session()).finish())
}
