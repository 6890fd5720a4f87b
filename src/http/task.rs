//! Steps that must not stop in the middle.

use super::context::{current, within};
use super::response::codes::Code;
use super::response::problem::Problem;

/// Runs a step in a separate task, so that it completes even when the client disconnects and actix drops the handler.
///
/// # Errors
/// [`Code::Internal`] when the step panics.
pub(super) async fn to_completion<T: 'static>(step: impl Future<Output = T> + 'static) -> Result<T, Problem> {
    actix_web::rt::spawn(within(current(), step)).await.map_err(|_| {
        log::error!(request_id:% = current().request_id; "a request handler panicked; please report this defect");
        Problem::new(Code::Internal)
    })
}
