//! Workloads.

use serde_json::Value;

use super::{NONE, age, int_of, integer, labels, list, name, str_of, text, wide};
use crate::kind::Column;

pub(crate) fn deployment_columns() -> Vec<Column> {
    let mut columns = vec![
        name(),
        text("Ready", "Ready pods of those wanted.", |object| {
            format!("{}/{}", int_of(&object["status"]["readyReplicas"]), int_of(&object["spec"]["replicas"]))
                .into()
        }),
        text("Up-to-date", "Pods of the current template.", |object| {
            int_of(&object["status"]["updatedReplicas"]).into()
        }),
        text("Available", "Pods ready for the minimum time.", |object| {
            int_of(&object["status"]["availableReplicas"]).into()
        }),
        age(),
    ];
    columns.extend(template_columns());
    columns
}

pub(crate) fn replica_set_columns() -> Vec<Column> {
    let mut columns = vec![
        name(),
        integer("Desired", "Pods wanted.", |object| int_of(&object["spec"]["replicas"]).into()),
        integer("Current", "Pods that exist.", |object| int_of(&object["status"]["replicas"]).into()),
        integer("Ready", "Pods that are ready.", |object| int_of(&object["status"]["readyReplicas"]).into()),
        age(),
    ];
    columns.extend(template_columns());
    columns
}

pub(crate) fn daemon_set_columns() -> Vec<Column> {
    let status = |name: &str, description: &str, cell| integer(name, description, cell);
    let mut columns = vec![
        name(),
        status("Desired", "Nodes that should run it.", |set| {
            int_of(&set["status"]["desiredNumberScheduled"]).into()
        }),
        status("Current", "Nodes that run it and should.", |set| {
            int_of(&set["status"]["currentNumberScheduled"]).into()
        }),
        status("Ready", "Pods that are ready.", |set| int_of(&set["status"]["numberReady"]).into()),
        status("Up-to-date", "Pods of the current template.", |set| {
            int_of(&set["status"]["updatedNumberScheduled"]).into()
        }),
        status("Available", "Pods ready for the minimum time.", |set| {
            int_of(&set["status"]["numberAvailable"]).into()
        }),
        text("Node Selector", "Labels a node must have.", |set| {
            labels(&set["spec"]["template"]["spec"]["nodeSelector"])
        }),
        age(),
    ];
    columns.extend(template_columns());
    columns
}

pub(crate) fn stateful_set_columns() -> Vec<Column> {
    let [containers, images, _] = template_columns();
    let ready = text("Ready", "Ready pods of those wanted.", |set| {
        format!("{}/{}", int_of(&set["status"]["readyReplicas"]), int_of(&set["spec"]["replicas"])).into()
    });
    vec![name(), ready, age(), containers, images]
}

pub(crate) fn replication_controller_columns() -> Vec<Column> {
    let mut columns = replica_set_columns();
    columns.pop();
    columns.push(wide(text("Selector", "Which pods belong to it.", |object| {
        labels(&object["spec"]["selector"])
    })));
    columns
}

pub(crate) fn controller_revision_columns() -> Vec<Column> {
    vec![
        name(),
        text("Controller", "What the revision is of.", controller),
        text("Revision", "Its number.", |revision| int_of(&revision["revision"]).into()),
        age(),
    ]
}

/// `daemonset.apps/name`
fn controller(object: &Value) -> Value {
    let owners = list(&object["metadata"]["ownerReferences"]);
    let Some(owner) = owners.iter().find(|owner| owner["controller"] == true) else { return NONE.into() };
    let kind = str_of(&owner["kind"]).to_lowercase();
    let name = str_of(&owner["name"]);
    match str_of(&owner["apiVersion"]).split_once('/') {
        Some((group, _)) => format!("{kind}.{group}/{name}").into(),
        None => format!("{kind}/{name}").into(),
    }
}

pub(crate) fn pod_template_columns() -> Vec<Column> {
    fn containers(object: &Value, field: &str) -> Value {
        let containers = list(&object["template"]["spec"]["containers"]);
        containers.iter().map(|container| str_of(&container[field])).collect::<Vec<_>>().join(",").into()
    }
    vec![
        name(),
        text("Containers", "Names of the template's containers.", |object| containers(object, "name")),
        text("Images", "Images of the template's containers.", |object| containers(object, "image")),
        text("Pod Labels", "Labels its pods have.", |object| {
            labels(&object["template"]["metadata"]["labels"])
        }),
    ]
}

fn template_columns() -> [Column; 3] {
    [
        wide(text("Containers", "Names of the template's containers.", |object| containers(object, "name"))),
        wide(text("Images", "Images of the template's containers.", |object| containers(object, "image"))),
        wide(text("Selector", "Which pods belong to it.", |object| selector(&object["spec"]["selector"]))),
    ]
}

fn containers(object: &Value, field: &str) -> Value {
    let containers = list(&object["spec"]["template"]["spec"]["containers"]);
    containers.iter().map(|container| str_of(&container[field])).collect::<Vec<_>>().join(",").into()
}

/// `app=web,tier in (a,b)` (`metav1.FormatLabelSelector`).
pub(super) fn selector(selector: &Value) -> Value {
    if !selector.is_object() {
        return NONE.into();
    }
    let labels = selector["matchLabels"].as_object();
    let mut terms: Vec<(String, String)> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), format!("{key}={}", str_of(value))))
        .collect();
    terms.extend(list(&selector["matchExpressions"]).iter().map(expression));
    terms.sort();
    let terms: Vec<String> = terms.into_iter().map(|(_, term)| term).collect();
    if terms.is_empty() { NONE.into() } else { terms.join(",").into() }
}

fn expression(expression: &Value) -> (String, String) {
    let key = str_of(&expression["key"]).to_owned();
    let mut values: Vec<&str> = list(&expression["values"]).iter().map(str_of).collect();
    values.sort_unstable();
    let values = values.join(",");
    let term = match str_of(&expression["operator"]) {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "DoesNotExist" => format!("!{key}"),
        _ => key.clone(),
    };
    (key, term)
}
