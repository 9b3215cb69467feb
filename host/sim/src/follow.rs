//! One list and one watch over every bound pod, and what a node would do about each.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, watch};

use crate::addresses::Addresses;
use crate::connection::{Body, Connection, ConnectionError};
use crate::describe::{Shape, host_address, time};
use crate::pod::{Pod, Step};
use crate::retry::retry;

/// Pods that have a node.
pub const BOUND: &str = "/api/v1/pods?fieldSelector=spec.nodeName%21%3D";
const PARALLEL: usize = 64;
const PAUSE: Duration = Duration::from_millis(500);

/// How far the simulation is; see [`crate::Simulation::progress`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Pods that were made Running.
    pub started: u64,
    /// Pods whose deletion was finished.
    pub finished: u64,
}

#[derive(Deserialize)]
struct List {
    metadata: ListMetadata,
    items: Vec<Pod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    resource_version: String,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// What one line of the watch comes to.
#[derive(Debug)]
enum Told {
    Pod(Box<Pod>),
    Gone(Box<Pod>),
    /// Nothing but how far the watch is.
    Bookmark(String),
    /// The watch cannot go on from here: list again.
    Expired,
}

fn told(line: &[u8]) -> Result<Told, serde_json::Error> {
    let event: Event = serde_json::from_slice(line)?;
    Ok(match event.kind {
        "ERROR" => Told::Expired,
        "DELETED" => Told::Gone(serde_json::from_str(event.object.get())?),
        "BOOKMARK" => {
            Told::Bookmark(serde_json::from_str::<Pod>(event.object.get())?.metadata.resource_version)
        }
        _ => Told::Pod(serde_json::from_str(event.object.get())?),
    })
}

/// Follows and acts until it is dropped.
pub struct Follower {
    pub connection: Connection,
    pub shape: Shape,
    pub count: usize,
    pub progress: watch::Sender<Progress>,
    addresses: Mutex<Addresses>,
    permits: Arc<Semaphore>,
}

impl Follower {
    pub fn new(
        connection: Connection,
        shape: Shape,
        count: usize,
        progress: watch::Sender<Progress>,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(PARALLEL));
        Follower { connection, shape, count, progress, addresses: Mutex::default(), permits }
    }

    pub async fn run(self) {
        let follower = Arc::new(self);
        loop {
            if let Err(error) = follower.list_and_watch().await {
                tracing::warn!(%error, "cannot follow the pods; listing them again");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns when the watch has to begin anew.
    async fn list_and_watch(self: &Arc<Self>) -> Result<(), ConnectionError> {
        let list = self.connection.get(BOUND).await?;
        let list: List = serde_json::from_slice(&list).map_err(std::io::Error::from)?;
        let mut version = list.metadata.resource_version;
        for pod in list.items {
            self.addresses.lock().keep(&pod.metadata.uid, &pod.status.pod_ip);
            self.act(pod).await;
        }
        loop {
            let path = format!("{BOUND}&watch=1&allowWatchBookmarks=true&resourceVersion={version}");
            let lines = match self.connection.watch(&path).await {
                Ok(lines) => lines,
                Err(error) if error.code() == Some(410) => return Ok(()),
                Err(error) => return Err(error),
            };
            match self.watch(lines, &mut version).await {
                // The server ends a watch after some minutes.
                Ok(Ended::Quietly) => {}
                Ok(Ended::Expired) => return Ok(()),
                Err(error) => tracing::debug!(%error, "watching again"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn watch(
        self: &Arc<Self>,
        lines: impl futures::Stream<Item = Result<Bytes, ConnectionError>>,
        version: &mut String,
    ) -> Result<Ended, ConnectionError> {
        let mut lines = std::pin::pin!(lines);
        while let Some(line) = lines.next().await {
            match told(&line?).map_err(std::io::Error::from)? {
                Told::Expired => return Ok(Ended::Expired),
                Told::Bookmark(reached) => *version = reached,
                Told::Gone(pod) => {
                    self.addresses.lock().release(&pod.metadata.uid);
                    *version = pod.metadata.resource_version;
                }
                Told::Pod(pod) => {
                    *version = pod.metadata.resource_version.clone();
                    self.act(*pod).await;
                }
            }
        }
        Ok(Ended::Quietly)
    }

    /// Starts what the pod calls for, and waits only when too much is under way.
    async fn act(self: &Arc<Self>, pod: Pod) {
        let Some(node) = self.shape.index(&pod.spec.node_name, self.count) else { return };
        let step = pod.step();
        if step == Step::Nothing {
            return;
        }
        let Ok(permit) = self.permits.clone().acquire_owned().await else { return };
        let follower = self.clone();
        tokio::spawn(async move {
            follower.perform(&pod, step, node).await;
            drop(permit);
        });
    }

    async fn perform(&self, pod: &Pod, step: Step, node: usize) {
        let answer = match step {
            Step::Nothing => return,
            Step::Run => self.start(pod, node).await,
            Step::Finish => self.finish(pod).await,
        };
        match answer {
            Ok(()) => {}
            // Gone meanwhile, or another pod of that name.
            Err(error) if matches!(error.code(), Some(404 | 409)) => {}
            Err(error) => {
                tracing::warn!(%error, pod = %pod.metadata.name, namespace = %pod.metadata.namespace, "the pod stays as it is")
            }
        }
    }

    async fn start(&self, pod: &Pod, node: usize) -> Result<(), ConnectionError> {
        let Some(address) = self.addresses.lock().of(&pod.metadata.uid) else {
            tracing::warn!("no pod address is left");
            return Ok(());
        };
        let path = format!("{}/status", pod.path());
        let body = pod.running(host_address(node), address, &time()).to_string().into_bytes();
        retry(|| self.connection.patch(&path, Body::StrategicPatch, body.clone())).await?;
        self.progress.send_modify(|progress| progress.started += 1);
        Ok(())
    }

    async fn finish(&self, pod: &Pod) -> Result<(), ConnectionError> {
        let (path, body) = (pod.path(), pod.finished().to_string().into_bytes());
        retry(|| self.connection.delete(&path, body.clone())).await?;
        self.progress.send_modify(|progress| progress.finished += 1);
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Quietly,
    Expired,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart() {
        let added = br#"{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"p","uid":"u","resourceVersion":"7"},"spec":{"nodeName":"sim-1","containers":[{"name":"c"}]}}}"#;
        let Told::Pod(pod) = told(added).unwrap() else { panic!("a pod") };
        assert_eq!((pod.spec.node_name.as_str(), pod.metadata.resource_version.as_str()), ("sim-1", "7"));
        let bookmark = br#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"9","creationTimestamp":null},"spec":{"containers":null},"status":{}}}"#;
        assert!(matches!(told(bookmark), Ok(Told::Bookmark(v)) if v == "9"));
        let gone = br#"{"type":"DELETED","object":{"metadata":{"uid":"u","resourceVersion":"8"}}}"#;
        assert!(matches!(told(gone), Ok(Told::Gone(_))));
        let error = br#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#;
        assert!(matches!(told(error), Ok(Told::Expired)));
        assert!(told(b"not json").is_err());
    }
}
