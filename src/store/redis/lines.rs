//! Lines to one server: the one with the subscription, and one for each thread that asks for something.
//!
//! A connection is driven by the runtime on which it was made. Were it shared by all workers, each command would wake
//! another thread, and each answer would wake the first one again: more work than the rest of the command.

use std::sync::Arc;
use std::thread::{self, ThreadId};

use arc_swap::ArcSwap;

use super::line::{Line, Purpose};
use super::source::Source;

/// See the module.
pub(super) struct Lines {
    source: Arc<Source>,
    name: &'static str,
    /// In the order of their making: the one with the subscription first.
    by_thread: ArcSwap<Vec<(ThreadId, Arc<Line>)>>,
}

impl Lines {
    /// Opens the line with the subscription, which serves the present thread.
    pub(super) fn open(source: Source, purpose: Purpose) -> Self {
        let (source, name) = (Arc::new(source), purpose.name);
        let first = Arc::new(Line::open(source.clone(), purpose));
        Self { source, name, by_thread: ArcSwap::from_pointee(vec![(thread::current().id(), first)]) }
    }

    /// The line of the present thread, which is one of a tokio runtime; as long as that is not up, any that is: when one
    /// thread has said that the store is there, it is there for all. If none is, the first one knows why.
    pub(super) fn near(&self) -> Arc<Line> {
        let id = thread::current().id();
        let lines = self.by_thread.load();
        let known = lines.iter().find(|(of, _)| *of == id).map(|(_, line)| line);
        let own = known.cloned().unwrap_or_else(|| self.open_another(id));
        if own.is_up() {
            return own;
        }
        let up = lines.iter().find(|(_, line)| line.is_up());
        up.or(lines.first()).map_or(own, |(_, line)| line.clone())
    }

    fn open_another(&self, id: ThreadId) -> Arc<Line> {
        let purpose = Purpose { name: self.name, changes: None, lost: None, quiet: true };
        let line = Arc::new(Line::open(self.source.clone(), purpose));
        self.by_thread.rcu(|lines| {
            let mut more = Vec::clone(lines);
            more.push((id, line.clone()));
            more
        });
        line
    }
}
