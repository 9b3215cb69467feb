//! Pods stay on a node that is not ready or unreachable for five minutes, unless they say otherwise.

use orch_sdk::admission::{Admitted, Check, Denial, Description, Operation, Reading, Request};
use orch_sdk::object::Object;
use orch_sdk::toleration::{Taint, Toleration};
use orch_sdk::{Value, json};

const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

pub struct DefaultTolerationSeconds {
    seconds: [i64; 2],
}

impl Default for DefaultTolerationSeconds {
    fn default() -> Self {
        DefaultTolerationSeconds { seconds: [300, 300] }
    }
}

orch_sdk::export_admission!(DefaultTolerationSeconds);

impl Check for DefaultTolerationSeconds {
    fn describe() -> Description {
        Description::new().reviews(&[Operation::Create, Operation::Update], &[""], &["pods"]).mutates()
    }

    fn configure(&mut self, config: &Value) -> Result<(), String> {
        self.seconds = [
            seconds(config, "defaultNotReadyTolerationSeconds")?,
            seconds(config, "defaultUnreachableTolerationSeconds")?,
        ];
        Ok(())
    }

    fn reads(&self) -> Vec<Reading> {
        vec![Reading::of(&["pods"], &["object.spec.tolerations"])]
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        if request.resource.resource != "pods" || !request.sub_resource.is_empty() {
            return Ok(Admitted::unchanged());
        }
        let mut tolerations = request.object.items(&["spec", "tolerations"]).to_vec();
        for (key, seconds) in TAINTS.into_iter().zip(self.seconds) {
            if !tolerations.iter().any(|toleration| is_about(toleration, key)) {
                tolerations.push(json!({
                    "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds,
                }));
            }
        }
        let mut pod = request.object.clone();
        if tolerations.len() > request.object.items(&["spec", "tolerations"]).len() {
            pod.set(&["spec", "tolerations"], tolerations);
        }
        Ok(Admitted::changed(&request.object, &pod))
    }
}

fn seconds(config: &Value, field: &str) -> Result<i64, String> {
    match &config[field] {
        Value::Null => Ok(300),
        value => value.as_i64().filter(|seconds| *seconds >= 0).ok_or(format!("{field}: {value} is no time")),
    }
}

fn is_about(toleration: &Value, key: &str) -> bool {
    use orch_sdk::serde::Deserialize;
    let taint = Taint { key: key.into(), value: String::new(), effect: "NoExecute".into() };
    let key_or_any = |known: &Toleration| known.key == key || known.key.is_empty();
    let effect_or_any = |known: &Toleration| known.effect == taint.effect || known.effect.is_empty();
    Toleration::deserialize(toleration).is_ok_and(|known| key_or_any(&known) && effect_or_any(&known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(tolerations: Value) -> String {
        let request = json!({
            "operation": "CREATE", "resource": {"resource": "pods"},
            "object": {"spec": {"tolerations": tolerations}},
        });
        let request = orch_sdk::serde_json::from_value(request).unwrap();
        DefaultTolerationSeconds::default().review(&request).unwrap().patch
    }

    #[test]
    fn both_tolerations_are_added_unless_they_are_there() {
        let patch = patched(json!([]));
        assert!(TAINTS.iter().all(|taint| patch.contains(taint)) && patch.contains("300"), "{patch}");
        assert!(!patched(Value::Null).is_empty());
        let own =
            json!([{"key": TAINTS[0], "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]);
        assert!(!patched(own).contains(TAINTS[0]));
        assert_eq!(patched(json!([{"operator": "Exists"}])), "");
    }
}
