//! Follows the store: its log, read from the last revision each time a commit is signalled.

use std::sync::Arc;
use std::time::Duration;

use orch_store::{Revision, StoreError};
use tokio::sync::watch;

use crate::cache::Shared;

/// Events read from the log at a time; also how long readers may wait for the lock.
const BATCH: usize = 256;

/// Runs until the store is closed; an error of the store delays, and is tried again.
pub async fn follow(shared: Arc<Shared>, mut committed: watch::Receiver<Revision>) {
    let mut backoff = Backoff::default();
    loop {
        let head = *committed.borrow_and_update();
        if shared.state.read().revision >= head {
            if committed.changed().await.is_err() {
                return;
            }
            continue;
        }
        match advance(&shared).await {
            Ok(true) => backoff = Backoff::default(),
            Ok(false) => backoff.wait().await,
            Err(error) => {
                tracing::warn!(%error, "the watch cache cannot follow the store; trying again");
                backoff.wait().await;
            }
        }
    }
}

/// Reads and applies the next events. False: there were none.
async fn advance(shared: &Shared) -> Result<bool, StoreError> {
    let at = shared.state.read().revision;
    match shared.store.history(at, BATCH).await {
        Ok(events) => {
            let found = !events.is_empty();
            apply(shared, events);
            Ok(found)
        }
        Err(StoreError::Compacted { .. }) => reload(shared).await.map(|()| true),
        Err(error) => Err(error),
    }
}

fn apply(shared: &Shared, events: Vec<orch_store::Event>) {
    let mut state = shared.state.write();
    for event in events {
        state.apply(event, &shared.options);
    }
    // Told while the lock is held, so that `reached` never runs ahead of what readers find.
    shared.reached.send_replace(state.revision);
}

/// The log was compacted beyond the cache, which must have been stopped for long.
async fn reload(shared: &Shared) -> Result<(), StoreError> {
    let (revision, entries) = shared.store.snapshot().await?;
    tracing::warn!(revision, "the store's history was compacted beyond the watch cache; loading it anew");
    let mut state = shared.state.write();
    state.replace(revision, entries);
    shared.reached.send_replace(revision);
    Ok(())
}

struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Backoff(Duration::from_millis(10))
    }
}

impl Backoff {
    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_secs(2));
    }
}
