//! The framework's own errors, as problem documents.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, VARY};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, ResponseError as _};

use crate::http::response::codes::Code;
use crate::http::response::problem::{PROBLEM_JSON, Problem};

/// A layer that does nothing but [`explain`].
pub(crate) async fn explain_errors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let mut response = next.call(request).await?.map_into_boxed_body();
    if response.status().is_client_error() {
        explain(&mut response);
    }
    Ok(response)
}

/// Turns an error of the framework into a problem document. Our own problems and pages pass unchanged.
pub(super) fn explain(response: &mut ServiceResponse<BoxBody>) {
    let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let ours = [PROBLEM_JSON.as_bytes(), b"text/html"];
    if content_type.is_some_and(|value| ours.iter().any(|ours| value.starts_with(ours))) {
        return;
    }
    let code = match response.status() {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        status if status.is_client_error() => Code::InvalidRequest,
        _ => Code::Internal,
    };
    replace(response, Problem::new(code).error_response());
}

/// Replaces a response but for its CORS headers, without which the page that sent the request could not read it, and for
/// `Allow`.
pub(super) fn replace(response: &mut ServiceResponse<BoxBody>, mut replacement: HttpResponse) {
    for (name, value) in response.headers() {
        if [VARY, ALLOW].contains(name) || name.as_str().starts_with("access-control-") {
            replacement.headers_mut().append(name.clone(), value.clone());
        }
    }
    *response.response_mut() = replacement;
}
