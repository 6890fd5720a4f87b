//! `/v1/attempts`: starting, waiting, typing the code in, resending, canceling, redeeming.

use std::net::IpAddr;

use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::context::to_its_end;
use super::extract::{Json, Object, Parameter, Who, Word, bearer, cookie, only, user_agent_of};
use super::problem::{Code, Problem};
use super::sessions::{session_response, verified_cookie};
use super::state::HttpState;
use super::status::attempt_response;
use super::time::Time;
use crate::domain::attempt::Status;
use crate::domain::ids::Subject;
use crate::domain::locale::Locale;
use crate::domain::policy::{CrossDevice, Purpose};
use crate::domain::secret::RelayCode;
use crate::flow::{Authority, BackEndOptions, Redeemed, StartRequest, Started};
use crate::token::AttemptGrant;

/// The body of a start.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartBody {
    email_address: String,
    purpose: Word<Purpose>,
    redirect_url: Option<String>,
    locale: Option<String>,
    sub: Option<String>,
    client: Option<Object<EndUser>>,
    cross_device: Option<Word<CrossDevice>>,
    deliver: Option<bool>,
    ticket: Option<bool>,
    expires_in: Option<u32>,
}

/// The end user, as a back end describes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndUser {
    ip: Option<IpAddr>,
    user_agent: Option<String>,
}

/// `POST /v1/attempts`
pub(super) async fn start(
    state: Data<HttpState>,
    request: HttpRequest,
    mut who: Who,
    body: Json<StartBody>,
) -> Result<HttpResponse, Problem> {
    let authority = authority(&state, &request, &who, body.0.purpose.0).await?;
    who.caller.user_agent = user_agent_of(&request);
    let start = start_request(body.0, authority, idempotency_key(request.headers())?)?;
    let attempts = state.attempts.clone();
    let started = to_its_end(async move { attempts.start(start, who.caller).await }).await??;
    Ok(started_response(&state, started))
}

pub(super) fn started_response(state: &HttpState, started: Started) -> HttpResponse {
    let mut response = HttpResponse::Created();
    if let Some(secret) = &started.new_client {
        response.append_header(state.cookies.for_client(secret));
    }
    response.json(StartedJson::from(started))
}

/// Whose word the request has: an API key's, a session's, or nobody's.
async fn authority(
    state: &HttpState,
    request: &HttpRequest,
    who: &Who,
    purpose: Purpose,
) -> Result<Authority, Problem> {
    let token = bearer(request.headers());
    if let Some(key) = token.and_then(|token| state.api_key(token)) {
        return Ok(Authority::ApiKey(key.to_owned()));
    }
    match token {
        // As session tokens have, whatever else is wrong with this one.
        Some(token) if token.matches('.').count() == 2 => {
            let subject = state.sessions.subject_of(token).await?;
            Ok(if purpose == Purpose::VerifyEmail { Authority::Session(subject) } else { Authority::Anyone })
        }
        Some(_) => Err(Problem::new(Code::ApiKeyInvalid)),
        None if request.headers().contains_key(header::AUTHORIZATION) => {
            Err(Problem::new(Code::ApiKeyInvalid))
        }
        None if purpose == Purpose::VerifyEmail => {
            let Some(renewal) = cookie(request, &state.cookies.session) else { return Ok(Authority::Anyone) };
            // A session cookie comes by itself: the page that made the browser send it must be one of ours.
            if !request.headers().contains_key(header::ORIGIN) && !state.is_from_own_page(request.headers()) {
                return Err(Problem::new(Code::OriginNotAllowed));
            }
            let session = state.sessions.current(Some(renewal), &who.caller).await?;
            Ok(Authority::Session(session.identity.subject))
        }
        None => Ok(Authority::Anyone),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = only(headers, &HeaderName::from_static("idempotency-key"))? else { return Ok(None) };
    match value.to_str() {
        // `to_str` lets tabs pass.
        Ok(key) if (1..=255).contains(&key.len()) && !key.contains('\t') => Ok(Some(key.to_owned())),
        _ => Err(Problem::invalid("Idempotency-Key must be 1 to 255 printable ASCII characters.")),
    }
}

fn start_request(
    body: StartBody,
    authority: Authority,
    idempotency_key: Option<String>,
) -> Result<StartRequest, Problem> {
    let back_end_only = body.sub.is_some()
        || body.client.is_some()
        || body.cross_device.is_some()
        || body.deliver.is_some()
        || body.ticket.is_some()
        || body.expires_in.is_some();
    if back_end_only && !matches!(authority, Authority::ApiKey(_)) {
        return Err(Problem::with_detail(
            Code::ApiKeyInvalid,
            "sub, client, cross_device, deliver, ticket and expires_in need an API key.",
        ));
    }
    let subject = body.sub.as_deref().map(Subject::parse).transpose();
    let subject = subject.map_err(|_| Problem::invalid("sub must be 1 to 255 visible ASCII characters."))?;
    if body.expires_in.is_some_and(|seconds| !(60..=3600).contains(&seconds)) {
        return Err(Problem::invalid("expires_in must be between 60 and 3600 seconds."));
    }
    if body.ticket == Some(true) && body.redirect_url.is_none() {
        return Err(Problem::invalid("ticket needs a redirect_url: the ticket travels in it."));
    }
    let client = body.client.map(|client| client.0);
    Ok(StartRequest {
        email_address: body.email_address,
        purpose: body.purpose.0,
        redirect_url: body.redirect_url,
        locale: body.locale.as_deref().and_then(Locale::from_tag),
        idempotency_key,
        authority,
        back_end: BackEndOptions {
            subject,
            client_ip: client.as_ref().and_then(|client| client.ip),
            client_user_agent: client.and_then(|client| client.user_agent),
            cross_device: body.cross_device.map(|policy| policy.0),
            undelivered: body.deliver == Some(false),
            ticket: body.ticket == Some(true),
            expires_in: body.expires_in.map(|seconds| TimeDelta::seconds(seconds.into())),
        },
    })
}

/// The body of a relay code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeBody {
    code: String,
}

