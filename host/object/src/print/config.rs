//! ConfigMaps, Secrets, service accounts.

use serde_json::Value;

use super::{age, name, path, text};
use crate::kind::Column;

pub(crate) fn config_map_columns() -> Vec<Column> {
    vec![
        name(),
        text("Data", "Number of keys.", |object| {
            (keys(&object["data"]) + keys(&object["binaryData"])).into()
        }),
        age(),
    ]
}

pub(crate) fn secret_columns() -> Vec<Column> {
    vec![
        name(),
        path("Type", "What the data means to programs.", "type"),
        text("Data", "Number of keys.", |object| keys(&object["data"]).into()),
        age(),
    ]
}

pub(crate) fn service_account_columns() -> Vec<Column> {
    vec![name(), age()]
}

fn keys(map: &Value) -> usize {
    map.as_object().map_or(0, |map| map.len())
}
