//! Claims, volumes and VolumeAttributesClasses are held by a finalizer from their first moment on, so that
//! a delete waits until nothing uses them. The controllers `pvc-protection`, `pv-protection` and
//! `volumeattributesclass-protection` take it away.
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection>

use orch_sdk::admission::{Admitted, Check, Denial, Description, Operation, Request};
use orch_sdk::object::Object;

/// Group, resource, finalizer.
const HELD: [(&str, &str, &str); 3] = [
    ("", "persistentvolumeclaims", "kubernetes.io/pvc-protection"),
    ("", "persistentvolumes", "kubernetes.io/pv-protection"),
    ("storage.k8s.io", "volumeattributesclasses", "kubernetes.io/vac-protection"),
];

#[derive(Default)]
pub struct Protection;

orch_sdk::export_admission!(Protection);

impl Check for Protection {
    fn describe() -> Description {
        let resources = HELD.map(|(_, resource, _)| resource);
        Description::new().reviews(&[Operation::Create], &["", "storage.k8s.io"], &resources).mutates()
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        let reviewed = (&*request.resource.group, &*request.resource.resource);
        let held = HELD.iter().find(|(group, resource, _)| reviewed == (*group, *resource));
        let Some((.., finalizer)) = held.filter(|_| request.sub_resource.is_empty()) else {
            return Ok(Admitted::unchanged());
        };
        if request.object.finalizers().any(|known| known == *finalizer) {
            return Ok(Admitted::unchanged());
        }
        let mut object = request.object.clone();
        let mut finalizers = request.object.items(&["metadata", "finalizers"]).to_vec();
        finalizers.push((*finalizer).into());
        object.set(&["metadata", "finalizers"], finalizers);
        Ok(Admitted::changed(&request.object, &object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::{Value, json};

    fn patch(resource: &str, finalizers: Value) -> String {
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let request = json!({ "operation": "CREATE", "resource": { "group": group, "resource": resource },
            "object": { "metadata": { "finalizers": finalizers } } });
        Protection.review(&orch_sdk::serde_json::from_value(request).unwrap()).unwrap().patch
    }

    #[test]
    fn claims_and_volumes_are_held_once() {
        assert!(patch("persistentvolumeclaims", json!(["a/b"])).contains("kubernetes.io/pvc-protection"));
        assert!(patch("persistentvolumes", Value::Null).contains("kubernetes.io/pv-protection"));
        let classes = "volumeattributesclasses.storage.k8s.io";
        assert!(patch(classes, Value::Null).contains("kubernetes.io/vac-protection"));
        assert_eq!(patch("persistentvolumes", json!(["kubernetes.io/pv-protection"])), "");
    }
}
