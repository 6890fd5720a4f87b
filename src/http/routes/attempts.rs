//! `/v1/attempts`: start, enter the code, resend, cancel, redeem. [`super::status`] waits.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::json;

use crate::domain::ids::Subject;
use crate::domain::locale::Locale;
use crate::domain::policy::{CrossDevice, Purpose};
use crate::domain::secret::RelayCode;
use crate::flow::{Authority, BackEndOptions, Redeemed, StartRequest};
use crate::http::request::authority::authorized_attempt;
use crate::http::request::body::Body;
use crate::http::request::head::Head;
use crate::http::request::headers::{IDEMPOTENCY_KEY, bearer, cookie, single};
use crate::http::request::identity::RequestIdentity;
use crate::http::request::page_origin::PageOrigin;
use crate::http::request::{JsonObject, JsonString};
use crate::http::response::attempt::{attempt_response, started_response};
use crate::http::response::codes::Code;
use crate::http::response::problem::Problem;
use crate::http::response::session::{session_response, verified_cookie};
use crate::http::state::HttpState;
use crate::http::task::to_completion;

/// How long a back end may let its link live, in seconds.
const EXPIRES_IN: RangeInclusive<u32> = 60..=3600;

/// How many characters an `Idempotency-Key` may have.
const IDEMPOTENCY_KEY_LENGTH: RangeInclusive<usize> = 1..=255;

/// The body of a start.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StartBody {
    email_address: String,
    purpose: JsonString<Purpose>,
    redirect_url: Option<String>,
    locale: Option<String>,
    sub: Option<String>,
    client: Option<JsonObject<EndUser>>,
    cross_device: Option<JsonString<CrossDevice>>,
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
    Head(who): Head<RequestIdentity>,
    Head(origin): Head<PageOrigin>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let body: StartBody = Body::read(&request, payload).await?.json()?;
    let authority = authority(&state, &request, &who, origin, body.purpose.0).await?;
    let start = start_request(body, authority, idempotency_key(request.headers())?)?;
    to_completion(async move {
        let started = state.services.attempts.start(start, who.caller).await?;
        Ok(started_response(&state.cookies, &started))
    })
    .await?
}

