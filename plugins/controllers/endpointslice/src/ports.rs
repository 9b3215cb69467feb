//! A Service's ports on one pod: a named target port has the number its container says.

use orch_sdk::object::Object;
use orch_sdk::{Value, json};

pub fn is_headless(service: &Value) -> bool {
    service.at(&["spec", "clusterIP"]) == "None"
}

fn protocol(port: &Value) -> &str {
    port["protocol"].as_str().unwrap_or("TCP")
}

/// The ports of a slice that holds this pod; `Null` for a Service without any. Ports whose name no
/// container of the pod knows are left out.
pub fn of(service: &Value, pod: &Value) -> Value {
    let ports = service.items(&["spec", "ports"]);
    if ports.is_empty() {
        return Value::Null;
    }
    let resolved = ports.iter().filter_map(|port| {
        let number = number(port, pod)?;
        let mut resolved = json!({
            "name": port["name"].as_str().unwrap_or_default(),
            "port": number,
            "protocol": protocol(port),
        });
        if let Some(application) = port["appProtocol"].as_str() {
            resolved["appProtocol"] = application.into();
        }
        Some(resolved)
    });
    resolved.collect()
}

fn number(port: &Value, pod: &Value) -> Option<i64> {
    let target = &port["targetPort"];
    if let Some(name) = target.as_str().filter(|name| !name.is_empty()) {
        // The API takes a number in quotes for a name; nobody else would.
        return named(name, protocol(port), pod);
    }
    target.as_i64().filter(|number| *number != 0).or_else(|| port["port"].as_i64())
}

/// Containers, then sidecars (init containers that are restarted always).
fn named(name: &str, protocol_wanted: &str, pod: &Value) -> Option<i64> {
    let sidecars = pod.items(&["spec", "initContainers"]).iter().filter(|c| c["restartPolicy"] == "Always");
    let containers = pod.items(&["spec", "containers"]).iter().chain(sidecars);
    let mut ports = containers.flat_map(|container| container.items(&["ports"]));
    let found = ports.find(|port| port["name"] == name && protocol(port) == protocol_wanted)?;
    found["containerPort"].as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_in_the_pod() {
        let service = json!({"spec": {"ports": [
            {"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP", "appProtocol": "h2c"},
            {"name": "plain", "port": 90},
            {"name": "number", "port": 91, "targetPort": 9100, "protocol": "UDP"},
            {"name": "nowhere", "port": 92, "targetPort": "missing"},
        ]}});
        let pod = json!({"spec": {"containers": [{"ports": [
            {"name": "web", "containerPort": 1, "protocol": "UDP"}, {"name": "web", "containerPort": 8080}]}]}});
        assert_eq!(
            of(&service, &pod),
            json!([
                {"name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "h2c"},
                {"name": "plain", "port": 90, "protocol": "TCP"},
                {"name": "number", "port": 9100, "protocol": "UDP"},
            ])
        );
        assert_eq!(of(&json!({"spec": {}}), &pod), Value::Null);
    }
}