/// `POST /v1/attempts/{id}/code`
pub(super) async fn code(
    state: Data<HttpState>,
    request: HttpRequest,
    Parameter(id): Parameter,
    body: Json<CodeBody>,
) -> Result<HttpResponse, Problem> {
    let grant = authorized(&state, &request, &id)?;
    let code = RelayCode::parse(&body.0.code).map_err(|_| Problem::invalid("code must be six digits."))?;
    Ok(attempt_response(&state.attempts.enter_code(&grant, code).await?))
}

/// `POST /v1/attempts/{id}/resend`
pub(super) async fn resend(
    state: Data<HttpState>,
    request: HttpRequest,
    Parameter(id): Parameter,
    who: Who,
) -> Result<HttpResponse, Problem> {
    let grant = authorized(&state, &request, &id)?;
    let attempts = state.attempts.clone();
    let view = to_its_end(async move { attempts.resend(&grant, &who.caller).await }).await??;
    Ok(attempt_response(&view))
}

/// `DELETE /v1/attempts/{id}`
pub(super) async fn cancel(
    state: Data<HttpState>,
    request: HttpRequest,
    Parameter(id): Parameter,
) -> Result<HttpResponse, Problem> {
    let grant = authorized(&state, &request, &id)?;
    state.attempts.cancel(&grant).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /v1/attempts/{id}/redeem`
pub(super) async fn redeem(
    state: Data<HttpState>,
    request: HttpRequest,
    Parameter(id): Parameter,
    who: Who,
) -> Result<HttpResponse, Problem> {
    let grant = authorized(&state, &request, &id)?;
    Ok(match state.attempts.redeem(&grant, &who.caller).await? {
        Redeemed::Session(session) => session_response(&state, &session, &who),
        Redeemed::EmailProof { email_proof, expires_in, email_address, subject } => {
            let mut response = HttpResponse::Ok();
            if let Some(cookie) = verified_cookie(&state, &who, &email_address) {
                response.append_header(cookie);
            }
            response.json(json!({
                "object": "email_proof",
                "email_proof": email_proof,
                "expires_in": expires_in.as_secs(),
                "email_address": email_address.as_str(),
                "user": subject.map(|subject| json!({ "id": subject.as_str() })),
            }))
        }
    })
}

pub(super) fn authorized(
    state: &HttpState,
    request: &HttpRequest,
    id: &str,
) -> Result<AttemptGrant, Problem> {
    let token = bearer(request.headers()).ok_or_else(|| Problem::new(Code::AttemptTokenInvalid))?;
    Ok(state.attempts.authorize(id, token)?)
}

#[derive(Serialize)]
struct StartedJson {
    object: &'static str,
    id: String,
    status: Status,
    purpose: Purpose,
    email_address: String,
    created_at: Time,
    expires_at: Time,
    resend_after: Time,
    attempt_token: String,
    cross_device: CrossDevice,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

impl From<Started> for StartedJson {
    fn from(started: Started) -> Self {
        Self {
            object: "attempt",
            id: started.id.to_string(),
            status: started.status,
            purpose: started.purpose,
            email_address: started.email_address,
            created_at: Time(started.created_at),
            expires_at: Time(started.expires_at),
            resend_after: Time(started.resend_after),
            attempt_token: started.attempt_token,
            cross_device: started.cross_device,
            link: started.link,
        }
    }
}
