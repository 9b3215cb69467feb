//! One controller at work: what it watches, its queue, its workers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use orch_client::Object;
use orch_client::informer::Event;
use orch_object::{Kind, Kinds};
use orch_plugin::calls::CallError;
use orch_plugin::calls::controller::{ControllerPlugin, Outcome, WatchOf};
use orch_plugin::trial::{Difference, ShadowLog};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempt::{Attempt, difference};
use crate::informers::{Informers, SharedInformer};
use crate::mapping::Mapping;
use crate::queue::WorkQueue;
use crate::versions::Versions;

pub(crate) struct Running {
    pub queue: Arc<WorkQueue>,
    pub versions: Arc<Versions>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The kinds a watch ranges over.
pub(crate) fn kinds_of(watch: &WatchOf, served: &Kinds) -> Vec<Arc<Kind>> {
    let interest = &watch.interest;
    if interest.kind != "*" {
        return served.by_kind(&interest.api_version, &interest.kind).into_iter().cloned().collect();
    }
    // One version of each kind; not Events, which outnumber everything and are owned by nothing.
    let mut seen = HashSet::new();
    let watchable = |kind: &Arc<Kind>| {
        kind.kind != "Event" && ["list", "watch"].iter().all(|verb| kind.verbs.iter().any(|v| v == verb))
    };
    let wanted = |kind: &&Arc<Kind>| watchable(kind) && seen.insert((kind.group.clone(), kind.kind.clone()));
    served.rows().iter().filter(wanted).cloned().collect()
}

impl Running {
    /// Begins to watch; workers begin when everything watched has been listed.
    pub fn start(
        name: &str,
        versions: Versions,
        informers: &Arc<Informers>,
        queue: WorkQueue,
        stop: CancellationToken,
    ) -> Self {
        let (queue, versions) = (Arc::new(queue), Arc::new(versions));
        let running = Running { queue, versions: versions.clone(), stop, tasks: TaskTracker::new() };
        let (synced, all_synced) = mpsc::channel::<()>(1);
        for plugin in versions.mapping() {
            running.watch(name, plugin, informers, &synced);
        }
        drop(synced);
        running.start_workers(name, all_synced);
        running
    }

    fn watch(
        &self,
        name: &str,
        plugin: &Arc<dyn ControllerPlugin>,
        informers: &Arc<Informers>,
        synced: &mpsc::Sender<()>,
    ) {
        for (index, watch) in plugin.description().watches.iter().enumerate() {
            let mapping = Arc::new(Mapping::new(plugin.clone(), index as u32, watch.clone()));
            let mut served = informers.client().kinds();
            let kinds = kinds_of(watch, &served.borrow_and_update());
            let mut known = HashSet::new();
            for kind in kinds {
                known.insert((kind.group.clone(), kind.kind.clone()));
                self.follow(name, &mapping, informers.watch(&kind), Some(synced.clone()));
            }
            if watch.interest.kind == "*" {
                self.follow_new_kinds(name, mapping, informers.clone(), served, known);
            }
        }
    }

