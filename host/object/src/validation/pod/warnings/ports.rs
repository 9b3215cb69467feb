//! Ports that a pod gives twice.

use serde_json::Value;

use super::containers_of;
use crate::validation::{Path, items, text};

struct Port<'v> {
    name: &'v str,
    /// Its number in the container, and its protocol.
    key: (i64, &'v str),
    host_port: i64,
    host_ip: &'v str,
    at: Path,
}

pub(super) fn warn(spec: &Value, path: &Path, found: &mut Vec<String>) {
    let mut known: Vec<Port<'_>> = Vec::new();
    for (container, place) in containers_of(spec, path) {
        for (index, port) in items(&container["ports"]).iter().enumerate() {
            let port = read(port, place.child("ports").index(index));
            of_address(&port, found);
            known.iter().filter(|other| other.key == port.key).for_each(|other| of_two(&port, other, found));
            known.push(port);
        }
    }
    of_names(&known, found);
}

fn read(port: &Value, at: Path) -> Port<'_> {
    let number = |field: &str| port[field].as_i64().unwrap_or(0);
    let key = (number("containerPort"), text(&port["protocol"]));
    Port { name: text(&port["name"]), key, host_port: number("hostPort"), host_ip: text(&port["hostIP"]), at }
}

fn of_address(port: &Port<'_>, found: &mut Vec<String>) {
    if !port.host_ip.is_empty() && port.host_port == 0 {
        let (number, protocol) = port.key;
        // As Go prints the port.
        found.push(format!(
            "{}: hostIP set without hostPort: {{Name:{} HostPort:0 ContainerPort:{number} Protocol:{protocol} \
             HostIP:{}}}",
            port.at, port.name, port.host_ip
        ));
    }
}

fn of_two(port: &Port<'_>, other: &Port<'_>, found: &mut Vec<String>) {
    let one_address = port.host_ip.is_empty() != other.host_ip.is_empty();
    let what = if (port.host_ip, port.host_port) == (other.host_ip, other.host_port) {
        "duplicate"
    } else if port.host_port == 0 || other.host_port == 0 {
        "overlapping"
    } else if port.host_port == other.host_port && one_address {
        "dangerously ambiguous"
    } else {
        return;
    };
    found.push(format!("{}: {what} port definition with {}", port.at, other.at));
}

/// By name the first is found.
fn of_names(ports: &[Port<'_>], found: &mut Vec<String>) {
    for (index, port) in ports.iter().enumerate().filter(|(_, port)| !port.name.is_empty()) {
        if let Some(first) = ports[..index].iter().find(|other| other.name == port.name) {
            found.push(format!(
                "{}: duplicate port name {:?} with {first}, services and probes that select ports by name will \
                 use {first}",
                port.at,
                port.name,
                first = first.at
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_given_twice_are_told() {
        let cases = [
            (
                json!([{ "containerPort": 80 }, { "containerPort": 80 }]),
                "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
            ),
            (
                json!([{ "containerPort": 80 }, { "containerPort": 80, "hostPort": 80 }]),
                "spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]",
            ),
            (
                json!([{ "containerPort": 80, "hostPort": 8, "hostIP": "1.2.3.4" }, { "containerPort": 80, "hostPort": 8 }]),
                "spec.containers[0].ports[1]: dangerously ambiguous port definition with spec.containers[0].ports[0]",
            ),
            (
                json!([{ "containerPort": 80, "protocol": "TCP", "hostIP": "1.2.3.4" }]),
                "spec.containers[0].ports[0]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 \
                 Protocol:TCP HostIP:1.2.3.4}",
            ),
        ];
        for (ports, expected) in cases {
            let mut found = Vec::new();
            warn(&json!({ "containers": [{ "ports": ports }] }), &Path::new("spec"), &mut found);
            assert_eq!(found, [expected]);
        }
    }
}
