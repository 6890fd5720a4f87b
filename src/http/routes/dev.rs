//! `linkgate dev` only: the demo application and the mailbox.

use actix_web::http::header::{HOST, LOCATION};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use minijinja::context;
use minijinja::value::Serde;
use serde_json::Value;

use crate::domain::email::EmailAddress;
use crate::http::pages::{FRAMED_MAIL, NO_FORMS, OWN_FORMS};
use crate::http::request::accept::Wants;
use crate::http::response::codes::Code;
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;

/// `GET /`
pub(super) async fn demo(state: Data<HttpState>, request: HttpRequest) -> HttpResponse {
    // Cookies belong to one host: a browser that used another name of this machine is redirected to the name in links.
    if !is_public_host(&state, host(&request)) {
        return HttpResponse::TemporaryRedirect()
            .insert_header((LOCATION, format!("{}/", state.settings.public_url)))
            .finish();
    }
    let policy = format!("{OWN_FORMS}; script-src 'self'; connect-src 'self'");
    state.pages.english("demo.html", &policy, context! {})
}

/// `GET /dev/demo.js`
pub(super) async fn demo_script() -> HttpResponse {
    HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(include_str!("../dev/demo.js"))
}

fn host(request: &HttpRequest) -> &str {
    request.headers().get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn is_public_host(state: &HttpState, host: &str) -> bool {
    state.settings.public_url.split_once("://").is_some_and(|(_, public)| public == host)
}

/// Rejects requests of a foreign page whose own host name resolves to this machine (DNS rebinding): a mail lets its reader
/// sign in.
fn reject_other_hosts(state: &HttpState, request: &HttpRequest) -> Result<(), Problem> {
    let host = host(request);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_local = matches!(name, "127.0.0.1" | "localhost" | "[::1]");
    if is_local || is_public_host(state, host) { Ok(()) } else { Err(Problem::new(Code::NotFound)) }
}

/// `GET /dev/mailbox`
pub(super) async fn mailbox(state: Data<HttpState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    reject_other_hosts(&state, &request)?;
    let to = url::form_urlencoded::parse(request.query_string().as_bytes())
        .find(|(name, _)| name == "to")
        .map(|(_, value)| {
            EmailAddress::parse(&value).map_or_else(|_| value.into_owned(), |to| to.as_str().to_owned())
        });
    let mails = state.services.mailbox.list(to.as_deref()).ok_or_else(|| Problem::new(Code::NotFound))?;
    if Wants::of(&request) == Wants::Json {
        return Ok(HttpResponse::Ok().json(mails));
    }
    Ok(state.pages.english("mailbox.html", OWN_FORMS, context! { mails => Serde(mails), to }))
}

fn one(state: &HttpState, request: &HttpRequest) -> Result<Value, Problem> {
    reject_other_hosts(state, request)?;
    let id = request.match_info().get("id").unwrap_or_default();
    state.services.mailbox.get(id).ok_or_else(|| Problem::new(Code::NotFound))
}

/// `GET /dev/mailbox/{id}`
pub(super) async fn mail(state: Data<HttpState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mail = one(&state, &request)?;
    if Wants::of(&request) == Wants::Json {
        return Ok(HttpResponse::Ok().json(mail));
    }
    let policy = format!("{NO_FORMS}; frame-src 'self'");
    Ok(state.pages.english("mail.html", &policy, context! { mail => Serde(mail) }))
}

/// `GET /dev/mailbox/{id}/html`
pub(super) async fn mail_html(state: Data<HttpState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mail = one(&state, &request)?;
    let html = mail["html"].as_str().unwrap_or_default();
    // Links open beside the mailbox, as mail programs do.
    let html = html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").insert_header(FRAMED_MAIL).body(html))
}
