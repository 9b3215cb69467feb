//! Tolerations of two lists in one, without those that another covers.

use orch_sdk::Value;
use orch_sdk::serde::Deserialize;
use orch_sdk::toleration::Toleration;

/// Those of `first` before those of `second`; of equal ones the first stays.
pub fn merge(first: &[Value], second: &[Value]) -> Vec<Value> {
    let all: Vec<(&Value, Toleration)> = first
        .iter()
        .chain(second)
        .map(|value| (value, Toleration::deserialize(value).unwrap_or_default()))
        .collect();
    let mut merged: Vec<&(&Value, Toleration)> = Vec::new();
    for (index, candidate) in all.iter().enumerate() {
        let toleration = &candidate.1;
        let by_earlier = merged.iter().any(|(_, kept)| covers(kept, toleration));
        let by_later =
            all[index + 1..].iter().any(|(_, later)| later != toleration && covers(later, toleration));
        if !by_earlier && !by_later {
            merged.push(candidate);
        }
    }
    merged.into_iter().map(|(value, _)| (*value).clone()).collect()
}

/// Whether `wide` tolerates all that `narrow` does.
fn covers(wide: &Toleration, narrow: &Toleration) -> bool {
    if wide == narrow {
        return true;
    }
    let every_key = wide.key.is_empty() && wide.operator == "Exists";
    let key = wide.key == narrow.key || every_key;
    let effect = wide.effect.is_empty() || wide.effect == narrow.effect;
    let seconds = match (wide.effect.as_str(), wide.toleration_seconds) {
        ("NoExecute", Some(most)) => narrow.toleration_seconds.is_some_and(|seconds| seconds <= most),
        _ => true,
    };
    let value = match wide.operator.as_str() {
        "" | "Equal" => narrow.operator == "Equal" && narrow.value == wide.value,
        "Exists" => true,
        _ => false,
    };
    key && effect && seconds && value
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    #[test]
    fn the_wider_one_stays() {
        let exists = json!({"key": "k", "operator": "Exists"});
        let equal = json!({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"});
        let other = json!({"key": "l", "operator": "Equal", "value": "v"});
        let all = json!({"operator": "Exists"});
        let none: [Value; 0] = [];
        for (first, second, merged) in [
            (vec![&equal], vec![&exists], vec![&exists]),
            (vec![&exists], vec![&equal], vec![&exists]),
            (vec![&equal, &other], vec![&equal], vec![&equal, &other]),
            (vec![&equal, &other], vec![&all], vec![&all]),
        ] {
            let owned = |list: Vec<&Value>| list.into_iter().cloned().collect::<Vec<Value>>();
            assert_eq!(merge(&owned(first), &owned(second)), owned(merged));
        }
        assert_eq!(merge(&none, &none), none);
        let short = json!({"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5});
        let long = json!({"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 9});
        assert_eq!(merge(std::slice::from_ref(&short), std::slice::from_ref(&long)), [long]);
    }
}
