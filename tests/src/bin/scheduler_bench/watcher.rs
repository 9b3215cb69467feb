//! Sees when pods get their node: one watch over all bound pods, as any client would have it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use orch_sim::{Connection, ConnectionError};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const BOUND: &str = "/api/v1/pods?fieldSelector=spec.nodeName%21%3D";

/// When each pod, by name, was first seen on a node, and on which.
#[derive(Clone)]
pub struct Watcher {
    seen: Arc<Mutex<HashMap<String, Seen>>>,
    count: watch::Receiver<usize>,
    task: Arc<JoinHandle<()>>,
}

#[derive(Debug, Clone)]
pub struct Seen {
    pub at: Instant,
    pub node: String,
    /// Seen on another node, too: what must never be.
    pub moved: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Object,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Object {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    resource_version: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    node_name: String,
}

#[derive(Deserialize)]
struct List {
    metadata: Metadata,
    #[serde(default)]
    items: Vec<Object>,
}

impl Watcher {
    /// From now on; pods that are bound already are not seen.
    pub async fn start(connection: &Connection) -> Result<Watcher, ConnectionError> {
        let list = connection.get(&format!("{BOUND}&limit=1")).await?;
        let list: List = serde_json::from_slice(&list).map_err(std::io::Error::from)?;
        let seen = Arc::new(Mutex::new(HashMap::new()));
        let (sender, count) = watch::channel(0);
        let sight = Sight { seen: seen.clone(), count: sender };
        let follow = follow(connection.clone(), list.metadata.resource_version, sight);
        Ok(Watcher { seen, count, task: Arc::new(tokio::spawn(follow)) })
    }

    pub fn of_prefix(&self, prefix: &str) -> HashMap<String, Seen> {
        let seen = self.seen.lock();
        seen.iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(n, s)| (n.clone(), s.clone()))
            .collect()
    }

    /// True: so many pods of the prefix have a node. False: not in time.
    pub async fn wait(&self, prefix: &str, wanted: usize, patience: Duration) -> bool {
        let mut count = self.count.clone();
        let all = async {
            loop {
                let have = self.seen.lock().keys().filter(|name| name.starts_with(prefix)).count();
                if have >= wanted {
                    return true;
                }
                // At least the missing number must come before it is worth counting again.
                let next = *count.borrow_and_update() + (wanted - have);
                if count.wait_for(|count| *count >= next).await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(patience, all).await.unwrap_or(false)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if Arc::strong_count(&self.task) == 1 {
            self.task.abort();
        }
    }
}

async fn follow(connection: Connection, mut version: String, sight: Sight) {
    loop {
        match sight.watch(&connection, &version).await {
            Some(reached) => version = reached,
            // The watch fell behind the server's history: what it missed is in the list.
            None => version = sight.list(&connection).await,
        }
    }
}

/// What the watch fills.
struct Sight {
    seen: Arc<Mutex<HashMap<String, Seen>>>,
    count: watch::Sender<usize>,
}

impl Sight {
    /// Until the server ends it: the version to go on from. `None`: that version is too old.
    async fn watch(&self, connection: &Connection, version: &str) -> Option<String> {
        let path = format!("{BOUND}&watch=1&resourceVersion={version}");
        let lines = match connection.watch(&path).await {
            Err(error) if error.code() == Some(410) => return None,
            lines => lines.expect("a watch: the benchmark is blind without"),
        };
        let mut lines = std::pin::pin!(lines);
        let mut reached = version.to_string();
        while let Some(Ok(line)) = lines.next().await {
            let event: Event = serde_json::from_slice(&line).expect("a watch event");
            if event.kind == "ERROR" {
                eprintln!("the watch was cut: {}", String::from_utf8_lossy(&line).trim());
                return None;
            }
            reached.clone_from(&event.object.metadata.resource_version);
            self.note(event.object, Instant::now());
        }
        Some(reached)
    }

    /// Notes every bound pod; the version of the list.
    async fn list(&self, connection: &Connection) -> String {
        let list = connection.get(BOUND).await.expect("a list: the benchmark is blind without");
        let list: List = serde_json::from_slice(&list).expect("a list of pods");
        let at = Instant::now();
        list.items.into_iter().for_each(|pod| self.note(pod, at));
        list.metadata.resource_version
    }

    fn note(&self, pod: Object, at: Instant) {
        let node = pod.spec.node_name;
        let mut seen = self.seen.lock();
        match seen.get_mut(&pod.metadata.name) {
            Some(known) => known.moved |= known.node != node,
            None => {
                seen.insert(pod.metadata.name, Seen { at, node, moved: false });
                self.count.send_modify(|count| *count += 1);
            }
        }
    }
}
