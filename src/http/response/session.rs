//! A session: as JSON, and as the cookies of the browser that holds it.

use std::borrow::Cow;

use actix_web::HttpResponse;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::cookies::SetCookie;
use crate::domain::email::EmailAddress;
use crate::flow::{OpenerSession, SessionGrant};
use crate::http::request::identity::RequestIdentity;
use crate::http::state::HttpState;
use crate::token::{Identity, Renewal, client_id};

/// A session as JSON.
#[derive(Serialize)]
pub(crate) struct SessionJson<'a> {
    object: &'static str,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    expires_at: DateTime<Utc>,
    client_id: Option<Cow<'a, str>>,
    user: UserJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renewal_token: Option<&'a str>,
}

#[derive(Serialize)]
struct UserJson<'a> {
    id: &'a str,
    email_address: &'a str,
}

impl<'a> SessionJson<'a> {
    fn new(identity: &'a Identity, client_id: Option<Cow<'a, str>>, expires_at: DateTime<Utc>) -> Self {
        Self {
            object: "session",
            id: identity.session.to_string(),
            session_token: None,
            expires_in: None,
            expires_at,
            client_id,
            user: UserJson { id: identity.subject.as_str(), email_address: identity.email.as_str() },
            renewal_token: None,
        }
    }

    /// A session with its session token, and with its renewal token for clients that keep no cookies.
    pub(crate) fn granted(session: &'a SessionGrant, with_renewal_token: bool) -> Self {
        Self {
            session_token: Some(&session.session_token),
            expires_in: Some(session.expires_in.as_secs()),
            renewal_token: session.renewal_token.as_deref().filter(|_| with_renewal_token),
            ..Self::new(
                &session.identity,
                session.client_id.as_deref().map(Cow::Borrowed),
                session.expires_at,
            )
        }
    }
}

impl<'a> From<&'a Renewal> for SessionJson<'a> {
    fn from(session: &'a Renewal) -> Self {
        Self::new(&session.identity, Some(client_id(&session.fingerprint).into()), session.expires_at)
    }
}

/// The response that hands a session to its client: JSON, and cookies for clients that keep them.
pub(crate) fn session_response(
    state: &HttpState,
    session: &SessionGrant,
    who: &RequestIdentity,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if !who.by_header
        && let Some(renewal) = &session.renewal_token
    {
        response.append_header(state.cookies.for_session(renewal, session.expires_at, state.clock.now()));
    }
    if let Some(cookie) = verified_cookie(state, who, &session.identity.email) {
        response.append_header(cookie);
    }
    response.json(SessionJson::granted(session, who.by_header))
}

/// The cookie that proves from now on that this client has verified this address.
pub(crate) fn verified_cookie(
    state: &HttpState,
    who: &RequestIdentity,
    email: &EmailAddress,
) -> Option<SetCookie> {
    let client = who.caller.client.as_ref().filter(|_| !who.by_header)?;
    let mark = state.services.sessions.address_mark(client, email);
    Some(state.cookies.for_verified(mark, &who.caller.marks))
}

/// The cookies of an opener that is now signed in.
pub(crate) fn opener_cookies(
    state: &HttpState,
    session: &OpenerSession,
    who: &RequestIdentity,
) -> impl Iterator<Item = SetCookie> {
    let renewal = state.cookies.for_session(&session.renewal_token, session.expires_at, state.clock.now());
    std::iter::once(renewal).chain(verified_cookie(state, who, session.email()))
}
