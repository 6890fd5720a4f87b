//! The layers around every route: request ids, limits, origins, headers, the access log and metrics.

mod admission;
pub(crate) mod errors;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, ResponseError as _};
use uuid::Uuid;

use super::connection::in_flight::{InFlight, WhileInFlight};
use super::connection::parking;
use super::context::{Context, within};
use super::request::headers::X_REQUEST_ID;
use super::state::HttpState;
use crate::metrics::LONGEST_REQUEST_ID;

const X_ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");

/// The outermost layer.
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
    set_headers(&mut response, &context.request_id);
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

/// Sets the headers of every response.
fn set_headers(response: &mut ServiceResponse<BoxBody>, request_id: &str) {
    let state = HttpState::of(response.request());
    let (https, draining) = (state.https, state.services.waiters.is_draining());
    if draining {
        // This replica goes away: the next request must come on another connection.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(X_ROBOTS_TAG, "noindex");
    if https {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=63072000");
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
}

/// Counts the request, and writes its line of the access log. Both name the pattern of the route, never the path, in which
/// tokens stand.
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

/// The method, if it is a well-known one: clients can make up others, and each would be a label of its own.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH", "TRACE"];
    KNOWN.into_iter().find(|known| method == known).unwrap_or("other")
}
