//! What the client wants: a page or JSON.

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT;

/// What a request accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// `text/html`: a person in a browser.
    Page,
    /// `application/json` and not `text/html`: a program.
    Json,
    /// Neither by name: a page when all is well, and a problem document otherwise.
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
