//! What the suites share.

pub(crate) mod answer;
pub(crate) mod app;
pub(crate) mod proof;
pub(crate) mod smtp;
pub(crate) mod waiting;
