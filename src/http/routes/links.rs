//! `/v/{link_token}`: where the link in the mail leads.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use crate::flow::{Confirmed, FlowError, OpenedLink, SessionGrant};
use crate::http::request::accept::Wants;
use crate::http::request::body::Body;
use crate::http::request::identity::RequestIdentity;
use crate::http::request::page_origin::PageOrigin;
use crate::http::request::press::Press;
use crate::http::response::links::{LinkReply, LinkRequest};
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;
use crate::http::task::to_completion;
use crate::token::Link;

/// `GET|HEAD /v/{link_token}`
pub(crate) async fn open(
    state: Data<HttpState>,
    token: Path<String>,
    wants: Wants,
    who: RequestIdentity,
) -> Result<HttpResponse, Problem> {
    let request = LinkRequest::by_client(token.into_inner(), wants, who);
    let reply = match state.services.links.open(&request.token, &request.who.caller).await {
        Ok(OpenedLink { link, page: Ok(page) }) => LinkReply::Opened(link, page),
        Ok(OpenedLink { link, page: Err(error) }) => LinkReply::Refused(Some(link), error.into()),
        Err(error) => LinkReply::Refused(None, error.into()),
    };
    reply.respond(&state, &request)
}

/// `POST /v/{link_token}`
pub(crate) async fn decide(
    state: Data<HttpState>,
    token: Path<String>,
    wants: Wants,
    who: RequestIdentity,
    origin: PageOrigin,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let press: Press = body.json_or_form()?;
    // By the body, not by `Accept`: a foreign page can send a form with any `Accept`.
    origin.may_decide(body.is_json())?;
    let wants = if body.is_json() { Wants::Json } else { wants };
    let request = LinkRequest { token: token.into_inner(), wants, who, new_client: None };
    to_completion(async move {
        let reply = match state.services.links.read(&request.token) {
            Ok(link) => take_decision(&state, &request, link, press).await,
            Err(error) => LinkReply::Refused(None, error.into()),
        };
        reply.respond(&state, &request)
    })
    .await?
}

async fn take_decision(state: &HttpState, request: &LinkRequest, link: Link, press: Press) -> LinkReply {
    let caller = &request.who.caller;
    let decided = async {
        let confirmed =
            state.services.links.decide(&link, press.decision.0, &press.confirmation, caller).await?;
        let session = session_for_header(state, request, &confirmed).await?;
        Ok::<_, FlowError>((confirmed, session))
    };
    match decided.await {
        Ok((confirmed, session)) => LinkReply::Decided { link, confirmed, press, session },
        Err(error) => LinkReply::Undecided(link, press, error.into()),
    }
}

/// The whole session of an opener that keeps no cookies and asked for JSON.
async fn session_for_header(
    state: &HttpState,
    request: &LinkRequest,
    confirmed: &Confirmed,
) -> Result<Option<SessionGrant>, FlowError> {
    match confirmed {
        Confirmed::Verified { opener_session: Some(here), .. }
            if request.who.by_header && request.wants == Wants::Json =>
        {
            state.services.sessions.sign_in_opener(here, &request.who.caller).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// `POST /v/{link_token}/reissue`
pub(crate) async fn reissue(
    state: Data<HttpState>,
    http: HttpRequest,
    token: Path<String>,
    wants: Wants,
    who: RequestIdentity,
    origin: PageOrigin,
) -> Result<HttpResponse, Problem> {
    origin.may_decide(wants == Wants::Json)?;
    // The opener may become the requester of a new attempt.
    let request = LinkRequest::by_client(token.into_inner(), wants, who.with_user_agent(&http));
    to_completion(async move {
        let reply = match state.services.links.read(&request.token) {
            Ok(link) => match state.services.links.reissue(&link, &request.who.caller).await {
                Ok(reissued) => LinkReply::Reissued(link, reissued),
                Err(error) => LinkReply::Refused(Some(link), error.into()),
            },
            Err(error) => LinkReply::Refused(None, error.into()),
        };
        reply.respond(&state, &request)
    })
    .await?
}
