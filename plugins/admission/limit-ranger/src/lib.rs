//! The LimitRanges of a namespace: defaults for containers that name no resources, and bounds for
//! containers, pods and PersistentVolumeClaims.
//! <https://kubernetes.io/docs/concepts/policy/limit-range/>

mod bounds;

use std::collections::BTreeMap;

use orch_sdk::Value;
use orch_sdk::admission::{Admitted, Check, Delta, Denial, Description, Operation, Reading, Request};
use orch_sdk::object::Object;

/// Tells what was set.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

#[derive(Default)]
pub struct LimitRanger {
    /// The items of `spec.limits`, by namespace and name of the LimitRange.
    ranges: BTreeMap<String, BTreeMap<String, Vec<Value>>>,
}

orch_sdk::export_admission!(LimitRanger);

impl Check for LimitRanger {
    fn describe() -> Description {
        Description::new()
            .reviews(&[Operation::Create], &[""], &["pods"])
            .reviews(&[Operation::Update], &[""], &["pods/resize"])
            .reviews(&[Operation::Create, Operation::Update], &[""], &["persistentvolumeclaims"])
            .reads("v1", "LimitRange", &["spec.limits"])
            .mutates()
    }

    fn reads(&self) -> Vec<Reading> {
        let fields = [
            "namespace",
            "object.metadata.annotations",
            "object.spec",
            "oldObject.metadata.deletionTimestamp",
        ];
        vec![Reading::of(&["pods", "pods/resize", "persistentvolumeclaims"], &fields)]
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::Upsert(range) => {
                let of_namespace = self.ranges.entry(range.namespace().into()).or_default();
                of_namespace.insert(range.name().into(), range.items(&["spec", "limits"]).to_vec());
            }
            Delta::Remove(range) => {
                let Some(of_namespace) = self.ranges.get_mut(range.namespace()) else { return Ok(()) };
                of_namespace.remove(range.name());
                if of_namespace.is_empty() {
                    self.ranges.remove(range.namespace());
                }
            }
        }
        Ok(())
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        let Some(ranges) = self.ranges.get(&request.namespace) else { return Ok(Admitted::unchanged()) };
        if request.old_object.is_being_deleted() {
            return Ok(Admitted::unchanged());
        }
        let is_pod = request.resource.resource == "pods";
        let mut object = request.object.clone();
        if is_pod {
            ranges.values().for_each(|limits| set_defaults(&mut object, limits));
        }
        for limits in ranges.values() {
            let errors =
                if is_pod { bounds::of_pod(&object, limits) } else { bounds::of_claim(&object, limits) };
            refuse(errors)?;
        }
        Ok(Admitted::changed(&request.object, &object))
    }
}

fn refuse(mut errors: Vec<String>) -> Result<(), Denial> {
    let mut seen = std::collections::BTreeSet::new();
    errors.retain(|error| seen.insert(error.clone()));
    match errors.len() {
        0 => Ok(()),
        1 => Err(Denial::forbidden(errors.remove(0))),
        _ => Err(Denial::forbidden(format!("[{}]", errors.join(", ")))),
    }
}

/// What containers do not name they get from the items of type Container.
fn set_defaults(pod: &mut Value, limits: &[Value]) {
    let of_containers = || limits.iter().filter(|item| item["type"] == "Container");
    let collected = |field: &str| -> BTreeMap<String, Value> {
        let entries = of_containers().filter_map(|item| item[field].as_object()).flatten();
        entries.map(|(name, amount)| (name.clone(), amount.clone())).collect()
    };
    let defaults =
        [("requests", "request", collected("defaultRequest")), ("limits", "limit", collected("default"))];
    let mut told = Vec::new();
    for (list, sort) in [("containers", "container"), ("initContainers", "init container")] {
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            for (part, word, defaults) in &defaults {
                let set = complete(container, part, defaults);
                if !set.is_empty() {
                    told.push(format!("{} {word} for {sort} {}", set.join(", "), text(&container["name"])));
                }
            }
        }
    }
    if !told.is_empty() {
        let told = format!("LimitRanger plugin set: {}", told.join("; "));
        pod.set(&["metadata", "annotations", ANNOTATION], told);
    }
}

