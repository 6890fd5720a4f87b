//! The parts that starting, mailing and deciding have in common.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::settings::Settings;
use crate::clock::Clock;
use crate::domain::attempt::whole_seconds;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::token::Tokens;

/// The parts that all services use which change attempts. Other parts, such as the mailer, are fields of their users.
pub(super) struct Parts {
    pub(super) settings: Arc<Settings>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
}

impl Parts {
    /// The present time.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The present time without its fraction of a second: tokens, the store and clients count whole seconds.
    pub(super) fn now_secs(&self) -> DateTime<Utc> {
        whole_seconds(self.now())
    }
}
