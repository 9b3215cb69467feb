//! StorageVersionMigrations.

use serde_json::Value;

use super::{list, path, str_of, text};
use crate::kind::Column;

pub(crate) fn columns() -> Vec<Column> {
    vec![
        // Not marked as the name column, as upstream's is not.
        path("Name", "Unique within its namespace.", "metadata.name"),
        text("Resource", "What is written anew.", |migration| {
            let resource = &migration["spec"]["resource"];
            match (str_of(&resource["resource"]), str_of(&resource["group"])) {
                (name, "") => name.into(),
                (name, group) => format!("{name}.{group}").into(),
            }
        }),
        text("Status", "How far it is.", state),
    ]
}

fn state(migration: &Value) -> Value {
    let conditions = list(&migration["status"]["conditions"]).iter().filter(|c| c["status"] == "True");
    let mut known = conditions.filter(|c| ["Running", "Failed", "Succeeded"].contains(&str_of(&c["type"])));
    known.next_back().map_or("Unknown".into(), |condition| condition["type"].clone())
}
