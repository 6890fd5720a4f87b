//! What each worker of the server keeps for itself.
//!
//! What several write to travels between their processors with each request: a lock, even when nobody waits for it, or a
//! count of references.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;

use super::state::HttpState;
use crate::metrics::{HttpRequests, Metrics};

/// See the module.
pub(crate) struct Worker {
    pub(super) public_url: Rc<str>,
    metrics: Arc<Metrics>,
    counts: RefCell<HashMap<Kind, HttpRequests>>,
}

/// Route, method and status.
type Kind = (Cow<'static, str>, &'static str, u16);

impl Worker {
    /// What a worker begins with.
    pub(crate) fn new(state: &HttpState) -> Self {
        Self {
            public_url: state.public_url.as_str().into(),
            metrics: Arc::clone(&state.metrics),
            counts: RefCell::default(),
        }
    }

    /// The one that this request came to.
    pub(super) fn of(request: &HttpRequest) -> &Self {
        #[expect(clippy::expect_used, reason = "every application that `http::layered` builds has it")]
        request.app_data::<Self>().expect("the worker is registered")
    }

    /// Counts an answer.
    pub(super) fn answered(&self, kind: Kind, took: Duration, request_id: &str) {
        let mut counts = self.counts.borrow_mut();
        let asked =
            |(route, method, status): &Kind| self.metrics.http_requests(route.clone(), method, *status);
        counts.entry(kind).or_insert_with_key(asked).answered(took, request_id);
    }
}
