//! What handlers are given: strict bodies, bearer tokens, and who calls.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::{BytesMut, Data, Payload};
use actix_web::{FromRequest, HttpRequest, dev};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde::de::{
    DeserializeOwned, Deserializer, IntoDeserializer as _, MapAccess, Visitor, value::MapAccessDeserializer,
};

use super::cookies::Cookies;
use super::problem::{Code, Problem};
use super::state::HttpState;
use crate::domain::locale::Locale;
use crate::domain::network::Network;
use crate::domain::secret::ClientSecret;
use crate::flow::Caller;
use crate::token::fingerprint;

/// Largest body, and largest sum of headers, in bytes.
pub(super) const MAX_BODY: usize = 16 * 1024;

/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

/// A value that must be a JSON object: serde's derived code would take an array of its fields in order, too.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMaps<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMaps<T> {
            type Value = T;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(OnlyMaps(std::marker::PhantomData)).map(Object)
    }
}

/// A word out of a list, which must be a JSON string: serde's derived code would take `{"sign_in": null}`, too.
pub(super) struct Word<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyStrings<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyStrings<T> {
            type Value = T;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<T, E> {
                T::deserialize(word.into_deserializer())
            }
        }
        deserializer.deserialize_str(OnlyStrings(std::marker::PhantomData)).map(Word)
    }
}

/// A JSON body: `application/json`, one object, nothing unknown, repeated or behind it.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let acceptable = body_type(request).and_then(|body_type| match body_type {
            BodyType::Json => Ok(()),
            BodyType::Form | BodyType::None => Err(Problem::new(Code::UnsupportedMediaType)),
        });
        let body = read(request, payload);
        Box::pin(async move {
            acceptable?;
            parse(&body.await?).map(Self)
        })
    }
}

/// As [`Json`], or no body at all.
pub(super) struct OptionalJson<T>(pub(super) Option<T>);

impl<T: DeserializeOwned + 'static> FromRequest for OptionalJson<T> {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let body_type = body_type(request);
        let body = read(request, payload);
        Box::pin(async move {
            let body_type = body_type?;
            let body = body.await?;
            match body_type {
                _ if body.is_empty() => Ok(Self(None)),
                BodyType::Json => parse(&body).map(|value| Self(Some(value))),
                BodyType::Form | BodyType::None => Err(Problem::new(Code::UnsupportedMediaType)),
            }
        })
    }
}

/// A body that is a form for people and JSON for programs.
pub(super) enum FormOrJson<T> {
    /// `application/x-www-form-urlencoded`.
    Form(T),
    /// `application/json`.
    Json(T),
}

impl<T: DeserializeOwned + 'static> FromRequest for FormOrJson<T> {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let body_type = body_type(request);
        let body = read(request, payload);
        Box::pin(async move {
            let body_type = body_type?;
            let body = body.await?;
            match body_type {
                BodyType::Json => parse(&body).map(Self::Json),
                BodyType::Form => parse_form(&body).map(Self::Form),
                BodyType::None => Err(Problem::new(Code::UnsupportedMediaType)),
            }
        })
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let Object(value) = serde_json::from_slice::<Object<T>>(body).map_err(|error| {
        // serde's message may quote the input: only its place is safe to repeat, and the names of known fields.
        let place = format!("line {}, column {}", error.line(), error.column());
        let detail = match error.classify() {
            serde_json::error::Category::Data => format!("The body is not what this route takes, at {place}: a member is unknown, missing, repeated or of the wrong type."),
            _ => format!("The body is not JSON, at {place}."),
        };
        Problem::invalid(detail)
    })?;
    Ok(value)
}

/// A form, as strictly as an object: through the same derived code.
fn parse_form<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let pairs = url::form_urlencoded::parse(body).into_owned();
    let fields = serde::de::value::MapDeserializer::<_, serde::de::value::Error>::new(pairs);
    T::deserialize(fields).map_err(|_| Problem::invalid("The form is not what this page sends."))
}

enum BodyType {
    Json,
    Form,
    None,
}

fn body_type(request: &HttpRequest) -> Result<BodyType, Problem> {
    let unsupported = || Problem::new(Code::UnsupportedMediaType);
    let coding = request.headers().get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(unsupported());
    }
    let Some(value) = only(request.headers(), &header::CONTENT_TYPE)? else { return Ok(BodyType::None) };
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

/// Reads a body within its limits; actix has no time limit of its own.
fn read(
    request: &HttpRequest,
    payload: &mut dev::Payload,
) -> impl Future<Output = Result<BytesMut, Problem>> + use<> {
    let payload = Payload::from_request(request, payload);
    async move {
        let mut payload = payload.await.map_err(|_| Problem::invalid("The body could not be read."))?;
        let reading = async {
            let mut body = BytesMut::new();
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|_| Problem::invalid("The body could not be read."))?;
                if body.len() + chunk.len() > MAX_BODY {
                    return Err(Problem::new(Code::PayloadTooLarge));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        };
        tokio::time::timeout(BODY_PATIENCE, reading)
            .await
            .unwrap_or_else(|_| Err(Problem::invalid("The body did not arrive within 10 seconds.")))
    }
}

/// The token of `Authorization: Bearer` (RFC 6750, section 2.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    // What `to_str` takes, which looks at each of some 400 characters by itself.
    let text = std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii())?;
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// A header that may stand in a request once: of two values, nobody can say which one was meant.
pub(super) fn only<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, Problem> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Problem::invalid(format!("The header {name} stands there more than once."))),
    }
}

