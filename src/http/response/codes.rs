//! Every problem code: its name, its status, its texts, and how limits and the pages about a link treat it.

use std::time::Duration;

use serde::Serialize;

use crate::http::request::limits::max_kib;

/// Whether a page about a link offers "Send me a new link".
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewLink {
    /// Never: a new link would not help.
    Never,
    /// When the use case would start the attempt again.
    IfPossible,
    /// Always: the same press may work in a moment, or somebody still waits for a newer link.
    Always,
}

/// The columns of the table below. Its JSON is the description of the code.
#[derive(Serialize)]
pub(crate) struct Row {
    #[serde(rename = "code")]
    pub(crate) name: &'static str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// A summary that is the same for every occurrence (RFC 9457, section 3.1.3).
    pub(crate) title: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) remedy: &'static str,
    /// `__linkgate_status` of the redirect that reports it to the application; `None` for no redirect.
    #[serde(skip)]
    pub(crate) redirect_status: Option<&'static str>,
    #[serde(skip)]
    pub(crate) new_link: NewLink,
    /// Whether the page repeats the decision at the press of a button.
    #[serde(skip)]
    pub(crate) repeats_decision: bool,
    /// Whether it counts towards the limit of refusals of its network.
    #[serde(skip)]
    pub(crate) refusal: bool,
    /// The default of `Retry-After`.
    #[serde(skip)]
    pub(crate) retry_after: Option<Duration>,
}

impl Row {
    const DEFAULT: Self = Self {
        name: "",
        status: 0,
        title: "",
        meaning: "",
        remedy: "",
        redirect_status: None,
        new_link: NewLink::Never,
        repeats_decision: false,
        refusal: false,
        retry_after: None,
    };
}

/// Defines [`Code`]: variant, name, status, title, meaning, remedy; in brackets, the columns that are not as in
/// [`Row::DEFAULT`].
macro_rules! codes {
    ($($variant:ident $name:literal $status:literal $title:literal $meaning:expr, $remedy:literal
        $([$($column:ident: $value:expr),*])?;)*) => {
        /// The kind of a problem, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(clippy::enum_variant_names, reason = "named as in the API")]
        pub(crate) enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// All codes.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its row of the table.
            pub(crate) const fn row(self) -> &'static Row {
                match self {
                    $(Self::$variant => const {
                        &Row {
                            name: $name,
                            status: $status,
                            title: $title,
                            meaning: $meaning,
                            remedy: $remedy,
                            $($($column: $value,)*)?
                            ..Row::DEFAULT
                        }
                    })*
                }
            }
        }
    };
}

