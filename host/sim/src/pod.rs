//! What a kubelet would do next about a pod, decided from the pod alone.

use std::net::Ipv4Addr;

use serde::Deserialize;
use serde_json::{Value, json};

/// The fields a decision needs.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    pub metadata: Metadata,
    pub spec: Spec,
    pub status: PodStatus,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub resource_version: String,
    pub deletion_timestamp: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    pub node_name: String,
    pub host_network: bool,
    #[serde(deserialize_with = "list")]
    pub containers: Vec<Container>,
    #[serde(deserialize_with = "list")]
    pub init_containers: Vec<Container>,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    pub name: String,
    pub image: String,
    /// Of an init container: `Always` makes it a sidecar.
    pub restart_policy: String,
}

#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    pub phase: String,
    #[serde(rename = "podIP")]
    pub pod_ip: String,
}

/// Upstream's bookmarks carry `containers: null`.
fn list<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Vec<Container>, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

/// What is to be done about a pod on a simulated node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Bound and not started: say that it runs.
    Run,
    /// Told to end: say that it has, by removing it for good.
    Finish,
    Nothing,
}

impl Pod {
    pub fn step(&self) -> Step {
        match (self.metadata.deletion_timestamp.is_some(), self.status.phase.as_str()) {
            (true, _) => Step::Finish,
            (false, "" | "Pending") => Step::Run,
            (false, _) => Step::Nothing,
        }
    }

    pub fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/pods/{}", self.metadata.namespace, self.metadata.name)
    }

    /// The strategic merge patch of the status sub-resource that makes it Running and Ready. The uid
    /// keeps it from a pod of the same name that came after.
    pub fn running(&self, host: Ipv4Addr, pod: Ipv4Addr, now: &str) -> Value {
        let pod = if self.spec.host_network { host } else { pod };
        let condition = |name: &str| json!({ "type": name, "status": "True", "lastProbeTime": null, "lastTransitionTime": now });
        let conditions =
            ["PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"].map(condition);
        let running = |c: &Container| container(c, json!({ "running": { "startedAt": now } }), true);
        let initial = |c: &Container| match c.restart_policy.as_str() {
            "Always" => running(c),
            _ => {
                let end =
                    json!({ "exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now });
                container(c, json!({ "terminated": end }), false)
            }
        };
        let mut status = json!({
            "phase": "Running",
            "startTime": now,
            "hostIP": host, "hostIPs": [{ "ip": host }],
            "podIP": pod, "podIPs": [{ "ip": pod }],
            "conditions": conditions,
            "containerStatuses": self.spec.containers.iter().map(running).collect::<Vec<_>>(),
        });
        if !self.spec.init_containers.is_empty() {
            status["initContainerStatuses"] = self.spec.init_containers.iter().map(initial).collect();
        }
        json!({ "metadata": { "uid": self.metadata.uid }, "status": status })
    }

    /// DeleteOptions that end the graceful deletion of this pod and of no later one.
    pub fn finished(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
            "preconditions": { "uid": self.metadata.uid },
        })
    }
}

fn container(container: &Container, state: Value, started: bool) -> Value {
    json!({
        "name": container.name,
        "image": container.image,
        "imageID": "",
        "containerID": format!("orch-sim://{}", container.name),
        "ready": true,
        "started": started,
        "restartCount": 0,
        "state": state,
        "lastState": {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(value: Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    const HOST: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
    const POD: Ipv4Addr = Ipv4Addr::new(100, 65, 0, 1);

    #[test]
    fn steps_follow_from_the_pod() {
        assert_eq!(pod(json!({ "metadata": {}, "status": { "phase": "Pending" } })).step(), Step::Run);
        assert_eq!(pod(json!({ "metadata": {} })).step(), Step::Run);
        assert_eq!(pod(json!({ "status": { "phase": "Running" } })).step(), Step::Nothing);
        assert_eq!(pod(json!({ "status": { "phase": "Succeeded" } })).step(), Step::Nothing);
        let going = json!({ "metadata": { "deletionTimestamp": "t" }, "status": { "phase": "Running" } });
        assert_eq!(pod(going).step(), Step::Finish);
    }

    #[test]
    fn a_running_pod_has_what_clients_read() {
        let patch = pod(json!({
            "metadata": { "name": "p", "namespace": "n", "uid": "u" },
            "spec": {
                "containers": [{ "name": "a", "image": "i" }],
                "initContainers": [{ "name": "setup", "image": "i" }, { "name": "side", "image": "i", "restartPolicy": "Always" }],
            },
        }))
        .running(HOST, POD, "T");
        assert_eq!(patch["metadata"]["uid"], "u");
        let status = &patch["status"];
        assert_eq!(status["phase"], "Running");
        assert_eq!(status["podIP"], "100.65.0.1");
        assert_eq!(status["podIPs"][0]["ip"], "100.65.0.1");
        assert_eq!(status["hostIP"], "100.64.0.1");
        assert_eq!(status["startTime"], "T");
        assert!(status.get("qosClass").is_none());
        assert_eq!(status["containerStatuses"][0]["ready"], true);
        assert_eq!(status["containerStatuses"][0]["state"]["running"]["startedAt"], "T");
        assert_eq!(status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
        assert!(status["initContainerStatuses"][1]["state"]["running"].is_object());
        let ready = status["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "Ready").unwrap();
        assert_eq!(ready["status"], "True");
    }

    #[test]
    fn on_the_host_network_a_pod_has_the_hosts_address() {
        let patch = pod(json!({ "spec": { "hostNetwork": true } })).running(HOST, POD, "T");
        assert_eq!(patch["status"]["podIP"], "100.64.0.1");
    }

    #[test]
    fn a_deletion_is_of_this_pod_only() {
        let options = pod(json!({ "metadata": { "uid": "u" } })).finished();
        assert_eq!(options["gracePeriodSeconds"], 0);
        assert_eq!(options["preconditions"]["uid"], "u");
    }
}
