//! Nodes come and go: Node and Lease created together, removed together.

use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::json;

use crate::connection::{Body, Connection, ConnectionError};
use crate::describe::{LABEL, Shape, micro_time, time};
use crate::pod::Pod;
use crate::retry::retry;

/// Requests under way at once.
const PARALLEL: usize = 64;
pub const NODES: &str = "/api/v1/nodes";
pub const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
const BACKGROUND: &str = r#"{"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background"}"#;

#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    #[error("cannot register the node {name}: {source}")]
    Node {
        name: String,
        #[source]
        source: ConnectionError,
    },
    #[error("the node {name} exists and is not a simulated one; choose another --name-prefix")]
    Foreign { name: String },
    #[error("cannot renew the lease of {name}: {source}")]
    Lease {
        name: String,
        #[source]
        source: ConnectionError,
    },
    #[error("cannot list the pods of the simulated nodes: {0}")]
    Pods(#[source] ConnectionError),
    #[error("{failed} of {count} objects could not be removed; the first: {first}")]
    Removal { failed: usize, count: usize, first: ConnectionError },
}

/// Creates every node that is not there yet.
pub async fn register(connection: &Connection, shape: &Shape, count: usize) -> Result<(), RegistrationError> {
    futures::stream::iter((0..count).map(Ok))
        .try_for_each_concurrent(PARALLEL, |index| register_one(connection, shape, index))
        .await
}

async fn register_one(connection: &Connection, shape: &Shape, index: usize) -> Result<(), RegistrationError> {
    let name = shape.name(index);
    let failed = |source| RegistrationError::Node { name: name.clone(), source };
    let node = shape.node(index, &time()).to_string().into_bytes();
    match retry(|| connection.post(NODES, node.clone())).await {
        Ok(_) => {}
        Err(error) if error.code() == Some(409) => {
            let path = format!("{NODES}/{name}");
            let existing = retry(|| connection.get(&path)).await.map_err(failed)?;
            if !is_simulated(&existing) {
                return Err(RegistrationError::Foreign { name });
            }
            // Silent until now, it may have been given up.
            let (path, body) = report(shape, index);
            retry(|| connection.patch(&path, Body::StrategicPatch, body.clone())).await.map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    lease(connection, shape, index).await.map_err(|source| RegistrationError::Lease { name, source })
}

/// Creates a node's Lease; one that is there is left to the next renewal.
pub async fn lease(connection: &Connection, shape: &Shape, index: usize) -> Result<(), ConnectionError> {
    let lease = shape.lease(index, &micro_time()).to_string().into_bytes();
    match retry(|| connection.post(LEASES, lease.clone())).await {
        Err(error) if error.code() != Some(409) => Err(error),
        _ => Ok(()),
    }
}

fn is_simulated(node: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(node)
        .is_ok_and(|node| node["metadata"]["labels"][LABEL] == "true")
}

#[derive(Deserialize)]
struct Pods {
    items: Vec<Pod>,
}

/// Takes the nodes out, first of all so that nothing is placed on them any more, then what was on
/// them: without a node a pod can never end by itself.
pub async fn remove(connection: &Connection, shape: &Shape, count: usize) -> Result<(), RegistrationError> {
    let nodes = (0..count).map(|index| format!("{NODES}/{}", shape.name(index)));
    delete_all(connection, nodes.map(|path| (path, BACKGROUND.to_string()))).await?;
    let leases = (0..count).map(|index| format!("{LEASES}/{}", shape.name(index)));
    delete_all(connection, leases.map(|path| (path, BACKGROUND.to_string()))).await?;
    let list = retry(|| connection.get(crate::follow::BOUND)).await.map_err(RegistrationError::Pods)?;
    let list: Pods = serde_json::from_slice(&list).unwrap_or(Pods { items: Vec::new() });
    let ours = list.items.iter().filter(|pod| shape.index(&pod.spec.node_name, count).is_some());
    delete_all(connection, ours.map(|pod| (pod.path(), pod.finished().to_string()))).await
}

/// Goes on past failures, so that one does not leave the rest behind.
async fn delete_all(
    connection: &Connection,
    objects: impl Iterator<Item = (String, String)>,
) -> Result<(), RegistrationError> {
    let requests = objects.map(|(path, options)| async move {
        match retry(|| connection.delete(&path, options.clone().into_bytes())).await {
            // Gone already, or another object of that name by now.
            Err(error) if !matches!(error.code(), Some(404 | 409)) => Some(error),
            _ => None,
        }
    });
    let answers: Vec<Option<ConnectionError>> =
        futures::stream::iter(requests).buffer_unordered(PARALLEL).collect().await;
    let count = answers.len();
    let mut errors = answers.into_iter().flatten();
    match errors.next() {
        None => Ok(()),
        Some(first) => Err(RegistrationError::Removal { failed: 1 + errors.count(), count, first }),
    }
}

/// The kubelet's five-minute report, as a patch.
pub fn report(shape: &Shape, index: usize) -> (String, Vec<u8>) {
    (format!("{NODES}/{}/status", shape.name(index)), crate::describe::heartbeat(&time()).to_string().into())
}

/// A lease's renewal, as a merge patch.
pub fn renewal(shape: &Shape, index: usize) -> (String, Vec<u8>) {
    let body = json!({ "spec": { "renewTime": micro_time() } }).to_string();
    (format!("{LEASES}/{}", shape.name(index)), body.into_bytes())
}
