//! Puts the services together over one store, one mailer and one keyring.

use std::sync::Arc;

use super::attempts::Attempts;
use super::health::Health;
use super::issuer::Issuer;
use super::limits::Limits;
use super::links::Links;
use super::mail::LinkMailer;
use super::mailbox::DevMailbox;
use super::operators::Operators;
use super::pace::Pace;
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
    /// For the probes.
    pub health: Arc<Health>,
    /// For `linkgate dev`.
    pub mailbox: Arc<DevMailbox>,
    /// The requests that wait; somebody must run [`Waiters::serve`].
    pub waiters: Arc<Waiters>,
}

impl Services {
    /// Connects to nothing and starts nothing.
    #[must_use]
    pub fn new(
        settings: Settings,
        tokens: &Arc<Tokens>,
        store: &Arc<dyn Store>,
        mailer: Arc<Mailer>,
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let settings = Arc::new(settings);
        let waiters = Arc::new(Waiters::new(store.clone(), clock.clone(), metrics.clone()));
        let limits = Arc::new(Limits {
            settings: settings.clone(),
            tokens: tokens.clone(),
            store: store.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        });
        let link_mailer = LinkMailer {
            settings: settings.clone(),
            tokens: tokens.clone(),
            mailer: mailer.clone(),
            pace: Pace::default(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        };
        let issuer = Arc::new(Issuer {
            limits: limits.clone(),
            mailer: link_mailer,
            store: store.clone(),
            waiters: waiters.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        });
        let sessions = Arc::new(Sessions {
            settings: settings.clone(),
            tokens: tokens.clone(),
            ended: store.clone(),
            tickets: store.clone(),
            clock: clock.clone(),
        });
        let operators = Arc::new(Operators {
            attempts: store.clone(),
            sessions: store.clone(),
            longest_session: settings.session_max_age + settings.session_ttl,
            clock: clock.clone(),
        });
        let attempts = Arc::new(Attempts {
            settings: settings.clone(),
            tokens: tokens.clone(),
            store: store.clone(),
            limits: limits.clone(),
            issuer: issuer.clone(),
            sessions: sessions.clone(),
            waiters: waiters.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        });
        let links = Arc::new(Links {
            settings,
            tokens: tokens.clone(),
            store: store.clone(),
            limits,
            issuer,
            sessions: sessions.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        });
        let health = Arc::new(Health { store: store.clone(), waiters: waiters.clone() });
        Self { attempts, links, sessions, operators, health, mailbox: Arc::new(DevMailbox(mailer)), waiters }
    }
}
