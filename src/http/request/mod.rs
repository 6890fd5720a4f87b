//! Reading requests.

pub(crate) mod extract;
