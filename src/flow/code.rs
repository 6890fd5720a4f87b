//! The requester types in the relay code that the opener was shown.

use super::{AttemptView, FlowError, Service};
use crate::domain::attempt::{CodeEntered, SignedIn};
use crate::domain::secret::RelayCode;
use crate::token::AttemptGrant;

impl Service {
    /// Verifies the attempt with a relay code.
    ///
    /// The code belongs to the newest link, whose nonce only the store knows: so it is read first. What follows is
    /// still one atomic step, since whether a code is right depends on nothing that changes, and the step refuses
    /// when another nonce has become the newest.
    ///
    /// # Errors
    /// [`FlowError::CodeIncorrect`], [`FlowError::AttemptOver`], [`FlowError::StoreUnavailable`].
    pub async fn enter_code(&self, grant: &AttemptGrant, code: RelayCode) -> Result<AttemptView, FlowError> {
        let id = grant.particulars.attempt;
        let Some(attempt) = self.store.read(id).await? else { return Err(FlowError::AttemptOver) };
        // The link may have been signed with an older key than the attempt token, or with a newer one.
        let right = self.tokens.accepted_keys().iter().any(|key| key.relay_code(id, &attempt.nonce) == code);
        let signed_in = grant.particulars.purpose.signs_in().then_some(SignedIn::Requester);
        let now = self.second();
        let (attempt, entered) = self
            .store
            .enter_code(id, &attempt.nonce, right, signed_in, now)
            .await
            .map_err(|error| FlowError::for_requester(error, now))?;
        match entered {
            CodeEntered::Again => Ok(self.view(grant, Some(attempt))),
            CodeEntered::Right => {
                self.metrics.attempt_verified(grant.particulars.purpose, now - attempt.created_at);
                Ok(self.view(grant, Some(attempt)))
            }
            CodeEntered::Wrong(left) => {
                if left == 0 {
                    self.metrics.attempt_ended(grant.particulars.purpose, "failed");
                }
                Err(FlowError::CodeIncorrect(left))
            }
        }
    }
}
