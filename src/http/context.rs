//! What every answer needs to know of its request, wherever in the framework it is made.
//!
//! actix builds error responses without the request at hand; a handler and everything that it calls run on one
//! worker as one task, so a task-local carries the request's id and the public URL.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll};
use std::time::Instant;

use futures_util::FutureExt as _;

use super::problem::{Code, Problem};

tokio::task_local! {
    static CURRENT: Rc<Context>;
}

/// See the module.
#[derive(Debug)]
pub(super) struct Context {
    /// When the request came.
    pub(super) begun: Instant,
    /// The id of the request, for its answer and the logs.
    pub(super) request_id: String,
    /// Where problem types point to.
    pub(super) public_url: Rc<str>,
}

impl Default for Context {
    fn default() -> Self {
        Self { begun: Instant::now(), request_id: String::new(), public_url: Rc::default() }
    }
}

/// The context of the request that is being answered.
pub(super) fn current() -> Rc<Context> {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Drives work to its end even when the client goes away and its handler is dropped: a step with several parts is not
/// left in the middle.
pub(super) async fn to_its_end<T: 'static>(work: impl Future<Output = T> + 'static) -> Result<T, Problem> {
    // Boxed first: it would be moved several times before it runs.
    let work = Box::pin(AssertUnwindSafe(work).catch_unwind());
    Driven(Some(work)).await.map_err(|_| {
        log::error!(request_id:% = current().request_id; "a step has failed: this is a defect");
        Problem::new(Code::Internal)
    })
}

/// Work that goes on in a task of its own when it is dropped before its end. While somebody waits for it, it needs none: a
/// task would have to be woken, and then wake who waits.
struct Driven<F: Future + 'static>(Option<Pin<Box<F>>>);

impl<F: Future + 'static> Future for Driven<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let ended = std::task::ready!(work.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(ended)
    }
}

impl<F: Future + 'static> Drop for Driven<F> {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            actix_web::rt::spawn(async move { drop(work.await) });
        }
    }
}

/// Answers a request within a context.
pub(super) fn within<F: Future>(context: Rc<Context>, answer: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(context, answer)
}
