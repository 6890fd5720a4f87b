//! The requester gives up.

use super::{FlowError, Service};
use crate::token::AttemptGrant;

impl Service {
    /// Ends the attempt as `canceled`. May be repeated.
    ///
    /// # Errors
    /// [`FlowError::AttemptOver`], [`FlowError::StoreUnavailable`].
    pub async fn cancel(&self, grant: &AttemptGrant) -> Result<(), FlowError> {
        let now = self.second();
        let canceled = self
            .store
            .cancel(grant.particulars.attempt, now)
            .await
            .map_err(|error| FlowError::for_requester(error, now))?;
        if canceled.changed {
            self.metrics.attempt_ended(grant.particulars.purpose, "canceled");
        }
        Ok(())
    }
}
