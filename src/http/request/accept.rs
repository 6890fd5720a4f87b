//! The form of the response: a page or JSON.

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT;

/// The form of the response that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// `text/html`: a person in a browser.
    Page,
    /// `application/json` and not `text/html`: a program.
    Json,
    /// Names neither: it gets a page on success, and a problem document otherwise.
    Either,
}

impl Wants {
    /// Reads `Accept`.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
        let accept = accept.unwrap_or_default().to_ascii_lowercase();
        if accept.contains("text/html") {
            Self::Page
        } else if accept.contains("application/json") {
            Self::Json
        } else {
            Self::Either
        }
    }
}
