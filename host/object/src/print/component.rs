//! ComponentStatuses.

use serde_json::Value;

use super::{list, name, str_of, text};
use crate::kind::Column;

pub(crate) fn columns() -> Vec<Column> {
    fn healthy(status: &Value) -> Option<&Value> {
        list(&status["conditions"]).iter().find(|condition| condition["type"] == "Healthy")
    }
    fn part(status: &Value, field: &str) -> Value {
        healthy(status).map_or("", |condition| str_of(&condition[field])).into()
    }
    vec![
        name(),
        text("Status", "Whether it is well.", |status| {
            match healthy(status).map(|healthy| str_of(&healthy["status"])) {
                None => "Unknown".into(),
                Some("True") => "Healthy".into(),
                Some(_) => "Unhealthy".into(),
            }
        }),
        text("Message", "What it says.", |status| part(status, "message")),
        text("Error", "What is wrong.", |status| part(status, "error")),
    ]
}
