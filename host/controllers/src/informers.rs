//! One informer per kind, shared by all controllers that watch it; it ends with the last of them.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use orch_client::informer::{self, Event};
use orch_client::{Client, ListOptions, Object, Resource, Target};
use orch_object::Kind;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cache::Cache;

/// `apiVersion` and `kind`.
pub(crate) type KindName = (String, String);

pub(crate) struct Informers {
    client: Arc<dyn Client>,
    stop: CancellationToken,
    running: Mutex<HashMap<KindName, Weak<SharedInformer>>>,
}

pub(crate) struct SharedInformer {
    state: RwLock<State>,
    /// The revision the cache has reached.
    progress: watch::Sender<u64>,
    _stop: DropGuard,
}

#[derive(Default)]
struct State {
    cache: Cache,
    synced: bool,
    subscribers: Vec<mpsc::UnboundedSender<Event<Object>>>,
}

pub(crate) fn resource(kind: &Kind) -> Resource {
    Resource {
        group: kind.group.clone().into(),
        version: kind.version.clone().into(),
        plural: kind.plural.clone().into(),
    }
}

impl Informers {
    /// `client` must be allowed to list and watch everything that is watched here.
    pub fn new(client: Arc<dyn Client>, stop: CancellationToken) -> Self {
        Informers { client, stop, running: Mutex::default() }
    }

    pub fn client(&self) -> &Arc<dyn Client> {
        &self.client
    }

    /// The row of a served kind.
    pub fn kind(&self, api_version: &str, kind: &str) -> Option<Arc<Kind>> {
        self.client.kinds().borrow().by_kind(api_version, kind).cloned()
    }

    /// The informer of a kind, started when nobody watches it yet.
    pub fn watch(&self, kind: &Kind) -> Arc<SharedInformer> {
        let name = (kind.api_version(), kind.kind.clone());
        let mut running = self.running.lock();
        if let Some(informer) = running.get(&name).and_then(Weak::upgrade) {
            return informer;
        }
        running.retain(|_, informer| informer.strong_count() > 0);
        let informer = SharedInformer::start(self.client.clone(), resource(kind), self.stop.child_token());
        running.insert(name, Arc::downgrade(&informer));
        informer
    }

    /// The informer of a kind when somebody watches it.
    pub fn running(&self, api_version: &str, kind: &str) -> Option<Arc<SharedInformer>> {
        self.running.lock().get(&(api_version.into(), kind.into())).and_then(Weak::upgrade)
    }
}

impl SharedInformer {
    fn start(client: Arc<dyn Client>, resource: Resource, stop: CancellationToken) -> Arc<Self> {
        let mut events =
            informer::follow(client, Target::all(&resource), ListOptions::default(), stop.clone());
        let shared = Arc::new(SharedInformer {
            state: RwLock::default(),
            progress: watch::Sender::new(0),
            _stop: stop.drop_guard(),
        });
        let weak = Arc::downgrade(&shared);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let Some(shared) = weak.upgrade() else { return };
                shared.take(event);
            }
        });
        shared
    }

    /// Keeps the event and passes it on; the cache has it before any subscriber hears of it.
    fn take(&self, event: Event<Object>) {
        let mut state = self.state.write();
        match &event {
            Event::Added(now) | Event::Modified { now, .. } => state.cache.put(now),
            Event::Deleted(last) => state.cache.remove(&last.value()),
            Event::Synced => state.synced = true,
        }
        state.subscribers.retain(|subscriber| subscriber.send(event.clone()).is_ok());
        let revision = state.cache.revision();
        drop(state);
        self.progress.send_replace(revision);
    }

    /// All objects as additions, then what happens.
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<Event<Object>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.state.write();
        for object in state.cache.within("") {
            let _ = sender.send(Event::Added(object.clone()));
        }
        if state.synced {
            let _ = sender.send(Event::Synced);
        }
        state.subscribers.push(sender);
        receiver
    }

    pub fn is_synced(&self) -> bool {
        self.state.read().synced
    }

    pub fn cache(&self) -> impl std::ops::Deref<Target = Cache> {
        RwLockReadGuard::map(self.state.read(), |state| &state.cache)
    }

    /// Tells the revision reached after every event.
    pub fn progress(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }
}
