//! The annotations that tie Deployment and ReplicaSets together.

use std::collections::BTreeMap;

use orch_sdk::Value;
use orch_sdk::object::Object;

pub const REVISION: &str = "deployment.kubernetes.io/revision";
pub const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
pub const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";

/// Never copied from a Deployment to its ReplicaSets.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];

/// Characters of history kept.
const HISTORY_LIMIT: usize = 2000;

pub type Annotations = BTreeMap<String, String>;

pub fn of(object: &Value) -> Annotations {
    let annotations = object.at(&["metadata", "annotations"]).as_object();
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_string()));
    annotations.into_iter().flatten().filter_map(text).collect()
}

pub fn number(object: &Value, key: &str) -> Option<i64> {
    object.annotation(key)?.parse().ok()
}

/// What a new set's annotations must be: the Deployment's, and its place in the history.
pub fn for_new_set(deployment: &Value, set: &Value, revision: i64) -> Annotations {
    let mut annotations = of(set);
    annotations.extend(of(deployment).into_iter().filter(|(key, _)| !OWN.contains(&key.as_str())));
    let before = annotations.get(REVISION).cloned();
    let before_number = before.as_deref().map_or(Some(0), |text| text.parse::<i64>().ok());
    // A number that cannot be read is left as it is, and so is one that is ahead.
    if before_number.is_some_and(|number| number < revision) {
        annotations.insert(REVISION.into(), revision.to_string());
        if let Some(before) = before {
            let history = annotations.entry(REVISION_HISTORY.into()).or_default();
            *history = remember(history, &before);
        }
    }
    annotations
}

fn remember(history: &str, revision: &str) -> String {
    let mut all: Vec<&str> = history.split(',').filter(|part| !part.is_empty()).collect();
    all.push(revision);
    while all.len() > 1 && all.iter().map(|part| part.len() + 1).sum::<usize>() > HISTORY_LIMIT {
        all.remove(0);
    }
    all.join(",")
}

pub fn for_size(desired: i64, max: i64) -> [(&'static str, String); 2] {
    [(DESIRED_REPLICAS, desired.to_string()), (MAX_REPLICAS, max.to_string())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    #[test]
    fn a_rollback_keeps_the_old_number_in_the_history() {
        let deployment = json!({"metadata": {"annotations": {"team": "a", REVISION: "9"}}});
        let set = json!({"metadata": {"annotations": {REVISION: "1", REVISION_HISTORY: "0"}}});
        let annotations = for_new_set(&deployment, &set, 3);
        assert_eq!(annotations[REVISION], "3");
        assert_eq!(annotations[REVISION_HISTORY], "0,1");
        assert_eq!(annotations["team"], "a");
        assert_eq!(
            for_new_set(&deployment, &json!({"metadata": {"annotations": {REVISION: "5"}}}), 3)[REVISION],
            "5"
        );
        assert!(!for_new_set(&deployment, &json!({}), 1).contains_key(REVISION_HISTORY));
    }

    #[test]
    fn history_is_bounded() {
        let long = (1000..1600).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let kept = remember(&long, "1600");
        assert!(kept.len() <= HISTORY_LIMIT && kept.ends_with("1599,1600"));
    }
}
