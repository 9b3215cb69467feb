//! Small clusters, told as the host would.

use orch_sdk::json;

use super::*;

mod binding;
mod filtering;
mod matching;
mod scoring;

const LATE: &str = "late";

/// Kind, name and body.
type Write = (String, String, Value);

struct Cluster {
    policy: VolumeBinding,
    revision: u64,
}

impl Cluster {
    /// Nodes `n0`, `n1`, … in these zones, and a class whose claims wait but whose volumes nobody makes.
    fn new(zones: &[&str]) -> Self {
        let mut cluster = Cluster { policy: VolumeBinding::default(), revision: 0 };
        for (index, zone) in zones.iter().enumerate() {
            let labels = json!({"zone": zone, "host": format!("n{index}")});
            let node = json!({"metadata": {"name": format!("n{index}"), "labels": labels}}).to_string();
            cluster.policy.sync(Delta::NodeUpsert { index, node }).unwrap();
        }
        cluster.tell(class(LATE, "kubernetes.io/no-provisioner", "WaitForFirstConsumer"));
        cluster
    }

    fn with(zones: &[&str], objects: impl IntoIterator<Item = Value>) -> Self {
        let mut cluster = Cluster::new(zones);
        objects.into_iter().for_each(|object| cluster.tell(object));
        cluster
    }

    /// Each time with a new revision.
    fn tell(&mut self, mut object: Value) {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        self.policy.sync(Delta::ObjectUpsert { object: object.to_string() }).unwrap();
    }

    fn forget(&mut self, object: Value) {
        self.policy.sync(Delta::ObjectRemove { identity: object.to_string() }).unwrap();
    }

    fn rejections(&mut self, pod: &str) -> Vec<(String, Vec<usize>)> {
        let nodes = (0..70).collect();
        match self.policy.filter(pod, &nodes).unwrap() {
            Verdict::Pod(reason) => panic!("the pod itself was rejected: {reason}"),
            Verdict::Nodes(rejections) => {
                assert!(rejections.iter().all(|found| found.unresolvable));
                rejections.into_iter().map(|found| (found.reason, found.nodes.iter().collect())).collect()
            }
        }
    }

    fn refusal(&mut self, pod: &str) -> String {
        match self.policy.filter(pod, &NodeSet::from_iter([0])).unwrap() {
            Verdict::Pod(reason) => reason,
            Verdict::Nodes(found) => panic!("the pod was not rejected: {found:?}"),
        }
    }

    fn reserve(&mut self, pod: &str, node: usize) -> Result<(), String> {
        self.policy.reserve(pod, node)
    }

    fn unreserve(&mut self, pod: &str, node: usize) {
        self.policy.unreserve(pod, node).unwrap();
    }

    /// The writes asked for, and whether the pod may be bound.
    fn pre_bind(&mut self, pod: &str, node: usize) -> Result<(Vec<Write>, bool), String> {
        let advice = self.policy.pre_bind(pod, node)?;
        let patches = advice.patches.into_iter();
        let patches = patches
            .map(|patch| (patch.kind, patch.name, orch_sdk::serde_json::from_str(&patch.body).unwrap()));
        Ok((patches.collect(), advice.ready))
    }
}

fn class(name: &str, provisioner: &str, mode: &str) -> Value {
    let metadata = json!({"name": name});
    json!({"kind": "StorageClass", "metadata": metadata, "provisioner": provisioner, "volumeBindingMode": mode})
}

/// Unbound, of the class whose claims wait.
fn claim(name: &str, size: &str) -> Value {
    let spec = json!({
        "storageClassName": LATE, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}},
    });
    let metadata = json!({"name": name, "namespace": "a", "uid": format!("uid-{name}")});
    json!({"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}})
}

fn bound(name: &str, volume: &str) -> Value {
    let mut claim = claim(name, "1Gi");
    claim["spec"]["volumeName"] = volume.into();
    claim["metadata"]["annotations"] = json!({"pv.kubernetes.io/bind-completed": "yes"});
    claim["status"]["phase"] = "Bound".into();
    claim
}

/// Free, in a zone or, with an empty one, everywhere.
fn volume(name: &str, size: &str, zone: &str) -> Value {
    let mut spec = json!({
        "storageClassName": LATE, "accessModes": ["ReadWriteOnce", "ReadOnlyMany"], "capacity": {"storage": size},
    });
    if !zone.is_empty() {
        spec["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "zone", "operator": "In", "values": [zone]}]}
        ]}});
    }
    json!({"kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec, "status": {"phase": "Available"}})
}

fn meant_for(mut volume: Value, claim: &str, uid: &str) -> Value {
    volume["spec"]["claimRef"] = json!({"namespace": "a", "name": claim, "uid": uid});
    volume
}

fn pod_named(name: &str, claims: &[&str]) -> String {
    let volumes: Vec<Value> = claims
        .iter()
        .map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}}))
        .collect();
    let metadata = json!({"namespace": "a", "name": name, "uid": format!("uid-{name}")});
    json!({"metadata": metadata, "spec": {"volumes": volumes}}).to_string()
}

fn pod(claims: &[&str]) -> String {
    pod_named("p", claims)
}
