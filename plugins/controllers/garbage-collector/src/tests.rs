use orch_sdk::fake::Cluster;
use orch_sdk::json;
use orch_sdk::object::Object;

use super::*;

const SETS: Kind = Kind::REPLICA_SET;

fn set(name: &str, finalizers: Value, deleting: bool) -> Value {
    let mut set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "finalizers": finalizers}});
    if deleting {
        set.set(&["metadata", "deletionTimestamp"], "2026-11-21T12:00:00Z");
    }
    set
}
fn owner(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": name, "controller": true, "blockOwnerDeletion": true})
}
fn pod(name: &str, owners: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences": owners}})
}
fn look(cluster: &Cluster, object: &Value) {
    for key in GarbageCollector.keys(0, Change::Added, object, None) {
        GarbageCollector.reconcile(cluster, &key).unwrap();
    }
}
fn pods(cluster: &Cluster) -> Vec<String> {
    cluster.objects(Kind::POD, "shop").iter().map(|pod| pod.name().to_string()).collect()
}

#[test]
fn what_nobody_owns_any_more_goes() {
    let cluster = Cluster::with([
        set("r", json!([]), false),
        pod("lost", vec![owner("gone")]),
        pod("kept", vec![owner("r")]),
    ]);
    GarbageCollector.reconcile(&cluster, "gone|gone").unwrap();
    GarbageCollector.reconcile(&cluster, "gone|r").unwrap();
    assert_eq!(pods(&cluster), ["kept"], "an owner that is there keeps its pods, whatever the key says");
}

#[test]
fn one_living_owner_is_enough() {
    let both = pod("p", vec![owner("r"), owner("gone")]);
    let cluster = Cluster::with([set("r", json!([]), false), both.clone()]);
    look(&cluster, &both);
    let left = cluster.object(Kind::POD, "shop", "p");
    assert_eq!(
        left.owners().map(|owner| owner.uid).collect::<Vec<_>>(),
        ["r"],
        "the absent one is taken off"
    );
}

#[test]
fn an_owner_made_again_under_its_name_is_another() {
    let mut again = set("r", json!([]), false);
    again["metadata"]["uid"] = "another".into();
    let old = pod("p", vec![owner("r")]);
    let cluster = Cluster::with([again, old.clone()]);
    look(&cluster, &old);
    assert!(pods(&cluster).is_empty());
}

#[test]
fn foreground_deletion_waits_for_what_blocks() {
    let going = set("r", json!(["foregroundDeletion"]), true);
    let cluster = Cluster::with([going.clone(), pod("a", vec![owner("r")]), pod("b", vec![owner("r")])]);
    look(&cluster, &going);
    assert!(pods(&cluster).is_empty(), "dependents are deleted");
    assert_eq!(cluster.objects(SETS, "shop").len(), 1, "the owner waits until that is seen");
    for key in GarbageCollector.keys(0, Change::Deleted, &pod("a", vec![owner("r")]), None) {
        GarbageCollector.reconcile(&cluster, &key).unwrap();
    }
    assert!(cluster.objects(SETS, "shop").is_empty());
}

#[test]
fn a_dependent_that_does_not_block_is_not_waited_for() {
    let going = set("r", json!(["foregroundDeletion"]), true);
    let mut loose = owner("r");
    loose["blockOwnerDeletion"] = false.into();
    let cluster = Cluster::with([going.clone(), pod("a", vec![loose])]);
    look(&cluster, &going);
    assert!(cluster.objects(SETS, "shop").is_empty());
}

#[test]
fn orphaning_lets_dependents_live() {
    let going = set("r", json!(["orphan"]), true);
    let cluster = Cluster::with([going.clone(), pod("a", vec![owner("r"), owner("s")])]);
    look(&cluster, &going);
    assert!(cluster.objects(SETS, "shop").is_empty());
    let left = cluster.object(Kind::POD, "shop", "a");
    assert_eq!(left.owners().map(|owner| owner.uid).collect::<Vec<_>>(), ["s"]);
}

