//! What the scheduler does at the API: bindings, conditions, events. These wait, so they are tasks.

use std::sync::Arc;

use jiff::Timestamp;
use orch_client::events::Recorder;
use orch_client::{Client, DeleteOptions, Patch, PatchType, Precondition, Resource, Target, WriteOptions};
use orch_object::Status;
use orch_plugin::calls::scheduler as calls;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::core::Failure;
use crate::pod::PodInfo;

const PODS: Resource = Resource::core("pods");

/// The API as the scheduler uses it; cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    pub client: Arc<dyn Client>,
    pub recorder: Recorder,
    /// Requests under way at once.
    pub permits: Arc<Semaphore>,
}

impl Api {
    pub async fn bind(&self, pod: &PodInfo, node: &str) -> Result<(), Status> {
        let _permit = self.permits.acquire().await;
        let binding = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": { "name": pod.name, "namespace": pod.namespace, "uid": &*pod.uid },
            "target": { "apiVersion": "v1", "kind": "Node", "name": node },
        });
        let target = Target::named(&PODS, &pod.namespace, &pod.name).subresource("binding");
        let result = self.client.create(&target, binding, &WriteOptions::default()).await;
        match &result {
            Ok(_) => {
                let message = format!("Successfully assigned {}/{} to {node}", pod.namespace, pod.name);
                self.recorder.event(&pod.object(), "Normal", "Scheduled", &message);
            }
            Err(error) if error.is_not_found() => {
                tracing::debug!(namespace = pod.namespace, pod = pod.name, "deleted before it was bound");
            }
            Err(error) => {
                tracing::warn!(namespace = pod.namespace, pod = pod.name, node, %error, "binding failed; trying again");
                let message = format!("running Bind filter plugin: {error}");
                self.recorder.event(&pod.object(), "Warning", "FailedScheduling", &message);
            }
        }
        result.map(|_| ())
    }

    pub async fn report(&self, pod: &PodInfo, failure: &Failure) {
        self.recorder.event(&pod.object(), "Warning", "FailedScheduling", &failure.message);
        let Some(condition) = condition(&pod.object(), failure, Timestamp::now()).filter(|_| failure.new)
        else {
            return;
        };
        let _permit = self.permits.acquire().await;
        let body = json!({
            "metadata": { "uid": &*pod.uid },
            "status": { "conditions": [condition] },
        });
        let target = Target::named(&PODS, &pod.namespace, &pod.name).subresource("status");
        let patch = Patch { patch_type: PatchType::Strategic, body };
        if let Err(error) = self.client.patch(&target, patch, &WriteOptions::default()).await
            && !error.is_not_found()
        {
            tracing::warn!(namespace = pod.namespace, pod = pod.name, %error, "condition not written");
        }
    }
}

impl Api {
    /// Says which node was made room on for the pod; `None` takes it back.
    pub async fn nominate(&self, pod: &PodInfo, node: Option<&str>) {
        let body = json!({ "metadata": { "uid": &*pod.uid }, "status": { "nominatedNodeName": node } });
        self.patch_status(pod, body).await;
    }

