//! What happens to every request and every answer, whatever the route: ids, limits, origins, headers, problems for
//! the framework's own errors, the access log, metrics.

use std::borrow::Cow;
use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minijinja::context;

use super::Pattern;
use super::connection::{Open, WhileOpen, parking};
use super::context::{Context, within};
use super::extract::{MAX_BODY, bearer, network, wants_page};
use super::pages::Powers;
use super::problem::{Code, PROBLEM_JSON, Problem};
use super::refusals::Refusals;
use super::state::HttpState;
use super::worker::Worker;
use crate::metrics::{LONGEST_REQUEST_ID, LimitScope};

/// The header that names a request.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const X_ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");

/// The outermost layer.
pub(crate) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<WhileOpen>, Error> {
    let open = Open::begin(&request);
    if open.is_late(&request) {
        return Ok(open.until_sent(request.into_response(HttpResponse::BadRequest().force_close().finish())));
    }
    let context = parking::context(&request).unwrap_or_else(|| {
        Rc::new(Context {
            begun: Instant::now(),
            request_id: request_id(request.headers()),
            public_url: Worker::of(request.request()).public_url.clone(),
        })
    });
    let method = request.method().clone();
    let answer = within(context.clone(), async move {
        if let Err(problem) = admit(&request) {
            return Ok(request.into_response(problem.error_response()));
        }
        // Handlers' errors are responses already when they get here, and no layer below has errors of its own.
        next.call(request).await.map(ServiceResponse::map_into_boxed_body)
    });
    let mut response = answer.await?;
    if response.status().is_client_error() || response.status().is_server_error() {
        within(context.clone(), async {
            explain(&mut response);
            limit_refusals(&mut response);
        })
        .await;
    }
    finish(&mut response, &context.request_id);
    if state_of(&response).waiters.is_draining() {
        // The next request on this connection might meet a closed one: it is to come on another.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }

    let route = route_of(response.request());
    let status = response.status().as_u16();
    let took = context.begun.elapsed();
    let (method, request_id) = (name_of(&method), context.request_id.as_str());
    Worker::of(response.request()).answered((route.clone(), method, status), took, request_id);
    log::info!(
        request_id = request_id, method = method, route = &*route, status = status,
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        "{method} {route} {status}"
    );
    Ok(open.until_sent(response))
}

/// The path of the route as the table has it. A layer may have answered before the route was reached.
fn route_of(request: &HttpRequest) -> Cow<'static, str> {
    match request.app_data::<Pattern>() {
        Some(Pattern(pattern)) => Cow::Borrowed(pattern),
        None => request.match_pattern().map_or(Cow::Borrowed("unmatched"), Cow::Owned),
    }
}

/// A method is counted by name only when it is one that exists: whoever calls can invent others.
fn name_of(method: &Method) -> &'static str {
    const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH", "TRACE"];
    KNOWN.into_iter().find(|known| method == known).unwrap_or("other")
}

fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(X_REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| (1..=LONGEST_REQUEST_ID).contains(&id.len()))
        .filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')))
        .map_or_else(fresh_id, str::to_owned)
}

/// A name for a request. It opens nothing, so it need not be as hard to guess as a secret, only to be the one of its kind
/// and to tell nothing: hashes of a count, with keys that each thread has for itself.
fn fresh_id() -> String {
    thread_local! {
        static KEYS: [RandomState; 2] = Default::default();
        static COUNT: Cell<u64> = const { Cell::new(0) };
    }
    let count = COUNT.replace(COUNT.get().wrapping_add(1));
    let [first, second] = KEYS.with(|keys| keys.each_ref().map(|key| key.hash_one(count)));
    let bytes = (u128::from(first) << 64 | u128::from(second)).to_be_bytes();
    URL_SAFE_NO_PAD.encode(&bytes[..12])
}

/// Refuses what no route should see.
fn admit(request: &ServiceRequest) -> Result<(), Problem> {
    let size: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    // Announced, whether or not the route reads a body; what is not announced is counted as it is read.
    let body =
        request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if size + target > MAX_BODY || body.is_some_and(|length| length > MAX_BODY) {
        return Err(Problem::new(Code::PayloadTooLarge));
    }
    // Links look at their origin themselves: forms of our own pages may come with none.
    // The path as the router sees it, with `%76` decoded; and all origins, should there be several.
    let foreign = |origin: &HeaderValue| !state(request).allows_origin(origin.as_bytes());
    if request.match_info().as_str().starts_with("/v1/")
        && request.headers().get_all(header::ORIGIN).any(foreign)
    {
        return Err(Problem::new(Code::OriginNotAllowed));
    }
    // Something to be guessed: not at any speed.
    if !is_signed(request.headers())
        && bearer(request.headers()).is_some()
        && let Some(after) =
            state(request).refusals.spent(network(request.request()), state(request).clock.now())
    {
        return Err(too_many(state(request), after));
    }
    Ok(())
}

/// Whether what stands in `Authorization` has the shape of a signed token: nothing that could be guessed.
fn is_signed(headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes().contains(&b'.'))
}

/// What a network that is refused again and again gets instead of one more refusal.
fn limit_refusals(response: &mut ServiceResponse<BoxBody>) {
    let code = response.response().extensions().get::<Code>().copied();
    if !code.is_some_and(Refusals::counts) {
        return;
    }
    let request = response.request();
    let state = super::extract::state(request);
    let Some(after) = state.refusals.count(network(request), state.clock.now()) else { return };
    let problem = too_many(state, after);
    let mut refusal = if wants_page(request) {
        let locale = state.default_locale;
        state.pages.problem(&problem, locale, &Powers::default(), context! {})
    } else {
        problem.error_response()
    };
    // The page that asked is to be able to read it.
    for (name, value) in response.headers() {
        if *name == header::VARY || name.as_str().starts_with("access-control-") {
            refusal.headers_mut().append(name.clone(), value.clone());
        }
    }
    *response.response_mut() = refusal;
}

fn too_many(state: &HttpState, after: Duration) -> Problem {
    state.metrics.limited(LimitScope::Refusals);
    Problem::after(Code::RateLimited, after)
}

/// Turns an error of the framework into a problem.
fn explain(response: &mut ServiceResponse<BoxBody>) {
    let status = response.status();
    let content_type = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content_type
        .is_some_and(|value| value.starts_with(PROBLEM_JSON.as_bytes()) || value.starts_with(b"text/html"))
    {
        return;
    }
    let code = match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        status if status.is_client_error() => Code::InvalidRequest,
        _ => Code::Internal,
    };
    *response.response_mut() = Problem::new(code).error_response();
}

/// The headers of every answer.
fn finish(response: &mut ServiceResponse<BoxBody>, request_id: &str) {
    let https = state_of(response).https;
    let headers = response.headers_mut();
    let mut set =
        |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
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

fn state(request: &ServiceRequest) -> &HttpState {
    super::extract::state(request.request())
}

fn state_of(response: &ServiceResponse<BoxBody>) -> &HttpState {
    super::extract::state(response.request())
}
