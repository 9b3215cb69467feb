//! Roles, classes, leases, plugins.

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

pub(crate) fn plugin_columns() -> Vec<Column> {
    vec![
        name(),
        path("World", "The interface it implements.", "spec.world"),
        text("Ready", "Whether it serves calls.", |plugin| condition(plugin, "Ready")),
        text("Calls", "Calls since it took over.", |plugin| int_of(&plugin["status"]["calls"]).into()),
        text("P99", "99 of 100 calls took no longer.", |plugin| {
            latency(int_of(&plugin["status"]["latency"]["p99Nanoseconds"])).into()
        }),
        text("Faults", "Calls that trapped or missed their deadline.", |plugin| {
            let status = &plugin["status"];
            (int_of(&status["traps"]) + int_of(&status["deadlineMisses"])).into()
        }),
        text("Trial", "The version beside the one that serves.", trial),
        age(),
        wide(text("Source", "Where it comes from.", source)),
        wide(text("Digest", "The component that serves calls.", |plugin| {
            str_of(&plugin["status"]["digest"]).into()
        })),
    ]
}

/// `850ns`, `12µs`, `3ms`.
fn latency(nanoseconds: i64) -> String {
    match nanoseconds {
        ..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => format!("{}µs", nanoseconds / 1_000),
        1_000_000.. => format!("{}ms", nanoseconds / 1_000_000),
    }
}

/// `Canary`, or what a shadow found: `Shadow 3/120 differ`.
fn trial(plugin: &Value) -> Value {
    let trial = &plugin["status"]["trial"];
    let strategy = str_of(&trial["strategy"]);
    match &trial["report"] {
        Value::Object(report) => {
            let count = |field: &str| report.get(field).map_or(0, int_of);
            format!("{strategy} {}/{} differ", count("differing"), count("compared")).into()
        }
        _ => strategy.into(),
    }
}

fn condition(object: &Value, name: &str) -> Value {
    let found = list(&object["status"]["conditions"]).iter().find(|condition| condition["type"] == name);
    found.map_or("Unknown".into(), |condition| condition["status"].clone())
}

fn source(plugin: &Value) -> Value {
    let source = plugin["spec"]["source"].as_object();
    let first = source.into_iter().flatten().next();
    first.map_or("".into(), |(scheme, place)| format!("{scheme}:{}", str_of(place)).into())
}