    /// Evicts a pod to make room for another: says so in its condition, then deletes it.
    pub async fn evict(&self, pod: &PodInfo, node: &str, victim: &PodInfo) {
        let message = format!("{}: preempting to accommodate a higher priority pod", pod.scheduler_name);
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let condition = json!({
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": message,
            "lastTransitionTime": now,
        });
        let body = json!({ "metadata": { "uid": &*victim.uid }, "status": { "conditions": [condition] } });
        self.patch_status(victim, body).await;
        let _permit = self.permits.acquire().await;
        let target = Target::named(&PODS, &victim.namespace, &victim.name);
        let options = DeleteOptions {
            preconditions: Precondition { uid: Some(victim.uid.to_string()), ..Precondition::default() },
            ..DeleteOptions::default()
        };
        match self.client.delete(&target, &options).await {
            Ok(_) => {
                let message = format!("Preempted by pod {} on node {node}", pod.uid);
                self.recorder.event(&victim.object(), "Normal", "Preempted", &message);
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => {
                tracing::warn!(namespace = victim.namespace, pod = victim.name, %error, "not evicted");
            }
        }
    }

    async fn patch_status(&self, pod: &PodInfo, body: Value) {
        let _permit = self.permits.acquire().await;
        let target = Target::named(&PODS, &pod.namespace, &pod.name).subresource("status");
        let patch = Patch { patch_type: PatchType::Strategic, body };
        if let Err(error) = self.client.patch(&target, patch, &WriteOptions::default()).await
            && !error.is_not_found()
        {
            tracing::warn!(namespace = pod.namespace, pod = pod.name, %error, "status not written");
        }
    }

    /// Makes the writes a plugin advises, in order, as far as its client may.
    pub async fn write(
        &self,
        plugin: &str,
        client: Option<Arc<dyn Client>>,
        patches: &[calls::Patch],
    ) -> Result<(), String> {
        let Some(client) = client else {
            return Err(format!("{plugin} advises a write and has no permissions: give it spec.permissions"));
        };
        for patch in patches {
            let named = format!("{} {}/{}", patch.kind, patch.namespace, patch.name);
            let (target, body) = read(&*client, patch).map_err(|error| format!("{named}: {error}"))?;
            let _permit = self.permits.acquire().await;
            let options = WriteOptions { field_manager: plugin.into(), ..WriteOptions::default() };
            client.patch(&target, body, &options).await.map_err(|error| format!("{named}: {error}"))?;
        }
        Ok(())
    }
}

fn read(client: &dyn Client, patch: &calls::Patch) -> Result<(Target, Patch), String> {
    let kind = client.kinds().borrow().by_kind(&patch.api_version, &patch.kind).cloned();
    let kind = kind.ok_or_else(|| format!("{} has no kind {}", patch.api_version, patch.kind))?;
    let resource = Resource {
        group: kind.group.clone().into(),
        version: kind.version.clone().into(),
        plural: kind.plural.clone().into(),
    };
    let target = match patch.namespace.as_str() {
        "" => Target::cluster(&resource, &patch.name),
        namespace => Target::named(&resource, namespace, &patch.name),
    };
    let patch_type = match patch.patch_type {
        calls::PatchType::Json => PatchType::Json,
        calls::PatchType::Merge => PatchType::Merge,
        calls::PatchType::Strategic => PatchType::Strategic,
        calls::PatchType::Apply => PatchType::Apply,
    };
    let body =
        serde_json::from_str(&patch.body).map_err(|error| format!("the patch is not JSON: {error}"))?;
    Ok((target.subresource(&patch.subresource), Patch { patch_type, body }))
}

/// The PodScheduled condition, or `None` when the pod has just that one.
fn condition(pod: &Value, failure: &Failure, now: Timestamp) -> Option<Value> {
    let conditions = pod["status"]["conditions"].as_array();
    let current = conditions.into_iter().flatten().find(|condition| condition["type"] == "PodScheduled");
    let unchanged = |field: &str, value: &str| current.is_some_and(|condition| condition[field] == value);
    if unchanged("status", "False")
        && unchanged("reason", failure.reason)
        && unchanged("message", &failure.message)
    {
        return None;
    }
    let since = current.filter(|condition| condition["status"] == "False").map(|c| &c["lastTransitionTime"]);
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut condition = json!({
        "type": "PodScheduled",
        "status": "False",
        "lastProbeTime": null,
        "lastTransitionTime": since.filter(|time| time.is_string()).cloned().unwrap_or(now.into()),
        "reason": failure.reason,
        "message": failure.message,
    });
    if let Some(generation) = pod["metadata"]["generation"].as_i64() {
        condition["observedGeneration"] = generation.into();
    }
    Some(condition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_written_once_and_keeps_its_transition_time() {
        let failure = Failure { reason: "Unschedulable", message: "0/0".into(), new: true };
        let now = Timestamp::from_second(60).unwrap();
        let first = condition(&json!({}), &failure, now).unwrap();
        assert_eq!(first["lastTransitionTime"], "1970-01-01T00:01:00Z");
        let pod = json!({ "status": { "conditions": [first] } });
        assert_eq!(condition(&pod, &failure, now), None);
        let other = Failure { message: "0/1".into(), ..failure };
        let second = condition(&pod, &other, Timestamp::from_second(120).unwrap()).unwrap();
        assert_eq!(second["lastTransitionTime"], "1970-01-01T00:01:00Z");
        assert_eq!(second["message"], "0/1");
    }
}
