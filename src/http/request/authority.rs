//! Authority of requests: an attempt token, or an API key.

use actix_web::HttpRequest;

use super::headers::bearer;
use crate::http::response::codes::Code;
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;
use crate::token::AttemptGrant;

/// The attempt of the path, whose attempt token the request carries.
///
/// # Errors
/// [`Code::AttemptTokenInvalid`], [`Code::AttemptNotFound`].
pub(crate) fn authorized_attempt(request: &HttpRequest) -> Result<AttemptGrant, Problem> {
    let token = bearer(request.headers()).ok_or_else(|| Problem::new(Code::AttemptTokenInvalid))?;
    let id = request.match_info().get("id").unwrap_or_default();
    Ok(HttpState::of(request).services.attempts.authorize(id, token)?)
}

/// Checks that the request carries a valid API key.
///
/// # Errors
/// [`Code::ApiKeyInvalid`].
pub(crate) fn check_api_key(request: &HttpRequest) -> Result<(), Problem> {
    let key = bearer(request.headers()).and_then(|key| HttpState::of(request).api_key(key));
    key.map(|_| ()).ok_or_else(|| Problem::new(Code::ApiKeyInvalid))
}
