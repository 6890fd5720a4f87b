//! Writing responses: problems, JSON, cookies, and replies about a link.

pub(crate) mod attempt;
pub(crate) mod codes;
pub(crate) mod cookies;
pub(crate) mod links;
pub(crate) mod problem;
pub(crate) mod session;
