//! Plugins, the policies about them, and uploads.

use serde_json::Value;

use super::{age, int_of, integer, list, name, path, str_of, text, wide};
use crate::kind::Column;

const SOURCES: [&str; 4] = ["builtin", "file", "oci", "digest"];

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
        wide(text("Source", "Where it comes from.", |plugin| source(&plugin["spec"]["source"]).into())),
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

/// `oci:registry.example/team/plugin:1`
fn source(source: &Value) -> String {
    let given = SOURCES.iter().find(|scheme| !str_of(&source[**scheme]).is_empty());
    given.map_or(String::new(), |scheme| format!("{scheme}:{}", str_of(&source[*scheme])))
}

pub(crate) fn policy_columns() -> Vec<Column> {
    vec![
        name(),
        integer("Rules", "How many rules it has.", |policy| list(&policy["spec"]["rules"]).len().into()),
        text("Actions", "What they do, in order.", |policy| {
            let rules = list(&policy["spec"]["rules"]).iter();
            rules.map(|rule| str_of(&rule["action"])).collect::<Vec<_>>().join(",").into()
        }),
        age(),
    ]
}

pub(crate) fn artifact_columns() -> Vec<Column> {
    vec![
        name(),
        integer("Size", "Bytes of the component.", |artifact| int_of(&artifact["spec"]["size"]).into()),
        integer("Chunks", "Pieces it was sent in.", |artifact| int_of(&artifact["spec"]["chunks"]).into()),
        age(),
    ]
}

pub(crate) fn chunk_columns() -> Vec<Column> {
    vec![
        name(),
        text("Artifact", "What it is a piece of.", |chunk| {
            let owner = list(&chunk["metadata"]["ownerReferences"]).first();
            owner.map_or("", |owner| str_of(&owner["name"])).into()
        }),
        age(),
    ]
}
