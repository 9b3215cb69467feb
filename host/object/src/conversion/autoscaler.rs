//! `autoscaling/v1`, stored as `autoscaling/v2`. What the first version has no fields for travels in
//! annotations (`pkg/apis/autoscaling/v1/conversion.go`).

use serde_json::{Map, Value, json};

use super::Conversion;

pub(crate) const AUTOSCALER: Conversion =
    Conversion { group: "autoscaling", api_version: "autoscaling/v2", show, store };

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// Per cent of the CPU asked for, where no metric is named: what the stored version would default to.
const DEFAULT_SHARE: i64 = 80;

/// Where a metric's parts stand in v1, and in v2 below the metric's own field.
type Field = (&'static str, &'static [&'static str]);
type Fields = (&'static str, &'static [Field]);

const SOURCES: [Fields; 5] = [
    (
        "object",
        &[
            ("target", &["describedObject"]),
            ("metricName", &["metric", "name"]),
            ("selector", &["metric", "selector"]),
            ("targetValue", &["target", "value"]),
            ("averageValue", &["target", "averageValue"]),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", &["metric", "name"]),
            ("selector", &["metric", "selector"]),
            ("targetAverageValue", &["target", "averageValue"]),
        ],
    ),
    ("resource", RESOURCE),
    ("containerResource", RESOURCE),
    (
        "external",
        &[
            ("metricName", &["metric", "name"]),
            ("metricSelector", &["metric", "selector"]),
            ("targetValue", &["target", "value"]),
            ("targetAverageValue", &["target", "averageValue"]),
        ],
    ),
];
const RESOURCE: &[Field] = &[
    ("name", &["name"]),
    ("container", &["container"]),
    ("targetAverageUtilization", &["target", "averageUtilization"]),
    ("targetAverageValue", &["target", "averageValue"]),
];
const CURRENT_RESOURCE: &[Field] = &[
    ("name", &["name"]),
    ("container", &["container"]),
    ("currentAverageUtilization", &["current", "averageUtilization"]),
    ("currentAverageValue", &["current", "averageValue"]),
];
const STATUSES: [Fields; 5] = [
    (
        "object",
        &[
            ("target", &["describedObject"]),
            ("metricName", &["metric", "name"]),
            ("selector", &["metric", "selector"]),
            ("currentValue", &["current", "value"]),
            ("averageValue", &["current", "averageValue"]),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", &["metric", "name"]),
            ("selector", &["metric", "selector"]),
            ("currentAverageValue", &["current", "averageValue"]),
        ],
    ),
    ("resource", CURRENT_RESOURCE),
    ("containerResource", CURRENT_RESOURCE),
    (
        "external",
        &[
            ("metricName", &["metric", "name"]),
            ("metricSelector", &["metric", "selector"]),
            ("currentValue", &["current", "value"]),
            ("currentAverageValue", &["current", "averageValue"]),
        ],
    ),
];

fn show(stored: &Value) -> Value {
    let mut shown = stored.clone();
    set(&mut shown, &[], "apiVersion", "autoscaling/v1".into());
    drop_annotations(&mut shown);
    let metrics = take_list(&mut shown, "spec", "metrics");
    let (cpu, others): (Vec<Value>, Vec<Value>) = metrics.into_iter().partition(is_cpu_utilization);
    if let Some(first) = cpu.first() {
        let share = first["resource"]["target"]["averageUtilization"].clone();
        set(&mut shown, &["spec"], "targetCPUUtilizationPercentage", share);
    }
    let current = take_list(&mut shown, "status", "currentMetrics");
    let cpu =
        current.iter().filter(|metric| metric["type"] == "Resource" && metric["resource"]["name"] == "cpu");
    if let Some(share) =
        cpu.map(|metric| &metric["resource"]["current"]["averageUtilization"]).find(|s| !s.is_null())
    {
        set(&mut shown, &["status"], "currentCPUUtilizationPercentage", share.clone());
    }
    let conditions = take_list(&mut shown, "status", "conditions");
    let behavior = take(&mut shown, "spec", "behavior");
    annotate(&mut shown, METRICS, others.iter().map(|metric| to_v1(metric, &SOURCES)).collect());
    annotate(&mut shown, CURRENT_METRICS, current.iter().map(|metric| to_v1(metric, &STATUSES)).collect());
    annotate(&mut shown, CONDITIONS, conditions);
    if !behavior.is_null() {
        let noted = rename_keys(&behavior, capitalised).to_string();
        set(&mut shown, &["metadata", "annotations"], BEHAVIOR, noted.into());
    }
    shown
}

fn store(shown: &Value) -> Value {
    let mut stored = shown.clone();
    set(&mut stored, &[], "apiVersion", "autoscaling/v2".into());
    let noted = |annotation: &str| -> Option<Value> {
        serde_json::from_str(shown["metadata"]["annotations"][annotation].as_str()?).ok()
    };
    drop_annotations(&mut stored);
    let list = |noted: Option<Value>, fields: &[Fields; 5]| -> Vec<Value> {
        noted.iter().filter_map(Value::as_array).flatten().map(|metric| to_v2(metric, fields)).collect()
    };
    let mut metrics = list(noted(METRICS), &SOURCES);
    let share = take(&mut stored, "spec", "targetCPUUtilizationPercentage");
    if !share.is_null() {
        metrics.push(cpu_at(share));
    }
    if metrics.is_empty() {
        metrics.push(cpu_at(DEFAULT_SHARE.into()));
    }
    put(&mut stored, "spec", "metrics", metrics);
    if let Some(behavior) = noted(BEHAVIOR).filter(Value::is_object) {
        set(&mut stored, &["spec"], "behavior", rename_keys(&behavior, uncapitalised));
    }
    let share = take(&mut stored, "status", "currentCPUUtilizationPercentage");
    let mut current = list(noted(CURRENT_METRICS), &STATUSES);
    if current.is_empty() && !share.is_null() {
        current.push(json!({ "type": "Resource", "resource": { "name": "cpu",
            "current": { "averageUtilization": share } } }));
    }
    put(&mut stored, "status", "currentMetrics", current);
    if let Some(Value::Array(conditions)) = noted(CONDITIONS) {
        put(&mut stored, "status", "conditions", conditions);
    }
    stored
}

fn cpu_at(share: Value) -> Value {
    json!({ "type": "Resource", "resource": { "name": "cpu",
        "target": { "type": "Utilization", "averageUtilization": share } } })
}

fn is_cpu_utilization(metric: &Value) -> bool {
    metric["type"] == "Resource"
        && metric["resource"]["name"] == "cpu"
        && !metric["resource"]["target"]["averageUtilization"].is_null()
}

fn take(object: &mut Value, part: &str, field: &str) -> Value {
    let fields = object.get_mut(part).and_then(Value::as_object_mut);
    fields.and_then(|fields| fields.remove(field)).unwrap_or_default()
}

fn take_list(object: &mut Value, part: &str, field: &str) -> Vec<Value> {
    match take(object, part, field) {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// Sets a field of a part, made when it is missing; what is no object stays as it is.
fn set(object: &mut Value, parts: &[&str], field: &str, value: Value) {
    let mut at = object;
    for part in parts {
        let Value::Object(fields) = at else { return };
        at = fields.entry(*part).or_insert(Value::Null);
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
    }
    if let Value::Object(fields) = at {
        fields.insert(field.into(), value);
    }
}

fn put(object: &mut Value, part: &str, field: &str, items: Vec<Value>) {
    if !items.is_empty() {
        set(object, &[part], field, items.into());
    }
}

fn drop_annotations(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let Some(Value::Object(annotations)) = metadata.get_mut("annotations") else { return };
    for annotation in [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR] {
        annotations.remove(annotation);
    }
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

fn annotate(object: &mut Value, annotation: &str, items: Vec<Value>) {
    if !items.is_empty() {
        set(object, &["metadata", "annotations"], annotation, Value::Array(items).to_string().into());
    }
}

fn to_v1(metric: &Value, fields: &[Fields; 5]) -> Value {
    convert(metric, fields, |source, shown, (name, path)| {
        let value = path.iter().fold(source, |value, part| &value[*part]);
        if !value.is_null() {
            shown[*name] = value.clone();
        }
    })
}

fn to_v2(metric: &Value, fields: &[Fields; 5]) -> Value {
    let mut converted = convert(metric, fields, |source, stored, (name, path)| {
        // v1 cannot leave out an object's target value.
        let unset = source[*name] == "0" && *name == "targetValue" && !source["averageValue"].is_null();
        if !source[*name].is_null() && !unset {
            *path.iter().fold(stored, |value, part| &mut value[*part]) = source[*name].clone();
        }
    });
    for (source, _) in fields {
        let Some(Value::Object(target)) =
            converted.get_mut(*source).and_then(|source| source.get_mut("target"))
        else {
            continue;
        };
        let kind = match (target.contains_key("averageUtilization"), target.contains_key("averageValue")) {
            (true, _) => "Utilization",
            (false, true) if !(*source == "external" && target.contains_key("value")) => "AverageValue",
            _ => "Value",
        };
        target.insert("type".into(), kind.into());
    }
    converted
}

fn convert(metric: &Value, fields: &[Fields; 5], copy: impl Fn(&Value, &mut Value, &Field)) -> Value {
    let mut converted = Map::new();
    converted.insert("type".into(), metric["type"].clone());
    for (source, fields) in fields.iter().filter(|(source, _)| metric[*source].is_object()) {
        let mut parts = Value::Object(Map::new());
        fields.iter().for_each(|field| copy(&metric[*source], &mut parts, field));
        converted.insert((*source).into(), parts);
    }
    Value::Object(converted)
}

/// The behaviour is annotated with Go's names of its fields.
fn rename_keys(value: &Value, rename: fn(&str) -> String) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (rename(key), rename_keys(value, rename)))
                .collect(),
        ),
        Value::Array(items) => items.iter().map(|item| rename_keys(item, rename)).collect(),
        other => other.clone(),
    }
}

fn capitalised(key: &str) -> String {
    with_first(key, |first| first.to_ascii_uppercase())
}

fn uncapitalised(key: &str) -> String {
    with_first(key, |first| first.to_ascii_lowercase())
}

fn with_first(key: &str, change: fn(char) -> char) -> String {
    let mut letters = key.chars();
    letters.next().map(change).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Value {
        json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": "h", "annotations": { "mine": "kept" } },
            "spec": {
                "minReplicas": 1, "maxReplicas": 5,
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" },
                "metrics": [
                    { "type": "Pods", "pods": { "metric": { "name": "hits", "selector": { "matchLabels": { "a": "b" } } },
                        "target": { "type": "AverageValue", "averageValue": "3" } } },
                    { "type": "Object", "object": { "metric": { "name": "m" },
                        "describedObject": { "kind": "Ingress", "name": "i", "apiVersion": "networking.k8s.io/v1" },
                        "target": { "type": "Value", "value": "7" } } },
                    { "type": "External", "external": { "metric": { "name": "queue" },
                        "target": { "type": "AverageValue", "averageValue": "30" } } },
                    { "type": "ContainerResource", "containerResource": { "name": "memory", "container": "c",
                        "target": { "type": "Utilization", "averageUtilization": 50 } } },
                    { "type": "Resource", "resource": { "name": "cpu",
                        "target": { "type": "Utilization", "averageUtilization": 70 } } },
                ],
                "behavior": { "scaleUp": { "stabilizationWindowSeconds": 0, "policies": [
                    { "type": "Pods", "value": 4, "periodSeconds": 15 }] } },
            },
            "status": {
                "currentReplicas": 2, "desiredReplicas": 3,
                "currentMetrics": [{ "type": "Resource", "resource": { "name": "cpu",
                    "current": { "averageUtilization": 60, "averageValue": "100m" } } }],
                "conditions": [{ "type": "AbleToScale", "status": "True" }],
            },
        })
    }

    #[test]
    fn the_first_version_shows_cpu_and_annotates_the_rest() {
        let shown = show(&stored());
        assert_eq!(shown["spec"]["targetCPUUtilizationPercentage"], 70);
        assert_eq!(shown["status"]["currentCPUUtilizationPercentage"], 60);
        assert!(shown["spec"]["metrics"].is_null() && shown["status"]["conditions"].is_null());
        let metrics: Value =
            serde_json::from_str(shown["metadata"]["annotations"][METRICS].as_str().unwrap()).unwrap();
        assert_eq!(
            metrics[0],
            json!({ "type": "Pods", "pods": { "metricName": "hits", "targetAverageValue": "3",
            "selector": { "matchLabels": { "a": "b" } } } })
        );
        assert!(shown["metadata"]["annotations"][BEHAVIOR].as_str().unwrap().contains("\"ScaleUp\""));
    }

    #[test]
    fn nothing_is_lost_on_the_way_there_and_back() {
        assert_eq!(store(&show(&stored())), stored());
    }

    #[test]
    fn an_autoscaler_of_the_first_version_wants_a_share_of_cpu() {
        let shown = json!({ "apiVersion": "autoscaling/v1", "metadata": { "name": "h" },
            "spec": { "maxReplicas": 3, "targetCPUUtilizationPercentage": 40 } });
        let expected = json!({ "apiVersion": "autoscaling/v2", "metadata": { "name": "h" },
            "spec": { "maxReplicas": 3, "metrics": [{ "type": "Resource", "resource": { "name": "cpu",
                "target": { "type": "Utilization", "averageUtilization": 40 } } }] } });
        assert_eq!(store(&shown), expected);
        assert_eq!(show(&expected), shown);
    }
}
