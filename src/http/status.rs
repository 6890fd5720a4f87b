//! An attempt as its requester sees it: now, when it changes, or as a stream of its changes.

use std::time::{Duration, Instant};

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError as _};
use serde::Serialize;

use super::attempts::authorized;
use super::connection::parking;
use super::extract::{Parameter, state};
use super::problem::Problem;
use super::state::HttpState;
use super::time::Time;
use crate::domain::attempt::{Failure, SignedIn, Status};
use crate::domain::policy::Purpose;
use crate::flow::{AttemptView, FlowError};
use crate::token::AttemptGrant;

/// Longest wait for an answer, in seconds.
const MAX_WAIT: u64 = 30;

/// Between two comments that keep an event stream alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// `GET /v1/attempts/{id}`
pub(super) async fn read(request: ServiceRequest) -> Result<ServiceResponse, Error> {
    if let Some(answer) = parking::answer(&request) {
        return Ok(request.into_response(answer));
    }
    let response = match ask(&request) {
        Err(problem) => problem.error_response(),
        Ok((grant, wait, _)) if wait.is_zero() => {
            told(state(request.request()).attempts.status(&grant).await)
        }
        Ok((grant, wait, seen)) => {
            let attempts = state(request.request()).attempts.clone();
            parking::wait(&request, async move { told(attempts.wait(&grant, seen, wait).await) }).await
        }
    };
    Ok(request.into_response(response))
}

fn told(told: Result<AttemptView, FlowError>) -> HttpResponse {
    match told {
        Ok(view) => attempt_response(&view),
        Err(error) => Problem::from(error).error_response(),
    }
}

fn ask(request: &ServiceRequest) -> Result<(AttemptGrant, Duration, Status), Problem> {
    let id = Parameter::of(request.match_info());
    let grant = authorized(state(request.request()), request.request(), id)?;
    let (wait, seen) = waiting(request.request())?;
    Ok((grant, wait, seen))
}

/// `GET /v1/attempts/{id}/events`
pub(super) async fn events(
    state: Data<HttpState>,
    request: HttpRequest,
    Parameter(id): Parameter,
) -> Result<HttpResponse, Problem> {
    let grant = authorized(&state, &request, &id)?;
    let first = state.attempts.status(&grant).await?;
    let stream = futures_util::stream::unfold(Next::Tell(first), move |next| {
        let (attempts, grant) = (state.attempts.clone(), grant.clone());
        async move {
            let (seen, text) = match next {
                Next::Over => return None,
                Next::Tell(view) => (view.status, Some(event(&view))),
                Next::Wait(seen) => {
                    let begun = Instant::now();
                    match attempts.wait(&grant, seen, HEARTBEAT).await {
                        Ok(view) if view.status != seen => (view.status, Some(event(&view))),
                        Ok(_) if begun.elapsed() >= HEARTBEAT => (seen, None),
                        // An answer before its time: this replica drains, or too many wait. The client reconnects.
                        Ok(_) | Err(_) => return None,
                    }
                }
            };
            let next = if seen.is_over() { Next::Over } else { Next::Wait(seen) };
            let chunk = Bytes::from(text.unwrap_or_else(|| ": still waiting\n\n".to_owned()));
            Some((Ok::<_, actix_web::Error>(chunk), next))
        }
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("x-accel-buffering", "no"))
        .streaming(stream))
}

enum Next {
    Tell(AttemptView),
    Wait(Status),
    Over,
}

fn event(view: &AttemptView) -> String {
    let data = serde_json::to_string(&AttemptJson::from(view)).unwrap_or_default();
    format!("event: status\ndata: {data}\n\n")
}

/// How long to wait (`?wait=`, or `Prefer: wait=` of RFC 7240, section 4.3), and for another status than which.
fn waiting(request: &HttpRequest) -> Result<(Duration, Status), Problem> {
    let mut wait = None;
    let mut seen = None;
    for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
        match &*name {
            "wait" if wait.is_none() => {
                let seconds =
                    value.parse().map_err(|_| Problem::invalid("wait must be a number of seconds."))?;
                wait = Some(seconds);
            }
            "seen" if seen.is_none() => {
                let known = Status::ALL.into_iter().find(|status| status.as_str() == value);
                seen = Some(known.ok_or_else(|| Problem::invalid("seen must be a status."))?);
            }
            _ => return Err(Problem::invalid("The query may have wait and seen, each once.")),
        }
    }
    let preferred = || {
        let prefer = request.headers().get_all("prefer").filter_map(|value| value.to_str().ok());
        prefer.flat_map(|value| value.split([',', ';'])).find_map(|preference| {
            let (name, value) = preference.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("wait")
                .then(|| value.trim().trim_matches('"').parse::<u64>().ok())?
        })
    };
    let seconds: u64 = wait.or_else(preferred).unwrap_or(0);
    Ok((Duration::from_secs(seconds.min(MAX_WAIT)), seen.unwrap_or(Status::Pending)))
}

/// The attempt as JSON; an unfinished one says when to ask again.
pub(super) fn attempt_response(view: &AttemptView) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if !view.status.is_over() {
        response.insert_header((header::RETRY_AFTER, "1"));
    }
    response.json(AttemptJson::from(view))
}

#[derive(Serialize)]
struct AttemptJson<'a> {
    object: &'static str,
    id: String,
    status: Status,
    purpose: Purpose,
    email_address: &'a str,
    expires_at: Option<Time>,
    resend_after: Option<Time>,
    verified_at: Option<Time>,
    verified_from_same_client: Option<bool>,
    signed_in: Option<SignedIn>,
    session_id: Option<String>,
    code_tries_left: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

impl<'a> From<&'a AttemptView> for AttemptJson<'a> {
    fn from(view: &'a AttemptView) -> Self {
        Self {
            object: "attempt",
            id: view.id.to_string(),
            status: view.status,
            purpose: view.purpose,
            email_address: &view.email_address,
            expires_at: view.expires_at.map(Time),
            resend_after: view.resend_after.map(Time),
            verified_at: view.verified_at.map(Time),
            verified_from_same_client: view.verified_from_same_client,
            signed_in: view.signed_in,
            session_id: view.session_id.map(|id| id.to_string()),
            code_tries_left: view.code_tries_left,
            failure: view.failure,
        }
    }
}
