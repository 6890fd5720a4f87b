//! Reading requests: limits, bodies, headers, senders and their authority.

pub(crate) mod accept;
pub(crate) mod authority;
pub(crate) mod body;
pub(crate) mod head;
pub(crate) mod headers;
pub(crate) mod identity;
mod json;
pub(crate) mod limits;
pub(crate) mod page_origin;
pub(crate) mod press;

pub(crate) use self::json::{JsonObject, JsonString};