/// On whose authority the attempt starts: an API key's, a session's, or nobody's.
async fn authority(
    state: &HttpState,
    request: &HttpRequest,
    who: &RequestIdentity,
    origin: PageOrigin,
    purpose: Purpose,
) -> Result<Authority, Problem> {
    let verifies = purpose == Purpose::VerifyEmail;
    if let Some(token) = bearer(request.headers()) {
        if let Some(key) = state.api_key(token) {
            return Ok(Authority::ApiKey(key.to_owned()));
        }
        // The form of a session token, whatever else may be wrong with it.
        if token.matches('.').count() != 2 {
            return Err(Problem::new(Code::ApiKeyInvalid));
        }
        let subject = state.services.sessions.subject_of(token).await?;
        return Ok(if verifies { Authority::Session(subject) } else { Authority::Anyone });
    }
    if request.headers().contains_key(AUTHORIZATION) {
        return Err(Problem::new(Code::ApiKeyInvalid));
    }
    match cookie(request, &state.cookies.session) {
        Some(renewal) if verifies => {
            origin.may_use_cookies()?;
            let session = state.services.sessions.current(Some(renewal), &who.caller).await?;
            Ok(Authority::Session(session.identity.subject))
        }
        _ => Ok(Authority::Anyone),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = single(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    match value.to_str() {
        // `to_str` accepts tabs.
        Ok(key) if IDEMPOTENCY_KEY_LENGTH.contains(&key.len()) && !key.contains('\t') => {
            Ok(Some(key.to_owned()))
        }
        _ => Err(Problem::invalid(format!(
            "Idempotency-Key must be {} to {} printable ASCII characters.",
            IDEMPOTENCY_KEY_LENGTH.start(),
            IDEMPOTENCY_KEY_LENGTH.end()
        ))),
    }
}

fn start_request(
    body: StartBody,
    authority: Authority,
    idempotency_key: Option<String>,
) -> Result<StartRequest, Problem> {
    Ok(StartRequest {
        back_end: back_end_options(&body, matches!(authority, Authority::ApiKey(_)))?,
        email_address: body.email_address,
        purpose: body.purpose.0,
        redirect_url: body.redirect_url,
        locale: body.locale.as_deref().and_then(Locale::from_tag),
        idempotency_key,
        authority,
    })
}

/// Checks the fields that only a back end may send.
fn back_end_options(body: &StartBody, by_back_end: bool) -> Result<BackEndOptions, Problem> {
    let has_options = body.sub.is_some()
        || body.client.is_some()
        || body.cross_device.is_some()
        || body.deliver.is_some()
        || body.ticket.is_some()
        || body.expires_in.is_some();
    if has_options && !by_back_end {
        return Err(Problem::with_detail(
            Code::ApiKeyInvalid,
            "sub, client, cross_device, deliver, ticket and expires_in need an API key.",
        ));
    }
    let subject = body.sub.clone().map(Subject::try_from).transpose();
    let subject = subject.map_err(|_| {
        Problem::invalid(format!("sub must be 1 to {} visible ASCII characters.", Subject::MAX_LEN))
    })?;
    if body.expires_in.is_some_and(|seconds| !EXPIRES_IN.contains(&seconds)) {
        let (shortest, longest) = EXPIRES_IN.into_inner();
        return Err(Problem::invalid(format!(
            "expires_in must be between {shortest} and {longest} seconds."
        )));
    }
    let ticket = body.ticket == Some(true);
    if ticket && body.redirect_url.is_none() {
        return Err(Problem::invalid("ticket needs a redirect_url: the ticket travels in it."));
    }
    let client = body.client.as_ref().map(|JsonObject(client)| client);
    Ok(BackEndOptions {
        subject,
        client_ip: client.and_then(|client| client.ip),
        client_user_agent: client.and_then(|client| client.user_agent.clone()),
        cross_device: body.cross_device.as_ref().map(|policy| policy.0),
        undelivered: body.deliver == Some(false),
        ticket,
        expires_in: body.expires_in.map(|seconds| TimeDelta::seconds(seconds.into())),
    })
}

/// The body with a relay code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    code: String,
}

/// `POST /v1/attempts/{id}/code`
pub(super) async fn code(
    state: Data<HttpState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let CodeBody { code } = Body::read(&request, payload).await?.json()?;
    let grant = authorized_attempt(&request)?;
    let code = RelayCode::parse(&code).map_err(|_| Problem::invalid("code must be six digits."))?;
    Ok(attempt_response(&state.services.attempts.enter_code(&grant, code).await?))
}

/// `POST /v1/attempts/{id}/resend`
pub(super) async fn resend(
    state: Data<HttpState>,
    request: HttpRequest,
    Head(who): Head<RequestIdentity>,
) -> Result<HttpResponse, Problem> {
    let grant = authorized_attempt(&request)?;
    to_completion(async move {
        let view = state.services.attempts.resend(&grant, &who.caller).await?;
        Ok(attempt_response(&view))
    })
    .await?
}

/// `DELETE /v1/attempts/{id}`
pub(super) async fn cancel(state: Data<HttpState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    state.services.attempts.cancel(&authorized_attempt(&request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /v1/attempts/{id}/redeem`
pub(super) async fn redeem(
    state: Data<HttpState>,
    request: HttpRequest,
    Head(who): Head<RequestIdentity>,
) -> Result<HttpResponse, Problem> {
    let grant = authorized_attempt(&request)?;
    match state.services.attempts.redeem(&grant, &who.caller).await? {
        Redeemed::Session(session) => Ok(session_response(&state, &session, &who)),
        Redeemed::EmailProof { email_proof, expires_in, email_address, subject } => {
            let mut response = HttpResponse::Ok();
            if let Some(cookie) = verified_cookie(&state, &who, &email_address) {
                response.append_header(cookie);
            }
            Ok(response.json(json!({
                "object": "email_proof",
                "email_proof": email_proof,
                "expires_in": expires_in.as_secs(),
                "email_address": email_address.as_str(),
                "user": subject.map(|subject| json!({ "id": subject.as_str() })),
            })))
        }
    }
}
