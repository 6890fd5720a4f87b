//! Public documents: keys, the API document and its pages, the client script.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, Responder};
use minijinja::context;
use minijinja::value::{Serde, Value};

use crate::domain::keys::JWKS_MAX_AGE;
use crate::http::pages::{API_YAML, NO_FORMS};
use crate::http::request::accept::Wants;
use crate::http::response::codes::Code;
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;

// Generated from client/src and committed; the client's tests fail when they are stale.
const CLIENT_JS: &str = include_str!("../../../client/dist/client.js");
const COMPAT_JS: &str = include_str!("../../../client/dist/compat.js");
const RELAY_CODE_JS: &str = include_str!("../../../client/dist/relay-code.js");

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Documents change with releases only.
const FOR_A_WHILE: (HeaderName, &str) = (CACHE_CONTROL, "public, max-age=300");

/// `GET /.well-known/jwks.json`
pub(super) async fn jwks(state: Data<HttpState>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, format!("max-age={}", JWKS_MAX_AGE.as_secs())))
        .content_type("application/jwk-set+json")
        .body(state.tokens.jwks_text().to_string())
}

/// `GET /openapi.yaml`
pub(super) async fn openapi() -> impl Responder {
    document("application/yaml", API_YAML)
}

/// `GET /docs`
pub(super) async fn docs(state: Data<HttpState>) -> impl Responder {
    state.pages.docs().customize().insert_header(FOR_A_WHILE)
}

/// `GET /problems`
pub(super) async fn problems(state: Data<HttpState>) -> impl Responder {
    let values = context! { problems => Serde(Code::ALL.iter().map(|code| code.row()).collect::<Vec<_>>()) };
    state.pages.english("problems.html", NO_FORMS, values).customize().insert_header(FOR_A_WHILE)
}

/// `GET /problems/{code}`
pub(super) async fn problem(
    state: Data<HttpState>,
    request: HttpRequest,
    code: Path<String>,
) -> Result<impl Responder, Problem> {
    let row = Code::find(&code).ok_or_else(|| Problem::new(Code::NotFound))?.row();
    let response = match Wants::of(&request) {
        Wants::Json => HttpResponse::Ok().json(row),
        _ => state.pages.english("problem.html", NO_FORMS, Value::from(Serde(row))),
    };
    Ok(response.customize().insert_header(FOR_A_WHILE))
}

/// `GET /client.js`
pub(super) async fn client() -> impl Responder {
    document(JAVASCRIPT, CLIENT_JS)
}

/// `GET /relay-code.js`, which the client script loads from its own directory.
pub(super) async fn relay_code() -> impl Responder {
    document(JAVASCRIPT, RELAY_CODE_JS)
}

/// `GET /compat.js`
pub(super) async fn compat() -> impl Responder {
    document(JAVASCRIPT, COMPAT_JS)
}

fn document(content_type: &str, text: &'static str) -> impl Responder + use<> {
    text.customize().insert_header((CONTENT_TYPE, content_type)).insert_header(FOR_A_WHILE)
}
