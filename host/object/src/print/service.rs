use std::collections::BTreeSet;

use serde_json::Value;

use super::{NONE, age, int_of, labels, list, name, or, path, str_of, text, wide};
use crate::kind::Column;

/// Longest list of balancer addresses in a cell; a Table is made once for narrow and wide output.
const BALANCER_WIDTH: usize = 16;

pub(crate) fn columns() -> Vec<Column> {
    vec![
        name(),
        path("Type", "How the service is reached.", "spec.type"),
        text("Cluster-IP", "Address inside the cluster.", |service| or(&service["spec"]["clusterIP"], NONE)),
        text("External-IP", "Addresses from outside.", |service| external_ip(service).into()),
        text("Port(s)", "Port, node port, protocol.", ports),
        age(),
        wide(text("Selector", "Labels of the pods behind it.", |service| {
            labels(&service["spec"]["selector"])
        })),
    ]
}

fn external_ip(service: &Value) -> String {
    let spec = &service["spec"];
    let own: Vec<String> = list(&spec["externalIPs"]).iter().map(|ip| str_of(ip).to_owned()).collect();
    match str_of(&spec["type"]) {
        "ClusterIP" | "NodePort" => joined(own, NONE),
        "LoadBalancer" => {
            let mut all = balancer_addresses(service);
            all.extend(own);
            joined(all, "<pending>")
        }
        "ExternalName" => str_of(&spec["externalName"]).to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

fn joined(addresses: Vec<String>, empty: &str) -> String {
    if addresses.is_empty() { empty.to_owned() } else { addresses.join(",") }
}

fn balancer_addresses(service: &Value) -> Vec<String> {
    let addresses: BTreeSet<&str> = list(&service["status"]["loadBalancer"]["ingress"])
        .iter()
        .map(|ingress| match str_of(&ingress["ip"]) {
            "" => str_of(&ingress["hostname"]),
            ip => ip,
        })
        .filter(|address| !address.is_empty())
        .collect();
    let all = addresses.into_iter().collect::<Vec<_>>().join(",");
    if all.is_empty() {
        return Vec::new();
    }
    if all.chars().count() <= BALANCER_WIDTH {
        return vec![all];
    }
    vec![all.chars().take(BALANCER_WIDTH - 3).chain("...".chars()).collect()]
}

fn ports(service: &Value) -> Value {
    let ports: Vec<String> = list(&service["spec"]["ports"]).iter().map(port).collect();
    if ports.is_empty() { NONE.into() } else { ports.join(",").into() }
}

fn port(port: &Value) -> String {
    let number = int_of(&port["port"]);
    let protocol = str_of(&port["protocol"]);
    match int_of(&port["nodePort"]) {
        0 => format!("{number}/{protocol}"),
        node_port => format!("{number}:{node_port}/{protocol}"),
    }
}
