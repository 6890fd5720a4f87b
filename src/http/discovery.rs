//! What describes the service: keys, the API document and its pages, the client script.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use minijinja::context;
use minijinja::value::{Serde, Value};

use super::extract::{Parameter, wants_json};
use super::pages::{API_YAML, Powers};
use super::problem::{Code, Problem};
use super::state::HttpState;
use crate::domain::keys::JWKS_MAX_AGE;
use crate::domain::locale::Locale;

const CLIENT_JS: &str = include_str!("../../client/linkgate.js");
const RELAY_CODE_JS: &str = include_str!("../../client/relay-code.js");

/// For pages without modules: the same sources in a function of their own, with nothing exported.
static COMPAT_JS: LazyLock<String> = LazyLock::new(|| {
    let sources =
        [CLIENT_JS, include_str!("../../client/key.js"), include_str!("../../client/compat.global.js")];
    format!("(() => {{\n\"use strict\";\n{}}})();\n", sources.concat().replace("\nexport ", "\n"))
});

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
        &Powers::default(),
        context! { problems => Serde(problems) },
    ))
}

/// `GET /problems/{code}`
pub(super) async fn problem(
    state: Data<HttpState>,
    request: HttpRequest,
    Parameter(code): Parameter,
) -> Result<HttpResponse, Problem> {
    let code = Code::find(&code).ok_or_else(|| Problem::new(Code::NotFound))?;
    if wants_json(&request) {
        return Ok(HttpResponse::Ok().insert_header(FOR_A_WHILE).json(code.describe()));
    }
    let values = Value::from(Serde(code.describe()));
    Ok(cached(state.pages.page(StatusCode::OK, "problem.html", Locale::En, &Powers::default(), values)))
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
    script(COMPAT_JS.as_str())
}

fn script(text: &'static str) -> HttpResponse {
    HttpResponse::Ok().insert_header(FOR_A_WHILE).content_type("text/javascript; charset=utf-8").body(text)
}

fn cached(mut response: HttpResponse) -> HttpResponse {
    let (name, value) = FOR_A_WHILE;
    response.headers_mut().insert(name, actix_web::http::header::HeaderValue::from_static(value));
    response
}

#[cfg(test)]
mod tests {
    use super::COMPAT_JS;

    #[test]
    fn the_classic_script_has_no_module_syntax_left() {
        for line in COMPAT_JS.lines() {
            assert!(!line.starts_with("export ") && !line.starts_with("import "), "{line}");
        }
        assert!(COMPAT_JS.contains("\nfunction createLinkgate("));
    }
}
