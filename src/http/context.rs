//! The facts about a request that every response needs, wherever in the framework it is made.
//!
//! actix builds error responses without the request at hand. A handler and everything that it calls run as one task, so
//! a task-local carries the request's id and the public URL.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

tokio::task_local! {
    static CURRENT: Rc<Context>;
}

/// The context of one request.
#[derive(Debug)]
pub(super) struct Context {
    /// When the request arrived.
    pub(super) begun: Instant,
    /// Identifies the request in its response and in the logs.
    pub(super) request_id: String,
    /// The URL that problem types begin with.
    pub(super) public_url: Arc<str>,
}

impl Default for Context {
    fn default() -> Self {
        Self { begun: Instant::now(), request_id: String::new(), public_url: Arc::default() }
    }
}

/// The context of the request that this task answers.
pub(super) fn current() -> Rc<Context> {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Answers a request within a context.
pub(super) fn within<F: Future>(context: Rc<Context>, answer: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(context, answer)
}
