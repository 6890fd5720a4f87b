//! Replies about a link as JSON.

use actix_web::HttpResponse;
use serde_json::json;

use super::redirect::redirect_url;
use crate::flow::{Confirmed, LinkPage, Reissued, SessionGrant};
use crate::http::response::session::granted_session;
use crate::http::state::HttpState;
use crate::token::Link;

/// A link that works.
pub(super) fn opened(state: &HttpState, link: &Link, page: &LinkPage) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "object": "link",
        "status": page.status,
        "purpose": link.particulars.purpose,
        "email_address": link.particulars.email.canonical().as_str(),
        "requested_at": link.issued_at,
        "expires_at": link.expires_at,
        "requested_from": link.particulars.browser,
        "application": state.settings.app_name,
        "opener": page.opener,
        "confirm": page.confirm,
        "sign_in_here": page.sign_in_here,
        "confirmation": page.confirmation,
    }))
}

/// A decision that was taken.
pub(super) fn decided(
    state: &HttpState,
    link: &Link,
    confirmed: &Confirmed,
    session: Option<&SessionGrant>,
) -> HttpResponse {
    let mut body = json!({
        "object": "confirmation",
        "purpose": link.particulars.purpose,
        "signed_in": null,
        "session_id": null,
        "redirect_url": redirect_url(state, link, confirmed),
    });
    match confirmed {
        Confirmed::Denied => body["status"] = "denied".into(),
        Confirmed::AwaitingCode { code, .. } => {
            body["status"] = "awaiting_code".into();
            body["relay_code"] = code.expose().into();
        }
        Confirmed::Verified { session, signed_in, .. } => {
            body["status"] = "verified".into();
            body["signed_in"] = json!(signed_in);
            body["session_id"] = json!(session.map(|id| id.to_string()));
        }
    }
    if let Some(session) = session {
        body["session"] = granted_session(session, true);
    }
    HttpResponse::Ok().json(body)
}

/// A new link that was mailed.
pub(super) fn reissued(reissued: &Reissued) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "object": "reissue",
        "email_address": reissued.email_address,
        "expires_at": reissued.expires_at,
    }))
}
