//! The pods that are there, for the warning about those that a stricter namespace would refuse.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use orch_sdk::Value;
use orch_sdk::object::Object;
use orch_sdk::serde_json;

use crate::checks;
use crate::config::Config;
use crate::pod::Pod;
use crate::policy::Standard;

/// What the checks read of a pod.
pub const FIELDS: [&str; 27] = [
    "metadata.annotations",
    "metadata.ownerReferences",
    "spec.containers[*].lifecycle.postStart.httpGet.host",
    "spec.containers[*].lifecycle.postStart.tcpSocket.host",
    "spec.containers[*].lifecycle.preStop.httpGet.host",
    "spec.containers[*].lifecycle.preStop.tcpSocket.host",
    "spec.containers[*].livenessProbe.httpGet.host",
    "spec.containers[*].livenessProbe.tcpSocket.host",
    "spec.containers[*].readinessProbe.httpGet.host",
    "spec.containers[*].readinessProbe.tcpSocket.host",
    "spec.containers[*].startupProbe.httpGet.host",
    "spec.containers[*].startupProbe.tcpSocket.host",
    "spec.containers[*].name",
    "spec.containers[*].ports",
    "spec.containers[*].securityContext",
    "spec.ephemeralContainers[*].name",
    "spec.ephemeralContainers[*].securityContext",
    "spec.hostIPC",
    "spec.hostNetwork",
    "spec.hostPID",
    "spec.hostUsers",
    "spec.initContainers[*].name",
    "spec.initContainers[*].securityContext",
    "spec.os",
    "spec.runtimeClassName",
    "spec.securityContext",
    "spec.volumes",
];

/// At most so many are judged, as upstream's.
const MOST: usize = 3000;

/// Kept as text: they are read when a namespace is made stricter, which is seldom.
#[derive(Debug, Default)]
pub struct Existing {
    /// By namespace and name.
    pods: BTreeMap<String, BTreeMap<String, Kept>>,
    /// Every text that a pod has, once: pods of one workload are alike.
    texts: HashSet<Rc<str>>,
}

#[derive(Debug)]
struct Kept {
    controller: Option<String>,
    annotations: Rc<str>,
    spec: Rc<str>,
}

impl Existing {
    pub fn put(&mut self, pod: &Value) {
        let kept = Kept {
            controller: pod.controller().map(|owner| owner.uid.into()),
            annotations: self.shared(pod.at(&["metadata", "annotations"]).to_string()),
            spec: self.shared(pod["spec"].to_string()),
        };
        let pods = self.pods.entry(pod.namespace().into()).or_default();
        if let Some(before) = pods.insert(pod.name().into(), kept) {
            self.forget(before);
        }
    }

    fn shared(&mut self, text: String) -> Rc<str> {
        if let Some(known) = self.texts.get(text.as_str()) {
            return known.clone();
        }
        let text: Rc<str> = text.into();
        self.texts.insert(text.clone());
        text
    }

    fn forget(&mut self, kept: Kept) {
        for text in [kept.annotations, kept.spec] {
            // The set has it, and this: no pod is left that does.
            if Rc::strong_count(&text) == 2 {
                self.texts.remove(&text);
            }
        }
    }

    pub fn remove(&mut self, pod: &Value) {
        let Some(pods) = self.pods.get_mut(pod.namespace()) else { return };
        let gone = pods.remove(pod.name());
        if pods.is_empty() {
            self.pods.remove(pod.namespace());
        }
        if let Some(gone) = gone {
            self.forget(gone);
        }
    }

    /// What the standard would say of the pods of a namespace; one pod of each controller first.
    pub fn warnings(&self, namespace: &str, standard: Standard, config: &Config) -> Vec<String> {
        let pods = self.prioritised(namespace);
        let mut found: BTreeMap<String, (String, usize)> = BTreeMap::new();
        for (name, kept) in pods.iter().take(MOST) {
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
            let (annotations, spec) = (read(&kept.annotations), read(&kept.spec));
            let pod = Pod { annotations: &annotations, spec: &spec };
            let violations = checks::evaluate(standard, &pod);
            if !violations.is_empty() && !config.exempts_runtime(&pod) {
                let (first, count) =
                    found.entry(checks::in_short(&violations)).or_insert((name.to_string(), 0));
                *count += 1;
                if *name < &*first {
                    *first = name.to_string();
                }
            }
        }
        let mut warnings = Vec::new();
        if pods.len() > MOST {
            warnings.push(format!(
                "new PodSecurity enforce level only checked against the first {MOST} of {} existing pods",
                pods.len()
            ));
        }
        if !found.is_empty() {
            warnings.push(format!(
                "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \"{standard}\""
            ));
        }
        let mut each: Vec<String> =
            found.into_iter().map(|(why, (name, count))| in_words(&name, count, &why)).collect();
        each.sort_unstable();
        warnings.extend(each);
        warnings
    }

    fn prioritised(&self, namespace: &str) -> Vec<(&String, &Kept)> {
        let mut seen = HashSet::new();
        let pods = self.pods.get(namespace).into_iter().flatten();
        let (mut first, more): (Vec<_>, Vec<_>) =
            pods.partition(|(_, kept)| kept.controller.as_ref().is_none_or(|uid| seen.insert(uid)));
        first.extend(more);
        first
    }
}

fn in_words(name: &str, count: usize, why: &str) -> String {
    match count {
        1 => format!("{name}: {why}"),
        2 => format!("{name} (and 1 other pod): {why}"),
        _ => format!("{name} (and {} other pods): {why}", count - 1),
    }
}

#[cfg(test)]
mod tests {
    use orch_sdk::serde_json::json;

    use super::*;

    fn pod(name: &str, kind: &str) -> Value {
        json!({ "metadata": { "namespace": "shop", "name": name }, "spec": { "hostPID": kind == "root" } })
    }

    #[test]
    fn a_text_is_kept_once_and_goes_with_its_last_pod() {
        let mut existing = Existing::default();
        for i in 0..100 {
            existing.put(&pod(&format!("web-{i}"), "web"));
        }
        existing.put(&pod("root", "root"));
        assert_eq!(existing.texts.len(), 3, "two specs, no annotations: {:?}", existing.texts);
        existing.put(&pod("root", "web"));
        assert_eq!(existing.texts.len(), 2);
        for i in 0..100 {
            existing.remove(&pod(&format!("web-{i}"), "web"));
        }
        assert_eq!(existing.texts.len(), 2, "one pod is left that has them");
        existing.remove(&pod("root", "web"));
        assert!(existing.texts.is_empty() && existing.pods.is_empty());
    }
}
