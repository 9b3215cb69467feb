//! What a ResourceQuota limits and what objects use of it: read alike by the check that refuses and
//! by the controller that reports.
//! <https://kubernetes.io/docs/concepts/policy/resource-quotas/>

mod pod;
mod scope;
mod subject;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::object::Object;
use crate::quantity::Amount;

pub use pod::{PodLimits, missing};
pub use scope::Scope;
pub use subject::{FIELDS, Subject};

/// Amounts by resource name, as in `spec.hard`.
pub type Amounts = BTreeMap<String, Amount>;

/// One ResourceQuota.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quota {
    pub hard: Amounts,
    /// All must hold of an object that counts.
    pub scopes: Vec<Scope>,
}

impl Quota {
    pub fn read(quota: &Value) -> Quota {
        Quota { hard: amounts(quota.at(&["spec", "hard"])), scopes: Scope::read_all(quota.at(&["spec"])) }
    }

    /// Whether the object counts, as far as the scopes say.
    pub fn covers(&self, subject: &Subject) -> bool {
        self.scopes.iter().all(|scope| scope.holds(subject))
    }
}

/// A map of quantities; what is none is left out.
pub fn amounts(map: &Value) -> Amounts {
    let entries = map.as_object().into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), Amount::read(value)?))).collect()
}

pub fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = total.entry(name.clone()).or_default();
        *sum = *sum + *amount;
    }
}

pub fn subtract(total: &mut Amounts, less: &Amounts) {
    for (name, amount) in less {
        let rest = total.entry(name.clone()).or_default();
        *rest = *rest - *amount;
    }
}

/// `cpu=1,pods=2`, as upstream's messages list amounts.
pub fn in_words(amounts: &Amounts) -> String {
    amounts.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(",")
}

/// The names under which objects of a resource are counted: `count/deployments.apps`, and for some of
/// the oldest their plain name.
pub fn count_names(group: &str, plural: &str) -> Vec<String> {
    const PLAIN: [&str; 4] = ["configmaps", "replicationcontrollers", "resourcequotas", "secrets"];
    match group {
        "" if PLAIN.contains(&plural) => vec![format!("count/{plural}"), plural.into()],
        "" => vec![format!("count/{plural}")],
        group => vec![format!("count/{plural}.{group}")],
    }
}

/// Kinds that no quota counts.
pub fn is_ignored(group: &str, kind: &str) -> bool {
    matches!((group, kind), ("" | "events.k8s.io", "Event"))
}

#[cfg(test)]
mod tests;
