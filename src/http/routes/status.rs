//! An attempt as its requester sees it: now, when it changes, or as a stream of its changes.

use std::future::ready;
use std::time::{Duration, Instant};

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::web::{Bytes, Data, Query};
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError as _};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;

use crate::domain::attempt::Status;
use crate::flow::AttemptView;
use crate::http::connection::parking;
use crate::http::request::authority::authorized_attempt;
use crate::http::response::attempt::attempt_response;
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;

/// The longest time that a request may wait, in seconds.
const MAX_WAIT: u64 = 30;

/// How often an event stream sends a comment, so that proxies keep it open.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// `GET /v1/attempts/{id}`. A service and not a handler, since a handler would keep the headers
/// of the request, 6 KiB, while it waits.
pub(super) async fn read(request: ServiceRequest) -> Result<ServiceResponse, Error> {
    let response = match parking::response(&request) {
        Some(response) => response,
        None => status_or_wait(&request).await.unwrap_or_else(|problem| problem.error_response()),
    };
    Ok(request.into_response(response))
}

async fn status_or_wait(request: &ServiceRequest) -> Result<HttpResponse, Problem> {
    let grant = authorized_attempt(request.request())?;
    let (wait, seen) = wait_parameters(request.request())?;
    let attempts = HttpState::of(request.request()).services.attempts.clone();
    if wait.is_zero() {
        return Ok(attempt_response(&attempts.status(&grant).await?));
    }
    let response = async move {
        let view = attempts.wait(&grant, seen, wait).await;
        view.map_or_else(|error| Problem::from(error).error_response(), |view| attempt_response(&view))
    };
    Ok(parking::wait(request, response).await)
}

/// `GET /v1/attempts/{id}/events`
pub(super) async fn events(state: Data<HttpState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let grant = authorized_attempt(&request)?;
    let first = state.services.attempts.status(&grant).await?;
    let events = stream::once(ready(event(&first)));
    let later = stream::unfold(first.status, move |seen| {
        let (attempts, grant) = (state.services.attempts.clone(), grant.clone());
        async move {
            if seen.is_over() {
                return None;
            }
            let begun = Instant::now();
            match attempts.wait(&grant, seen, HEARTBEAT).await {
                Ok(view) if view.status != seen => Some((event(&view), view.status)),
                Ok(_) if begun.elapsed() >= HEARTBEAT => Some((": still waiting\n\n".to_owned(), seen)),
                // Too early: this replica drains, or too many wait. The client reconnects.
                Ok(_) | Err(_) => None,
            }
        }
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("x-accel-buffering", "no"))
        .streaming(events.chain(later).map(|text| Ok::<_, Error>(Bytes::from(text)))))
}

fn event(view: &AttemptView) -> String {
    let data = serde_json::to_string(view).unwrap_or_default();
    format!("event: status\ndata: {data}\n\n")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitParameters {
    wait: Option<u64>,
    seen: Option<Status>,
}

/// How long to wait (`?wait=`, or `Prefer: wait=` of RFC 7240, section 4.3), and the status that the client has seen.
fn wait_parameters(request: &HttpRequest) -> Result<(Duration, Status), Problem> {
    let parameters = Query::<WaitParameters>::from_query(request.query_string());
    let Query(WaitParameters { wait, seen }) = parameters.map_err(|_| {
        Problem::invalid("The query may have wait (a number of seconds) and seen (a status), each once.")
    })?;
    let seconds = wait.or_else(|| preferred_wait(request)).unwrap_or(0);
    Ok((Duration::from_secs(seconds.min(MAX_WAIT)), seen.unwrap_or(Status::Pending)))
}

/// The first `wait=` of the `Prefer` headers, in seconds.
fn preferred_wait(request: &HttpRequest) -> Option<u64> {
    let headers = request.headers().get_all("prefer").filter_map(|value| value.to_str().ok());
    headers.flat_map(|value| value.split([',', ';'])).find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        let value = name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))?;
        value.parse().ok()
    })
}
