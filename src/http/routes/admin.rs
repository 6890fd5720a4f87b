//! `/v1/admin`: what an operator with an API key may see and end.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::ids::{AttemptId, SessionId};
use crate::http::request::authority::check_api_key;
use crate::http::response::codes::Code;
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;

/// `GET /v1/admin/attempts/{id}`
pub(super) async fn attempt(
    state: Data<HttpState>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    check_api_key(&request)?;
    Ok(HttpResponse::Ok().json(state.services.operators.report(attempt_id(&id)?).await?))
}

/// `DELETE /v1/admin/attempts/{id}`
pub(super) async fn end_attempt(
    state: Data<HttpState>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    check_api_key(&request)?;
    state.services.operators.end_attempt(attempt_id(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /v1/admin/sessions/{id}`
pub(super) async fn end_session(
    state: Data<HttpState>,
    id: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    check_api_key(&request)?;
    let id: SessionId = id.parse().map_err(|_| {
        Problem::with_detail(Code::NotFound, "A session id is sess_ and 32 hexadecimal digits.")
    })?;
    state.services.operators.end_session(id).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn attempt_id(id: &str) -> Result<AttemptId, Problem> {
    id.parse().map_err(|_| Problem::new(Code::AttemptNotFound))
}
