//! APIServices.

use serde_json::Value;

use super::{age, list, name, str_of, text};
use crate::kind::Column;

pub(crate) fn columns() -> Vec<Column> {
    vec![
        name(),
        text("Service", "Who serves it.", |service| match &service["spec"]["service"] {
            Value::Object(place) => {
                let part = |field: &str| place.get(field).map(str_of).unwrap_or_default();
                format!("{}/{}", part("namespace"), part("name")).into()
            }
            _ => "Local".into(),
        }),
        text("Available", "Whether it answers.", |service| {
            let conditions = list(&service["status"]["conditions"]);
            let available = conditions.iter().find(|condition| condition["type"] == "Available");
            let Some(available) = available else { return "Unknown".into() };
            let (status, reason) = (str_of(&available["status"]), str_of(&available["reason"]));
            if status == "True" { status.into() } else { format!("{status} ({reason})").into() }
        }),
        age(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::Cell;

    fn cells(service: &Value) -> Vec<Value> {
        let computed = columns().into_iter().filter_map(|column| match column.cell {
            Cell::Compute(cell) => Some(cell(service)),
            Cell::Path(_) | Cell::JsonPath(_) => None,
        });
        computed.take(2).collect()
    }

    #[test]
    fn local_and_remote_services_are_told_apart() {
        let local = json!({ "spec": {}, "status": { "conditions": [{ "type": "Available", "status": "True", "reason": "Local" }] } });
        assert_eq!(cells(&local), ["Local", "True"]);
        let remote = json!({ "spec": { "service": { "namespace": "n", "name": "s" } },
            "status": { "conditions": [{ "type": "Available", "status": "False", "reason": "MissingEndpoints" }] } });
        assert_eq!(cells(&remote), ["n/s", "False (MissingEndpoints)"]);
        assert_eq!(cells(&json!({ "spec": {} })), ["Local", "Unknown"]);
    }
}
