use serde_json::Value;

use super::{int_of, name, path, str_of, text, wide};
use crate::duration;
use crate::kind::Column;

pub(crate) fn columns() -> Vec<Column> {
    vec![
        text("Last Seen", "Time since it was last observed.", |event| last_seen(event).into()),
        path("Type", "Normal or Warning.", "type"),
        path("Reason", "A word for machines.", "reason"),
        text("Object", "What it is about.", target),
        wide(text("Subobject", "The part it is about.", |event| {
            str_of(&event["involvedObject"]["fieldPath"]).into()
        })),
        wide(text("Source", "Who reported it.", source)),
        text("Message", "What happened.", |event| str_of(&event["message"]).trim().into()),
        wide(text("First Seen", "Time since it was first observed.", |event| first_seen(event).into())),
        wide(text("Count", "How often it was observed.", count)),
        wide(name()),
    ]
}

fn first_seen(event: &Value) -> String {
    match &event["firstTimestamp"] {
        Value::Null => duration::since(&event["eventTime"]),
        time => duration::since(time),
    }
}

fn last_seen(event: &Value) -> String {
    if event["series"].is_object() {
        return duration::since(&event["series"]["lastObservedTime"]);
    }
    match &event["lastTimestamp"] {
        Value::Null => first_seen(event),
        time => duration::since(time),
    }
}

fn count(event: &Value) -> Value {
    if event["series"].is_object() {
        return int_of(&event["series"]["count"]).into();
    }
    int_of(&event["count"]).max(1).into()
}

fn target(event: &Value) -> Value {
    let about = &event["involvedObject"];
    let kind = str_of(&about["kind"]).to_lowercase();
    match str_of(&about["name"]) {
        "" => kind.into(),
        name => format!("{kind}/{name}").into(),
    }
}

fn source(event: &Value) -> Value {
    let component = first_of(&event["source"]["component"], &event["reportingComponent"]);
    let instance = first_of(&event["source"]["host"], &event["reportingInstance"]);
    if instance.is_empty() { component.into() } else { format!("{component}, {instance}").into() }
}

fn first_of<'v>(first: &'v Value, second: &'v Value) -> &'v str {
    if str_of(first).is_empty() { str_of(second) } else { str_of(first) }
}
