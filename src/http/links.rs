//! `/v/{link_token}`: what the mailed link leads to.

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, ORIGIN};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use minijinja::context;
use serde::Deserialize;
use serde_json::json;

use super::context::to_its_end;
use super::extract::{
    FormOrJson, Parameter, SEC_FETCH_SITE, Who, Word, only, user_agent_of, wants_json, wants_page,
};
use super::pages::{Forms, LinkFacts, LinkShape, Powers, Scripts, human_browser, human_time};
use super::problem::{Code, Problem};
use super::sessions::{opener_cookies, session_json};
use super::state::HttpState;
use crate::domain::attempt::SignedIn;
use crate::domain::locale::Locale;
use crate::domain::policy::{Confirm, Purpose};
use crate::domain::secret::ClientSecret;
use crate::flow::{Confirmed, Decision, LinkPage, OpenedLink};
use crate::token::{Link, fingerprint, fresh_bytes};

/// `GET|HEAD /v/{link_token}`
pub(super) async fn open(
    state: Data<HttpState>,
    request: HttpRequest,
    Parameter(token): Parameter,
    mut who: Who,
) -> Result<HttpResponse, Problem> {
    let json = wants_json(&request);
    // The page's confirmation is bound to the opener's client: a browser that is none yet becomes one.
    let new_client = if json { None } else { make_client(&mut who) };
    let locale = who.caller.locale;
    let OpenedLink { link, page } = match state.links.open(&token, &who.caller).await {
        Ok(opened) => opened,
        Err(error) => return refuse(&state, &request, error.into(), None, locale),
    };
    let page = match page {
        Ok(page) => page,
        Err(error) => {
            // It may ask for a new link, whose requester it is then.
            let page = refuse(&state, &request, error.into(), Some((&link, &token)), locale)?;
            return Ok(with_client(&state, page, new_client.as_ref()));
        }
    };
    if json {
        return Ok(HttpResponse::Ok().json(describe(&state, &link, &page)));
    }
    Ok(with_client(&state, link_page(&state, &link, &page), new_client.as_ref()))
}

/// Makes a client of a caller that is none.
fn make_client(who: &mut Who) -> Option<ClientSecret> {
    let secret = who.caller.client.is_none().then(|| ClientSecret::from_bytes(&fresh_bytes()))?;
    who.caller.client = Some(fingerprint(&secret));
    Some(secret)
}

fn with_client(
    state: &HttpState,
    mut response: HttpResponse,
    new_client: Option<&ClientSecret>,
) -> HttpResponse {
    if let Some(secret) = new_client {
        let (name, cookie) = state.cookies.for_client(secret);
        response.headers_mut().append(name, cookie);
    }
    response
}

pub(super) fn link_page(state: &HttpState, link: &Link, page: &LinkPage) -> HttpResponse {
    let powers = Powers {
        scripts: if page.confirm == Confirm::Automatic { Scripts::Inline } else { Scripts::None },
        ..forms_of(state, link)
    };
    let particulars = &link.particulars;
    let shape = LinkShape {
        confirm: page.confirm,
        purpose: particulars.purpose,
        sign_in_here: page.sign_in_here,
        ticket: particulars.ticket,
    };
    let mismatch = page.confirm == Confirm::Mismatch;
    let continue_url = mismatch.then(|| continue_url(state, link, "client_mismatch")).flatten();
    let facts = LinkFacts {
        confirmation: &page.confirmation,
        email_address: particulars.email.canonical().as_str(),
        requested_at: link.issued_at,
        requested_from: particulars.browser.as_deref(),
        continue_url: continue_url.as_deref(),
    };
    state.pages.link(shape, particulars.locale, &powers, &facts)
}

/// What every page about a link says of it.
fn facts(link: &Link) -> minijinja::Value {
    let particulars = &link.particulars;
    context! {
        email_address => particulars.email.canonical().as_str(),
        purpose => particulars.purpose.as_str(),
        requested_at => human_time(link.issued_at, particulars.locale),
        requested_from => particulars.browser.as_deref().map(|browser| human_browser(browser, particulars.locale)),
    }
}

/// Forms of a link's page end here or where the link leads to.
fn forms_of(state: &HttpState, link: &Link) -> Powers {
    let forms = state.links.redirect_of(link).map_or(Forms::Own, |url| Forms::OwnAnd(url.origin()));
    Powers { forms, ..Powers::default() }
}

/// The redirect URL with this status, for a link "Continue to the application".
fn continue_url(state: &HttpState, link: &Link, status: &str) -> Option<String> {
    Some(state.links.redirect_of(link)?.with_params(&[("__linkgate_status", status)]))
}

fn describe(state: &HttpState, link: &Link, page: &LinkPage) -> serde_json::Value {
    let particulars = &link.particulars;
    json!({
        "object": "link",
        "status": page.status,
        "purpose": particulars.purpose,
        "email_address": particulars.email.canonical().as_str(),
        "requested_at": link.issued_at,
        "expires_at": link.expires_at,
        "requested_from": particulars.browser,
        "application": state.app_name,
        "opener": page.opener,
        "confirm": page.confirm,
        "sign_in_here": page.sign_in_here,
        "confirmation": page.confirmation,
    })
}