codes! {
    InvalidRequest "invalid_request" 400 "The request is invalid"
        "A field, parameter or header is missing, unknown, repeated or malformed.",
        "Compare the request with the API reference; the detail names the place.";
    InvalidEmailAddress "invalid_email_address" 422 "The email address is invalid"
        "Mail cannot be sent to this address: it is malformed, or it contains characters that linkgate rejects.",
        "Ask the person to check the address for typing errors.";
    RedirectUrlNotAllowed "redirect_url_not_allowed" 422 "The redirect URL is not allowed"
        "The redirect URL is not on the operator's list, or is not in canonical form.",
        "Use a listed URL exactly as listed, or ask the operator to add it to LINKGATE_REDIRECT_URLS.";
    OriginNotAllowed "origin_not_allowed" 403 "The origin is not allowed"
        "The request came from a web page whose origin is not on the operator's list.",
        "Ask the operator to add the origin to LINKGATE_ALLOWED_ORIGINS.";
    PurposeDisabled "purpose_disabled" 403 "The purpose is disabled"
        "This deployment does not offer attempts of this purpose.",
        "Use another purpose, or ask the operator to add it to LINKGATE_PURPOSES.";
    ApiKeyInvalid "api_key_invalid" 401 "An API key is required"
        "The request needs an API key, and its key is missing or unknown.",
        "Send `Authorization: Bearer <API key>` with a key of LINKGATE_API_KEYS."
        [refusal: true];
    AttemptTokenInvalid "attempt_token_invalid" 401 "The attempt token is invalid"
        "The attempt token is missing, expired or not from this deployment.",
        "Send the attempt_token of the 201 response as `Authorization: Bearer`, or start a new attempt."
        [refusal: true];
    SessionRequired "session_required" 401 "A session is required"
        "Nobody is signed in: the session is missing, has ended, or belongs to another client.",
        "Sign in first.";
    AttemptNotFound "attempt_not_found" 404 "The attempt was not found"
        "The attempt token belongs to a different attempt from the one in the path.",
        "Use the id and the attempt_token of the same response.";
    LinkMalformed "link_malformed" 400 "This is not a valid link"
        "The link is damaged or not from this deployment.",
        "Open the link from the mail again, complete and unchanged."
        [refusal: true];
    LinkExpired "link_expired" 410 "The link has expired"
        "The link is too old, or the store lost its attempt.",
        "Ask for a new link."
        [redirect_status: Some("expired"), new_link: NewLink::IfPossible];
    LinkAlreadyUsed "link_already_used" 410 "The link was already used"
        "Each link works once, and this one was already used.",
        "If you used it, there is nothing to do; otherwise ask for a new link."
        [redirect_status: Some("failed"), new_link: NewLink::IfPossible];
    LinkSuperseded "link_superseded" 410 "A newer link was sent"
        "Only the newest link of an attempt works.",
        "Open the link of the newest mail, or ask for a new one."
        [redirect_status: Some("failed"), new_link: NewLink::Always];
    LinkCanceled "link_canceled" 410 "The sign-in was canceled"
        "The attempt was canceled, or failed, before the link was opened.",
        "Start again where you wanted to sign in."
        [redirect_status: Some("failed"), new_link: NewLink::IfPossible];
    ClientMismatch "client_mismatch" 403 "This is a different browser or device"
        "Only the client that started the attempt may do this.",
        "Use the browser or device where the attempt was started, with its cookie or its Linkgate-Client header."
        [redirect_status: Some("client_mismatch")];
    CodeIncorrect "code_incorrect" 422 "The code is incorrect"
        "The relay code differs from the one that the opener sees.",
        "Compare the digits; code_tries_left: how many attempts remain.";
    AttemptOver "attempt_over" 409 "The attempt is over"
        "The attempt has ended, or its session was signed out.",
        "Start a new attempt.";
    AttemptNotVerified "attempt_not_verified" 409 "The attempt is not verified"
        "There is nothing to redeem: the link was not confirmed, or the attempt ended in another way.",
        "Wait until its status is `verified`.";
    SignedInElsewhere "signed_in_elsewhere" 409 "Signed in on the other device"
        "The person chose to sign in on the device where the link was opened.",
        "Nothing to do here: continue on that device.";
    TicketInvalid "ticket_invalid" 410 "The ticket is invalid"
        "The ticket is invalid, expired or already redeemed.",
        "Redeem each ticket once, as soon as it arrives."
        [refusal: true];
    ResendTooSoon "resend_too_soon" 429 "A mail was sent a moment ago"
        "Another mail can be sent only after `resend_after`.",
        "Wait as long as Retry-After says, and look in the spam folder."
        [new_link: NewLink::Always];
    RateLimited "rate_limited" 429 "Too many requests"
        "This address, network or client asked for too many mails, or sent too many invalid requests.",
        "Wait as long as Retry-After says.";
    MailRejected "mail_rejected" 422 "The mail server rejected the recipient"
        "The relay says that the mailbox does not exist or accepts no mail.",
        "Ask the person to check the address.";
    MailUnavailable "mail_unavailable" 503 "Mail cannot be sent now"
        "The mail relay is down, slow or refuses the mail; no attempt was started.",
        "Try again in a moment."
        [new_link: NewLink::Always, retry_after: Some(Duration::from_secs(5))];
    StoreUnavailable "store_unavailable" 503 "The service cannot answer now"
        "The store is down or slow; nothing was lost.",
        "Repeat the same request in a moment."
        [new_link: NewLink::Always, repeats_decision: true, retry_after: Some(Duration::from_secs(1))];
    NotFound "not_found" 404 "Not found"
        "No page or route has this path.",
        "Check the path against the API reference.";
    MethodNotAllowed "method_not_allowed" 405 "The method is not allowed"
        "The route exists, but not for this method.",
        "See the Allow header.";
    PayloadTooLarge "payload_too_large" 413 "The request is too large"
        concat!("The body, or the path and headers together, exceed ", max_kib!(), " KiB."),
        "Send less.";
    UnsupportedMediaType "unsupported_media_type" 415 "The content type is not supported"
        "The type, charset or coding of the body is not one that this route accepts.",
        "Send `Content-Type: application/json`, uncompressed, in UTF-8.";
    Internal "internal" 500 "Something went wrong on our side"
        "This is a defect of linkgate.",
        "Report it with the `request_id`.";
}

impl Code {
    /// The code of this name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.row().name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_name_and_is_found_by_it() {
        for code in Code::ALL {
            assert_eq!(Code::find(code.row().name), Some(*code));
        }
    }
}
