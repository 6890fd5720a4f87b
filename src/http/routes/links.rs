//! `/v/{link_token}`: where the link in the mail leads.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::flow::{Confirmed, FlowError, OpenedLink};
use crate::http::request::accept::Wants;
use crate::http::request::body::Body;
use crate::http::request::head::Head;
use crate::http::request::identity::RequestIdentity;
use crate::http::request::page_origin::PageOrigin;
use crate::http::request::press::Press;
use crate::http::response::links::{LinkOutcome, LinkReply, LinkRequest};
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;
use crate::http::task::to_completion;
use crate::token::Link;

/// `GET|HEAD /v/{link_token}`
pub(super) async fn open(
    state: Data<HttpState>,
    token: Path<String>,
    Head(wants): Head<Wants>,
    Head(who): Head<RequestIdentity>,
) -> Result<HttpResponse, Problem> {
    let request = LinkRequest::by_client(token.into_inner(), wants, who);
    let opened = state.services.links.open(&request.token, &request.who.caller).await;
    let reply =
        opened.map(|OpenedLink { link, page }| LinkReply::new(link, None, page.map(LinkOutcome::Opened)));
    request.respond(&state, reply)
}

/// `POST /v/{link_token}`
pub(super) async fn decide(
    state: Data<HttpState>,
    http: HttpRequest,
    token: Path<String>,
    Head(wants): Head<Wants>,
    Head(who): Head<RequestIdentity>,
    Head(origin): Head<PageOrigin>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&http, payload).await?;
    let press: Press = body.json_or_form()?;
    // By the body, not by `Accept`: a foreign page can send a form with any `Accept`.
    origin.may_decide(body.is_json())?;
    let wants = if body.is_json() { Wants::Json } else { wants };
    let request = LinkRequest { token: token.into_inner(), wants, who, new_client: None };
    to_completion(async move {
        let reply = async {
            let link = state.services.links.read(&request.token)?;
            let outcome = take_decision(&state, &request, &link, &press).await;
            Ok(LinkReply::new(link, Some(press), outcome))
        };
        request.respond(&state, reply.await)
    })
    .await?
}

async fn take_decision(
    state: &HttpState,
    request: &LinkRequest,
    link: &Link,
    press: &Press,
) -> Result<LinkOutcome, FlowError> {
    let caller = &request.who.caller;
    let confirmed = state.services.links.decide(link, press.decision.0, &press.confirmation, caller).await?;
    // An opener that keeps no cookies and asked for JSON gets the whole session.
    let session = match &confirmed {
        Confirmed::Verified { opener_session: Some(here), .. }
            if request.who.by_header && request.wants == Wants::Json =>
        {
            Some(state.services.sessions.sign_in(here.identity.clone(), caller).await?)
        }
        _ => None,
    };
    Ok(LinkOutcome::Decided(confirmed, session))
}

/// `POST /v/{link_token}/reissue`
pub(super) async fn reissue(
    state: Data<HttpState>,
    token: Path<String>,
    Head(wants): Head<Wants>,
    Head(who): Head<RequestIdentity>,
    Head(origin): Head<PageOrigin>,
) -> Result<HttpResponse, Problem> {
    origin.may_decide(wants == Wants::Json)?;
    // The opener may become the requester of a new attempt.
    let request = LinkRequest::by_client(token.into_inner(), wants, who);
    to_completion(async move {
        let reply = async {
            let link = state.services.links.read(&request.token)?;
            let reissued = state.services.links.reissue(&link, &request.who.caller).await;
            Ok(LinkReply::new(link, None, reissued.map(LinkOutcome::Reissued)))
        };
        request.respond(&state, reply.await)
    })
    .await?
}
