//! A pod of a RuntimeClass has its overhead, and is placed where its runtime is.
//! <https://kubernetes.io/docs/concepts/containers/runtime-class/>

mod tolerations;

use std::collections::BTreeMap;

use orch_sdk::Value;
use orch_sdk::admission::{Admitted, Check, Delta, Denial, Description, Operation, Reading, Request};
use orch_sdk::object::Object;
use orch_sdk::quota::amounts;

#[derive(Default)]
pub struct RuntimeClass {
    classes: BTreeMap<String, Value>,
}

orch_sdk::export_admission!(RuntimeClass);

impl Check for RuntimeClass {
    fn describe() -> Description {
        Description::new()
            .reviews(&[Operation::Create], &[""], &["pods"])
            .reads("node.k8s.io/v1", "RuntimeClass", &["overhead", "scheduling"])
            .mutates()
    }

    fn reads(&self) -> Vec<Reading> {
        let fields = ["nodeSelector", "overhead", "runtimeClassName", "tolerations"];
        let fields = fields.map(|field| format!("object.spec.{field}"));
        vec![Reading::of(&["pods"], &fields.each_ref().map(String::as_str))]
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::Upsert(class) => drop(self.classes.insert(class.name().into(), class)),
            Delta::Remove(class) => drop(self.classes.remove(class.name())),
        }
        Ok(())
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        let mut pod = request.object.clone();
        let class = self.class_of(&pod)?;
        set_overhead(&mut pod, class)?;
        if let Some(scheduling) = class.map(|class| &class["scheduling"]) {
            set_node_selector(&mut pod, &scheduling["nodeSelector"])?;
            let more = scheduling.items(&["tolerations"]);
            if !more.is_empty() {
                let merged = tolerations::merge(pod.items(&["spec", "tolerations"]), more);
                pod.set(&["spec", "tolerations"], merged);
            }
        }
        Ok(Admitted::changed(&request.object, &pod))
    }
}

impl RuntimeClass {
    fn class_of(&self, pod: &Value) -> Result<Option<&Value>, Denial> {
        let Some(name) = pod.at(&["spec", "runtimeClassName"]).as_str() else { return Ok(None) };
        let missing = || Denial::forbidden(format!("pod rejected: RuntimeClass {name:?} not found"));
        self.classes.get(name).map(Some).ok_or_else(missing)
    }
}

fn set_overhead(pod: &mut Value, class: Option<&Value>) -> Result<(), Denial> {
    let given = pod.at(&["spec", "overhead"]);
    let fixed = class.map(|class| class.at(&["overhead", "podFixed"])).filter(|fixed| !fixed.is_null());
    match fixed {
        None if given.is_null() => Ok(()),
        None => Err(Denial::forbidden(
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        )),
        Some(fixed) if given.as_object().is_some_and(|given| !given.is_empty()) => {
            match amounts(given) == amounts(fixed) {
                true => Ok(()),
                false => Err(Denial::forbidden(
                    "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
                )),
            }
        }
        Some(fixed) => {
            pod.set(&["spec", "overhead"], fixed.clone());
            Ok(())
        }
    }
}

fn set_node_selector(pod: &mut Value, wanted: &Value) -> Result<(), Denial> {
    for (key, value) in wanted.as_object().into_iter().flatten() {
        let given = pod.at(&["spec", "nodeSelector", key]);
        if !given.is_null() && given != value {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
            return Err(Denial::forbidden(format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {}",
                text(value),
                text(given),
            )));
        }
        pod.set(&["spec", "nodeSelector", key], value.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    /// The patches' values by path, or why not.
    fn review(spec: Value) -> Result<BTreeMap<String, Value>, String> {
        let mut check = RuntimeClass::default();
        let heavy = json!({"metadata": {"name": "heavy"}, "overhead": {"podFixed": {"cpu": "10m"}},
            "scheduling": {"nodeSelector": {"kvm": "yes"}, "tolerations": [{"key": "kvm", "operator": "Exists"}]}});
        for class in [heavy, json!({"metadata": {"name": "plain"}})] {
            check.sync(Delta::Upsert(class)).unwrap();
        }
        let request =
            json!({"operation": "CREATE", "resource": {"resource": "pods"}, "object": {"spec": spec}});
        let admitted =
            check.review(&orch_sdk::serde_json::from_value(request).unwrap()).map_err(|d| d.message)?;
        let patch: Value = orch_sdk::serde_json::from_str(&admitted.patch).unwrap_or_default();
        let operations = patch.as_array().cloned().unwrap_or_default();
        Ok(operations
            .into_iter()
            .map(|op| (op["path"].as_str().unwrap().into(), op["value"].clone()))
            .collect())
    }

    #[test]
    fn a_pod_gets_what_its_class_says() {
        let patch = review(json!({"runtimeClassName": "heavy"})).unwrap();
        assert_eq!(patch["/spec/overhead"], json!({"cpu": "10m"}));
        assert_eq!(patch["/spec/nodeSelector"], json!({"kvm": "yes"}));
        assert_eq!(patch["/spec/tolerations"], json!([{"key": "kvm", "operator": "Exists"}]));
        assert!(review(json!({"runtimeClassName": "plain"})).unwrap().is_empty());
        assert!(review(json!({})).unwrap().is_empty());
        let same = review(json!({"runtimeClassName": "heavy", "overhead": {"cpu": "0.01"}})).unwrap();
        assert!(!same.contains_key("/spec/overhead"), "{same:?}");
    }

    #[test]
    fn what_contradicts_the_class_is_refused() {
        for (spec, expected) in [
            (json!({"runtimeClassName": "gone"}), "pod rejected: RuntimeClass \"gone\" not found"),
            (
                json!({"overhead": {"cpu": "1"}}),
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
            ),
            (
                json!({"runtimeClassName": "heavy", "overhead": {"cpu": "1"}}),
                "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
            ),
            (
                json!({"runtimeClassName": "heavy", "nodeSelector": {"kvm": "no"}}),
                "conflict: runtimeClass.scheduling.nodeSelector[kvm] = yes; pod.spec.nodeSelector[kvm] = no",
            ),
        ] {
            assert_eq!(review(spec).unwrap_err(), expected);
        }
    }
}
