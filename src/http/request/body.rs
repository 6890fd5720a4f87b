//! Bodies: read within their limits, then parsed strictly.

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde::de::value::MapDeserializer;

use super::headers::single;
use super::json::JsonObject;
use super::limits::{BODY_TIMEOUT, MAX_REQUEST_PART};
use crate::http::response::codes::Code;
use crate::http::response::problem::Problem;

#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyType {
    Json,
    Form,
    Missing,
}

/// A body that was read and is not parsed yet.
pub(crate) struct Body {
    body_type: BodyType,
    bytes: BytesMut,
}

impl Body {
    /// Reads the body of this request.
    ///
    /// # Errors
    /// [`Code::UnsupportedMediaType`], [`Code::PayloadTooLarge`], [`Problem::invalid`] if it does not arrive.
    pub(crate) async fn read(request: &HttpRequest, payload: Payload) -> Result<Self, Problem> {
        let body_type = body_type(request)?;
        // actix limits neither the time that a body takes nor, here, its size.
        let bytes = tokio::time::timeout(BODY_TIMEOUT, read(payload)).await.unwrap_or_else(|_| {
            let seconds = BODY_TIMEOUT.as_secs();
            Err(Problem::invalid(format!("The body did not arrive within {seconds} seconds.")))
        })?;
        Ok(Self { body_type, bytes })
    }

    /// Whether the body is declared as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.body_type == BodyType::Json
    }

    /// The body as JSON: one object, with no field unknown or repeated, and nothing behind it.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if !self.is_json() {
            return Err(Problem::new(Code::UnsupportedMediaType));
        }
        let JsonObject(value) = serde_json::from_slice(&self.bytes).map_err(|error| {
            // serde's message may quote the input; its position is safe to repeat.
            let place = format!("at line {}, column {}", error.line(), error.column());
            Problem::invalid(match error.classify() {
                serde_json::error::Category::Data => format!(
                    "The body does not fit this route, {place}: a field is unknown, missing, repeated or of \
                     the wrong type."
                ),
                _ => format!("The body is not valid JSON, {place}."),
            })
        })?;
        Ok(value)
    }

    /// As [`Body::json`]; `None` when the request has no body.
    pub(crate) fn optional_json<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        if self.bytes.is_empty() { Ok(None) } else { self.json().map(Some) }
    }

    /// The body as JSON or as a form. A form is read as strictly as an object, by the same derived code.
    pub(crate) fn json_or_form<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if self.body_type != BodyType::Form {
            return self.json();
        }
        let pairs = url::form_urlencoded::parse(&self.bytes).into_owned();
        let fields = MapDeserializer::<_, serde::de::value::Error>::new(pairs);
        T::deserialize(fields).map_err(|_| Problem::invalid("The form differs from the one on this page."))
    }
}

fn body_type(request: &HttpRequest) -> Result<BodyType, Problem> {
    let unsupported = || Problem::new(Code::UnsupportedMediaType);
    let coding = request.headers().get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(unsupported());
    }
    let Some(value) = single(request.headers(), &header::CONTENT_TYPE)? else { return Ok(BodyType::Missing) };
    let value = value.to_str().map_err(|_| unsupported())?.to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some(("charset", charset)) => matches!(charset.trim_matches('"'), "utf-8" | "utf8"),
        _ => parameter.is_empty(),
    });
    match essence {
        "application/json" if utf8 => Ok(BodyType::Json),
        "application/x-www-form-urlencoded" if utf8 => Ok(BodyType::Form),
        _ => Err(unsupported()),
    }
}

async fn read(mut payload: Payload) -> Result<BytesMut, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::invalid("The body could not be read."))?;
        if body.len() + chunk.len() > MAX_REQUEST_PART {
            return Err(Problem::new(Code::PayloadTooLarge));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
