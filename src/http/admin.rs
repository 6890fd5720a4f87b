//! `/v1/admin`: what an operator may see and end, with an API key.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::extract::{Parameter, bearer};
use super::problem::{Code, Problem};
use super::state::HttpState;
use crate::domain::ids::{AttemptId, SessionId};

/// `GET /v1/admin/attempts/{id}`
pub(super) async fn attempt(
    state: Data<HttpState>,
    request: HttpRequest,
    Parameter(id): Parameter,
) -> Result<HttpResponse, Problem> {
    let report = state.operators.report(attempt_id(&state, &request, &id)?).await?;
    Ok(HttpResponse::Ok().json(json!({
        "object": "attempt_report",
        "id": report.id.to_string(),
        "status": report.status,
        "failure": report.failure,
        "started_by": if report.by_api_key { "back_end" } else { "client" },
        "created_at": report.created_at,
        "last_link_at": report.last_link_at,
        "resent": report.last_link_at > report.created_at,
        "expires_at": report.expires_at,
        "resend_after": report.resend_after,
        "verified_at": report.verified_at,
        "confirmed_by": report.confirmed_by,
        "signed_in": report.signed_in,
        "code_tries_left": report.code_tries_left,
        "hint": report.hint,
    })))
}

/// `DELETE /v1/admin/attempts/{id}`
pub(super) async fn end_attempt(
    state: Data<HttpState>,
    request: HttpRequest,
    Parameter(id): Parameter,
) -> Result<HttpResponse, Problem> {
    state.operators.end_attempt(attempt_id(&state, &request, &id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /v1/admin/sessions/{id}`
pub(super) async fn end_session(
    state: Data<HttpState>,
    request: HttpRequest,
    Parameter(id): Parameter,
) -> Result<HttpResponse, Problem> {
    operator(&state, &request)?;
    let id: SessionId = id.parse().map_err(|_| {
        Problem::with_detail(Code::NotFound, "A session id is sess_ and 32 hexadecimal digits.")
    })?;
    state.operators.end_session(id).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn operator(state: &HttpState, request: &HttpRequest) -> Result<(), Problem> {
    let key = bearer(request.headers()).and_then(|key| state.api_key(key));
    key.map(drop).ok_or_else(|| Problem::new(Code::ApiKeyInvalid))
}

fn attempt_id(state: &HttpState, request: &HttpRequest, id: &str) -> Result<AttemptId, Problem> {
    operator(state, request)?;
    id.parse().map_err(|_| Problem::new(Code::AttemptNotFound))
}