/// The names of what was missing and is set.
fn complete(container: &mut Value, part: &str, defaults: &BTreeMap<String, Value>) -> Vec<String> {
    let missing = |name: &str| container.at(&["resources", part, name]).is_null();
    let set: Vec<String> = defaults.keys().filter(|name| missing(name)).cloned().collect();
    for name in &set {
        container.set(&["resources", part, name], defaults[name].clone());
    }
    set
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    fn check(limits: Value) -> LimitRanger {
        let mut check = LimitRanger::default();
        let range = json!({"metadata": {"name": "r", "namespace": "shop"}, "spec": {"limits": limits}});
        check.sync(Delta::Upsert(range)).unwrap();
        check
    }

    fn review(check: &mut LimitRanger, plural: &str, object: Value) -> Result<String, String> {
        let request = json!({"operation": "CREATE", "namespace": "shop", "resource": {"resource": plural}, "object": object});
        let admitted = check.review(&orch_sdk::serde_json::from_value(request).unwrap());
        admitted.map(|admitted| admitted.patch).map_err(|denial| denial.message)
    }

    fn pod(resources: Value) -> Value {
        json!({"spec": {"containers": [{"name": "c", "resources": resources}]}})
    }

    #[test]
    fn containers_get_what_they_do_not_name() {
        let mut check = check(json!([{"type": "Container", "default": {"cpu": "500m", "memory": "1Gi"},
            "defaultRequest": {"cpu": "100m"}}]));
        let patch = review(&mut check, "pods", pod(json!({"limits": {"cpu": "300m"}}))).unwrap();
        assert!(
            patch.contains(
                "LimitRanger plugin set: cpu request for container c; memory limit for container c"
            ),
            "{patch}"
        );
        assert!(
            patch.contains("\"100m\"") && patch.contains("\"1Gi\"") && !patch.contains("500m"),
            "{patch}"
        );
        let whole = pod(json!({"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "1"}}));
        assert_eq!(review(&mut check, "pods", whole), Ok(String::new()));
        let range = json!({"metadata": {"name": "r", "namespace": "shop"}});
        check.sync(Delta::Remove(range)).unwrap();
        assert_eq!(review(&mut check, "pods", pod(json!({}))), Ok(String::new()));
    }

    #[test]
    fn bounds_hold_for_containers() {
        let limits = json!([{"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "4"}}]);
        let refused = |resources| review(&mut check(limits.clone()), "pods", pod(resources)).unwrap_err();
        assert_eq!(
            refused(json!({"requests": {"cpu": "50m"}, "limits": {"cpu": "200m"}})),
            "minimum cpu usage per Container is 100m, but request is 50m"
        );
        assert_eq!(
            refused(json!({"requests": {"cpu": "500m"}, "limits": {"cpu": "1500m"}})),
            "maximum cpu usage per Container is 1, but limit is 1500m"
        );
        assert_eq!(
            refused(json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "500m"}})),
            "cpu max limit to request ratio per Container is 4, but provided ratio is 5.000000"
        );
        assert_eq!(
            refused(json!({})),
            "[minimum cpu usage per Container is 100m.  No request is specified, \
             maximum cpu usage per Container is 1.  No limit is specified, \
             cpu max limit to request ratio per Container is 4, but no request is specified or request is 0]"
        );
    }

    #[test]
    fn bounds_hold_for_pods_and_claims() {
        let mut check = check(json!([
            {"type": "Pod", "max": {"memory": "1Gi"}},
            {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}},
        ]));
        let half = json!({"name": "c", "resources": {"limits": {"memory": "600Mi"}}});
        assert_eq!(
            review(&mut check, "pods", json!({"spec": {"containers": [half, half]}})).unwrap_err(),
            "maximum memory usage per Pod is 1Gi, but limit is 1200Mi"
        );
        let claim = |size: &str| json!({"spec": {"resources": {"requests": {"storage": size}}}});
        assert_eq!(
            review(&mut check, "persistentvolumeclaims", claim("3Gi")).unwrap_err(),
            "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"
        );
        assert_eq!(
            review(&mut check, "persistentvolumeclaims", claim("1Mi")).unwrap_err(),
            "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi"
        );
        assert_eq!(review(&mut check, "persistentvolumeclaims", claim("1Gi")), Ok(String::new()));
    }
}
