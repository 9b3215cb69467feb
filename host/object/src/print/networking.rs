//! Ingresses and network policies.

use serde_json::Value;

use super::workload::selector;
use super::{NONE, age, joined, list, name, or, path, shortened, str_of, text};
use crate::kind::Column;

pub(crate) fn ingress_class_columns() -> Vec<Column> {
    vec![
        name(),
        path("Controller", "Who serves it.", "spec.controller"),
        text("Parameters", "What it is told.", parameters),
        age(),
    ]
}

pub(crate) fn address_columns() -> Vec<Column> {
    vec![name(), text("ParentRef", "Whose address it is.", parent)]
}

fn parent(address: &Value) -> Value {
    let parent = &address["spec"]["parentRef"];
    if !parent.is_object() {
        return NONE.into();
    }
    let part = |field: &str| str_of(&parent[field]);
    let group = if part("group").is_empty() { String::new() } else { format!(".{}", part("group")) };
    let resource = format!("{}{group}", part("resource")).to_lowercase();
    let place = if part("namespace").is_empty() { String::new() } else { format!("/{}", part("namespace")) };
    format!("{resource}{place}/{}", part("name")).into()
}

pub(crate) fn range_columns() -> Vec<Column> {
    vec![
        name(),
        text("CIDRs", "Where Services get their addresses.", |range| joined(&range["spec"]["cidrs"], "")),
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
