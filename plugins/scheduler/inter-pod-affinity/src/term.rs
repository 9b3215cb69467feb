//! Affinity terms as they are written in a pod, and what they come to for that pod.

use std::collections::BTreeSet;

use orch_sdk::node::or_default;
use orch_sdk::selector::Selector;
use orch_sdk::serde::Deserialize;
use orch_sdk::topology::{Labels, RawPod};

#[derive(Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct Spec {
    #[serde(deserialize_with = "or_default")]
    affinity: Affinity,
}

#[derive(Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
struct Affinity {
    #[serde(deserialize_with = "or_default")]
    pod_affinity: Wishes,
    #[serde(deserialize_with = "or_default")]
    pod_anti_affinity: Wishes,
}

#[derive(Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct Wishes {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution", deserialize_with = "or_default")]
    required: Vec<Written>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution", deserialize_with = "or_default")]
    preferred: Vec<Weighted>,
}

#[derive(Deserialize)]
#[serde(crate = "orch_sdk::serde", rename_all = "camelCase")]
struct Weighted {
    weight: i32,
    pod_affinity_term: Written,
}

#[derive(Deserialize)]
#[serde(crate = "orch_sdk::serde", rename_all = "camelCase")]
struct Written {
    label_selector: Option<Selector>,
    topology_key: String,
    namespaces: Option<Vec<String>>,
    namespace_selector: Option<Selector>,
}

/// Pods that are meant, and the key of the domain they are to share or not to share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Term {
    pub namespaces: BTreeSet<String>,
    /// Further namespaces by their labels. None: no further ones.
    pub namespace_selector: Option<Selector>,
    /// None matches no pod.
    pub selector: Option<Selector>,
    pub key: String,
}

impl Term {
    /// Whether a pod with these labels is meant, in this namespace with those labels.
    pub fn matches(&self, namespace: &str, namespace_labels: &Labels, labels: &Labels) -> bool {
        let further =
            || self.namespace_selector.as_ref().is_some_and(|it| it.matches_labels(namespace_labels));
        self.selector.as_ref().is_some_and(|selector| selector.matches_labels(labels))
            && (self.namespaces.contains(namespace) || further())
    }
}

/// All that a pod says of others.
#[derive(Default)]
pub struct Terms {
    pub required: Vec<Term>,
    pub required_anti: Vec<Term>,
    /// Those of anti-affinity weigh less than nothing.
    pub preferred: Vec<(Term, i32)>,
}

impl Terms {
    pub fn read(raw: &RawPod<'_>) -> Result<Self, String> {
        let Affinity { pod_affinity, pod_anti_affinity } = raw.spec::<Spec>()?.affinity;
        let term = |written| complete(written, &raw.metadata.namespace);
        let near = pod_affinity.preferred.into_iter().map(|it| (term(it.pod_affinity_term), it.weight));
        let apart =
            pod_anti_affinity.preferred.into_iter().map(|it| (term(it.pod_affinity_term), -it.weight));
        Ok(Terms {
            preferred: near.chain(apart).collect(),
            required: pod_affinity.required.into_iter().map(term).collect(),
            required_anti: pod_anti_affinity.required.into_iter().map(term).collect(),
        })
    }
}

/// What the term comes to for a pod in this namespace. What `matchLabelKeys` and `mismatchLabelKeys` add,
/// the API server has written into the selector.
fn complete(written: Written, namespace: &str) -> Term {
    let names = written.namespaces.unwrap_or_default();
    let own = names.is_empty() && written.namespace_selector.is_none();
    Term {
        namespaces: if own { [namespace.to_string()].into() } else { names.into_iter().collect() },
        namespace_selector: written.namespace_selector.map(Selector::canonical),
        selector: written.label_selector.map(Selector::canonical),
        key: written.topology_key,
    }
}
