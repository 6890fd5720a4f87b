//! What describes the service: keys, the API document and its pages, the client script.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path};
use minijinja::context;
use minijinja::value::{Serde, Value};

use crate::domain::keys::JWKS_MAX_AGE;
use crate::domain::locale::Locale;
use crate::http::pages::{API_YAML, CspPolicy};
use crate::http::request::accept::Wants;
use crate::http::response::codes::Code;
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;

// Generated from client/src and committed; the client's tests fail when they are stale.
const CLIENT_JS: &str = include_str!("../../../client/dist/client.js");
const COMPAT_JS: &str = include_str!("../../../client/dist/compat.js");
const RELAY_CODE_JS: &str = include_str!("../../../client/dist/relay-code.js");

/// Documents change with releases only.
const FOR_A_WHILE: (actix_web::http::header::HeaderName, &str) = (CACHE_CONTROL, "public, max-age=300");

/// `GET /.well-known/jwks.json`
pub(super) async fn jwks(state: Data<HttpState>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, format!("max-age={}", JWKS_MAX_AGE.as_secs())))
        .content_type("application/jwk-set+json")
        .body(state.tokens.jwks_text().to_string())
}

/// `GET /openapi.yaml`
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().insert_header(FOR_A_WHILE).content_type("application/yaml").body(API_YAML)
}

/// `GET /docs`
pub(super) async fn docs(state: Data<HttpState>) -> HttpResponse {
    cached(state.pages.docs())
}

/// `GET /problems`
pub(super) async fn problems(state: Data<HttpState>) -> HttpResponse {
    let problems: Vec<_> = Code::ALL.iter().map(|code| code.describe()).collect();
    cached(state.pages.page(
        StatusCode::OK,
        "problems.html",
        Locale::En,
        &CspPolicy::default(),
        context! { problems => Serde(problems) },
    ))
}

/// `GET /problems/{code}`
pub(super) async fn problem(
    state: Data<HttpState>,
    wants: Wants,
    code: Path<String>,
) -> Result<HttpResponse, Problem> {
    let code = Code::find(&code).ok_or_else(|| Problem::new(Code::NotFound))?;
    if wants == Wants::Json {
        return Ok(HttpResponse::Ok().insert_header(FOR_A_WHILE).json(code.describe()));
    }
    let values = Value::from(Serde(code.describe()));
    Ok(cached(state.pages.page(StatusCode::OK, "problem.html", Locale::En, &CspPolicy::default(), values)))
}

/// `GET /client.js`
pub(super) async fn client() -> HttpResponse {
    script(CLIENT_JS)
}

/// `GET /relay-code.js`: loaded by the client script from beside it.
pub(super) async fn relay_code() -> HttpResponse {
    script(RELAY_CODE_JS)
}

/// `GET /compat.js`
pub(super) async fn compat() -> HttpResponse {
    script(COMPAT_JS)
}

fn script(text: &'static str) -> HttpResponse {
    HttpResponse::Ok().insert_header(FOR_A_WHILE).content_type("text/javascript; charset=utf-8").body(text)
}

fn cached(mut response: HttpResponse) -> HttpResponse {
    let (name, value) = FOR_A_WHILE;
    response.headers_mut().insert(name, actix_web::http::header::HeaderValue::from_static(value));
    response
}