    /// No new key is begun; returns when those being worked on are done.
    pub async fn drain(self) {
        self.queue.close();
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// `synced` is dropped when the first list is in the queue.
    fn follow(
        &self,
        name: &str,
        mapping: &Arc<Mapping>,
        informer: Arc<SharedInformer>,
        synced: Option<mpsc::Sender<()>>,
    ) {
        let mut dispatcher = Dispatcher {
            name: name.into(),
            mapping: mapping.clone(),
            queue: self.queue.clone(),
            versions: self.versions.clone(),
            synced,
        };
        let stop = self.stop.clone();
        let mut events = informer.subscribe();
        self.tasks.spawn(async move {
            let _keep = informer;
            let dispatch = async {
                while let Some(event) = events.recv().await {
                    dispatcher.dispatch(event).await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = dispatch => {}
            }
        });
    }

    fn follow_new_kinds(
        &self,
        name: &str,
        mapping: Arc<Mapping>,
        informers: Arc<Informers>,
        mut served: watch::Receiver<Arc<Kinds>>,
        mut known: HashSet<(String, String)>,
    ) {
        let (name, stop) = (name.to_string(), self.stop.clone());
        let this = Running {
            queue: self.queue.clone(),
            versions: self.versions.clone(),
            stop: stop.clone(),
            tasks: self.tasks.clone(),
        };
        self.tasks.spawn(async move {
            let look = async {
                while served.changed().await.is_ok() {
                    let kinds = kinds_of(&mapping.watch, &served.borrow_and_update());
                    for kind in kinds {
                        if known.insert((kind.group.clone(), kind.kind.clone())) {
                            this.follow(&name, &mapping, informers.watch(&kind), None);
                        }
                    }
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = look => {}
            }
        });
    }

    fn start_workers(&self, name: &str, mut all_synced: mpsc::Receiver<()>) {
        let (tasks, stop) = (self.tasks.clone(), self.stop.clone());
        let (name, versions, queue) = (name.to_string(), self.versions.clone(), self.queue.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = all_synced.recv() => {} // nothing is ever sent: the last sender is gone
            }
            for _ in 0..versions.concurrency() {
                tasks.spawn(work(name.clone(), versions.clone(), queue.clone()));
            }
        });
    }
}

struct Dispatcher {
    name: String,
    mapping: Arc<Mapping>,
    queue: Arc<WorkQueue>,
    versions: Arc<Versions>,
    synced: Option<mpsc::Sender<()>>,
}

impl Dispatcher {
    /// Adds the keys an event concerns; a plugin that does not answer is asked until it does, for a
    /// change that is not mapped is a change that is never seen.
    async fn dispatch(&mut self, event: Event<Object>) {
        if matches!(event, Event::Synced) {
            self.synced = None;
            return;
        }
        let mut delay = Duration::from_millis(50);
        loop {
            match self.mapping.keys(&event).await {
                Ok(keys) => {
                    let own = |key: &&String| Arc::ptr_eq(self.versions.of(key), &self.mapping.plugin);
                    return keys.iter().filter(own).for_each(|key| self.queue.add(key));
                }
                Err(error) => {
                    tracing::warn!(controller = self.name, %error, "no keys for a change; asking again");
                    tokio::time::sleep(delay).await;
                    delay = (delay * 2).min(Duration::from_secs(5));
                }
            }
        }
    }
}

async fn work(name: String, versions: Arc<Versions>, queue: Arc<WorkQueue>) {
    while let Some(key) = queue.get().await {
        let plugin = versions.of(&key);
        let outcome = match versions.shadow() {
            Some((shadow, log)) => compared(plugin, shadow, log, &key).await,
            None => plugin.reconcile(&key).await,
        };
        match outcome {
            Ok(outcome) => {
                queue.forget(&key);
                if let Some(millis) = outcome.requeue_after_ms {
                    queue.add_after(&key, Duration::from_millis(millis));
                }
            }
            Err(error) => {
                tell(&name, &key, &error);
                queue.add_rate_limited(&key);
            }
        }
        queue.done(&key);
    }
}

/// Lets a shadow look first: afterwards there would be nothing left to do.
async fn compared(
    plugin: &Arc<dyn ControllerPlugin>,
    shadow: &Arc<dyn ControllerPlugin>,
    log: &ShadowLog,
    key: &str,
) -> Result<Outcome, CallError> {
    let (pretended, would_write) = Attempt::run(true, shadow.reconcile(key)).await;
    let (outcome, writes) = Attempt::run(false, plugin.reconcile(key)).await;
    match (&outcome, &pretended) {
        (_, Err(CallError::Trapped { .. } | CallError::Deadline { .. })) => log.failed(),
        // A conflict with others, or whatever else kept it from going on: the next look counts.
        (Err(_), _) => {}
        (Ok(_), Err(error)) => log.differed(Difference {
            subject: key.into(),
            live: "succeeds".into(),
            shadow: error.to_string(),
        }),
        (Ok(_), Ok(_)) => match difference(&writes, &would_write) {
            None => log.agreed(),
            Some((live, shadow)) => log.differed(Difference { subject: key.into(), live, shadow }),
        },
    }
    outcome
}

/// Conflicts are how optimistic writes work; everything else is worth a line.
fn tell(controller: &str, key: &str, error: &CallError) {
    match error {
        CallError::Refused { message, .. } if message.contains("the object has been modified") => {
            tracing::debug!(controller, key, %error, "trying again");
        }
        CallError::Refused { .. } | CallError::Trapped { .. } | CallError::Deadline { .. } => {
            tracing::warn!(controller, key, %error, "reconcile failed; trying again");
        }
    }
}
