//! A pod's priority and preemption policy come from its priority class, never from the pod, and there
//! is at most one class for pods that name none.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/>

use std::collections::BTreeMap;

use orch_sdk::Value;
use orch_sdk::admission::{Admitted, Check, Delta, Denial, Description, Operation, Reading, Request};
use orch_sdk::object::Object;

/// Of pods that name no class where no class is the default.
const NO_CLASS: Class = Class { value: 0, preemption: Some(PREEMPT), is_default: false };
const PREEMPT: Preemption = Preemption::LowerPriority;
const CLASSES: &str = "priorityclasses";

#[derive(Default)]
pub struct Priority {
    classes: BTreeMap<String, Class>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Class {
    value: i64,
    preemption: Option<Preemption>,
    is_default: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preemption {
    LowerPriority,
    Never,
}

orch_sdk::export_admission!(Priority);

impl Check for Priority {
    fn describe() -> Description {
        let operations = [Operation::Create, Operation::Update];
        Description::new()
            .reviews(&operations, &[""], &["pods"])
            .reviews(&operations, &["scheduling.k8s.io"], &[CLASSES])
            .reads("scheduling.k8s.io/v1", "PriorityClass", &["globalDefault", "preemptionPolicy", "value"])
            .mutates()
    }

    fn reads(&self) -> Vec<Reading> {
        let fields = ["priority", "priorityClassName", "preemptionPolicy"];
        let either =
            ["object", "oldObject"].map(|object| fields.map(|field| format!("{object}.spec.{field}")));
        let fields: Vec<&str> = either.iter().flatten().map(String::as_str).collect();
        vec![
            Reading::of(&["pods"], &fields),
            Reading::of(&[CLASSES], &["object.globalDefault", "object.metadata.name"]),
        ]
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::Upsert(class) => drop(self.classes.insert(class.name().into(), Class::read(&class))),
            Delta::Remove(class) => drop(self.classes.remove(class.name())),
        }
        Ok(())
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        if !request.sub_resource.is_empty() {
            return Ok(Admitted::unchanged());
        }
        let mut object = request.object.clone();
        match (request.resource.resource.as_str(), request.operation) {
            ("pods", Operation::Create) => self.prioritise(&mut object)?,
            ("pods", Operation::Update) => keep(request, &mut object),
            (CLASSES, Operation::Create | Operation::Update) => self.check_default(request)?,
            (_, Operation::Create | Operation::Update | Operation::Delete | Operation::Connect) => {}
        }
        Ok(Admitted::changed(&request.object, &object))
    }
}

impl Priority {
    fn prioritise(&self, pod: &mut Value) -> Result<(), Denial> {
        let named = pod.at(&["spec", "priorityClassName"]).as_str().filter(|name| !name.is_empty());
        let class =
            match (named, self.default_class()) {
                (Some(name), _) => self.classes.get(name).copied().ok_or_else(|| {
                    Denial::forbidden(format!("no PriorityClass with name {name} was found"))
                })?,
                (None, Some((name, class))) => {
                    pod.set(&["spec", "priorityClassName"], name);
                    *class
                }
                (None, None) => NO_CLASS,
            };
        if let Some(given) = pod.at(&["spec", "priority"]).as_i64().filter(|given| *given != class.value) {
            return Err(Denial::forbidden(format!(
                "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {} from the given PriorityClass name",
                class.value
            )));
        }
        pod.set(&["spec", "priority"], class.value);
        let Some(preemption) = class.preemption.map(Preemption::name) else { return Ok(()) };
        let given = pod.at(&["spec", "preemptionPolicy"]).as_str();
        if let Some(given) = given.filter(|given| *given != preemption) {
            return Err(Denial::forbidden(format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission controller computed {preemption} from the given PriorityClass name"
            )));
        }
        pod.set(&["spec", "preemptionPolicy"], preemption);
        Ok(())
    }

    /// The default class; of several, which only an old store can hold, the least.
    fn default_class(&self) -> Option<(&str, &Class)> {
        let defaults = self.classes.iter().filter(|(_, class)| class.is_default);
        defaults.min_by_key(|(_, class)| class.value).map(|(name, class)| (name.as_str(), class))
    }

    fn check_default(&self, request: &Request) -> Result<(), Denial> {
        if request.object["globalDefault"] != true {
            return Ok(());
        }
        match self.default_class() {
            Some((name, _)) if request.operation == Operation::Create || name != request.object.name() => {
                let name =
                    format!("PriorityClass {name} is already marked as default. Only one default can exist");
                Err(Denial::forbidden(name))
            }
            _ => Ok(()),
        }
    }
}

