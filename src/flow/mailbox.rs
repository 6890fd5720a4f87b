//! The mailbox of `linkgate dev`.

use std::sync::Arc;

use serde_json::Value;

use crate::mailer::Mailer;

/// The mails that `linkgate dev` has caught, as JSON.
pub struct DevMailbox(pub(super) Arc<Mailer>);

impl DevMailbox {
    /// The mails to this recipient or to all, newest first; `None` if mails go elsewhere.
    #[must_use]
    pub fn list(&self, to: Option<&str>) -> Option<Vec<Value>> {
        let mails = self.0.mailbox()?.list(to);
        Some(mails.iter().filter_map(|mail| serde_json::to_value(mail).ok()).collect())
    }

    /// The mail of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Value> {
        serde_json::to_value(self.0.mailbox()?.get(id)?).ok()
    }
}
