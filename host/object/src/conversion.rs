//! Versions of one kind that differ in more than their name: one is stored, the others are shown.

mod autoscaler;

use serde_json::{Map, Value};

pub(crate) use autoscaler::AUTOSCALER;

/// How objects of a row are stored as another.
#[derive(Debug, Clone, Copy)]
pub struct Conversion {
    /// Of the stored version; the plural and kind are the same.
    pub group: &'static str,
    pub api_version: &'static str,
    /// From the stored form to the row's.
    pub show: fn(&Value) -> Value,
    /// From the row's form to the stored one.
    pub store: fn(&Value) -> Value,
}

/// `events.k8s.io/v1`, stored as the core group's Event.
pub(crate) const EVENT: Conversion = Conversion {
    group: "",
    api_version: "v1",
    show: |stored| renamed(stored, "events.k8s.io/v1", |(core, new)| (core, new)),
    store: |shown| renamed(shown, "v1", |(core, new)| (new, core)),
};

/// Names in the core group, and in `events.k8s.io`.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("involvedObject", "regarding"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
];

type Names = (&'static str, &'static str);

/// The object with other names of its fields.
fn renamed(object: &Value, api_version: &str, direction: fn(Names) -> Names) -> Value {
    let names: Vec<Names> = EVENT_FIELDS.into_iter().map(direction).collect();
    let fields = object.as_object().into_iter().flatten().map(|(field, value)| {
        let name = names.iter().find(|(from, _)| from == field).map_or(field.as_str(), |(_, to)| to);
        (name.to_owned(), value.clone())
    });
    let mut renamed: Map<String, Value> = fields.collect();
    renamed.insert("apiVersion".into(), api_version.into());
    Value::Object(renamed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_the_same_both_ways() {
        let stored = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "name": "e", "namespace": "n" },
            "involvedObject": { "kind": "Pod", "name": "p" }, "message": "started", "count": 2, "reason": "Started",
            "source": { "component": "c" }, "reportingComponent": "c", "eventTime": null,
        });
        let shown = (EVENT.show)(&stored);
        let expected = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": "e", "namespace": "n" },
            "regarding": { "kind": "Pod", "name": "p" }, "note": "started", "deprecatedCount": 2, "reason": "Started",
            "deprecatedSource": { "component": "c" }, "reportingController": "c", "eventTime": null,
        });
        assert_eq!(shown, expected);
        assert_eq!((EVENT.store)(&shown), stored);
    }
}
