//! Constraints as they are written in a pod or in the configuration.

use orch_sdk::selector::{Requirement, Selector};
use orch_sdk::serde::Deserialize;
use orch_sdk::topology::Labels;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(crate = "orch_sdk::serde", rename_all = "camelCase")]
pub struct Written {
    pub max_skew: i32,
    pub topology_key: String,
    #[serde(rename = "whenUnsatisfiable")]
    pub action: Action,
    /// None matches no pod.
    pub label_selector: Option<Selector>,
    pub min_domains: Option<i32>,
    #[serde(default)]
    match_label_keys: Option<Vec<String>>,
    node_affinity_policy: Option<Inclusion>,
    node_taints_policy: Option<Inclusion>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(crate = "orch_sdk::serde")]
pub enum Action {
    DoNotSchedule,
    ScheduleAnyway,
}

/// Whether nodes that the pod could not go to are left out of the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(crate = "orch_sdk::serde")]
enum Inclusion {
    Honor,
    Ignore,
}

impl Written {
    pub fn new(topology_key: &str, max_skew: i32, action: Action) -> Self {
        Written {
            max_skew,
            topology_key: topology_key.into(),
            action,
            label_selector: None,
            min_domains: None,
            match_label_keys: None,
            node_affinity_policy: None,
            node_taints_policy: None,
        }
    }

    /// The same for the pods of this selector alone.
    pub fn selecting(&self, selector: &Selector) -> Self {
        Written { label_selector: Some(selector.clone()), match_label_keys: None, ..self.clone() }
    }

    pub fn honors_affinity(&self) -> bool {
        self.node_affinity_policy.unwrap_or(Inclusion::Honor) == Inclusion::Honor
    }

    pub fn honors_taints(&self) -> bool {
        self.node_taints_policy.unwrap_or(Inclusion::Ignore) == Inclusion::Honor
    }

    /// The selector with what `matchLabelKeys` adds of the pod's own labels, unless the API server has
    /// written it there, as it does since Kubernetes 1.34.
    pub fn selector(&self, labels: &Labels) -> Option<Selector> {
        let mut selector = self.label_selector.clone()?;
        for key in self.match_label_keys.iter().flatten() {
            if let Some(own) = labels.get(key).map(|value| Requirement::equal(key, value))
                && !selector.requirements().contains(&own)
            {
                selector.require(own);
            }
        }
        Some(selector)
    }
}
