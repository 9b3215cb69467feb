//! Evicts the pods of nodes whose `NoExecute` taints they do not tolerate: at once, or when the time is
//! over that their tolerations give them (`pkg/controller/tainteviction`). That time begins when it is
//! seen here.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>

use std::collections::BTreeMap;

use orch_sdk::controller::{Api, DeleteOptions, Error, Kind, PatchType, Selection, key_of};
use orch_sdk::object::Object;
use orch_sdk::time::rfc3339;
use orch_sdk::toleration::{Taint, Toleration};
use orch_sdk::{Value, json, serde_json};

const REASON: &str = "TaintManagerEviction";

#[derive(Default)]
pub struct Evictions {
    /// The nodes that evict, with the taints that do.
    nodes: BTreeMap<String, Vec<Taint>>,
    /// Pods whose time is running, by key.
    doomed: BTreeMap<String, Doomed>,
}

struct Doomed {
    uid: String,
    /// Milliseconds since the epoch.
    since: u64,
}

impl Evictions {
    /// Whether a change of the pod may matter.
    pub fn concern(&self, pod: &Value) -> bool {
        self.nodes.contains_key(node_of(pod)) || self.doomed.contains_key(&pod.key())
    }

    /// Whether the pod's time is running.
    pub fn is_doomed(&self, key: &str) -> bool {
        self.doomed.contains_key(key)
    }

    /// In how many milliseconds the pod is to go; `None`: it may stay.
    pub fn of_pod(&mut self, api: &dyn Api, pod: &Value) -> Result<Option<u64>, Error> {
        let taints = self.nodes.get(node_of(pod)).cloned().unwrap_or_default();
        self.judge(api, pod, &taints)
    }

    pub fn forget_pod(&mut self, key: &str) {
        self.doomed.remove(key);
    }

    /// In how many milliseconds the first of the node's pods is to go.
    pub fn of_node(&mut self, api: &dyn Api, node: &Value) -> Result<Option<u64>, Error> {
        let taints = evicting(node);
        let before = match taints.is_empty() {
            true => self.nodes.remove(node.name()),
            false => self.nodes.insert(node.name().into(), taints.clone()),
        };
        if taints.is_empty() && before.is_none() {
            return Ok(None);
        }
        let mut soonest = None;
        let on_the_node = format!("spec.nodeName={}", node.name());
        for pod in api.list(Kind::POD, Selection::within("").fields(&on_the_node))? {
            let next = self.judge(api, &pod, &taints)?;
            soonest = soonest.into_iter().chain(next).min();
        }
        Ok(soonest)
    }

    pub fn forget_node(&mut self, name: &str) {
        self.nodes.remove(name);
    }

    fn judge(&mut self, api: &dyn Api, pod: &Value, taints: &[Taint]) -> Result<Option<u64>, Error> {
        let key = key_of(pod.namespace(), pod.name());
        if pod.is_being_deleted() {
            self.doomed.remove(&key);
            return Ok(None);
        }
        let grace = match Fate::of(taints, pod.at(&["spec", "tolerations"]))? {
            Fate::Stays => {
                if self.doomed.remove(&key).is_some() {
                    api.event(pod, "Normal", REASON, &format!("Cancelling deletion of Pod {key}"));
                }
                return Ok(None);
            }
            Fate::Goes => 0,
            Fate::GoesAfter(seconds) => seconds.saturating_mul(1000),
        };
        let now = api.now_ms();
        let doomed =
            self.doomed.entry(key.clone()).or_insert_with(|| Doomed { uid: String::new(), since: now });
        if doomed.uid != pod.uid() {
            *doomed = Doomed { uid: pod.uid().into(), since: now };
        }
        let end = doomed.since.saturating_add(grace);
        if end > now {
            return Ok(Some(end - now));
        }
        evict(api, pod)?;
        self.doomed.remove(&key);
        Ok(None)
    }
}

pub fn node_of(pod: &Value) -> &str {
    pod.at(&["spec", "nodeName"]).as_str().unwrap_or_default()
}

fn evicting(node: &Value) -> Vec<Taint> {
    let taints: Vec<Taint> = serde_json::from_value(node.at(&["spec", "taints"]).clone()).unwrap_or_default();
    taints.into_iter().filter(|taint| taint.effect == "NoExecute").collect()
}

/// Says so in the pod's condition, then deletes it with its own grace.
fn evict(api: &dyn Api, pod: &Value) -> Result<(), Error> {
    let at = Kind::POD.object(pod.namespace(), pod.name());
    api.event(pod, "Normal", REASON, &format!("Marking for deletion Pod {}/{}", pod.namespace(), pod.name()));
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
        "lastTransitionTime": rfc3339(api.now_ms()),
    });
    let body = json!({ "metadata": { "uid": pod.uid() }, "status": { "conditions": [condition] } });
    let told = api.patch_subresource(at, "status", PatchType::Strategic, &body).map(drop);
    match told.and_then(|()| api.delete(at, &DeleteOptions::uid(pod.uid()))) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// What taints mean for a pod.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
    /// After so many seconds.
    GoesAfter(u64),
}

impl Fate {
    /// The least of the times that the tolerations of these taints give; one taint that none tolerates is
    /// enough for the pod to go.
    fn of(taints: &[Taint], tolerations: &Value) -> Result<Fate, String> {
        if taints.is_empty() {
            return Ok(Fate::Stays);
        }
        let tolerations: Option<Vec<Toleration>> = serde_json::from_value(tolerations.clone())
            .map_err(|error| format!("spec.tolerations: {error}"))?;
        let tolerations = tolerations.unwrap_or_default();
        let tolerated = |taint: &Taint| tolerations.iter().any(|toleration| toleration.tolerates(taint));
        if !taints.iter().all(tolerated) {
            return Ok(Fate::Goes);
        }
        let is_used = |toleration: &&Toleration| taints.iter().any(|taint| toleration.tolerates(taint));
        let times = tolerations.iter().filter(is_used).filter_map(|toleration| toleration.toleration_seconds);
        Ok(match times.min() {
            None => Fate::Stays,
            Some(seconds @ 1..) => Fate::GoesAfter(seconds.unsigned_abs()),
            Some(_) => Fate::Goes,
        })
    }
}

#[cfg(test)]
mod tests;
