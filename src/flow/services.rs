//! Puts the services together over one store, one mailer and one keyring.

use std::sync::Arc;

use super::attempts::Attempts;
use super::issuer::Issuer;
use super::limits::Limits;
use super::links::Links;
use super::mailbox::DevMailbox;
use super::operators::Operators;
use super::pace::Pace;
use super::parts::Parts;
use super::sessions::Sessions;
use super::settings::Settings;
use super::waiters::Waiters;
use crate::clock::Clock;
use crate::mailer::Mailer;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::token::Tokens;

/// All use cases.
#[derive(Clone)]
pub struct Services {
    /// For requesters.
    pub attempts: Arc<Attempts>,
    /// For openers.
    pub links: Arc<Links>,
    /// For clients that are signed in, and for applications.
    pub sessions: Arc<Sessions>,
    /// For operators.
    pub operators: Arc<Operators>,
    /// For `linkgate dev`.
    pub mailbox: Arc<DevMailbox>,
    /// The requests that wait; wakes them only while [`Waiters::serve`] runs.
    pub waiters: Arc<Waiters>,
}

impl Services {
    /// Puts the services together. Connects to nothing and starts nothing.
    #[must_use]
    pub fn new(
        settings: Settings,
        tokens: Arc<Tokens>,
        store: Arc<dyn Store>,
        mailer: Arc<Mailer>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let mailbox = Arc::new(DevMailbox(mailer.clone()));
        let settings = Arc::new(settings);
        let waiters = Arc::new(Waiters::new(store.clone(), clock.clone(), metrics.clone()));
        let operators =
            Arc::new(Operators { settings: settings.clone(), store: store.clone(), clock: clock.clone() });
        let sessions = Arc::new(Sessions {
            settings: settings.clone(),
            tokens: tokens.clone(),
            store: store.clone(),
            clock: clock.clone(),
        });
        let parts = Arc::new(Parts { settings, tokens, store, clock, metrics });
        let issuer = Arc::new(Issuer {
            parts: parts.clone(),
            limits: Limits { parts: parts.clone() },
            mailer,
            pace: Pace::default(),
            waiters: waiters.clone(),
        });
        let attempts = Arc::new(Attempts {
            parts: parts.clone(),
            issuer: issuer.clone(),
            sessions: sessions.clone(),
            waiters: waiters.clone(),
        });
        let links = Arc::new(Links { parts, issuer, sessions: sessions.clone() });
        Self { attempts, links, sessions, operators, mailbox, waiters }
    }
}
