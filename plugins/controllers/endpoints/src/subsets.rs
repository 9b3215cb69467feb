//! Addresses by the ports they have, as core/v1 Endpoints group them.

use std::collections::BTreeMap;

use orch_sdk::object::Object;
use orch_sdk::{Value, json};

/// More addresses do not fit; ready ones are kept first.
const CAPACITY: usize = 1000;

#[derive(Default)]
struct Subset {
    ports: Value,
    ready: Vec<Value>,
    not_ready: Vec<Value>,
}

/// The subsets in a stable order, and whether addresses had to be left out.
pub fn of(service: &Value, pods: &[Value]) -> (Vec<Value>, bool) {
    let mut subsets: BTreeMap<String, Subset> = BTreeMap::new();
    let unready_too = service.at(&["spec", "publishNotReadyAddresses"]) == &Value::Bool(true);
    let mut pods: Vec<(&Value, &str)> = pods
        .iter()
        .filter(|pod| (unready_too || !pod.is_being_deleted()) && !is_over(pod))
        .filter_map(|pod| Some((pod, address(service, pod)?)))
        .collect();
    pods.sort_by_key(|(pod, ip)| (!(unready_too || is_ready(pod)), ip.to_string(), pod.uid().to_string()));
    let truncated = pods.len() > CAPACITY;
    for (pod, ip) in pods.into_iter().take(CAPACITY) {
        let ports = ports(service, pod);
        let subset =
            subsets.entry(ports.to_string()).or_insert_with(|| Subset { ports, ..Subset::default() });
        let list = if unready_too || is_ready(pod) { &mut subset.ready } else { &mut subset.not_ready };
        list.push(endpoint(service, pod, ip));
    }
    (subsets.into_values().map(Subset::into_json).collect(), truncated)
}

impl Subset {
    /// Empty lists are absent, as upstream writes them.
    fn into_json(self) -> Value {
        let mut subset = json!({});
        if !self.ready.is_empty() {
            subset["addresses"] = self.ready.into();
        }
        if !self.not_ready.is_empty() {
            subset["notReadyAddresses"] = self.not_ready.into();
        }
        if self.ports.as_array().is_some_and(|ports| !ports.is_empty()) {
            subset["ports"] = self.ports;
        }
        subset
    }
}

/// Finished; a failed pod that will be restarted is not.
fn is_over(pod: &Value) -> bool {
    matches!(pod.at(&["status", "phase"]).as_str(), Some("Succeeded" | "Failed"))
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.items(&["status", "conditions"]);
    !pod.is_being_deleted() && conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

fn address<'a>(service: &Value, pod: &'a Value) -> Option<&'a str> {
    let family = service.items(&["spec", "ipFamilies"]).first().and_then(Value::as_str);
    let v6 = match family {
        Some(family) => family == "IPv6",
        None => service.at(&["spec", "clusterIP"]).as_str().is_some_and(|ip| ip.contains(':')),
    };
    let all = pod.items(&["status", "podIPs"]).iter().filter_map(|ip| ip["ip"].as_str());
    let mut all = all.chain(pod.at(&["status", "podIP"]).as_str()).filter(|ip| !ip.is_empty());
    all.find(|ip| ip.contains(':') == v6)
}

fn endpoint(service: &Value, pod: &Value, ip: &str) -> Value {
    let mut endpoint = json!({
        "ip": ip,
        "targetRef": {"kind": "Pod", "namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid()},
    });
    if let Some(node) = pod.at(&["spec", "nodeName"]).as_str().filter(|node| !node.is_empty()) {
        endpoint["nodeName"] = node.into();
    }
    let hostname = pod.at(&["spec", "hostname"]).as_str().filter(|hostname| !hostname.is_empty());
    if let Some(hostname) = hostname.filter(|_| pod.at(&["spec", "subdomain"]) == service.name()) {
        endpoint["hostname"] = hostname.into();
    }
    endpoint
}

fn ports(service: &Value, pod: &Value) -> Value {
    let resolved = service.items(&["spec", "ports"]).iter().filter_map(|port| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        let mut resolved = json!({"port": number(port, protocol, pod)?, "protocol": protocol});
        for field in ["name", "appProtocol"] {
            if let Some(text) = port[field].as_str().filter(|text| !text.is_empty()) {
                resolved[field] = text.into();
            }
        }
        Some(resolved)
    });
    resolved.collect()
}

fn number(port: &Value, protocol: &str, pod: &Value) -> Option<i64> {
    let target = &port["targetPort"];
    let Some(name) = target.as_str().filter(|name| !name.is_empty()) else {
        return target.as_i64().filter(|number| *number != 0).or_else(|| port["port"].as_i64());
    };
    let mut ports =
        pod.items(&["spec", "containers"]).iter().flat_map(|container| container.items(&["ports"]));
    let found =
        ports.find(|port| port["name"] == name && port["protocol"].as_str().unwrap_or("TCP") == protocol)?;
    found["containerPort"].as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_capacity_ready_addresses_stay() {
        let service = json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}});
        let pod = |number: usize| {
            let ready = if number >= 500 { "True" } else { "False" };
            json!({"metadata": {"uid": format!("{number}")},
                "status": {"podIP": format!("10.0.{}.{}", number / 250, number % 250),
                    "conditions": [{"type": "Ready", "status": ready}]}})
        };
        let pods: Vec<Value> = (0..1200).map(pod).collect();
        let (subsets, truncated) = of(&service, &pods);
        assert!(truncated);
        assert_eq!(subsets[0]["addresses"].as_array().unwrap().len(), 700);
        assert_eq!(subsets[0]["notReadyAddresses"].as_array().unwrap().len(), 300);
    }

    #[test]
    fn pods_with_other_numbers_are_other_subsets() {
        let service = json!({"metadata": {"name": "web"}, "spec": {"ports": [{"name": "http", "port": 80, "targetPort": "web"}]}});
        let pod = |ip: &str, number: i64| {
            json!({"metadata": {"uid": ip}, "status": {"podIP": ip},
                "spec": {"containers": [{"ports": [{"name": "web", "containerPort": number}]}]}})
        };
        let (subsets, _) = of(&service, &[pod("10.0.0.1", 1), pod("10.0.0.2", 2), pod("10.0.0.3", 1)]);
        assert_eq!(subsets.len(), 2);
        assert_eq!(subsets[0]["notReadyAddresses"].as_array().unwrap().len(), 2);
    }
}
