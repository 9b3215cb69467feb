use std::sync::Arc;
use std::time::Duration;

use orch_store::{Revision, Store, StoreError};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::object::Object;
use crate::state::State;
use crate::stream::Watch;

/// How far back the window reaches: whatever bound is met first.
#[derive(Debug, Clone)]
pub struct Options {
    pub window_events: usize,
    /// Sum of the objects' bytes in the window.
    pub window_bytes: usize,
    pub window_age: Duration,
    /// Events a watcher may lag behind before it must read on from the window.
    pub watcher_buffer: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            window_events: 16_384,
            window_bytes: 24 << 20,
            window_age: Duration::from_secs(300),
            watcher_buffer: 256,
        }
    }
}

/// The window no longer reaches back that far (HTTP 410): list again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("revision {asked} is too old; the history begins after {oldest}")]
pub struct Expired {
    pub asked: Revision,
    pub oldest: Revision,
}

/// Objects in key order and the revision they are true at.
#[derive(Debug, Clone)]
pub struct List {
    pub revision: Revision,
    pub items: Vec<Arc<Object>>,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The revision every page of this list is true at.
    pub revision: Revision,
    pub items: Vec<Arc<Object>>,
    /// Objects that follow the last item; 0: the list is complete.
    pub remaining: usize,
}

/// Cheap to clone; the cache stops, and its watches end, with the last clone.
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
    _feed: Arc<Feed>,
}

/// What the cache, its feed and its watches hold together.
pub(crate) struct Shared {
    pub store: Arc<dyn Store>,
    pub options: Options,
    pub state: RwLock<State>,
    /// The revision the state has reached.
    pub reached: watch::Sender<Revision>,
}

/// Ends the feed, and with it every watch.
struct Feed {
    task: tokio::task::JoinHandle<()>,
    shared: Arc<Shared>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.state.write().close();
    }
}

impl Cache {
    /// Loads every current object and follows the store from there.
    pub async fn start(store: Arc<dyn Store>, options: Options) -> Result<Cache, StoreError> {
        let committed = store.committed();
        let (revision, entries) = store.snapshot().await?;
        let state = State::new(revision, entries);
        let (reached, _) = watch::channel(revision);
        let shared = Arc::new(Shared { store, options, state: RwLock::new(state), reached });
        let task = tokio::spawn(crate::feed::follow(shared.clone(), committed));
        Ok(Cache { _feed: Arc::new(Feed { task, shared: shared.clone() }), shared })
    }

    /// Where writes go.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// The revision the cache has reached: every event up to it has been handed to the watches.
    pub fn revision(&self) -> Revision {
        self.shared.state.read().revision
    }

    /// Watches and exact lists may begin at this revision or later.
    pub fn oldest(&self) -> Revision {
        self.shared.state.read().window.oldest()
    }

    /// Returns once the cache has reached the revision, at once if it has. Bound it with a timeout.
    pub async fn wait_for(&self, revision: Revision) {
        if self.revision() < revision {
            let mut reached = self.shared.reached.subscribe();
            // The sender lives in `shared`, so this cannot end early.
            let _ = reached.wait_for(|at| *at >= revision).await;
        }
    }

    /// Waits until nothing that any host had committed when this was called is missing.
    pub async fn fresh(&self) -> Result<Revision, StoreError> {
        let latest = self.shared.store.latest().await?;
        self.wait_for(latest).await;
        Ok(latest)
    }

    /// Whatever the cache has.
    pub fn get(&self, key: &str) -> Option<Arc<Object>> {
        self.shared.state.read().objects.get(key).cloned()
    }

    /// Never stale.
    pub async fn get_fresh(&self, key: &str) -> Result<Option<Arc<Object>>, StoreError> {
        self.fresh().await?;
        Ok(self.get(key))
    }

    /// Whatever the cache has.
    pub fn list(&self, prefix: &str) -> List {
        self.shared.state.read().list(prefix)
    }

    /// The objects as they were at a revision within the window, at most `limit` (0: all), after
    /// a key already seen. A revision of the future is the present: call [`Cache::wait_for`] first.
    pub fn page(
        &self,
        prefix: &str,
        at: Revision,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, Expired> {
        self.shared.state.read().page(prefix, at, after, limit)
    }

    /// Every event of the prefix after the revision: first from the window, then live.
    pub fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Expired> {
        self.shared.state.read().window.reaches(after)?;
        Ok(Watch::new(self.shared.clone(), prefix, after))
    }

    /// The current objects, and every event after them (`sendInitialEvents`).
    pub fn list_and_watch(&self, prefix: &str) -> (List, Watch) {
        let list = self.list(prefix);
        let watch = Watch::new(self.shared.clone(), prefix, list.revision);
        (list, watch)
    }

    /// The current objects whose `metadata.ownerReferences` name the uid, in key order.
    pub fn dependents(&self, owner_uid: &str) -> Vec<Arc<Object>> {
        self.shared.state.read().dependents(owner_uid)
    }

    /// No object below the prefix has changed after this revision. Cheap: what was made of those objects
    /// at a revision no older is still true.
    pub fn changed(&self, prefix: &str) -> Revision {
        self.shared.state.read().changed(prefix)
    }

    /// Current objects below the prefix.
    pub fn count(&self, prefix: &str) -> usize {
        self.shared.state.read().count(prefix)
    }
}
