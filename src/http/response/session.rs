//! A session: as JSON, and as the cookies of the browser that holds it.

use actix_web::HttpResponse;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::cookies::SetCookie;
use crate::domain::email::EmailAddress;
use crate::flow::SessionGrant;
use crate::http::request::identity::RequestIdentity;
use crate::http::state::HttpState;
use crate::token::{Identity, Renewal, client_id};

/// A session as JSON.
fn session(identity: &Identity, client_id: Option<&str>, expires_at: DateTime<Utc>) -> Value {
    json!({
        "object": "session",
        "id": identity.session.to_string(),
        "expires_at": expires_at,
        "client_id": client_id,
        "user": { "id": identity.subject.as_str(), "email_address": identity.email.as_str() },
    })
}

/// A session that its client presents.
pub(crate) fn current_session(renewal: &Renewal) -> Value {
    session(&renewal.identity, Some(&client_id(&renewal.fingerprint)), renewal.expires_at)
}

/// A session with its session token, and with its renewal token for clients that keep no cookies.
pub(crate) fn granted_session(grant: &SessionGrant, with_renewal_token: bool) -> Value {
    let mut json = session(&grant.identity, grant.client_id.as_deref(), grant.expires_at);
    json["session_token"] = grant.session_token.as_str().into();
    json["expires_in"] = grant.expires_in.as_secs().into();
    if let Some(renewal) = grant.renewal_token.as_deref().filter(|_| with_renewal_token) {
        json["renewal_token"] = renewal.into();
    }
    json
}

/// The response that hands a session to its client: JSON, and cookies for clients that keep them.
pub(crate) fn session_response(
    state: &HttpState,
    session: &SessionGrant,
    who: &RequestIdentity,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    let renewal = session.renewal_token.as_deref();
    for cookie in session_cookies(state, who, renewal, session.expires_at, &session.identity.email) {
        response.append_header(cookie);
    }
    response.json(granted_session(session, who.by_header))
}

/// The cookies of a client that is now signed in, unless it keeps none.
pub(crate) fn session_cookies(
    state: &HttpState,
    who: &RequestIdentity,
    renewal_token: Option<&str>,
    ends: DateTime<Utc>,
    email: &EmailAddress,
) -> impl Iterator<Item = SetCookie> + use<> {
    let renewal = renewal_token.filter(|_| !who.by_header);
    let session = renewal.map(|renewal| state.cookies.for_session(renewal, ends - state.clock.now()));
    session.into_iter().chain(verified_cookie(state, who, email))
}

/// The cookie that proves that this client has verified this address, unless the client keeps none.
pub(crate) fn verified_cookie(
    state: &HttpState,
    who: &RequestIdentity,
    email: &EmailAddress,
) -> Option<SetCookie> {
    let client = who.caller.client.as_ref().filter(|_| !who.by_header)?;
    let mark = state.services.sessions.address_mark(client, email);
    Some(state.cookies.for_verified(mark, &who.caller.marks))
}
