//! Devices and the claims on them.

use serde_json::Value;

use super::{age, list, name, path, str_of, text};
use crate::duration;
use crate::kind::Column;

pub(crate) fn class_columns() -> Vec<Column> {
    vec![name(), age()]
}

pub(crate) fn claim_template_columns() -> Vec<Column> {
    vec![name(), age()]
}

pub(crate) fn claim_columns() -> Vec<Column> {
    vec![name(), text("State", "Whether it has its devices, and users.", |claim| state(claim).into()), age()]
}

fn state(claim: &Value) -> String {
    let deleted = claim["metadata"]["deletionTimestamp"].is_string();
    let mut states = Vec::new();
    if deleted {
        states.push("deleted");
    }
    match claim["status"]["allocation"].is_object() {
        false if !deleted => states.push("pending"),
        false => {}
        true => {
            states.push("allocated");
            if !list(&claim["status"]["reservedFor"]).is_empty() {
                states.push("reserved");
            }
        }
    }
    states.join(",")
}

pub(crate) fn slice_columns() -> Vec<Column> {
    vec![
        name(),
        text("Node", "Where the devices are.", |slice| match str_of(&slice["spec"]["nodeName"]) {
            "" => "<unset>".into(),
            node => node.into(),
        }),
        path("Driver", "Whose devices they are.", "spec.driver"),
        path("Pool", "The pool they belong to.", "spec.pool.name"),
        age(),
    ]
}

pub(crate) fn taint_rule_columns() -> Vec<Column> {
    vec![
        name(),
        path("Key", "The taint's key.", "spec.taint.key"),
        path("Value", "The taint's value.", "spec.taint.value"),
        path("Effect", "What the taint does.", "spec.taint.effect"),
        text("TimeAdded", "Time since it was added.", |rule| {
            duration::since(&rule["spec"]["taint"]["timeAdded"]).into()
        }),
        age(),
    ]
}
