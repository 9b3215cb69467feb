//! Forgetting old history, in steps. Every host does it; they take turns at the floor's row.

use std::sync::Arc;

use parking_lot::Mutex;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use super::statements;
use crate::recent::Recent;
use crate::retention::Retention;
use crate::{Options, Revision};

/// Revisions forgotten in one transaction.
const STEP: Revision = 1024;

pub struct Upkeep {
    pool: PgPool,
    recent: Arc<Recent>,
    options: Options,
    state: Mutex<State>,
    due: Notify,
}

struct State {
    retention: Retention,
    goal: Revision,
}

impl Upkeep {
    pub fn new(pool: PgPool, recent: Arc<Recent>, options: Options) -> Self {
        let retention = Retention::new(options.clone(), recent.head());
        let state = Mutex::new(State { retention, goal: 0 });
        Upkeep { pool, recent, options, state, due: Notify::new() }
    }

    pub fn wrote(&self, head: Revision, bytes: u64) {
        let mut state = self.state.lock();
        state.retention.wrote(head, bytes);
        if state.aim(head) {
            self.due.notify_one();
        }
    }

    /// Runs for ever.
    pub async fn run(self: Arc<Self>) {
        let mut tick = interval(self.options.interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => self.look(),
                _ = self.due.notified() => {}
            }
            let goal = self.state.lock().goal;
            if let Err(error) = self.compact(goal).await {
                tracing::warn!(%error, "the log could not be compacted; trying again later");
            }
        }
    }

    /// Forgets history up to and including this revision.
    pub async fn compact(&self, goal: Revision) -> Result<(), sqlx::Error> {
        let mut floor = 0;
        while floor < goal {
            floor = statements::forget(&self.pool, goal, STEP).await?;
            self.recent.forget(floor.min(goal));
        }
        Ok(())
    }

    fn look(&self) {
        let head = self.recent.head();
        let mut state = self.state.lock();
        state.retention.observe(head);
        state.aim(head);
    }
}

impl State {
    /// True when there is something new to forget.
    fn aim(&mut self, head: Revision) -> bool {
        match self.retention.expired(head) {
            Some(expired) if expired > self.goal => {
                self.goal = expired;
                true
            }
            Some(_) | None => false,
        }
    }
}
