//! Whole rollouts over the SDK's fake cluster, with a stand-in for the replicaset controller.

use orch_sdk::controller::ApiError;
use orch_sdk::fake::Cluster;
use orch_sdk::json;
use orch_sdk::object::Object;

use super::*;
use crate::annotations::REVISION;
use crate::sets::replicas;

const SETS: Kind = Kind::REPLICA_SET;

fn deployment(replicas: i64, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "d"},
        "spec": {"replicas": replicas, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 2,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}}})
}

struct World(Cluster);

impl World {
    fn new(deployment: Value) -> Self {
        World(Cluster::with([deployment]))
    }
    fn reconcile(&self) -> Result<Outcome, Error> {
        Deployments.reconcile(&self.0, "shop/web")
    }
    /// Changes the Deployment as a user would.
    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut deployment = self.deployment();
        change(&mut deployment);
        self.0.update(&deployment).unwrap();
    }
    fn deployment(&self) -> Value {
        self.0.object(Kind::DEPLOYMENT, "shop", "web")
    }
    fn sets(&self) -> Vec<Value> {
        self.0.objects(SETS, "shop")
    }
    /// What the replicaset controller and the node do: every replica asked for is there and ready.
    fn settle_sets(&self) {
        for mut set in self.sets() {
            let (size, generation) = (replicas(&set), set.generation());
            set.set(
                &["status"],
                json!({"replicas": size, "readyReplicas": size, "availableReplicas": size, "observedGeneration": generation}),
            );
            self.0.put(set);
        }
    }
    /// Reconciles until nothing changes; returns the largest and the smallest number of replicas seen.
    fn roll(&self) -> (i64, i64) {
        let mut seen = Vec::new();
        for _ in 0..50 {
            self.settle_sets();
            self.0.take_writes();
            self.reconcile().unwrap();
            seen.push(self.sets().iter().map(replicas).sum::<i64>());
            if self.0.take_writes().is_empty() {
                return (seen.iter().max().copied().unwrap(), seen.iter().min().copied().unwrap());
            }
            self.0.advance_ms(1000);
        }
        panic!("the rollout does not end");
    }
    fn sizes(&self) -> Vec<(String, i64)> {
        let image = |set: &Value| {
            set["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_string()
        };
        let mut sizes: Vec<_> = self.sets().iter().map(|set| (image(set), replicas(set))).collect();
        sizes.sort();
        sizes
    }
    fn condition(&self, condition_type: &str) -> Value {
        let deployment = self.deployment();
        crate::status::condition(deployment.items(&["status", "conditions"]), condition_type)
            .cloned()
            .unwrap_or_default()
    }
}

fn image(deployment: &mut Value, image: &str) {
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
}

fn pairs(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(image, size)| (image.to_string(), *size)).collect()
}

#[test]
fn a_first_rollout_says_what_it_does() {
    let world = World::new(deployment(3, "a"));
    world.reconcile().unwrap();
    let set = world.sets().remove(0);
    assert_eq!(replicas(&set), 3);
    assert_eq!(world.deployment().annotation(REVISION), Some("1"));
    assert_eq!(world.condition("Progressing")["reason"], "NewReplicaSetCreated");
    assert_eq!(world.condition("Available")["status"], "False");
    let event = &world.0.events()[0];
    assert_eq!(event.message, format!("Scaled up replica set {} from 0 to 3", set.name()));
    world.roll();
    let status = &world.deployment()["status"];
    assert_eq!(
        (&status["readyReplicas"], &status["updatedReplicas"], &status["observedGeneration"]),
        (&json!(3), &json!(3), &json!(1))
    );
    assert_eq!(world.condition("Progressing")["reason"], "NewReplicaSetAvailable");
    assert_eq!(world.condition("Available")["reason"], "MinimumReplicasAvailable");
}

#[test]
fn a_rolling_update_keeps_within_its_fenceposts() {
    let world = World::new(deployment(3, "a"));
    world.roll();
    world.edit(|deployment| image(deployment, "b"));
    assert_eq!(world.roll(), (4, 3));
    assert_eq!(world.sizes(), pairs(&[("a", 0), ("b", 3)]));
    assert_eq!(world.deployment().annotation(REVISION), Some("2"));
    assert_eq!(world.condition("Progressing")["reason"], "NewReplicaSetAvailable");
}

#[test]
fn a_rollback_is_a_rollout_to_an_old_set() {
    let world = World::new(deployment(2, "a"));
    world.roll();
    world.edit(|deployment| image(deployment, "b"));
    world.roll();
    world.edit(|deployment| image(deployment, "a"));
    world.roll();
    assert_eq!(world.sizes(), pairs(&[("a", 2), ("b", 0)]), "no third set");
    assert_eq!(world.deployment().annotation(REVISION), Some("3"));
    let set = world.sets().into_iter().find(|set| replicas(set) == 2).unwrap();
    assert_eq!(set.annotation("deployment.kubernetes.io/revision-history"), Some("1"));
}

