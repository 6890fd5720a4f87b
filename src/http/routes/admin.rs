//! `/v1/admin`: what an operator with an API key may see and end.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

use crate::domain::ids::{AttemptId, SessionId};
use crate::http::request::authority::ApiKeyHolder;
use crate::http::response::codes::Code;
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;

/// `GET /v1/admin/attempts/{id}`
pub(super) async fn attempt(
    state: Data<HttpState>,
    id: Path<String>,
    _: ApiKeyHolder,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(state.operators.report(attempt_id(&id)?).await?))
}

/// `DELETE /v1/admin/attempts/{id}`
pub(super) async fn end_attempt(
    state: Data<HttpState>,
    id: Path<String>,
    _: ApiKeyHolder,
) -> Result<HttpResponse, Problem> {
    state.operators.end_attempt(attempt_id(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /v1/admin/sessions/{id}`
pub(super) async fn end_session(
    state: Data<HttpState>,
    id: Path<String>,
    _: ApiKeyHolder,
) -> Result<HttpResponse, Problem> {
    let id: SessionId = id.parse().map_err(|_| {
        Problem::with_detail(Code::NotFound, "A session id is sess_ and 32 hexadecimal digits.")
    })?;
    state.operators.end_session(id).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn attempt_id(id: &str) -> Result<AttemptId, Problem> {
    id.parse().map_err(|_| Problem::new(Code::AttemptNotFound))
}
