//! CustomResourceDefinitions.

use serde_json::Value;

use super::{boolean, created_at, list, name, path, str_of, text, wide};
use crate::custom::names::condition;
use crate::kind::Column;

pub(crate) fn columns() -> Vec<Column> {
    vec![
        name(),
        path("Scope", "Whether instances belong to namespaces.", "spec.scope"),
        text("Versions", "Versions it serves.", |definition| {
            let versions = list(&definition["spec"]["versions"]).iter();
            let mut served: Vec<String> =
                versions.filter(|version| version["served"] == true).map(version).collect();
            served.sort_unstable();
            served.join(",").into()
        }),
        created_at(),
        wide(path("Group", "The API group of its instances.", "spec.group")),
        wide(path("Kind", "The kind of its instances.", "spec.names.kind")),
        wide(text("ShortNames", "Short names of its instances.", |definition| {
            let names = list(&definition["spec"]["names"]["shortNames"]).iter();
            names.map(str_of).collect::<Vec<_>>().join(",").into()
        })),
        wide(boolean("Established", "Whether instances are served.", |definition: &Value| {
            let established = condition(&definition["status"], "Established");
            established.is_some_and(|condition| condition["status"] == "True").into()
        })),
    ]
}

/// `v1(storage)`
fn version(version: &Value) -> String {
    let stored = if version["storage"] == true { "(storage)" } else { "" };
    format!("{}{stored}", str_of(&version["name"]))
}
