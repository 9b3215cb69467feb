//! What containers and sandboxes carry, so that a new daemon finds its own again. The names are
//! those that CRI runtimes show, which other tools on a node already know.

use std::collections::BTreeMap;

use super::spec::{Container, Pod, ResourceRequirements};

pub const POD_UID: &str = "io.kubernetes.pod.uid";
pub const POD_NAME: &str = "io.kubernetes.pod.name";
pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
pub const POD_GRACE: &str = "io.kubernetes.pod.terminationGracePeriod";
pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";
pub const RESTART_COUNT: &str = "io.kubernetes.container.restartCount";
/// The image as the spec named it when the container was made.
pub const IMAGE: &str = "io.kubernetes.container.image";
/// `repository@sha256:…`, or the image's own id.
pub const IMAGE_ID: &str = "io.kubernetes.container.imageID";
pub const STOP_SIGNAL: &str = "io.kubernetes.container.stopSignal";
pub const MESSAGE_POLICY: &str = "io.kubernetes.container.terminationMessagePolicy";

/// The resources that are in force, as the spec named them: JSON.
pub const RESOURCES: &str = "orch.dev/resources";

pub fn resources(resources: &ResourceRequirements) -> String {
    serde_json::json!({ "limits": resources.limits, "requests": resources.requests }).to_string()
}

pub fn of_pod(pod: &Pod) -> BTreeMap<String, String> {
    BTreeMap::from([
        (POD_UID.into(), pod.metadata.uid.clone()),
        (POD_NAME.into(), pod.metadata.name.clone()),
        (POD_NAMESPACE.into(), pod.metadata.namespace.clone()),
        (POD_GRACE.into(), pod.spec.termination_grace_period_seconds.unwrap_or(30).to_string()),
    ])
}

pub fn of_container(pod: &Pod, container: &Container, restart_count: u32) -> BTreeMap<String, String> {
    let mut labels = of_pod(pod);
    labels.insert(CONTAINER_NAME.into(), container.name.clone());
    labels.insert(RESTART_COUNT.into(), restart_count.to_string());
    labels.insert(IMAGE.into(), container.image.clone());
    labels.insert(RESOURCES.into(), self::resources(&container.resources));
    if !container.termination_message_policy.is_empty() {
        labels.insert(MESSAGE_POLICY.into(), container.termination_message_policy.clone());
    }
    labels
}
