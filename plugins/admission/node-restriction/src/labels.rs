//! Labels of Kubernetes' own domains: which of them a node may set on itself.

use orch_sdk::Value;

/// Labels under this domain are for administrators alone.
const RESTRICTED: &str = "node-restriction.kubernetes.io";
const KUBELETS: [&str; 13] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.kubernetes.io/region",
    "failure-domain.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];
const KUBELET_DOMAINS: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

/// Keys whose value is another, or is there in one alone.
pub fn changed(new: &Value, old: &Value) -> Vec<String> {
    let keys = |labels: &Value| -> Vec<String> {
        labels.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
    };
    let mut all = keys(new);
    all.extend(keys(old));
    all.sort_unstable();
    all.dedup();
    all.retain(|key| new[key] != old[key]);
    all
}

pub fn reserved(keys: &[String]) -> Vec<String> {
    keys.iter().filter(|key| is_reserved(key)).cloned().collect()
}

fn is_reserved(key: &str) -> bool {
    let Some((domain, _)) = key.split_once('/') else { return false };
    let under = |parent: &str| domain == parent || domain.ends_with(&format!(".{parent}"));
    let kubelets = KUBELETS.contains(&key) || KUBELET_DOMAINS.iter().any(|parent| under(parent));
    under(RESTRICTED) || ((under("kubernetes.io") || under("k8s.io")) && !kubelets)
}
