//! The redirect URL of a link, with the outcome in its query.

use crate::flow::Confirmed;
use crate::http::state::HttpState;
use crate::token::Link;

/// The redirect URL with the outcome of this decision.
pub(super) fn redirect_url(state: &HttpState, link: &Link, confirmed: &Confirmed) -> Option<String> {
    let (status, session, ticket) = match confirmed {
        Confirmed::Verified { session, ticket, .. } => ("verified", *session, ticket.as_deref()),
        Confirmed::Denied => ("denied", None, None),
        Confirmed::AwaitingCode { .. } => return None,
    };
    let session = session.map(|id| id.to_string());
    let mut parameters = vec![("__linkgate_status", status)];
    parameters.extend(session.as_deref().map(|session| ("__linkgate_session", session)));
    parameters.extend(ticket.map(|ticket| ("__linkgate_ticket", ticket)));
    Some(state.services.links.redirect_of(link)?.with_params(&parameters))
}

/// The redirect URL with the status of a link that did not work.
pub(super) fn continue_url(state: &HttpState, link: &Link, status: Option<&str>) -> Option<String> {
    Some(state.services.links.redirect_of(link)?.with_params(&[("__linkgate_status", status?)]))
}
