//! What a node says of itself keeps new pods away: that it is not ready, that its network is not there, that
//! it is cordoned become taints (`pkg/controller/nodelifecycle`, of which this is the pass over `NoSchedule`
//! taints). Pressure is none yet: nothing here would relieve a node of it. Pods that do not tolerate a
//! node's taints of effect `NoExecute` are evicted ([`eviction`]).
//! <https://kubernetes.io/docs/concepts/architecture/nodes/#taint-nodes-by-condition>

mod eviction;

use orch_sdk::controller::{
    Api, Change, Controller, Description, Error, Kind, Outcome, PatchType, split_key,
};
use orch_sdk::object::Object;
use orch_sdk::time::rfc3339;
use orch_sdk::{Value, json};

use eviction::Evictions;

/// A condition, a status of it, and the taint that says so.
const TAINTS: [(&str, &str, &str); 3] = [
    ("Ready", "False", "node.kubernetes.io/not-ready"),
    ("Ready", "Unknown", "node.kubernetes.io/unreachable"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
];
const CORDONED: &str = "node.kubernetes.io/unschedulable";
const EFFECT: &str = "NoSchedule";

#[derive(Default)]
pub struct Nodes {
    evictions: Evictions,
}

orch_sdk::export_controller!(Nodes);

impl Controller for Nodes {
    /// One worker: whose time is running is known in one place. A key is a node's name, or a pod's.
    fn describe() -> Description {
        let of_nodes =
            ["status.conditions[*].type", "status.conditions[*].status", "spec.unschedulable", "spec.taints"];
        let of_pods = ["metadata.deletionTimestamp", "spec.nodeName", "spec.tolerations"];
        Description::new().watches(Kind::NODE, &of_nodes).watches_mapped(Kind::POD, &of_pods)
    }

    fn keys(&mut self, _: usize, _: Change, pod: &Value, _: Option<&Value>) -> Vec<String> {
        if self.evictions.concern(pod) { vec![pod.key()] } else { Vec::new() }
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let next = match key.contains('/') {
            true => {
                let (namespace, name) = split_key(key);
                self.evictions.of_pod(api, namespace, name)?
            }
            false => match api.get(Kind::NODE.object("", key))? {
                Some(node) => {
                    taint(api, &node)?;
                    self.evictions.of_node(api, &node)?
                }
                None => {
                    self.evictions.forget_node(key);
                    None
                }
            },
        };
        Ok(next.map_or_else(Outcome::done, Outcome::requeue_after_ms))
    }
}

fn taint(api: &dyn Api, node: &Value) -> Result<(), Error> {
    let before = node.items(&["spec", "taints"]);
    let after = tainted(node, &rfc3339(api.now_ms()));
    if after == before {
        return Ok(());
    }
    let version = node.resource_version();
    let body = json!({ "metadata": { "resourceVersion": version }, "spec": { "taints": after } });
    match api.patch(Kind::NODE.object("", node.name()), PatchType::Merge, &body) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// The node's taints as its state wants them; those of others stay.
fn tainted(node: &Value, now: &str) -> Vec<Value> {
    let wanted = wanted(node);
    let is_ours = |taint: &&Value| {
        let key = taint["key"].as_str().unwrap_or_default();
        taint["effect"] == EFFECT && (key == CORDONED || TAINTS.iter().any(|(.., known)| *known == key))
    };
    let is_wanted = |taint: &&Value| wanted.iter().any(|key| taint["key"] == *key);
    let before = node.items(&["spec", "taints"]);
    let mut taints: Vec<Value> =
        before.iter().filter(|taint| !is_ours(taint) || is_wanted(taint)).cloned().collect();
    let missing =
        wanted.iter().filter(|key| !before.iter().filter(is_ours).any(|taint| taint["key"] == **key));
    taints.extend(missing.map(|key| json!({ "key": key, "effect": EFFECT, "timeAdded": now })));
    taints
}

fn wanted(node: &Value) -> Vec<&'static str> {
    let conditions = node.items(&["status", "conditions"]);
    let holds = |condition: &str, status: &str| {
        conditions.iter().any(|known| known["type"] == condition && known["status"] == status)
    };
    let mut keys: Vec<&str> = TAINTS
        .iter()
        .filter(|(condition, status, _)| holds(condition, status))
        .map(|(.., key)| *key)
        .collect();
    if *node.at(&["spec", "unschedulable"]) == true {
        keys.push(CORDONED);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::Cluster;

    fn node(ready: &str, spec: Value) -> Value {
        json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n" }, "spec": spec,
            "status": { "conditions": [{ "type": "Ready", "status": ready }] } })
    }

    /// Keys and effects of the taints after a pass.
    fn taints(node: Value) -> Vec<String> {
        let cluster = Cluster::with([node]);
        Nodes::default().reconcile(&cluster, "n").unwrap();
        let node = cluster.object(Kind::NODE, "", "n");
        let taints = node.items(&["spec", "taints"]).iter();
        taints
            .map(|taint| format!("{}:{}", taint["key"].as_str().unwrap(), taint["effect"].as_str().unwrap()))
            .collect()
    }

    #[test]
    fn a_node_that_is_ready_takes_pods() {
        let new = json!({ "taints": [
            { "key": "own", "effect": "NoExecute" },
            { "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" },
        ] });
        assert_eq!(taints(node("True", new.clone())), ["own:NoExecute"]);
        assert_eq!(
            taints(node("False", new.clone())),
            ["own:NoExecute", "node.kubernetes.io/not-ready:NoSchedule"]
        );
        assert_eq!(
            taints(node("Unknown", new)),
            ["own:NoExecute", "node.kubernetes.io/unreachable:NoSchedule"]
        );
    }

    #[test]
    fn a_cordon_is_a_taint() {
        let cordoned = node("True", json!({ "unschedulable": true }));
        assert_eq!(taints(cordoned.clone()), ["node.kubernetes.io/unschedulable:NoSchedule"]);
        let cluster = Cluster::with([cordoned]);
        Nodes::default().reconcile(&cluster, "n").unwrap();
        cluster.take_writes();
        Nodes::default().reconcile(&cluster, "n").unwrap();
        assert!(cluster.take_writes().is_empty(), "what is right is left alone");
        let mut node = cluster.object(Kind::NODE, "", "n");
        node["spec"]["unschedulable"] = false.into();
        assert_eq!(taints(node), Vec::<String>::new());
    }
}
