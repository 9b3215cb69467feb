//! The labels of namespaces, for terms that choose namespaces by them.

use std::collections::BTreeMap;

use orch_sdk::Value;
use orch_sdk::object::Object;
use orch_sdk::serde::Deserialize;
use orch_sdk::topology::{Labels, Namespaces};

use crate::term::Term;

#[derive(Default)]
pub struct NamespaceLabels {
    labels: BTreeMap<String, Labels>,
    changes: u64,
}

static NONE: Labels = Labels::new();

impl NamespaceLabels {
    pub fn upsert(&mut self, namespace: &Value) {
        let labels = Labels::deserialize(namespace.at(&["metadata", "labels"])).unwrap_or_default();
        if self.labels.get(namespace.name()) != Some(&labels) {
            self.labels.insert(namespace.name().into(), labels);
            self.changes += 1;
        }
    }

    pub fn remove(&mut self, identity: &Value) {
        self.labels.remove(identity.name());
        self.changes += 1;
    }

    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Those of a namespace that nothing is known of: none.
    pub fn of(&self, namespace: &str) -> &Labels {
        self.labels.get(namespace).unwrap_or(&NONE)
    }

    /// The namespaces a term means, as they are now.
    pub fn meant_by(&self, term: &Term) -> Namespaces {
        let Some(selector) = &term.namespace_selector else {
            return Namespaces::These(term.namespaces.clone());
        };
        if selector.is_empty() {
            return Namespaces::All;
        }
        let chosen = self.labels.iter().filter(|(_, labels)| selector.matches_labels(labels));
        Namespaces::These(
            chosen.map(|(name, _)| name.clone()).chain(term.namespaces.iter().cloned()).collect(),
        )
    }
}
