//! Answering: problems, cookies, JSON.

pub(crate) mod cookies;
pub(crate) mod problem;
pub(crate) mod time;
