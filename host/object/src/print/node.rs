use std::collections::BTreeSet;

use serde_json::Value;

use super::{NONE, age, list, name, or, str_of, text, wide};
use crate::kind::Column;

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
const ROLE: &str = "kubernetes.io/role";

pub(crate) fn columns() -> Vec<Column> {
    let info = |name, description, cell| wide(text(name, description, cell));
    vec![
        name(),
        text("Status", "Ready or not, and whether pods may be placed there.", status),
        text("Roles", "From the node-role labels.", roles),
        age(),
        text("Version", "The agent's version.", |node| {
            str_of(&node["status"]["nodeInfo"]["kubeletVersion"]).into()
        }),
        info("Internal-IP", "First internal address.", |node| address(node, "InternalIP")),
        info("External-IP", "First external address.", |node| address(node, "ExternalIP")),
        info("OS-Image", "As the node's os-release says.", |node| {
            known(&node["status"]["nodeInfo"]["osImage"])
        }),
        info("Kernel-Version", "The node's kernel.", |node| {
            known(&node["status"]["nodeInfo"]["kernelVersion"])
        }),
        info("Container-Runtime", "What runs the containers.", |node| {
            known(&node["status"]["nodeInfo"]["containerRuntimeVersion"])
        }),
    ]
}

fn known(value: &Value) -> Value {
    or(value, "<unknown>")
}

fn status(node: &Value) -> Value {
    let ready = list(&node["status"]["conditions"]).iter().find(|condition| condition["type"] == "Ready");
    let mut status = match ready {
        Some(condition) if condition["status"] == "True" => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if node["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    status.into()
}

fn roles(node: &Value) -> Value {
    let labels = node["metadata"]["labels"].as_object();
    let roles: BTreeSet<&str> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix(ROLE_PREFIX) {
            Some(role) => Some(role),
            None => (key == ROLE).then(|| str_of(value)),
        })
        .filter(|role| !role.is_empty())
        .collect();
    if roles.is_empty() { NONE.into() } else { roles.into_iter().collect::<Vec<_>>().join(",").into() }
}

fn address(node: &Value, kind: &str) -> Value {
    let found = list(&node["status"]["addresses"]).iter().find(|address| address["type"] == kind);
    found.map_or(NONE.into(), |address| address["address"].clone())
}
