//! The responses that carry an attempt.

use actix_web::HttpResponse;
use actix_web::http::header::RETRY_AFTER;

use super::cookies::Cookies;
use crate::flow::{AttemptView, Started};

/// The response to a start.
pub(crate) fn started_response(cookies: &Cookies, started: &Started) -> HttpResponse {
    let mut response = HttpResponse::Created();
    if let Some(secret) = &started.new_client {
        response.append_header(cookies.for_client(secret));
    }
    response.json(started)
}

/// The attempt; while it is unfinished, with the time after which to ask again.
pub(crate) fn attempt_response(view: &AttemptView) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if !view.status.is_over() {
        response.insert_header((RETRY_AFTER, "1"));
    }
    response.json(view)
}