/// What was computed at birth stays, also when a client that does not know the fields writes the pod.
fn keep(request: &Request, pod: &mut Value) {
    for field in ["priority", "preemptionPolicy"] {
        let old = request.old_object.at(&["spec", field]);
        if pod.at(&["spec", field]).is_null() && !old.is_null() {
            pod.set(&["spec", field], old.clone());
        }
    }
}

impl Class {
    fn read(class: &Value) -> Class {
        Class {
            value: class["value"].as_i64().unwrap_or(0),
            preemption: Preemption::read(&class["preemptionPolicy"]),
            is_default: class["globalDefault"] == true,
        }
    }
}

impl Preemption {
    fn read(value: &Value) -> Option<Preemption> {
        match value.as_str()? {
            "PreemptLowerPriority" => Some(Preemption::LowerPriority),
            "Never" => Some(Preemption::Never),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Preemption::LowerPriority => "PreemptLowerPriority",
            Preemption::Never => "Never",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    fn check(classes: &[Value]) -> Priority {
        let mut check = Priority::default();
        for class in classes {
            check.sync(Delta::Upsert(class.clone())).unwrap();
        }
        check
    }

    fn class(name: &str, value: i64, default: bool) -> Value {
        json!({ "metadata": { "name": name }, "value": value, "globalDefault": default, "preemptionPolicy": "Never" })
    }

    fn request(operation: &str, resource: (&str, &str), old: Value, object: Value) -> Request {
        let request = json!({
            "operation": operation, "resource": { "group": resource.0, "resource": resource.1 },
            "object": object, "oldObject": old, "name": "x",
        });
        orch_sdk::serde_json::from_value(request).unwrap()
    }

    fn create(check: &mut Priority, spec: Value) -> Result<String, String> {
        let request = request("CREATE", ("", "pods"), Value::Null, json!({ "spec": spec }));
        check.review(&request).map(|admitted| admitted.patch).map_err(|denial| denial.message)
    }

    #[test]
    fn a_pod_has_its_class_priority() {
        let mut check = check(&[class("high", 1000, false)]);
        let patch = create(&mut check, json!({ "priorityClassName": "high" })).unwrap();
        assert!(patch.contains("1000") && patch.contains("Never"), "{patch}");
        let patch = create(&mut check, json!({})).unwrap();
        assert!(patch.contains("\"value\":0") && patch.contains("PreemptLowerPriority"), "{patch}");
        assert_eq!(
            create(
                &mut check,
                json!({ "priorityClassName": "high", "priority": 1000, "preemptionPolicy": "Never" })
            )
            .unwrap(),
            ""
        );
    }

    #[test]
    fn the_default_class_is_for_pods_that_name_none() {
        let mut check = check(&[class("b", 7, true), class("c", 9, false)]);
        let patch = create(&mut check, json!({})).unwrap();
        assert!(patch.contains("\"b\"") && patch.contains("7"), "{patch}");
        check.sync(Delta::Remove(class("b", 7, true))).unwrap();
        assert!(!create(&mut check, json!({})).unwrap().contains("priorityClassName"));
    }

    #[test]
    fn what_a_pod_claims_is_refused() {
        let mut check = check(&[class("high", 1000, false)]);
        let missing = create(&mut check, json!({ "priorityClassName": "none" })).unwrap_err();
        assert_eq!(missing, "no PriorityClass with name none was found");
        let own = create(&mut check, json!({ "priority": 5 })).unwrap_err();
        assert!(own.contains("the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0"), "{own}");
        let policy = json!({ "priorityClassName": "high", "preemptionPolicy": "PreemptLowerPriority" });
        assert!(create(&mut check, policy).unwrap_err().contains("computed Never from the given"));
    }

    #[test]
    fn an_update_that_forgets_the_priority_keeps_it() {
        let old = json!({ "spec": { "priority": 3, "preemptionPolicy": "Never" } });
        let request = request("UPDATE", ("", "pods"), old, json!({ "spec": {} }));
        let patch = check(&[]).review(&request).unwrap().patch;
        assert!(patch.contains("/spec/priority") && patch.contains("Never"), "{patch}");
    }

    #[test]
    fn there_is_one_default_class() {
        let mut check = check(&[class("b", 7, true)]);
        let group = ("scheduling.k8s.io", CLASSES);
        let second = request("CREATE", group, Value::Null, class("c", 1, true));
        let denied = check.review(&second).unwrap_err().message;
        assert_eq!(denied, "PriorityClass b is already marked as default. Only one default can exist");
        let same = request("UPDATE", group, class("b", 7, true), class("b", 7, true));
        assert!(check.review(&same).is_ok());
        assert!(check.review(&request("CREATE", group, Value::Null, class("c", 1, false))).is_ok());
    }
}
