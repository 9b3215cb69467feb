//! Flow schemas and priority levels.

use serde_json::Value;

use super::{NONE, age, int_of, list, name, or, path, text};
use crate::kind::Column;

pub(crate) fn schema_columns() -> Vec<Column> {
    vec![
        name(),
        path("PriorityLevel", "Where such requests queue.", "spec.priorityLevelConfiguration.name"),
        text("MatchingPrecedence", "Lower is asked earlier.", |schema| {
            int_of(&schema["spec"]["matchingPrecedence"]).into()
        }),
        text("DistinguisherMethod", "What tells flows apart.", |schema| {
            or(&schema["spec"]["distinguisherMethod"]["type"], NONE)
        }),
        age(),
        text("MissingPL", "Whether its priority level is missing.", |schema| {
            let conditions = list(&schema["status"]["conditions"]);
            let dangling = conditions.iter().find(|condition| condition["type"] == "Dangling");
            dangling.map_or("?".into(), |condition| condition["status"].clone())
        }),
    ]
}

pub(crate) fn level_columns() -> Vec<Column> {
    fn shares(level: &Value) -> Value {
        let spec = &level["spec"];
        let part = if spec["type"] == "Exempt" { &spec["exempt"] } else { &spec["limited"] };
        or_none(&part["nominalConcurrencyShares"])
    }
    fn queuing(level: &Value, field: &str) -> Value {
        or_none(&level["spec"]["limited"]["limitResponse"]["queuing"][field])
    }
    vec![
        name(),
        path("Type", "Limited or Exempt.", "spec.type"),
        text("NominalConcurrencyShares", "Its share of the seats.", shares),
        text("Queues", "How many queues.", |level| queuing(level, "queues")),
        text("HandSize", "Queues a flow is dealt.", |level| queuing(level, "handSize")),
        text("QueueLengthLimit", "Requests a queue holds.", |level| queuing(level, "queueLengthLimit")),
        age(),
    ]
}

fn or_none(value: &Value) -> Value {
    if value.is_null() { NONE.into() } else { value.clone() }
}
