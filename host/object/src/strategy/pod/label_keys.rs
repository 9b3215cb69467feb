//! `matchLabelKeys` and `mismatchLabelKeys`: what the pod's own labels have for these keys becomes part of
//! the selector beside them when the pod is made, so that later changes of its labels change nothing.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#matchlabelkeys>

use serde_json::{Map, Value, json};

/// The lists of terms within `spec`, and where in each item its selector is.
const TERMS: [(&str, &str); 5] = [
    ("/topologySpreadConstraints", ""),
    ("/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution", "/podAffinityTerm"),
    ("/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution", ""),
    ("/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution", "/podAffinityTerm"),
    ("/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution", ""),
];
const OPERATORS: [(&str, &str); 2] = [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")];

pub(super) fn write_into_selectors(pod: &mut Value) {
    let Some(labels) = pod["metadata"]["labels"].as_object().cloned() else { return };
    for (list, term) in TERMS {
        let items = pod.pointer_mut(&format!("/spec{list}")).and_then(Value::as_array_mut);
        for term in items.into_iter().flatten().filter_map(|item| item.pointer_mut(term)) {
            complete(term, &labels);
        }
    }
}

/// No selector matches no pod, with or without keys.
fn complete(term: &mut Value, labels: &Map<String, Value>) {
    if !term["labelSelector"].is_object() {
        return;
    }
    let requirements: Vec<Value> = OPERATORS
        .iter()
        .flat_map(|(field, operator)| {
            let keys = term[*field].as_array().into_iter().flatten().filter_map(Value::as_str);
            keys.filter_map(|key| Some((key, labels.get(key)?)))
                .map(|(key, value)| json!({ "key": key, "operator": operator, "values": [value] }))
                .collect::<Vec<_>>()
        })
        .collect();
    if requirements.is_empty() {
        return;
    }
    match &mut term["labelSelector"]["matchExpressions"] {
        Value::Array(expressions) => expressions.extend(requirements),
        none @ Value::Null => *none = requirements.into(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_pod_is_labelled_is_selected() {
        let term = |keys: &str| {
            json!({ "labelSelector": { "matchExpressions": [{ "key": "app", "operator": "Exists" }] },
                keys: ["rev", "absent"] })
        };
        let weighted = json!({ "weight": 1, "podAffinityTerm": term("mismatchLabelKeys") });
        let mut pod = json!({ "metadata": { "labels": { "rev": "1", "app": "web" } }, "spec": {
            "topologySpreadConstraints": [
                { "labelSelector": {}, "matchLabelKeys": ["rev"] },
                { "matchLabelKeys": ["rev"] },
                { "labelSelector": { "matchLabels": { "app": "web" } } },
            ],
            "affinity": {
                "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term("matchLabelKeys")] },
                "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [weighted] },
            },
        } });
        write_into_selectors(&mut pod);
        let rev = |operator: &str| json!({ "key": "rev", "operator": operator, "values": ["1"] });
        let spec = &pod["spec"];
        let constraints = &spec["topologySpreadConstraints"];
        assert_eq!(constraints[0]["labelSelector"], json!({ "matchExpressions": [rev("In")] }));
        assert_eq!(constraints[1], json!({ "matchLabelKeys": ["rev"] }));
        assert_eq!(constraints[2], json!({ "labelSelector": { "matchLabels": { "app": "web" } } }));
        let near = &spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
        assert_eq!(near["labelSelector"]["matchExpressions"][1], rev("In"));
        assert_eq!(near["labelSelector"]["matchExpressions"].as_array().map(Vec::len), Some(2));
        let apart =
            &spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0];
        assert_eq!(apart["podAffinityTerm"]["labelSelector"]["matchExpressions"][1], rev("NotIn"));
    }

    #[test]
    fn what_is_no_term_is_left_to_validation() {
        let mut pod = json!({ "metadata": { "labels": { "a": "b" } }, "spec": {
            "topologySpreadConstraints": [7, { "labelSelector": "x", "matchLabelKeys": ["a"] }],
            "affinity": { "podAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{}] } } } });
        let before = pod.clone();
        write_into_selectors(&mut pod);
        assert_eq!(pod, before);
    }
}
