//! Headers that need care, and cookies.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};

use crate::http::response::problem::Problem;

/// The header in which browsers say how the origin of the page relates to this server (W3C Fetch Metadata).
pub(crate) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The header in which clients without cookies send their secret.
pub(crate) const LINKGATE_CLIENT: HeaderName = HeaderName::from_static("linkgate-client");

/// The header that makes a repeated start the same start.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header that identifies a request, in the response and in the logs.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The token of `Authorization: Bearer` (RFC 6750, section 2.1), if the header is there once.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = single(headers, &AUTHORIZATION).ok().flatten()?;
    let text = std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii())?;
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// A header that may occur only once, since the meaning of two values is ambiguous.
///
/// # Errors
/// [`Problem::invalid`] when it occurs twice.
pub(crate) fn single<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, Problem> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Problem::invalid(format!("The header {name} occurs more than once."))),
    }
}

/// The value of a cookie, if there is exactly one of that name: somebody else set the second one.
///
/// Names are compared byte for byte, as browsers compare them when they keep neighbouring hosts from setting `__Host-`
/// cookies. The framework's own reader decodes `%5F` in names, trims Unicode white space off them, and reads no cookie
/// at all when one is not UTF-8: it would accept cookies that a neighbour may set.
pub(crate) fn cookie<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    let lines = request.headers().get_all(COOKIE).map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    let mut values = pairs.filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    match (values.next(), values.next()) {
        (Some(value), None) => std::str::from_utf8(value).ok(),
        _ => None,
    }
}
