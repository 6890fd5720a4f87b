//! The layers around every route: request ids, limits, origins, headers, the access log and metrics.

mod admission;
pub(crate) mod errors;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::{Error, HttpResponse, ResponseError as _};
use uuid::Uuid;

use super::connection::in_flight::{InFlight, WhileInFlight};
use super::connection::parking;
use super::context::{Context, within};
use super::request::headers::X_REQUEST_ID;
use super::state::HttpState;
use crate::metrics::LONGEST_REQUEST_ID;

/// The layer around all others but the default headers.
pub(crate) async fn around_every_route(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<WhileInFlight>, Error> {
    let in_flight = InFlight::begin(&request);
    if in_flight.is_after_last(&request) {
        let refused = HttpResponse::BadRequest().force_close().finish();
        return Ok(in_flight.until_sent(request.into_response(refused)));
    }
    let context = parking::context(&request).unwrap_or_else(|| Rc::new(new_context(&request)));
    let method = request.method().clone();
    let mut response = within(Rc::clone(&context), async move {
        let mut response = match admission::admit(&request) {
            Ok(()) => next.call(request).await?.map_into_boxed_body(),
            Err(problem) => request.into_response(problem.error_response()),
        };
        if response.status().is_client_error() || response.status().is_server_error() {
            errors::explain(&mut response);
            admission::limit_refusals(&mut response);
        }
        Ok::<_, Error>(response)
    })
    .await?;
    finish(&mut response, &context.request_id);
    record(&response, &method, &context);
    Ok(in_flight.until_sent(response))
}

fn new_context(request: &ServiceRequest) -> Context {
    Context {
        begun: Instant::now(),
        request_id: request_id(request.headers()),
        public_url: Arc::clone(&HttpState::of(request.request()).settings.public_url),
    }
}

/// The id that the request brought, if it is safe to repeat, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(X_REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| (1..=LONGEST_REQUEST_ID).contains(&id.len()))
        .filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')))
        .map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned)
}

/// The headers of every response that does not set them itself.
pub(crate) fn default_headers(https: bool) -> DefaultHeaders {
    let headers = DefaultHeaders::new()
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add(("x-robots-tag", "noindex"))
        .add((header::CACHE_CONTROL, "no-store"))
        .add((header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"));
    if https { headers.add((header::STRICT_TRANSPORT_SECURITY, "max-age=63072000")) } else { headers }
}

/// Sets the request id, and closes the connection if this replica drains: the next request must come on another one.
fn finish(response: &mut ServiceResponse<BoxBody>, request_id: &str) {
    if HttpState::of(response.request()).services.waiters.is_draining() {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
}

/// Counts the request, and writes its line of the access log. Both name the pattern of the route, never the path, since paths
/// contain tokens.
fn record(response: &ServiceResponse<BoxBody>, method: &Method, context: &Context) {
    let request = response.request();
    let route = request.match_pattern().map_or(Cow::Borrowed("unmatched"), Cow::Owned);
    let (method, status, took) = (method_label(method), response.status().as_u16(), context.begun.elapsed());
    HttpState::of(request).metrics.answered(route.clone(), method, status, took, &context.request_id);
    log::info!(
        request_id = context.request_id.as_str(), method = method, route = &*route, status = status,
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        "{method} {route} {status}"
    );
}

/// The method if it is well known. Clients can invent others, and each would become a label of its own.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH", "TRACE"];
    KNOWN.into_iter().find(|known| method == known).unwrap_or("other")
}
