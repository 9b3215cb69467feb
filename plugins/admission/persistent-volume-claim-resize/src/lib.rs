//! A PersistentVolumeClaim may grow only when it is bound and its storage class allows it.
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims>

use std::collections::BTreeSet;

use orch_sdk::Value;
use orch_sdk::admission::{Admitted, Check, Delta, Denial, Description, Operation, Request};
use orch_sdk::object::Object;
use orch_sdk::quantity::Amount;

#[derive(Default)]
pub struct PersistentVolumeClaimResize {
    /// The classes whose volumes can grow.
    growing: BTreeSet<String>,
}

orch_sdk::export_admission!(PersistentVolumeClaimResize);

impl Check for PersistentVolumeClaimResize {
    fn describe() -> Description {
        Description::new().reviews(&[Operation::Update], &[""], &["persistentvolumeclaims"]).reads(
            "storage.k8s.io/v1",
            "StorageClass",
            &["allowVolumeExpansion"],
        )
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::Upsert(class) if class["allowVolumeExpansion"] == true => {
                self.growing.insert(class.name().into());
            }
            Delta::Upsert(class) | Delta::Remove(class) => drop(self.growing.remove(class.name())),
        }
        Ok(())
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        let (new, old) = (&request.object, &request.old_object);
        if size(new) <= size(old) {
            return Ok(Admitted::unchanged());
        }
        if old.at(&["status", "phase"]) != "Bound" {
            return Err(Denial::forbidden("Only bound persistent volume claims can be expanded"));
        }
        match class(new) {
            Some(name) if class(old) == Some(name) && self.growing.contains(name) => {
                Ok(Admitted::unchanged())
            }
            _ => Err(Denial::forbidden(
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
            )),
        }
    }
}

fn size(claim: &Value) -> Amount {
    Amount::read(claim.at(&["spec", "resources", "requests", "storage"])).unwrap_or_default()
}

fn class(claim: &Value) -> Option<&str> {
    let class = claim.annotation("volume.beta.kubernetes.io/storage-class");
    class.or(claim.at(&["spec", "storageClassName"]).as_str()).filter(|class| !class.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    #[test]
    fn only_bound_claims_of_growing_classes_grow() {
        let mut check = PersistentVolumeClaimResize::default();
        for (name, grows) in [("gold", true), ("lead", false)] {
            let class = json!({"metadata": {"name": name}, "allowVolumeExpansion": grows});
            check.sync(Delta::Upsert(class)).unwrap();
        }
        let claim = |class: &str, size: &str, phase: &str| {
            json!({"spec": {"storageClassName": class, "resources": {"requests": {"storage": size}}},
                "status": {"phase": phase}})
        };
        let bound = "Only bound persistent volume claims can be expanded";
        let class = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
        for (name, phase, size, expected) in [
            ("gold", "Bound", "2Gi", None),
            ("gold", "Bound", "1Gi", None),
            ("lead", "Bound", "1Gi", None),
            ("gold", "Pending", "2Gi", Some(bound)),
            ("lead", "Bound", "2Gi", Some(class)),
            ("gone", "Bound", "2Gi", Some(class)),
        ] {
            let request = json!({"operation": "UPDATE", "resource": {"resource": "persistentvolumeclaims"},
                "object": claim(name, size, phase), "oldObject": claim(name, "1Gi", phase)});
            let denied = check.review(&orch_sdk::serde_json::from_value(request).unwrap()).err();
            assert_eq!(denied.map(|d| d.message).as_deref(), expected, "{name} {phase} {size}");
        }
    }
}
