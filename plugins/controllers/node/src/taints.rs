//! What a node's state says by taints: of effect `NoSchedule` whatever keeps new pods away, of effect
//! `NoExecute` that it is lost.
//! <https://kubernetes.io/docs/concepts/architecture/nodes/#taint-nodes-by-condition>

use orch_sdk::controller::{Api, Error, Kind, PatchType};
use orch_sdk::object::Object;
use orch_sdk::time::rfc3339;
use orch_sdk::{Value, json};

use crate::health::Ready;

pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// A condition, a status of it, and the taint that says so.
const TAINTS: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];
const CORDONED: &str = "node.kubernetes.io/unschedulable";
const KEEPS_AWAY: &str = "NoSchedule";
const EVICTS: &str = "NoExecute";

/// The taint that evicts from a node which is lost in this way.
pub fn of_lost(ready: Ready) -> Option<&'static str> {
    match ready {
        Ready::False => Some(NOT_READY),
        Ready::Unknown => Some(UNREACHABLE),
        Ready::True | Ready::Missing => None,
    }
}

/// The taint of a lost node that it has.
pub fn evicting(node: &Value) -> Option<&'static str> {
    let has = |key: &&str| {
        let mut taints = node.items(&["spec", "taints"]).iter();
        taints.any(|taint| taint["effect"] == EVICTS && taint["key"] == **key)
    };
    [NOT_READY, UNREACHABLE].into_iter().find(has)
}

/// What becomes at once of the taint that it has: gone when the node is back, the other one when it is lost
/// in the other way. A node without one waits for its turn.
pub fn kept(node: &Value) -> Option<&'static str> {
    let has = evicting(node)?;
    match Ready::of(node) {
        Ready::Missing => Some(has),
        ready => of_lost(ready),
    }
}

/// Gives the node the taints that its state wants, and of those of lost nodes only `evicting`; others' stay.
pub fn settle(api: &dyn Api, node: &Value, evicting: Option<&str>) -> Result<(), Error> {
    let after = tainted(node, evicting, &rfc3339(api.now_ms()));
    if after == node.items(&["spec", "taints"]) {
        return Ok(());
    }
    let version = node.resource_version();
    let body = json!({ "metadata": { "resourceVersion": version }, "spec": { "taints": after } });
    match api.patch(Kind::NODE.object("", node.name()), PatchType::Merge, &body) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

fn tainted(node: &Value, evicting: Option<&str>, now: &str) -> Vec<Value> {
    let mut wanted = keeping_away(node);
    wanted.extend(evicting.map(|key| (key, EVICTS)));
    let is_wanted = |taint: &&Value| {
        wanted.iter().any(|(key, effect)| taint["key"] == *key && taint["effect"] == *effect)
    };
    let before = node.items(&["spec", "taints"]);
    let mut taints: Vec<Value> =
        before.iter().filter(|taint| !is_ours(taint) || is_wanted(taint)).cloned().collect();
    let is_missing = |(key, effect): &&(&str, &str)| {
        !before.iter().any(|taint| taint["key"] == *key && taint["effect"] == *effect)
    };
    let missing = wanted.iter().filter(is_missing);
    taints.extend(missing.map(|(key, effect)| json!({ "key": key, "effect": effect, "timeAdded": now })));
    taints
}

fn is_ours(taint: &Value) -> bool {
    let key = taint["key"].as_str().unwrap_or_default();
    match taint["effect"].as_str() {
        Some(KEEPS_AWAY) => key == CORDONED || TAINTS.iter().any(|(.., known)| *known == key),
        Some(EVICTS) => key == NOT_READY || key == UNREACHABLE,
        _ => false,
    }
}

/// Keys, with their effect.
fn keeping_away(node: &Value) -> Vec<(&str, &str)> {
    let conditions = node.items(&["status", "conditions"]);
    let holds = |condition: &str, status: &str| {
        conditions.iter().any(|known| known["type"] == condition && known["status"] == status)
    };
    let is_cordoned = *node.at(&["spec", "unschedulable"]) == true;
    let by_condition = TAINTS.iter().filter(|(condition, status, _)| holds(condition, status));
    let keys = by_condition.map(|(.., key)| *key).chain(is_cordoned.then_some(CORDONED));
    keys.map(|key| (key, KEEPS_AWAY)).collect()
}
