//! `linkgate dev` only: the demo application and the mailbox.

use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, LOCATION};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use minijinja::context;
use minijinja::value::Serde;
use serde_json::Value;

use crate::domain::email::EmailAddress;
use crate::domain::locale::Locale;
use crate::http::pages::{CspPolicy, FRAMED_MAIL, Forms, Scripts};
use crate::http::request::accept::Wants;
use crate::http::response::codes::Code;
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;

/// `GET /`
pub(super) async fn demo(state: Data<HttpState>, request: HttpRequest) -> HttpResponse {
    // Cookies belong to one host: who comes by another name of this machine is sent to the one that links lead to.
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if state.public_url.split_once("://").is_some_and(|(_, public)| public != host) {
        return HttpResponse::TemporaryRedirect()
            .insert_header((LOCATION, format!("{}/", state.public_url)))
            .finish();
    }
    let policy = CspPolicy { scripts: Scripts::Own, forms: Forms::Own, ..CspPolicy::default() };
    state.pages.page(StatusCode::OK, "demo.html", Locale::En, &policy, context! {})
}

/// `GET /dev/demo.js`
pub(super) async fn demo_script() -> HttpResponse {
    HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(include_str!("../dev/demo.js"))
}

/// Refuses a page of another site whose name was made to lead here (DNS rebinding): the mails let people in.
fn refuse_other_hosts(state: &HttpState, request: &HttpRequest) -> Result<(), Problem> {
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let public = state.public_url.split_once("://").is_some_and(|(_, public)| public == host);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if public || matches!(name, "127.0.0.1" | "localhost" | "[::1]") {
        Ok(())
    } else {
        Err(Problem::new(Code::NotFound))
    }
}

fn mails(state: &HttpState, to: Option<&str>) -> Result<Vec<Value>, Problem> {
    state.mailbox.list(to).ok_or_else(|| Problem::new(Code::NotFound))
}

/// `GET /dev/mailbox`
pub(super) async fn mailbox(state: Data<HttpState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    refuse_other_hosts(&state, &request)?;
    let to = url::form_urlencoded::parse(request.query_string().as_bytes())
        .find(|(name, _)| name == "to")
        .map(|(_, value)| {
            EmailAddress::parse(&value).map_or_else(|_| value.into_owned(), |to| to.as_str().to_owned())
        });
    let mails = mails(&state, to.as_deref())?;
    if Wants::of(&request) == Wants::Json {
        return Ok(HttpResponse::Ok().json(mails));
    }
    let policy = CspPolicy { forms: Forms::Own, ..CspPolicy::default() };
    let values = context! { mails => Serde(mails), to };
    Ok(state.pages.page(StatusCode::OK, "mailbox.html", Locale::En, &policy, values))
}

fn one(state: &HttpState, id: &str) -> Result<Value, Problem> {
    state.mailbox.get(id).ok_or_else(|| Problem::new(Code::NotFound))
}

/// `GET /dev/mailbox/{id}`
pub(super) async fn mail(
    state: Data<HttpState>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    refuse_other_hosts(&state, &request)?;
    let mail = one(&state, &id)?;
    if Wants::of(&request) == Wants::Json {
        return Ok(HttpResponse::Ok().json(mail));
    }
    let policy = CspPolicy { own_frames: true, ..CspPolicy::default() };
    Ok(state.pages.page(StatusCode::OK, "mail.html", Locale::En, &policy, context! { mail => Serde(mail) }))
}

/// `GET /dev/mailbox/{id}/html`
pub(super) async fn mail_html(
    state: Data<HttpState>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    refuse_other_hosts(&state, &request)?;
    let mail = one(&state, &id)?;
    let html = mail["html"].as_str().unwrap_or_default();
    // Links open beside the mailbox, as mail programs do.
    let html = html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").insert_header(FRAMED_MAIL).body(html))
}
