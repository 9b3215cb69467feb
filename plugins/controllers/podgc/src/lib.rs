//! Takes out pods that nobody else will: of nodes that are gone or declared out of service, deleted before
//! they had a node, or the oldest of too many that have ended (`pkg/controller/podgc`).
//! <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-garbage-collection>

mod ending;

use std::collections::{BTreeMap, BTreeSet};

use orch_sdk::config::Field;
use orch_sdk::controller::{
    Api, Change, Controller, Description, Error, Kind, Outcome, Selection, key_of, split_key,
};
use orch_sdk::object::Object;
use orch_sdk::toleration::Taint;
use orch_sdk::{Value, serde_json};

use ending::{NODE_IS_GONE, end};

/// How long a node is missed before its pods are given up, in milliseconds: it may only be late.
const QUARANTINE_MS: u64 = 40_000;
/// As many pods that have ended are kept.
const KEPT: usize = 12_500;
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// The key that stands for all pods that have ended; neither a pod nor a node has such a name.
const ENDED: &str = "*";

pub struct PodGc {
    /// Nodes there are, and whether each is out of service.
    nodes: BTreeMap<String, bool>,
    /// Nodes that are missed, and since when.
    missed: BTreeMap<String, u64>,
    /// Pods that have ended, by key.
    ended: BTreeSet<String>,
    /// As many of them are kept; 0: all.
    kept: usize,
}

impl Default for PodGc {
    fn default() -> Self {
        PodGc { nodes: BTreeMap::new(), missed: BTreeMap::new(), ended: BTreeSet::new(), kept: KEPT }
    }
}

orch_sdk::export_controller!(PodGc);

impl Controller for PodGc {
    /// One worker, which knows the nodes. A key is a pod's, a node's name, or [`ENDED`].
    fn describe() -> Description {
        let of_nodes = ["spec.taints", "status.conditions[*].type", "status.conditions[*].status"];
        let of_pods = ["metadata.deletionTimestamp", "spec.nodeName", "status.phase"];
        let help = "Pods taken out because nobody else would.";
        Description::new()
            .watches_mapped(Kind::NODE, &of_nodes)
            .watches_mapped(Kind::POD, &of_pods)
            .counter("pods_deleted", help)
    }

    fn configure(&mut self, config: &Value) -> Result<(), String> {
        let root = Field::root(config).only(&["terminatedPodGCThreshold"])?;
        let kept = root.child("terminatedPodGCThreshold").integer_or(KEPT as i64, 0..=i64::from(i32::MAX))?;
        self.kept = kept.unsigned_abs() as usize;
        Ok(())
    }

    fn keys(&mut self, watch: usize, change: Change, object: &Value, _: Option<&Value>) -> Vec<String> {
        match watch {
            0 => self.keys_of_node(change, object),
            _ => self.keys_of_pod(change, object),
        }
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        if key == ENDED {
            self.end_oldest(api)?;
            return Ok(Outcome::done());
        }
        match key.contains('/') {
            true => end_unscheduled(api, key),
            false => self.look_at_node(api, key),
        }
    }
}

impl PodGc {
    fn keys_of_node(&mut self, change: Change, node: &Value) -> Vec<String> {
        if change == Change::Deleted {
            self.nodes.remove(node.name());
            return vec![node.name().into()];
        }
        let is_out = is_out_of_service(node);
        self.nodes.insert(node.name().into(), is_out);
        if is_out { vec![node.name().into()] } else { Vec::new() }
    }

    fn keys_of_pod(&mut self, change: Change, pod: &Value) -> Vec<String> {
        let key = pod.key();
        if change == Change::Deleted {
            self.ended.remove(&key);
            return Vec::new();
        }
        let mut keys = Vec::new();
        if is_ended(pod) && self.ended.insert(key.clone()) && self.has_too_many() {
            keys.push(ENDED.into());
        }
        let node = pod.at(&["spec", "nodeName"]).as_str().unwrap_or_default();
        match (node.is_empty(), self.nodes.get(node)) {
            (true, _) if pod.is_being_deleted() => keys.push(key),
            (false, None) => keys.push(node.into()),
            (false, Some(true)) if pod.is_being_deleted() => keys.push(node.into()),
            (true, _) | (false, Some(_)) => {}
        }
        keys
    }

    fn has_too_many(&self) -> bool {
        self.kept > 0 && self.ended.len() > self.kept
    }

