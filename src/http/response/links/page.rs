//! Replies about a link as pages.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use minijinja::context;
use minijinja::value::{Serde, Value};

use super::redirect::continue_url;
use crate::domain::attempt::SignedIn;
use crate::domain::locale::TimeStyle;
use crate::domain::policy::{Confirm, Purpose};
use crate::flow::{Confirmed, LinkPage};
use crate::http::pages::{NO_FORMS, OWN_FORMS};
use crate::http::request::press::Press;
use crate::http::response::codes::{Code, NewLink};
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;
use crate::token::Link;

/// The page of a link that works.
pub(crate) fn opened(state: &HttpState, link: &Link, page: &LinkPage) -> HttpResponse {
    let mut policy = forms_policy(state, link);
    if page.confirm == Confirm::Automatic {
        policy += &state.pages.script_policy;
    }
    let mismatch = (page.confirm == Confirm::Mismatch).then_some(Code::ClientMismatch);
    let values = context! {
        confirm => Value::from(Serde(page.confirm)),
        sign_in_here => page.sign_in_here,
        ticket => link.particulars.ticket,
        confirmation => page.confirmation.as_str(),
        continue_url => mismatch.and_then(|code| continue_url(state, link, code.row().redirect_status)),
        ..facts(link)
    };
    state.pages.page(StatusCode::OK, "link.html", link.particulars.locale, &policy, values)
}

/// The page after a decision, for a link without a redirect URL.
pub(super) fn decided(
    state: &HttpState,
    link: &Link,
    confirmed: &Confirmed,
    press: Option<&Press>,
) -> HttpResponse {
    let locale = link.particulars.locale;
    let outcome = match confirmed {
        Confirmed::AwaitingCode { code, sign_in_here } => {
            let values = context! {
                relay_code => code.expose(),
                confirmation => press.map(|press| press.confirmation.as_str()),
                sign_in_here,
                ..facts(link)
            };
            let policy = forms_policy(state, link);
            return state.pages.page(StatusCode::OK, "code.html", locale, &policy, values);
        }
        Confirmed::Denied => "denied",
        Confirmed::Verified { .. } if link.particulars.purpose == Purpose::VerifyEmail => "verified_email",
        Confirmed::Verified { signed_in: Some(SignedIn::Requester), .. } => "approved_elsewhere",
        Confirmed::Verified { .. } => "signed_in_here",
    };
    done(state, link, outcome)
}

/// The page after a decision that may succeed in a moment. Its button repeats the decision.
pub(super) fn undecided(state: &HttpState, link: &Link, press: &Press, problem: &Problem) -> HttpResponse {
    let values = context! {
        retry => true,
        decision => Value::from(Serde(press.decision.0)),
        confirmation => press.confirmation.as_str(),
    };
    state.pages.problem_with(problem, link.particulars.locale, &forms_policy(state, link), values)
}

/// The page of a link that does not work. It offers a new link and the way back to the application where possible.
pub(super) fn refused(state: &HttpState, link: &Link, token: &str, problem: &Problem) -> HttpResponse {
    let new_link = match problem.code.row().new_link {
        NewLink::Always => true,
        NewLink::IfPossible => state.services.links.may_start_over(link),
        NewLink::Never => false,
    };
    let values = context! {
        reissue => new_link,
        reissue_url => format!("/v/{token}/reissue"),
        continue_url => continue_url(state, link, problem.code.row().redirect_status),
    };
    state.pages.problem_with(problem, link.particulars.locale, &forms_policy(state, link), values)
}

/// The page after the last step here: the texts of this outcome.
pub(super) fn done(state: &HttpState, link: &Link, outcome: &str) -> HttpResponse {
    let values = context! { outcome, ..facts(link) };
    let locale = link.particulars.locale;
    state.pages.page(StatusCode::OK, "done.html", locale, NO_FORMS, values)
}

/// The facts that every page about a link shows.
fn facts(link: &Link) -> Value {
    let particulars = &link.particulars;
    let locale = particulars.locale;
    context! {
        email_address => particulars.email.canonical().as_str(),
        purpose => particulars.purpose.as_str(),
        requested_at => locale.time(link.issued_at, TimeStyle::Short),
        requested_from => particulars.browser.as_deref().map(|browser| locale.browser(browser)),
    }
}

/// The forms of a link's page lead to this server, which may redirect to the application: Chromium applies `form-action`
/// to redirects, too.
fn forms_policy(state: &HttpState, link: &Link) -> String {
    let origin = state.services.links.redirect_of(link).map(|url| format!(" {}", url.origin()));
    OWN_FORMS.to_owned() + &origin.unwrap_or_default()
}
