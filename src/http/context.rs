//! What every answer needs to know of its request, wherever in the framework it is made.
//!
//! actix builds error responses without the request at hand; a handler and everything that it calls run on one
//! worker as one task, so a task-local carries the request's id and the public URL.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::http::response::problem::{Code, Problem};

tokio::task_local! {
    static CURRENT: Rc<Context>;
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Context {
    /// When the request came.
    pub(crate) begun: Instant,
    /// The id of the request, for its answer and the logs.
    pub(crate) request_id: String,
    /// Where problem types point to.
    pub(crate) public_url: Arc<str>,
}

impl Default for Context {
    fn default() -> Self {
        Self { begun: Instant::now(), request_id: String::new(), public_url: Arc::default() }
    }
}

/// The context of the request that is being answered.
pub(crate) fn current() -> Rc<Context> {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Runs a step in a task of its own, so that it is finished even when the client goes away and its handler is dropped.
///
/// # Errors
/// [`Code::Internal`] when the step panics.
pub(crate) async fn to_completion<T: 'static>(step: impl Future<Output = T> + 'static) -> Result<T, Problem> {
    actix_web::rt::spawn(within(current(), step)).await.map_err(|_| {
        log::error!(request_id:% = current().request_id; "a request handler panicked; please report this defect");
        Problem::new(Code::Internal)
    })
}

/// Answers a request within a context.
pub(crate) fn within<F: Future>(context: Rc<Context>, answer: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(context, answer)
}