    fn look_at_node(&mut self, api: &dyn Api, name: &str) -> Result<Outcome, Error> {
        if let Some(node) = api.get(Kind::NODE.object("", name))? {
            self.missed.remove(name);
            let is_out = is_out_of_service(&node);
            self.nodes.insert(name.into(), is_out);
            if is_out {
                end_all(api, name, Object::is_being_deleted, "out-of-service", None)?;
            }
            return Ok(Outcome::done());
        }
        let now = api.now_ms();
        let end = *self.missed.entry(name.into()).or_insert(now) + QUARANTINE_MS;
        if end > now {
            return Ok(Outcome::requeue_after_ms(end - now));
        }
        if api.get_live(Kind::NODE.object("", name))?.is_none() {
            end_all(api, name, |_| true, "orphaned", Some(NODE_IS_GONE))?;
        }
        self.missed.remove(name);
        Ok(Outcome::done())
    }

    /// The evicted first, then the oldest, until no more than are kept are left.
    fn end_oldest(&mut self, api: &dyn Api) -> Result<(), Error> {
        let mut ended = Vec::new();
        for phase in ["Succeeded", "Failed"] {
            let of_phase = format!("status.phase={phase}");
            api.each(Kind::POD, Selection::within("").fields(&of_phase), &mut |pod| {
                ended.push(Ended::of(&pod))
            })?;
        }
        self.ended = ended.iter().map(|pod| key_of(&pod.namespace, &pod.name)).collect();
        if !self.has_too_many() {
            return Ok(());
        }
        ended.sort_by(|a, b| a.rank().cmp(&b.rank()));
        let surplus = ended.len() - self.kept;
        for pod in &ended[..surplus] {
            end(api, &find(api, &pod.namespace, &pod.name)?, "terminated", None)?;
        }
        Ok(())
    }
}

/// Of a pod that has ended what decides when it goes.
struct Ended {
    namespace: String,
    name: String,
    created: String,
    is_evicted: bool,
}

impl Ended {
    fn of(pod: &Value) -> Self {
        Ended {
            namespace: pod.namespace().into(),
            name: pod.name().into(),
            created: pod.creation_timestamp().into(),
            is_evicted: *pod.at(&["status", "phase"]) == "Failed"
                && *pod.at(&["status", "reason"]) == "Evicted",
        }
    }

    fn rank(&self) -> (bool, &str, &str) {
        (!self.is_evicted, &self.created, &self.name)
    }
}

fn is_ended(pod: &Value) -> bool {
    matches!(pod.at(&["status", "phase"]).as_str(), Some("Succeeded" | "Failed"))
}

/// Somebody has said that the node will not come back, and it is not ready.
fn is_out_of_service(node: &Value) -> bool {
    let taints: Vec<Taint> = serde_json::from_value(node.at(&["spec", "taints"]).clone()).unwrap_or_default();
    let mut conditions = node.items(&["status", "conditions"]).iter();
    let is_ready = conditions.any(|known| known["type"] == "Ready" && known["status"] == "True");
    !is_ready && taints.iter().any(|taint| taint.key == OUT_OF_SERVICE)
}

fn end_unscheduled(api: &dyn Api, key: &str) -> Result<Outcome, Error> {
    let (namespace, name) = split_key(key);
    let pod = find(api, namespace, name)?;
    let has_node = pod.at(&["spec", "nodeName"]).as_str().is_some_and(|node| !node.is_empty());
    if pod.is_being_deleted() && !has_node {
        end(api, &pod, "unscheduled", None)?;
    }
    Ok(Outcome::done())
}

/// `Null`: there is none. Pods may be listed here, but not read one by one.
fn find(api: &dyn Api, namespace: &str, name: &str) -> Result<Value, Error> {
    let of_name = format!("metadata.name={name}");
    let found = api.list(Kind::POD, Selection::within(namespace).fields(&of_name))?;
    Ok(found.into_iter().next().unwrap_or_default())
}

/// Ends those of a node's pods; tries each before it fails.
fn end_all(
    api: &dyn Api,
    node: &str,
    which: impl Fn(&Value) -> bool,
    why: &str,
    told: Option<(&str, &str)>,
) -> Result<(), Error> {
    let there = format!("spec.nodeName={node}");
    let pods = api.list(Kind::POD, Selection::within("").fields(&there))?;
    let mut failed = None;
    for pod in pods.iter().filter(|pod| which(pod)) {
        failed = end(api, pod, why, told).err().or(failed);
    }
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
