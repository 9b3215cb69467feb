//! The workers of this node's pods, and what reaches them from the API and the runtime.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use orch_client::informer::{self, Event};
use orch_client::{ListOptions, Resource, Target};
use orch_container::runtime::{Changed, Container, RuntimeError};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::Instant;

use crate::agent::Agent;
use crate::pod::adopt::{self, Found};
use crate::pod::inbox::{Inbox, Input};
use crate::pod::labels;
use crate::pod::resize;
use crate::pod::spec::Pod;
use crate::pod::view::View;
use crate::pod::worker::Worker;
use crate::volume;

struct Handle {
    inbox: Inbox,
    view: View,
}

/// By pod uid.
#[derive(Default)]
pub(crate) struct Pods {
    workers: Mutex<HashMap<String, Handle>>,
    /// Those that are told when another holds less.
    wait_for_room: Mutex<HashSet<String>>,
}

impl Pods {
    pub async fn run(self: Arc<Self>, agent: Arc<Agent>) {
        // Listening begins before the first look, so that no change falls in between.
        let changes = agent.runtime.changes();
        let found = look_until_seen(&agent).await;
        let target = Target::all(&Resource::core("pods"));
        let options = ListOptions {
            field_selector: format!("spec.nodeName={}", agent.config.node_name),
            ..ListOptions::default()
        };
        let (_, mut events) = informer::start(agent.client.clone(), target, options, agent.stop.clone());
        let mut found = Some(found);
        agent.spawn(self.clone().follow_runtime(agent.clone(), changes));
        while let Some(event) = events.recv().await {
            match event {
                Event::Added(object) => self.add(&agent, object, &mut found),
                Event::Modified { before, now } if uid(&before) != uid(&now) => {
                    self.put(uid(&before), Input::Gone);
                    self.add(&agent, now, &mut found);
                }
                Event::Modified { now, .. } => {
                    // Without a worker, a pod past its grace only waits for others' finalizers.
                    if !self.put(uid(&now), Input::Pod(now.clone())) && !is_past_grace(&now) {
                        self.add(&agent, now, &mut found);
                    }
                }
                Event::Deleted(last) => {
                    self.put(uid(&last), Input::Gone);
                }
                Event::Synced => self.end_orphans(&agent, found.take().unwrap_or_default()).await,
            }
        }
    }

    /// A pod's worker as others see it.
    pub fn view(&self, uid: &str) -> Option<View> {
        self.workers.lock().get(uid).map(|handle| handle.view.clone())
    }

    /// What the living pods but this one hold: thousandths of processors and of bytes.
    pub fn held_beside(&self, uid: &str) -> [i128; 2] {
        let views: Vec<View> = {
            let workers = self.workers.lock();
            workers.iter().filter(|(other, _)| *other != uid).map(|(_, handle)| handle.view.clone()).collect()
        };
        let held = views.iter().map(View::see).map(|(pod, record)| resize::held(&pod, &record));
        held.fold([0, 0], |[cpu, memory], [more_cpu, more_memory]| [cpu + more_cpu, memory + more_memory])
    }

    /// The pod's worker hears once, of the next room that others give back.
    pub fn wait_for_room(&self, uid: &str) {
        self.wait_for_room.lock().insert(uid.to_string());
    }

    /// A pod holds less than before, and its view says so.
    pub fn tell_of_room(&self) {
        let waiting = std::mem::take(&mut *self.wait_for_room.lock());
        for uid in waiting {
            self.put(&uid, Input::Room);
        }
    }

    /// False when there is no such worker.
    fn put(&self, uid: &str, input: Input) -> bool {
        let workers = self.workers.lock();
        let Some(handle) = workers.get(uid) else { return false };
        handle.inbox.put(input);
        true
    }

