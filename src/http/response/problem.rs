//! Every error that leaves the service: an RFC 9457 document. Pages show people the same content.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use super::codes::Code;
use crate::flow::FlowError;
use crate::http::context::current;

/// The media type of problem documents (RFC 9457, section 3).
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// One occurrence of a problem.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    /// Says what is wrong with this request and what to do about it. Never repeats a value of the request.
    pub(crate) detail: String,
    retry_after: Option<Duration>,
    code_tries_left: Option<u8>,
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
    pub(crate) fn new(code: Code) -> Self {
        let row = code.row();
        Self::with_detail(code, format!("{} {}", row.meaning, row.remedy))
    }

    /// A problem with this detail.
    pub(crate) fn with_detail(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), retry_after: code.row().retry_after, code_tries_left: None }
    }

    /// A problem that ends after this time.
    pub(crate) fn after(code: Code, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(code) }
    }

    /// An invalid body, parameter or header.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::with_detail(Code::InvalidRequest, detail)
    }

    /// `Retry-After`, in whole seconds rounded up.
    fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after.map(|after| after.as_secs() + u64::from(after.subsec_nanos() > 0))
    }

    /// Marks a response as this problem: its code for the layers, and the headers that belong to it.
    pub(crate) fn mark(&self, response: &mut HttpResponse) {
        response.extensions_mut().insert(self.code);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_secs() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.status_code() == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 11.6.1: a 401 names a scheme.
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.row().name)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let (context, row) = (current(), self.code.row());
        let document = Document {
            r#type: format!("{}/problems/{}", context.public_url, row.name),
            title: row.title,
            status: row.status,
            detail: &self.detail,
            code: row.name,
            request_id: &context.request_id,
            retry_after: self.retry_after_secs(),
            code_tries_left: self.code_tries_left,
        };
        let mut response = HttpResponse::build(self.status_code()).content_type(PROBLEM_JSON).json(document);
        self.mark(&mut response);
        response
    }
}

impl From<FlowError> for Problem {
    /// Only here does the error of a use case become HTTP, and its cause is logged.
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