/// The header in which browsers say whose page a request comes from (W3C Fetch Metadata).
pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The header in which clients without cookies send their secret.
pub(super) const LINKGATE_CLIENT: HeaderName = HeaderName::from_static("linkgate-client");

/// Whether a path has one segment, and then `suffix`, behind as many segments as `prefix` has.
pub(super) fn follows(path: &str, prefix: &str, suffix: &str) -> bool {
    let depth = prefix.bytes().filter(|b| *b == b'/').count();
    let rest = (0..=depth).try_fold(path, |rest, _| Some(rest.split_once('/')?.1));
    let parameter = rest.and_then(|rest| rest.strip_suffix(suffix));
    parameter.is_some_and(|parameter| !parameter.is_empty() && !parameter.contains('/'))
}

/// What stands in a path in the place of its parameter.
pub(super) struct Parameter(pub(super) String);

impl Parameter {
    /// Where it stands, decoded but for what no id and no token has.
    pub(super) fn of(path: &dev::Path<dev::Url>) -> &str {
        path.unprocessed().split('/').nth(1).unwrap_or_default()
    }
}

impl FromRequest for Parameter {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        std::future::ready(Ok(Self(Self::of(request.match_info()).to_owned())))
    }
}

/// Who calls, and how it proves itself.
pub(super) struct Who {
    /// Without its `User-Agent`, which few routes ask for: see [`user_agent_of`].
    pub(super) caller: Caller,
    /// Whether the client secret came in `Linkgate-Client`: such clients keep no cookies.
    pub(super) by_header: bool,
}

impl FromRequest for Who {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        std::future::ready(who(request))
    }
}

fn who(request: &HttpRequest) -> Result<Who, Problem> {
    let state = state(request);
    let headers = request.headers();
    let by_header = match only(headers, &LINKGATE_CLIENT)? {
        Some(value) => {
            let secret = value.to_str().ok().and_then(|text| ClientSecret::parse(text).ok());
            Some(secret.ok_or_else(|| {
                Problem::invalid(
                    "Linkgate-Client must be 22 to 128 characters of base64url: at least 128 random bits.",
                )
            })?)
        }
        None => None,
    };
    let is_by_header = by_header.is_some();
    // A cookie that makes no sense is as good as none: the browser gets a new one.
    let secret = by_header.or_else(|| ClientSecret::parse(cookie(request, &state.cookies.client)?).ok());
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    Ok(Who {
        caller: Caller {
            client: secret.as_ref().map(fingerprint),
            network: network(request),
            user_agent: None,
            locale: text(header::ACCEPT_LANGUAGE).and_then(Locale::negotiate),
            marks: cookie(request, &state.cookies.verified).map_or_else(Vec::new, Cookies::marks),
        },
        by_header: is_by_header,
    })
}

/// The network that a request comes from, as seen through the trusted proxies.
pub(super) fn network(request: &HttpRequest) -> Network {
    let peer = request.peer_addr().map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
    // A byte that is no text makes a hop garbage, and takes none of the others away.
    let hops = request.headers().get_all(header::X_FORWARDED_FOR);
    let forwarded: Vec<_> = hops.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let forwarded: Vec<&str> = forwarded.iter().map(|value| &**value).collect();
    Network::of(state(request).trusted_proxies.client_address(peer, &forwarded))
}

/// The caller's `User-Agent`.
pub(super) fn user_agent_of(request: &HttpRequest) -> Option<String> {
    Some(request.headers().get(header::USER_AGENT)?.to_str().ok()?.to_owned())
}

/// The value of the cookie of this name, when there is exactly one: a second one of the name was planted by somebody.
///
/// Names are compared byte for byte, as browsers do that keep neighbouring hosts from setting `__Host-` ones. The
/// framework's own reader decodes `%5F` in names, cuts any Unicode space off them, and reads no cookie at all beside one
/// that is no UTF-8: it would believe what a neighbour was free to plant.
pub(super) fn cookie<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    let mut found = None;
    for line in request.headers().get_all(header::COOKIE).map(HeaderValue::as_bytes) {
        let ends = memchr::memchr_iter(b';', line).chain(std::iter::once(line.len()));
        let mut begin = 0;
        for end in ends {
            let pair = line[begin..end].trim_ascii();
            begin = end + 1;
            if let Some(value) = pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
                && found.replace(value).is_some()
            {
                return None;
            }
        }
    }
    std::str::from_utf8(found?).ok()
}

/// The state of the server.
pub(super) fn state(request: &HttpRequest) -> &HttpState {
    #[expect(clippy::expect_used, reason = "every application that `http::configure` builds has it")]
    request.app_data::<Data<HttpState>>().expect("the state is registered")
}

/// Whether the request would rather have JSON than a page.
pub(super) fn wants_json(request: &HttpRequest) -> bool {
    accept(request).is_some_and(|accept| accept.contains("application/json") && !accept.contains("text/html"))
}

/// Whether the request comes from somebody who reads pages.
pub(super) fn wants_page(request: &HttpRequest) -> bool {
    accept(request).is_some_and(|accept| accept.contains("text/html"))
}

fn accept(request: &HttpRequest) -> Option<String> {
    Some(request.headers().get(header::ACCEPT)?.to_str().ok()?.to_ascii_lowercase())
}