#[test]
fn old_sets_beyond_the_history_are_deleted() {
    let world = World::new(deployment(1, "a"));
    for next in ["b", "c", "d", "e"] {
        world.roll();
        world.edit(|deployment| image(deployment, next));
    }
    world.roll();
    assert_eq!(world.sizes(), pairs(&[("c", 0), ("d", 0), ("e", 1)]));
}

#[test]
fn scaling_in_mid_rollout_keeps_the_shares() {
    let world = World::new(deployment(10, "a"));
    world.roll();
    world.edit(|deployment| {
        image(deployment, "b");
        deployment["spec"]["strategy"]["rollingUpdate"] = json!({"maxSurge": 3, "maxUnavailable": 2});
    });
    world.reconcile().unwrap(); // the new set begins with the surge, the old one gives what may be missing
    assert_eq!(world.sizes(), pairs(&[("a", 8), ("b", 3)]));
    world.edit(|deployment| deployment["spec"]["replicas"] = 20.into());
    world.reconcile().unwrap();
    let total: i64 = world.sizes().iter().map(|(_, size)| size).sum();
    assert_eq!(total, 23, "all of the allowed size: {:?}", world.sizes());
    world.roll();
    assert_eq!(world.sizes(), pairs(&[("a", 0), ("b", 20)]));
}

#[test]
fn a_paused_deployment_scales_and_does_not_roll() {
    let world = World::new(deployment(2, "a"));
    world.roll();
    world.edit(|deployment| {
        deployment["spec"]["paused"] = true.into();
        image(deployment, "b");
    });
    world.roll();
    assert_eq!(world.sizes(), pairs(&[("a", 2)]));
    assert_eq!(world.condition("Progressing")["reason"], "DeploymentPaused");
    world.edit(|deployment| deployment["spec"]["replicas"] = 4.into());
    world.roll();
    assert_eq!(world.sizes(), pairs(&[("a", 4)]));
    world.edit(|deployment| deployment["spec"]["paused"] = false.into());
    world.roll();
    assert_eq!(world.sizes(), pairs(&[("a", 0), ("b", 4)]));
}

#[test]
fn recreate_waits_for_the_old_pods_to_be_gone() {
    let mut recreate = deployment(2, "a");
    recreate["spec"]["strategy"] = json!({"type": "Recreate"});
    let world = World::new(recreate);
    world.roll();
    let old = world.sets().remove(0);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "last", "namespace": "shop",
        "labels": old["spec"]["selector"]["matchLabels"],
        "ownerReferences": [orch_sdk::object::controller_reference(&old)]}, "status": {"phase": "Running"}});
    world.0.put(pod);
    world.edit(|deployment| image(deployment, "b"));
    world.roll();
    assert_eq!(world.sizes(), pairs(&[("a", 0)]), "one old pod still runs");
    world.0.delete(Kind::POD.object("shop", "last"), &Default::default()).unwrap();
    world.roll();
    assert_eq!(world.sizes(), pairs(&[("a", 0), ("b", 2)]));
}

#[test]
fn a_stuck_rollout_times_out() {
    let world = World::new(deployment(1, "a"));
    let outcome = world.reconcile().unwrap();
    assert_eq!(outcome.requeue_after_ms, Some(601_000));
    world.0.advance_ms(602_000);
    world.reconcile().unwrap();
    let condition = world.condition("Progressing");
    assert_eq!(
        (&condition["status"], &condition["reason"]),
        (&json!("False"), &json!("ProgressDeadlineExceeded"))
    );
}

#[test]
fn a_set_that_cannot_be_made_is_told() {
    let world = World::new(deployment(1, "a"));
    world.0.fail_next("create", ApiError::new(403, "Forbidden", "exceeded quota"));
    assert!(world.reconcile().is_err());
    assert_eq!(world.condition("Progressing")["reason"], "ReplicaSetCreateError");
    assert_eq!(world.0.events()[0].reason, "ReplicaSetCreateError");
}

#[test]
fn a_taken_name_leads_to_another_hash() {
    let world = World::new(deployment(1, "a"));
    let name = crate::revision::new_set(&world.deployment(), 1, 1, 2).name().to_string();
    world.0.put(
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "other"}}, "template": {}}}),
    );
    assert!(world.reconcile().is_err());
    assert_eq!(world.deployment()["status"]["collisionCount"], 1);
    world.reconcile().unwrap();
    assert_eq!(world.sets().len(), 2);
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let world = World::new(deployment(2, "a"));
    world.roll();
    world.0.take_writes();
    world.reconcile().unwrap();
    assert!(world.0.take_writes().is_empty());
}
