//! Deployments and ReplicaSets.

use serde_json::Value;

use super::{NONE, age, int_of, integer, list, name, str_of, text, wide};
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
fn selector(selector: &Value) -> Value {
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
