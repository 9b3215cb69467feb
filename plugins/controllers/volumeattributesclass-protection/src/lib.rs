//! Lets a VolumeAttributesClass that is being deleted go when no volume and no claim names it any more
//! (`pkg/controller/volume/vacprotection`).

use std::collections::BTreeSet;

use orch_sdk::Value;
use orch_sdk::controller::{Api, Change, Controller, Description, Error, Kind, Outcome, Selection};
use orch_sdk::finalizer;
use orch_sdk::object::Object;

const CLASS: Kind = Kind::new("storage.k8s.io/v1", "VolumeAttributesClass");
const CLAIM: Kind = Kind::new("v1", "PersistentVolumeClaim");
const VOLUME: Kind = Kind::new("v1", "PersistentVolume");
const FINALIZER: &str = "kubernetes.io/vac-protection";

#[derive(Default)]
pub struct ClassProtection;

orch_sdk::export_controller!(ClassProtection);

impl Controller for ClassProtection {
    fn describe() -> Description {
        let of_claims = [
            "spec.volumeAttributesClassName",
            "status.currentVolumeAttributesClassName",
            "status.modifyVolumeStatus.targetVolumeAttributesClassName",
        ];
        Description::new()
            .watches(CLASS, &["metadata.deletionTimestamp", "metadata.finalizers"])
            .watches_mapped(CLAIM, &of_claims)
            .watches_mapped(VOLUME, &["spec.volumeAttributesClassName"])
    }

    /// The classes that an object names no more.
    fn keys(&mut self, _: usize, change: Change, object: &Value, before: Option<&Value>) -> Vec<String> {
        let named = match change {
            Change::Added => return Vec::new(),
            Change::Modified => before.map(classes).unwrap_or_default(),
            Change::Deleted => return classes(object).into_iter().map(String::from).collect(),
        };
        named.difference(&classes(object)).map(|name| (*name).to_owned()).collect()
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let at = CLASS.object("", key);
        if let Some(class) = api.get(at)? {
            finalizer::hold_while(api, at, &class, FINALIZER, || is_used(api, key))?;
        }
        Ok(Outcome::done())
    }
}

/// The classes that a volume has, or that a claim has, wants or is on the way to.
fn classes(object: &Value) -> BTreeSet<&str> {
    let places: [&[&str]; 3] = [
        &["spec", "volumeAttributesClassName"],
        &["status", "currentVolumeAttributesClassName"],
        &["status", "modifyVolumeStatus", "targetVolumeAttributesClassName"],
    ];
    let named = places.into_iter().filter_map(|place| object.at(place).as_str());
    named.filter(|name| !name.is_empty()).collect()
}

fn is_used(api: &dyn Api, class: &str) -> Result<bool, Error> {
    for kind in [VOLUME, CLAIM] {
        if api.list(kind, Selection::default())?.iter().any(|object| classes(object).contains(class)) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::Cluster;
    use orch_sdk::json;

    fn class(going: bool) -> Value {
        let mut class = json!({ "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttributesClass",
            "metadata": { "name": "gold", "uid": "u", "finalizers": ["a/b", FINALIZER] } });
        if going {
            class["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        class
    }

    fn claim(status: Value) -> Value {
        json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {}, "status": status,
            "metadata": { "namespace": "n", "name": "c" } })
    }

    fn finalizers(objects: Vec<Value>) -> Value {
        let cluster = Cluster::with(objects);
        ClassProtection.reconcile(&cluster, "gold").unwrap();
        cluster.object(CLASS, "", "gold")["metadata"]["finalizers"].clone()
    }

    #[test]
    fn a_class_stays_while_it_is_named() {
        let kept = json!(["a/b", FINALIZER]);
        let volume = json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "v" },
            "spec": { "volumeAttributesClassName": "gold" } });
        assert_eq!(finalizers(vec![class(true), volume]), kept);
        let on_the_way = json!({ "modifyVolumeStatus": { "targetVolumeAttributesClassName": "gold" } });
        assert_eq!(finalizers(vec![class(true), claim(on_the_way)]), kept);
        let other = json!({ "currentVolumeAttributesClassName": "silver" });
        assert_eq!(finalizers(vec![class(true), claim(other)]), json!(["a/b"]));
        let mut old = class(false);
        old["metadata"]["finalizers"] = json!(["a/b"]);
        assert_eq!(finalizers(vec![old]), kept, "made before it was held");
    }

    #[test]
    fn what_is_named_no_more_is_looked_at() {
        let (before, after) = (
            claim(json!({ "currentVolumeAttributesClassName": "gold" })),
            claim(json!({ "currentVolumeAttributesClassName": "silver" })),
        );
        let mut controller = ClassProtection;
        assert_eq!(controller.keys(1, Change::Modified, &after, Some(&before)), ["gold"]);
        assert_eq!(controller.keys(1, Change::Deleted, &after, None), ["silver"]);
        assert!(controller.keys(1, Change::Added, &after, None).is_empty());
    }
}
