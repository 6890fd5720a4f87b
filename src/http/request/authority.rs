//! What a request may do: by an attempt token, or by an API key.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev};

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

/// A request with a valid API key.
pub(crate) struct ApiKeyHolder;

impl ApiKeyHolder {
    /// Checks the key of this request.
    ///
    /// # Errors
    /// [`Code::ApiKeyInvalid`].
    pub(crate) fn check(request: &HttpRequest) -> Result<Self, Problem> {
        let key = bearer(request.headers()).and_then(|key| HttpState::of(request).api_key(key));
        key.map(|_| Self).ok_or_else(|| Problem::new(Code::ApiKeyInvalid))
    }
}

impl FromRequest for ApiKeyHolder {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Self::check(request))
    }
}
