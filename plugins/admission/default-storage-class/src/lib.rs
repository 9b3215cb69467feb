//! A PersistentVolumeClaim that names no storage class gets the default one.
//! <https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass>

use orch_sdk::Value;
use orch_sdk::admission::{Admitted, Check, Delta, Denial, Description, Operation, Request};
use orch_sdk::class::Defaults;
use orch_sdk::object::Object;

const MARKS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
/// How claims named their class before they had a field for it.
const CLASS: &str = "volume.beta.kubernetes.io/storage-class";

#[derive(Default)]
pub struct DefaultStorageClass {
    defaults: Defaults,
}

orch_sdk::export_admission!(DefaultStorageClass);

impl Check for DefaultStorageClass {
    fn describe() -> Description {
        let fields = ["metadata.annotations", "metadata.creationTimestamp"];
        Description::new()
            .reviews(&[Operation::Create], &[""], &["persistentvolumeclaims"])
            .reads("storage.k8s.io/v1", "StorageClass", &fields)
            .mutates()
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        self.defaults.sync(&delta, &MARKS);
        Ok(())
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        let class = self.defaults.name().filter(|_| !names_a_class(&request.object));
        let Some(class) = class else { return Ok(Admitted::unchanged()) };
        let mut claim = request.object.clone();
        claim.set(&["spec", "storageClassName"], class);
        Ok(Admitted::changed(&request.object, &claim))
    }
}

/// The empty name is one: it says that no class is wanted.
fn names_a_class(claim: &Value) -> bool {
    claim.annotation(CLASS).is_some() || !claim.at(&["spec", "storageClassName"]).is_null()
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    fn patch(check: &mut DefaultStorageClass, claim: Value) -> String {
        let request = json!({"operation": "CREATE", "resource": {"resource": "persistentvolumeclaims"}, "object": claim});
        check.review(&orch_sdk::serde_json::from_value(request).unwrap()).unwrap().patch
    }

    #[test]
    fn claims_without_a_class_get_the_default() {
        let mut check = DefaultStorageClass::default();
        assert_eq!(patch(&mut check, json!({"spec": {}})), "");
        let class = json!({"metadata": {"name": "gold", "annotations": {MARKS[0]: "true"}}});
        check.sync(Delta::Upsert(class)).unwrap();
        assert!(patch(&mut check, json!({"spec": {}})).contains("\"gold\""));
        assert_eq!(patch(&mut check, json!({"spec": {"storageClassName": ""}})), "");
        assert_eq!(patch(&mut check, json!({"metadata": {"annotations": {CLASS: "x"}}})), "");
    }
}