/// A decision about a link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionBody {
    decision: Word<Decision>,
    confirmation: String,
}

/// `POST /v/{link_token}`
pub(super) async fn decide(
    state: Data<HttpState>,
    request: HttpRequest,
    Parameter(token): Parameter,
    who: Who,
    body: FormOrJson<DecisionBody>,
) -> Result<HttpResponse, Problem> {
    let (body, as_json) = parts(body);
    // Whose page may decide depends on the body: a foreign page could send a form with any Accept.
    own_or_listed(&state, &request, as_json)?;
    let as_json = as_json || wants_json(&request);
    let link = match state.links.read(&token) {
        Ok(link) => link,
        Err(error) => return refuse(&state, &request, error.into(), None, who.caller.locale),
    };
    let links = state.links.clone();
    let (link, body, who, decided) = to_its_end(async move {
        let decided = links.decide(&link, body.decision.0, &body.confirmation, &who.caller).await;
        (link, body, who, decided)
    })
    .await?;
    match decided {
        Ok(confirmed) if as_json => confirmed_json(&state, &link, confirmed, &who).await,
        Ok(confirmed) => Ok(confirmed_page(&state, &link, &confirmed, &body, &who)),
        Err(error) if as_json => Err(error.into()),
        Err(error) => Ok(undecided_page(&state, &request, &link, &token, error.into(), &body)),
    }
}

fn parts(body: FormOrJson<DecisionBody>) -> (DecisionBody, bool) {
    match body {
        FormOrJson::Form(body) => (body, false),
        FormOrJson::Json(body) => (body, true),
    }
}

/// Whose pages may decide: our own by forms; applications of listed origins, and programs that are no browsers, by
/// JSON.
fn own_or_listed(state: &HttpState, request: &HttpRequest, as_json: bool) -> Result<(), Problem> {
    let headers = request.headers();
    // Of two, any might be the page's.
    let origin = only(headers, &ORIGIN)?;
    let listed = as_json
        && match origin {
            Some(origin) => state.allows_origin(origin.as_bytes()),
            None => !headers.contains_key(SEC_FETCH_SITE),
        };
    if listed || state.is_from_own_page(headers) { Ok(()) } else { Err(Problem::new(Code::OriginNotAllowed)) }
}

/// The opener's way on after its decision was taken: the redirect URL if there is one, else a page.
fn confirmed_page(
    state: &HttpState,
    link: &Link,
    confirmed: &Confirmed,
    body: &DecisionBody,
    who: &Who,
) -> HttpResponse {
    let locale = link.particulars.locale;
    if let Confirmed::AwaitingCode { code, sign_in_here } = confirmed {
        let values = context! {
            relay_code => code.expose(),
            confirmation => body.confirmation.as_str(),
            sign_in_here,
            ..facts(link)
        };
        return state.pages.page(StatusCode::OK, "code.html", locale, &forms_of(state, link), values);
    }
    let mut response = if let Some(url) = state.links.redirect_of(link) {
        redirect(&url.with_params(&borrowed(&parameters(confirmed))))
    } else {
        let values = context! { outcome => outcome(confirmed, link.particulars.purpose), ..facts(link) };
        state.pages.page(StatusCode::OK, "done.html", locale, &Powers::default(), values)
    };
    if let Confirmed::Verified { opener_session: Some(here), .. } = confirmed {
        for (name, cookie) in opener_cookies(state, here, who) {
            response.headers_mut().append(name, cookie);
        }
    }
    response
}

fn redirect(url: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, url)).finish()
}

/// The parameters of the redirect.
fn parameters(confirmed: &Confirmed) -> Vec<(&'static str, String)> {
    match confirmed {
        Confirmed::Verified { session, ticket, .. } => {
            let mut parameters = vec![("__linkgate_status", "verified".to_owned())];
            parameters.extend(session.map(|id| ("__linkgate_session", id.to_string())));
            parameters.extend(ticket.clone().map(|ticket| ("__linkgate_ticket", ticket)));
            parameters
        }
        Confirmed::Denied => vec![("__linkgate_status", "denied".to_owned())],
        Confirmed::AwaitingCode { .. } => Vec::new(),
    }
}

fn borrowed<'a>(parameters: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    parameters.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn outcome(confirmed: &Confirmed, purpose: Purpose) -> &'static str {
    match confirmed {
        Confirmed::Denied => "denied",
        _ if purpose == Purpose::VerifyEmail => "verified_email",
        Confirmed::Verified { signed_in: Some(SignedIn::Requester), .. } => "approved_elsewhere",
        Confirmed::Verified { .. } | Confirmed::AwaitingCode { .. } => "signed_in_here",
    }
}

