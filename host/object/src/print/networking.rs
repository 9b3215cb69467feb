//! Ingresses and network policies.

use serde_json::Value;

use super::workload::selector;
use super::{NONE, age, list, name, or, path, shortened, str_of, text};
use crate::kind::Column;

pub(crate) fn ingress_class_columns() -> Vec<Column> {
    vec![
        name(),
        path("Controller", "Who serves it.", "spec.controller"),
        text("Parameters", "What it is told.", parameters),
        age(),
    ]
}

fn parameters(class: &Value) -> Value {
    let parameters = &class["spec"]["parameters"];
    if !parameters.is_object() {
        return NONE.into();
    }
    let group = parameters["apiGroup"].as_str().map_or(String::new(), |group| format!(".{group}"));
    format!("{}{group}/{}", str_of(&parameters["kind"]), str_of(&parameters["name"])).into()
}

pub(crate) fn ingress_columns() -> Vec<Column> {
    vec![
        name(),
        text("Class", "Which controller serves it.", |ingress| {
            or(&ingress["spec"]["ingressClassName"], NONE)
        }),
        text("Hosts", "Names it answers to.", hosts),
        text("Address", "Where it is reached.", address),
        text("Ports", "Ports it answers on.", |ingress| {
            if list(&ingress["spec"]["tls"]).is_empty() { "80".into() } else { "80, 443".into() }
        }),
        age(),
    ]
}

fn hosts(ingress: &Value) -> Value {
    let rules = list(&ingress["spec"]["rules"]).iter().map(|rule| str_of(&rule["host"]));
    let hosts: Vec<String> = rules.filter(|host| !host.is_empty()).map(str::to_owned).collect();
    shortened(&hosts, hosts.len(), "*")
}

fn address(ingress: &Value) -> Value {
    let points = list(&ingress["status"]["loadBalancer"]["ingress"]).iter();
    let addresses = points.map(|point| match str_of(&point["ip"]) {
        "" => str_of(&point["hostname"]),
        ip => ip,
    });
    addresses.filter(|address| !address.is_empty()).collect::<Vec<_>>().join(",").into()
}

pub(crate) fn policy_columns() -> Vec<Column> {
    vec![
        name(),
        text("Pod-Selector", "Which pods it is about.", |policy| selector(&policy["spec"]["podSelector"])),
        age(),
    ]
}
