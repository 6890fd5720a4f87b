//! Replies about a link.

mod json;
mod page;
mod redirect;
mod reply;

pub(crate) use self::page::opened as opened_page;
pub(crate) use self::reply::{LinkOutcome, LinkReply, LinkRequest};