async fn confirmed_json(
    state: &HttpState,
    link: &Link,
    confirmed: Confirmed,
    who: &Who,
) -> Result<HttpResponse, Problem> {
    let parameters = parameters(&confirmed);
    let redirect_url = state.links.redirect_of(link).filter(|_| !parameters.is_empty());
    let mut body = json!({
        "object": "confirmation",
        "purpose": link.particulars.purpose,
        "signed_in": null,
        "session_id": null,
        "redirect_url": redirect_url.map(|url| url.with_params(&borrowed(&parameters))),
    });
    let mut response = HttpResponse::Ok();
    match confirmed {
        Confirmed::Denied => body["status"] = "denied".into(),
        Confirmed::AwaitingCode { code, .. } => {
            body["status"] = "awaiting_code".into();
            body["relay_code"] = code.expose().into();
        }
        Confirmed::Verified { session, signed_in, opener_session, .. } => {
            body["status"] = "verified".into();
            body["signed_in"] = json!(signed_in);
            body["session_id"] = json!(session.map(|id| id.to_string()));
            if let Some(here) = opener_session {
                if who.by_header {
                    let session = state.sessions.sign_in_opener(&here, &who.caller).await?;
                    body["session"] = json!(session_json(&session, true));
                } else {
                    for cookie in opener_cookies(state, &here, who) {
                        response.append_header(cookie);
                    }
                }
            }
        }
    }
    Ok(response.json(body))
}

/// The opener's way on after its decision was not taken: the application learns how the link ended; what may pass is
/// a page with a button to try again.
fn undecided_page(
    state: &HttpState,
    request: &HttpRequest,
    link: &Link,
    token: &str,
    problem: Problem,
    body: &DecisionBody,
) -> HttpResponse {
    let status = match problem.code {
        Code::LinkExpired => Some("expired"),
        Code::LinkAlreadyUsed | Code::LinkSuperseded | Code::LinkCanceled => Some("failed"),
        Code::ClientMismatch => Some("client_mismatch"),
        _ => None,
    };
    if let Some(url) = status.and_then(|status| continue_url(state, link, status)) {
        return redirect(&url);
    }
    if problem.code == Code::StoreUnavailable {
        let decision = match body.decision.0 {
            Decision::Approve => "approve",
            Decision::Deny => "deny",
            Decision::SignInOnThisDevice => "here",
        };
        let values = context! { retry => true, decision, confirmation => body.confirmation.as_str() };
        return state.pages.problem(&problem, link.particulars.locale, &forms_of(state, link), values);
    }
    refuse(state, request, problem, Some((link, token)), None)
        .unwrap_or_else(|problem| problem.error_response())
}

/// `POST /v/{link_token}/reissue`
pub(super) async fn reissue(
    state: Data<HttpState>,
    request: HttpRequest,
    Parameter(token): Parameter,
    mut who: Who,
) -> Result<HttpResponse, Problem> {
    let json = wants_json(&request);
    own_or_listed(&state, &request, json)?;
    let locale = who.caller.locale;
    let link = match state.links.read(&token) {
        Ok(link) => link,
        Err(error) => return refuse(&state, &request, error.into(), None, locale),
    };
    // Whoever asks may become the requester of a new attempt: as a client that its next link can recognise.
    let new_client = if json { None } else { make_client(&mut who) };
    who.caller.user_agent = user_agent_of(&request);
    let links = state.links.clone();
    let (link, reissued) = to_its_end(async move {
        let reissued = links.reissue(&link, &who.caller).await;
        (link, reissued)
    })
    .await?;
    let response = match reissued {
        Ok(reissued) if json => HttpResponse::Ok().json(json!({
            "object": "reissue",
            "email_address": reissued.email_address,
            "expires_at": reissued.expires_at,
        })),
        Ok(_) => {
            let values = context! { outcome => "reissued", ..facts(&link) };
            state.pages.page(StatusCode::OK, "done.html", link.particulars.locale, &Powers::default(), values)
        }
        Err(error) => return refuse(&state, &request, error.into(), Some((&link, &token)), locale),
    };
    Ok(with_client(&state, response, new_client.as_ref()))
}

/// A problem with a link: a page for people, a document for programs.
fn refuse(
    state: &HttpState,
    request: &HttpRequest,
    problem: Problem,
    link: Option<(&Link, &str)>,
    locale: Option<Locale>,
) -> Result<HttpResponse, Problem> {
    if !wants_page(request) {
        return Err(problem);
    }
    let Some((link, token)) = link else {
        let locale = locale.unwrap_or(state.default_locale);
        return Ok(state.pages.problem(&problem, locale, &Powers::default(), context! {}));
    };
    let gone = matches!(
        problem.code,
        Code::LinkExpired | Code::LinkAlreadyUsed | Code::LinkSuperseded | Code::LinkCanceled
    );
    // The mail or the store may be back in a moment: the same button again.
    let again = matches!(problem.code, Code::MailUnavailable | Code::StoreUnavailable | Code::ResendTooSoon);
    let status = if problem.code == Code::LinkExpired { "expired" } else { "failed" };
    let anew = state.links.may_start_over(link) || problem.code == Code::LinkSuperseded;
    let values = context! {
        reissue => gone && anew || again,
        reissue_url => format!("/v/{token}/reissue"),
        continue_url => if gone { continue_url(state, link, status) } else { None },
    };
    Ok(state.pages.problem(&problem, link.particulars.locale, &forms_of(state, link), values))
}
