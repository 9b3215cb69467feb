//! HorizontalPodAutoscalers.

use serde_json::Value;

use super::{age, int_of, list, name, str_of, text};
use crate::kind::Column;

const UNKNOWN: &str = "<unknown>";
/// Metrics shown before the rest is only counted.
const SHOWN: usize = 2;

pub(crate) fn columns() -> Vec<Column> {
    vec![
        name(),
        text("Reference", "What it scales.", |scaler| {
            let target = &scaler["spec"]["scaleTargetRef"];
            format!("{}/{}", str_of(&target["kind"]), str_of(&target["name"])).into()
        }),
        text("Targets", "Metrics now, and as wanted.", metrics),
        text("MinPods", "Fewest replicas.", |scaler| match &scaler["spec"]["minReplicas"] {
            Value::Null => "<unset>".into(),
            fewest => fewest.to_string().into(),
        }),
        text("MaxPods", "Most replicas.", |scaler| int_of(&scaler["spec"]["maxReplicas"]).into()),
        text("Replicas", "Replicas now.", |scaler| int_of(&scaler["status"]["currentReplicas"]).into()),
        age(),
    ]
}

fn metrics(scaler: &Value) -> Value {
    let specs = list(&scaler["spec"]["metrics"]);
    if specs.is_empty() {
        return "<none>".into();
    }
    let current = list(&scaler["status"]["currentMetrics"]);
    let shown: Vec<String> = specs
        .iter()
        .enumerate()
        .map(|(index, spec)| metric(spec, current.get(index).unwrap_or(&Value::Null)))
        .collect();
    let text = shown.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match shown.len() {
        more if more > SHOWN => format!("{text} + {} more...", more - SHOWN).into(),
        _ => text.into(),
    }
}

fn metric(spec: &Value, current: &Value) -> String {
    let kind = str_of(&spec["type"]);
    let field = match kind {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".into(),
    };
    let (source, now) = (&spec[field], &current[field]["current"]);
    let value = |field: &str| match str_of(&now[field]) {
        "" => UNKNOWN.to_owned(),
        text => text.to_owned(),
    };
    let wanted = &source["target"];
    let average = wanted["averageValue"].as_str();
    match (kind, average) {
        ("Pods", average) => format!("{}/{}", value("averageValue"), average.unwrap_or_default()),
        ("External" | "Object", Some(average)) => format!("{}/{average} (avg)", value("averageValue")),
        ("External" | "Object", None) => format!("{}/{}", value("value"), str_of(&wanted["value"])),
        (_, Some(average)) => format!("{}: {}/{average}", str_of(&source["name"]), value("averageValue")),
        (_, None) => {
            let percent = |share: &Value, none: &str| share.as_i64().map_or(none.into(), |p| format!("{p}%"));
            format!(
                "{}: {}/{}",
                str_of(&source["name"]),
                percent(&now["averageUtilization"], UNKNOWN),
                percent(&wanted["averageUtilization"], "<auto>")
            )
        }
    }
}