    fn add(
        self: &Arc<Self>,
        agent: &Arc<Agent>,
        object: Arc<Value>,
        found: &mut Option<HashMap<String, Found>>,
    ) {
        let pod = match Pod::read(object) {
            Ok(pod) => pod,
            Err(error) => {
                tracing::error!(%error, "the pod is not run");
                return;
            }
        };
        let found = found.as_mut().and_then(|all| all.remove(&pod.metadata.uid)).unwrap_or_default();
        self.work_on(agent, pod, found, false);
    }

    fn work_on(self: &Arc<Self>, agent: &Arc<Agent>, pod: Pod, found: Found, is_orphan: bool) {
        let uid = pod.metadata.uid.clone();
        let mut adopted = adopt::adopt(&pod, found, Instant::now());
        adopted.record.deleted_from_api = is_orphan;
        let worker = Worker::new(agent.clone(), Arc::new(pod), adopted);
        let handle = Handle { inbox: worker.inbox(), view: worker.view() };
        self.workers.lock().insert(uid.clone(), handle);
        let pods = self.clone();
        agent.spawn(async move {
            worker.run().await;
            pods.workers.lock().remove(&uid);
            pods.tell_of_room();
        });
    }

    /// Carries out what was deleted while no agent was there.
    async fn end_orphans(self: &Arc<Self>, agent: &Arc<Agent>, found: HashMap<String, Found>) {
        for (uid, found) in found {
            let pod = adopt::orphan(&uid, &found);
            tracing::info!(pod = pod.key(), uid, "deleted while the agent was away");
            self.work_on(agent, pod, found, true);
        }
        let known: HashSet<String> = self.workers.lock().keys().cloned().collect();
        let paths = agent.paths.clone();
        let swept = tokio::task::spawn_blocking(move || {
            sweep(&paths.pods(), &known, |name| name.to_string());
            sweep(&paths.all_logs(), &known, |name| name.rsplit('_').next().unwrap_or(name).to_string());
        });
        if let Err(error) = swept.await {
            tracing::warn!(%error, "leftovers of old pods could not be removed");
        }
    }

    async fn follow_runtime(self: Arc<Self>, agent: Arc<Agent>, mut changes: broadcast::Receiver<Changed>) {
        loop {
            match changes.recv().await {
                Ok(Changed { container_id }) => match agent.runtime.container(&container_id).await {
                    Ok(container) => self.route(container),
                    Err(RuntimeError::NotFound { .. }) => {}
                    Err(error) => tracing::warn!(container = container_id, %error, "no state of a container"),
                },
                Err(RecvError::Lagged(_)) => {
                    for container in look_for_containers(&agent).await {
                        self.route(container);
                    }
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn route(&self, container: Container) {
        let Some(uid) = container.config.labels.get(labels::POD_UID).cloned() else { return };
        self.put(&uid, Input::Container(Box::new(container)));
    }
}

fn is_past_grace(object: &Value) -> bool {
    object["metadata"]["deletionGracePeriodSeconds"] == 0
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

/// Without a look at what runs, a pod could be started twice: nothing begins before.
async fn look_until_seen(agent: &Agent) -> HashMap<String, Found> {
    let sandboxes = loop {
        match agent.runtime.sandboxes().await {
            Ok(sandboxes) => break sandboxes,
            Err(error) => tracing::error!(%error, "the runtime does not list its sandboxes; trying again"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    adopt::by_pod(sandboxes, look_for_containers(agent).await)
}

async fn look_for_containers(agent: &Agent) -> Vec<Container> {
    loop {
        match agent.runtime.containers().await {
            Ok(containers) => return containers,
            Err(error) => tracing::error!(%error, "the runtime does not list its containers; trying again"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Removes directories whose pod is not known any more.
fn sweep(root: &std::path::Path, known: &HashSet<String>, uid_of: impl Fn(&str) -> String) {
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if known.contains(&uid_of(&name)) {
            continue;
        }
        if let Err(error) = volume::remove_tree(&entry.path()) {
            tracing::warn!(directory = %entry.path().display(), %error, "a leftover could not be removed");
        }
    }
}
