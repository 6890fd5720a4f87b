//! Every error that leaves the service: an RFC 9457 document, or a page of the same content for people.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::json;

use super::context::current;
use crate::flow::FlowError;

/// The media type of problem documents (RFC 9457, section 3).
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

macro_rules! codes {
    ($($variant:ident $name:literal $status:literal $title:literal $meaning:literal $remedy:literal;)*) => {
        /// What went wrong, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(clippy::enum_variant_names, reason = "named as in the API")]
        pub(super) enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// All codes.
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in the API.
            pub(super) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its HTTP status.
            pub(super) const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// A short summary, the same for every occurrence.
            pub(super) const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// When it occurs.
            pub(super) const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What to do about it.
            pub(super) const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

codes! {
    InvalidRequest "invalid_request" 400 "The request makes no sense"
        "A member, parameter or header is missing, unknown, repeated or of the wrong form."
        "Compare the request with the API reference; the detail names the place.";
    InvalidEmailAddress "invalid_email_address" 422 "The email address is not valid"
        "Mail cannot be sent to the address: its form is wrong, or it uses characters that linkgate refuses."
        "Ask the person to check the address for typing errors.";
    RedirectUrlNotAllowed "redirect_url_not_allowed" 422 "The redirect URL is not allowed"
        "The redirect URL is not on the operator's list, or is not in canonical form."
        "Use a listed URL exactly as listed, or ask the operator to add it to LINKGATE_REDIRECT_URLS.";
    OriginNotAllowed "origin_not_allowed" 403 "The origin is not allowed"
        "A browser sent the request from a page of an origin that is not on the operator's list."
        "Ask the operator to add the origin to LINKGATE_ALLOWED_ORIGINS.";
    PurposeDisabled "purpose_disabled" 403 "The purpose is disabled"
        "This deployment does not offer attempts of this purpose."
        "Use another purpose, or ask the operator to add it to LINKGATE_PURPOSES.";
    ApiKeyInvalid "api_key_invalid" 401 "An API key is needed"
        "The request needs an API key and has none, or one that is not known."
        "Send `Authorization: Bearer <API key>` with a key of LINKGATE_API_KEYS.";
    AttemptTokenInvalid "attempt_token_invalid" 401 "The attempt token is not valid"
        "The attempt token is missing, has expired, or is none of this deployment."
        "Send the attempt_token of the 201 answer as `Authorization: Bearer`, or start a new attempt.";
    SessionRequired "session_required" 401 "A session is needed"
        "Nobody is signed in here: the session is missing, has ended, or belongs to another client."
        "Sign in first.";
    AttemptNotFound "attempt_not_found" 404 "No such attempt"
        "The attempt token belongs to another attempt than the one in the path."
        "Use the id and the attempt_token of the same answer.";
    LinkMalformed "link_malformed" 400 "This is not a valid link"
        "The link is damaged or is none of this deployment."
        "Open the link again from the mail, complete and unchanged.";
    LinkExpired "link_expired" 410 "The link has expired"
        "The time of the link is over, or its attempt was lost."
        "Ask for a new link.";
    LinkAlreadyUsed "link_already_used" 410 "The link was already used"
        "Each link works once, and this one has been answered."
        "Nothing, if it was you; otherwise ask for a new link.";
    LinkSuperseded "link_superseded" 410 "A newer link was sent"
        "Only the newest link of an attempt works."
        "Open the link of the newest mail, or ask for a new one.";
    LinkCanceled "link_canceled" 410 "The sign-in was ended"
        "The attempt was canceled, or failed, before the link was opened."
        "Start again where you wanted to sign in.";
    ClientMismatch "client_mismatch" 403 "This is another browser or device"
        "Only the client that started the attempt may do this."
        "Use the browser or device where the attempt was started, with its cookie or its Linkgate-Client header.";
    CodeIncorrect "code_incorrect" 422 "The code is not correct"
        "The relay code is not the one that the opener is shown."
        "Compare the digits; code_tries_left says how often more.";
    AttemptOver "attempt_over" 409 "The attempt is over"
        "The attempt has ended, or its session was signed out."
        "Start a new attempt.";
    AttemptNotVerified "attempt_not_verified" 409 "The attempt is not verified"
        "There is nothing to redeem: the link was not confirmed, or the attempt ended in another way."
        "Wait until its status is `verified`.";
    SignedInElsewhere "signed_in_elsewhere" 409 "Signed in on the other device"
        "The opener chose to be signed in where the link was opened."
        "Nothing: go on there.";
    TicketInvalid "ticket_invalid" 410 "The ticket is not valid"
        "The ticket is none, has expired, or was redeemed before."
        "Redeem a ticket once, at once.";
    ResendTooSoon "resend_too_soon" 429 "A mail was sent a moment ago"
        "Another mail may be asked for only after `resend_after`."
        "Wait as long as Retry-After says, and look in the spam folder.";
    RateLimited "rate_limited" 429 "Too many requests"
        "Too many mails were asked for, or too much that was wrong came from this network."
        "Wait as long as Retry-After says.";
    MailRejected "mail_rejected" 422 "The mail server rejected the recipient"
        "The relay says that the mailbox does not exist or takes no mail."
        "Ask the person to check the address.";
    MailUnavailable "mail_unavailable" 503 "Mail cannot be sent now"
        "The mail relay is down, slow or refuses; no attempt was started."
        "Try again in a moment.";
    StoreUnavailable "store_unavailable" 503 "The service cannot answer now"
        "The store is down or slow; nothing was lost."
        "Repeat the same request in a moment.";
    NotFound "not_found" 404 "There is nothing here"
        "No such page or route."
        "Check the path against the API reference.";
    MethodNotAllowed "method_not_allowed" 405 "The method is not allowed here"
        "The route exists, for other methods."
        "See the Allow header.";
    PayloadTooLarge "payload_too_large" 413 "The request is too large"
        "The body, or the headers, exceed 16 KiB."
        "Send less.";
    UnsupportedMediaType "unsupported_media_type" 415 "The content type is not supported"
        "The body is of another type, charset or coding than the route takes."
        "Send `Content-Type: application/json`, uncompressed, in UTF-8.";
    Internal "internal" 500 "Something went wrong here"
        "A defect of linkgate."
        "Report it with the `request_id`.";
}

impl Code {
    /// The code of this name.
    pub(super) fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// The code as its page shows it.
    pub(super) fn describe(self) -> serde_json::Value {
        json!({
            "code": self.as_str(),
            "status": self.status(),
            "title": self.title(),
            "meaning": self.meaning(),
            "remedy": self.remedy(),
        })
    }
}

/// One occurrence of a problem.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) code: Code,
    pub(super) detail: String,
    pub(super) retry_after: Option<Duration>,
    pub(super) code_tries_left: Option<u8>,
    /// For 405.
    pub(super) allow: Option<&'static str>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_tries_left: Option<u8>,
}

impl Problem {
    /// A problem whose detail is the code's meaning and remedy.
    pub(super) fn new(code: Code) -> Self {
        Self::with_detail(code, format!("{} {}", code.meaning(), code.remedy()))
    }

    /// A problem with a detail of its own.
    pub(super) fn with_detail(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = match code {
            Code::StoreUnavailable => Some(Duration::from_secs(1)),
            Code::MailUnavailable => Some(Duration::from_secs(5)),
            _ => None,
        };
        Self { code, detail: detail.into(), retry_after, code_tries_left: None, allow: None }
    }

    pub(super) fn after(code: Code, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(code) }
    }

    /// A body or header that makes no sense.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::with_detail(Code::InvalidRequest, detail)
    }

    /// `Retry-After`, in whole seconds rounded up.
    pub(super) fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after.map(|after| after.as_secs() + u64::from(after.subsec_nanos() > 0))
    }

    /// The headers that go with it, on a response with this body.
    pub(super) fn response(&self, content_type: &str, body: String) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CONTENT_TYPE, content_type));
        if let Some(seconds) = self.retry_after_secs() {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if let Some(allow) = self.allow {
            response.insert_header(("allow", allow));
        }
        if self.status_code() == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 11.6.1: a 401 names a scheme.
            response.insert_header(("www-authenticate", "Bearer"));
        }
        let mut response = response.body(body);
        response.extensions_mut().insert(self.code);
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let context = current();
        let document = Document {
            r#type: format!("{}/problems/{}", context.public_url, self.code.as_str()),
            title: self.code.title(),
            status: self.code.status(),
            detail: &self.detail,
            code: self.code.as_str(),
            request_id: &context.request_id,
            retry_after: self.retry_after_secs(),
            code_tries_left: self.code_tries_left,
        };
        self.response(PROBLEM_JSON, serde_json::to_string(&document).unwrap_or_default())
    }
}

