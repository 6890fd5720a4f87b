//! The decision about a link.

use serde::Deserialize;

use super::json::JsonString;
use crate::flow::Decision;

/// A button of a link's page that was pressed, or the same as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Press {
    pub(crate) decision: JsonString<Decision>,
    /// The confirmation of the page, which only the client that opened the page can have.
    pub(crate) confirmation: String,
}
