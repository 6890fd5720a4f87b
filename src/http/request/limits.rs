//! The limits of a request.

use std::time::Duration;

/// The largest body, and the largest sum of path and headers, in KiB; a macro, since texts name it, too.
macro_rules! max_kib {
    () => {
        16
    };
}
pub(crate) use max_kib;

/// The largest body, and the largest sum of path and headers, in bytes.
pub(crate) const MAX_REQUEST_PART: usize = max_kib!() * 1024;

/// How long a body may take to arrive.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);
