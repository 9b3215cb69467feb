//! Roles, classes, leases.

use serde_json::Value;

use super::{age, column, created_at, int_of, integer, list, name, path, str_of, text, wide};
use crate::kind::{Cell, Column, ColumnType};

pub(crate) fn role_columns() -> Vec<Column> {
    vec![name(), created_at()]
}

pub(crate) fn binding_columns() -> Vec<Column> {
    vec![
        name(),
        text("Role", "The role that is granted.", |binding| {
            let role = &binding["roleRef"];
            format!("{}/{}", str_of(&role["kind"]), str_of(&role["name"])).into()
        }),
        age(),
        wide(text("Users", "Users that get it.", |binding| subjects(binding, "User"))),
        wide(text("Groups", "Groups that get it.", |binding| subjects(binding, "Group"))),
        wide(text("ServiceAccounts", "Service accounts that get it.", |binding| {
            subjects(binding, "ServiceAccount")
        })),
    ]
}

fn subjects(binding: &Value, kind: &str) -> Value {
    let of_kind = list(&binding["subjects"]).iter().filter(|subject| subject["kind"] == kind);
    of_kind
        .map(|subject| match (kind, str_of(&subject["namespace"])) {
            ("ServiceAccount", namespace) if !namespace.is_empty() => {
                format!("{namespace}/{}", str_of(&subject["name"]))
            }
            _ => str_of(&subject["name"]).to_owned(),
        })
        .collect::<Vec<_>>()
        .join(", ")
        .into()
}

pub(crate) fn lease_columns() -> Vec<Column> {
    vec![
        name(),
        text("Holder", "Who holds it.", |lease| str_of(&lease["spec"]["holderIdentity"]).into()),
        age(),
    ]
}

pub(crate) fn disruption_budget_columns() -> Vec<Column> {
    fn share(share: &Value) -> Value {
        match share {
            Value::Number(number) => number.to_string().into(),
            Value::String(text) => text.as_str().into(),
            _ => "N/A".into(),
        }
    }
    vec![
        name(),
        text("Min Available", "Pods that must stay.", |budget| share(&budget["spec"]["minAvailable"])),
        text("Max Unavailable", "Pods that may be away.", |budget| share(&budget["spec"]["maxUnavailable"])),
        integer("Allowed Disruptions", "Pods that may be evicted now.", |budget| {
            int_of(&budget["status"]["disruptionsAllowed"]).into()
        }),
        age(),
    ]
}

pub(crate) fn priority_class_columns() -> Vec<Column> {
    let global = |class: &Value| (class["globalDefault"] == true).into();
    vec![
        name(),
        integer("Value", "The priority of pods in the class.", |class| int_of(&class["value"]).into()),
        column(
            "Global-Default",
            "Holds for pods that name no class.",
            ColumnType::Boolean,
            Cell::Compute(global),
        ),
        age(),
        path("PreemptionPolicy", "Whether such pods may displace others.", "preemptionPolicy"),
    ]
}

pub(crate) fn runtime_class_columns() -> Vec<Column> {
    vec![name(), path("Handler", "What the node runs such pods with.", "handler"), age()]
}
