//! Waiting for a condition, or for a requester to learn of a change.

use std::time::{Duration, Instant};

use crate::app::{Answer, Attempt, TestApp};

/// How long a condition may take to come true, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How soon a change has to reach a waiting request.
pub const AT_ONCE: Duration = Duration::from_secs(1);

pub async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < PATIENCE, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl TestApp {
    /// Waits until `count` requests wait for a change.
    pub async fn waiters(&self, count: usize) {
        let line = format!("linkgate_waiters {count}\n");
        until(&line, async || self.metrics().await.contains(&line)).await;
    }

    /// The value of a metric, by its name and labels; 0 before it is first counted.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(key, _)| key == name));
        line.map_or(0.0, |line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
    }

    /// Acts while the requester waits, and asserts that the requester's answer comes at once.
    pub async fn told<T>(&self, attempt: &Attempt, seen: &str, act: impl Future<Output = T>) -> (Answer, T) {
        let waiting = async {
            let answer = attempt.wait(seen).await;
            (answer, Instant::now())
        };
        let acting = async {
            self.waiters(1).await;
            let result = act.await;
            (result, Instant::now())
        };
        let ((answer, told), (result, done)) = tokio::join!(waiting, acting);
        let late = told.saturating_duration_since(done);
        assert!(late < AT_ONCE, "told {late:?} after the fact");
        (answer, result)
    }
}
