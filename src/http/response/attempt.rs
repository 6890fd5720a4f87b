//! An attempt as JSON: when it starts, and as its requester sees it later.

use actix_web::HttpResponse;
use actix_web::http::header::RETRY_AFTER;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::cookies::Cookies;
use crate::domain::attempt::{Failure, SignedIn, Status};
use crate::domain::policy::{CrossDevice, Purpose};
use crate::flow::{AttemptView, Started};

#[derive(Serialize)]
struct StartedJson {
    object: &'static str,
    id: String,
    status: Status,
    purpose: Purpose,
    email_address: String,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    resend_after: DateTime<Utc>,
    attempt_token: String,
    cross_device: CrossDevice,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

/// The response to a start.
pub(crate) fn started_response(cookies: &Cookies, started: Started) -> HttpResponse {
    let mut response = HttpResponse::Created();
    if let Some(secret) = &started.new_client {
        response.append_header(cookies.for_client(secret));
    }
    response.json(StartedJson {
        object: "attempt",
        id: started.id.to_string(),
        status: started.status,
        purpose: started.purpose,
        email_address: started.email_address,
        created_at: started.created_at,
        expires_at: started.expires_at,
        resend_after: started.resend_after,
        attempt_token: started.attempt_token,
        cross_device: started.cross_device,
        link: started.link,
    })
}

/// An attempt as its requester sees it.
#[derive(Serialize)]
pub(crate) struct AttemptJson<'a> {
    object: &'static str,
    id: String,
    status: Status,
    purpose: Purpose,
    email_address: &'a str,
    expires_at: Option<DateTime<Utc>>,
    resend_after: Option<DateTime<Utc>>,
    verified_at: Option<DateTime<Utc>>,
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
            expires_at: view.expires_at,
            resend_after: view.resend_after,
            verified_at: view.verified_at,
            verified_from_same_client: view.verified_from_same_client,
            signed_in: view.signed_in,
            session_id: view.session_id.map(|id| id.to_string()),
            code_tries_left: view.code_tries_left,
            failure: view.failure,
        }
    }
}

/// The attempt; while it is unfinished, with the time after which to ask again.
pub(crate) fn attempt_response(view: &AttemptView) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if !view.status.is_over() {
        response.insert_header((RETRY_AFTER, "1"));
    }
    response.json(AttemptJson::from(view))
}