impl From<FlowError> for Problem {
    /// The one place where a use case's failure becomes HTTP, and where its cause is logged.
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::InvalidRequest(detail) => Self::invalid(detail),
            FlowError::DomainRefused => Self::with_detail(
                Code::InvalidEmailAddress,
                "Addresses of this domain are not accepted here. Use another address.",
            ),
            FlowError::InvalidEmailAddress => Self::new(Code::InvalidEmailAddress),
            FlowError::RedirectNotAllowed => Self::new(Code::RedirectUrlNotAllowed),
            FlowError::PurposeDisabled => Self::new(Code::PurposeDisabled),
            FlowError::AttemptTokenInvalid => Self::new(Code::AttemptTokenInvalid),
            FlowError::SessionRequired => Self::new(Code::SessionRequired),
            FlowError::AttemptNotFound => Self::new(Code::AttemptNotFound),
            FlowError::LinkMalformed => Self::new(Code::LinkMalformed),
            FlowError::LinkExpired => Self::new(Code::LinkExpired),
            FlowError::LinkUsed => Self::new(Code::LinkAlreadyUsed),
            FlowError::LinkSuperseded => Self::new(Code::LinkSuperseded),
            FlowError::LinkCanceled => Self::new(Code::LinkCanceled),
            FlowError::ClientMismatch => Self::new(Code::ClientMismatch),
            FlowError::CodeIncorrect(left) => {
                Self { code_tries_left: Some(left), ..Self::new(Code::CodeIncorrect) }
            }
            FlowError::AttemptOver => Self::new(Code::AttemptOver),
            FlowError::NotVerified => Self::new(Code::AttemptNotVerified),
            FlowError::SignedInElsewhere => Self::new(Code::SignedInElsewhere),
            FlowError::TicketInvalid => Self::new(Code::TicketInvalid),
            FlowError::ResendTooSoon(after) => Self::after(Code::ResendTooSoon, after),
            FlowError::RateLimited(after) => Self::after(Code::RateLimited, after),
            FlowError::MailRejected => Self::new(Code::MailRejected),
            FlowError::MailUnavailable(reason) => {
                log::error!(request_id:% = current().request_id, reason:% = reason; "the mail relay did not take a mail");
                Self::new(Code::MailUnavailable)
            }
            FlowError::StoreUnavailable(error) => {
                log::error!(request_id:% = current().request_id, reason:% = error.reason; "the store did not answer");
                Self::new(Code::StoreUnavailable)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_name_and_is_found_by_it() {
        for code in Code::ALL {
            assert_eq!(Code::find(code.as_str()), Some(*code));
        }
    }
}
