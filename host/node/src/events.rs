//! Events about pods and the node, in kubelet's name.

use std::sync::Arc;

use orch_client::{Client, events};
use serde_json::{Value, json};

use crate::pod::spec::Pod;

#[derive(Clone)]
pub struct Recorder(events::Recorder);

impl Recorder {
    pub fn start(client: Arc<dyn Client>, node_name: &str) -> Self {
        Recorder(events::Recorder::start(client, "kubelet", node_name))
    }

    pub fn normal(&self, about: &About, reason: &'static str, message: impl AsRef<str>) {
        self.0.event_at(&about.object, &about.field_path, "Normal", reason, message.as_ref());
    }

    pub fn warning(&self, about: &About, reason: &'static str, message: impl AsRef<str>) {
        self.0.event_at(&about.object, &about.field_path, "Warning", reason, message.as_ref());
    }
}

/// What an event is about: an ObjectReference, and perhaps a part of the object.
#[derive(Debug, Clone)]
pub struct About {
    object: Value,
    field_path: String,
}

impl About {
    pub fn pod(pod: &Pod) -> Self {
        let object = json!({
            "kind": "Pod", "apiVersion": "v1",
            "namespace": pod.metadata.namespace, "name": pod.metadata.name, "uid": pod.metadata.uid,
            "resourceVersion": pod.raw["metadata"]["resourceVersion"],
        });
        About { object, field_path: String::new() }
    }

    pub fn container(pod: &Pod, name: &str) -> Self {
        let list = if pod.is_init(name) { "initContainers" } else { "containers" };
        About { field_path: format!("spec.{list}{{{name}}}"), ..About::pod(pod) }
    }

    pub fn node(name: &str) -> Self {
        // Kubelet uses the node's name as its uid here; `kubectl describe node` looks for that.
        let object = json!({ "kind": "Node", "apiVersion": "v1", "name": name, "uid": name });
        About { object, field_path: String::new() }
    }
}
