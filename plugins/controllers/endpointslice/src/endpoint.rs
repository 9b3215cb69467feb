//! A pod as an endpoint of a Service.

use orch_sdk::object::Object;
use orch_sdk::{Value, json};

/// Finished pods and those without an address are no endpoints.
pub fn belongs(pod: &Value) -> bool {
    let phase = pod.at(&["status", "phase"]).as_str();
    !matches!(phase, Some("Succeeded" | "Failed"))
        && pod.at(&["status", "podIP"]).as_str().is_some_and(|ip| !ip.is_empty())
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.items(&["status", "conditions"]);
    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

pub fn of(service: &Value, pod: &Value, address: &str, zone: Option<String>) -> Value {
    let (serving, terminating) = (is_ready(pod), pod.is_being_deleted());
    let publishes_unready = service.at(&["spec", "publishNotReadyAddresses"]) == &Value::Bool(true);
    let mut endpoint = json!({
        "addresses": [address],
        "conditions": {
            "ready": publishes_unready || (serving && !terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": {"kind": "Pod", "namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid()},
    });
    if let Some(node) = pod.at(&["spec", "nodeName"]).as_str().filter(|node| !node.is_empty()) {
        endpoint["nodeName"] = node.into();
    }
    if let Some(zone) = zone {
        endpoint["zone"] = zone.into();
    }
    // A name under the Service's: only for pods that say they belong to its subdomain.
    let hostname = pod.at(&["spec", "hostname"]).as_str().filter(|hostname| !hostname.is_empty());
    if let Some(hostname) = hostname.filter(|_| pod.at(&["spec", "subdomain"]) == service.name()) {
        endpoint["hostname"] = hostname.into();
    }
    endpoint
}