#[test]
fn an_owner_in_foreground_deletion_takes_its_tree_along() {
    let going = set("r", json!(["foregroundDeletion"]), true);
    let mut middle = set("m", json!([]), false);
    middle.set(&["metadata", "ownerReferences"], json!([owner("r")]));
    let cluster = Cluster::with([going.clone(), middle, pod("leaf", vec![owner("m")])]);
    look(&cluster, &going);
    let middle = cluster.object(SETS, "shop", "m");
    assert!(middle.is_being_deleted() && middle.finalizers().any(|f| f == "foregroundDeletion"));
    look(&cluster, &middle);
    assert!(pods(&cluster).is_empty());
}

#[test]
fn a_circle_of_owners_blocks_nobody() {
    let mut first = set("a", json!(["foregroundDeletion"]), true);
    first.set(&["metadata", "ownerReferences"], json!([owner("c")]));
    let mut cluster_of = vec![first];
    for (name, of) in [("b", "a"), ("c", "b")] {
        let mut next = set(name, json!([]), false);
        next.set(&["metadata", "ownerReferences"], json!([owner(of)]));
        cluster_of.push(next);
    }
    let cluster = Cluster::with(cluster_of);
    for _ in 0..3 {
        for known in cluster.objects(SETS, "shop") {
            look(&cluster, &known);
        }
    }
    assert!(cluster.objects(SETS, "shop").is_empty(), "{:?}", cluster.objects(SETS, "shop"));
}

#[test]
fn owners_of_unknown_kinds_are_left_alone() {
    use orch_sdk::controller::ApiError;
    let widget = json!({"apiVersion": "example.org/v1", "kind": "Widget", "name": "w", "uid": "w"});
    let owned = pod("p", vec![widget]);
    let cluster = Cluster::with([owned.clone()]);
    let key = GarbageCollector.keys(0, Change::Added, &owned, None).remove(0);
    // The first read is the pod's own; the second, the owner's, finds no such kind.
    let unserved = Unserved(cluster);
    GarbageCollector.reconcile(&unserved, &key).unwrap();
    assert_eq!(pods(&unserved.0), ["p"]);

    /// As the fake cluster, but that it tells kinds it does not serve.
    struct Unserved(Cluster);
    impl Api for Unserved {
        fn get_live(&self, object: orch_sdk::controller::ObjectRef) -> Result<Option<Value>, ApiError> {
            if object.kind.kind == "Widget" {
                return Err(ApiError::new(404, "NotFound", "the server does not serve Widget"));
            }
            self.0.get_live(object)
        }
        fn resources(&self) -> Vec<orch_sdk::controller::Resource> {
            self.0.resources()
        }
        fn get(&self, object: orch_sdk::controller::ObjectRef) -> Result<Option<Value>, ApiError> {
            self.0.get(object)
        }
        fn list(
            &self,
            kind: Kind,
            selection: orch_sdk::controller::Selection,
        ) -> Result<Vec<Value>, ApiError> {
            self.0.list(kind, selection)
        }
        fn dependents(&self, uid: &str) -> Result<Vec<Value>, ApiError> {
            self.0.dependents(uid)
        }
        fn create(&self, object: &Value) -> Result<Value, ApiError> {
            self.0.create(object)
        }
        fn update_subresource(&self, object: &Value, subresource: &str) -> Result<Value, ApiError> {
            self.0.update_subresource(object, subresource)
        }
        fn patch_subresource(
            &self,
            object: orch_sdk::controller::ObjectRef,
            subresource: &str,
            patch_type: orch_sdk::controller::PatchType,
            body: &Value,
        ) -> Result<Value, ApiError> {
            self.0.patch_subresource(object, subresource, patch_type, body)
        }
        fn delete(
            &self,
            object: orch_sdk::controller::ObjectRef,
            options: &orch_sdk::controller::DeleteOptions,
        ) -> Result<(), ApiError> {
            self.0.delete(object, options)
        }
        fn delete_collection(
            &self,
            kind: Kind,
            namespace: &str,
            options: &orch_sdk::controller::DeleteOptions,
        ) -> Result<(), ApiError> {
            self.0.delete_collection(kind, namespace, options)
        }
        fn event(&self, regarding: &Value, event_type: &str, reason: &str, message: &str) {
            self.0.event(regarding, event_type, reason, message)
        }
        fn now_ms(&self) -> u64 {
            self.0.now_ms()
        }
    }
}
