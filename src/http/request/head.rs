//! The extractor of types that are read from the head of a request.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev};

use super::accept::Wants;
use super::identity::RequestIdentity;
use super::page_origin::PageOrigin;
use crate::http::response::problem::Problem;

/// A type that is read from the head of a request.
pub(crate) trait FromHead: Sized {
    /// # Errors
    /// The problem of an invalid header.
    fn from_head(request: &HttpRequest) -> Result<Self, Problem>;
}

impl FromHead for Wants {
    fn from_head(request: &HttpRequest) -> Result<Self, Problem> {
        Ok(Self::of(request))
    }
}

impl FromHead for PageOrigin {
    fn from_head(request: &HttpRequest) -> Result<Self, Problem> {
        Ok(Self::of(request))
    }
}

impl FromHead for RequestIdentity {
    fn from_head(request: &HttpRequest) -> Result<Self, Problem> {
        Self::of(request)
    }
}

/// Extracts such a type.
pub(crate) struct Head<T>(pub(crate) T);

impl<T: FromHead> FromRequest for Head<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(T::from_head(request).map(Self))
    }
}
