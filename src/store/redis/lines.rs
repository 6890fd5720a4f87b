//! Lines to one server: the one with the subscription, and one for each thread that asks for something.
//!
//! A connection is driven by the runtime on which it was made. Were it shared by all workers, each command would wake
//! another thread, and each answer would wake the first one again: more work than the rest of the command.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, ThreadId};

use super::line::{Line, Purpose};
use super::source::Source;

/// See the module.
pub(super) struct Lines {
    source: Arc<Source>,
    name: &'static str,
    /// The one with the subscription.
    first: Arc<Line>,
    by_thread: RwLock<HashMap<ThreadId, Arc<Line>>>,
}

impl Lines {
    /// Opens the line with the subscription, which serves the present thread.
    pub(super) fn open(source: Source, purpose: Purpose) -> Self {
        let (source, name) = (Arc::new(source), purpose.name);
        let first = Arc::new(Line::open(source.clone(), purpose));
        let by_thread = RwLock::new([(thread::current().id(), first.clone())].into());
        Self { source, name, first, by_thread }
    }

    /// The line of the present thread, which is one of a tokio runtime; as long as that is not up, any that is: when one
    /// thread has said that the store is there, it is there for all.
    pub(super) fn near(&self) -> Arc<Line> {
        let id = thread::current().id();
        // Nobody panics with the lock in hand, and the map would be sound if somebody did.
        let known = self.by_thread.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let own = known.unwrap_or_else(|| {
            let purpose = Purpose { name: self.name, changes: None, lost: None, quiet: true };
            let line = Arc::new(Line::open(self.source.clone(), purpose));
            self.by_thread.write().unwrap_or_else(PoisonError::into_inner).insert(id, line.clone());
            line
        });
        if own.is_up() {
            return own;
        }
        let lines = self.by_thread.read().unwrap_or_else(PoisonError::into_inner);
        let mut others = std::iter::once(&self.first).chain(lines.values());
        others.find(|line| line.is_up()).unwrap_or(&self.first).clone()
    }
}
