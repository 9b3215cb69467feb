//! The policies there are, kept current from the watch cache.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use super::compiled::{Binding, Policy};
use crate::{Change, Feed, State};

const API_VERSION: &str = "admissionregistration.k8s.io/v1";

/// A policy and what puts it to use, by name.
pub(super) struct Bound {
    pub policy: Arc<Policy>,
    pub bindings: Vec<Arc<Binding>>,
}

pub(super) struct Installed {
    validating: Mutex<Side>,
    mutating: Mutex<Side>,
}

impl Installed {
    pub fn new(state: &dyn State) -> Installed {
        Installed {
            validating: Mutex::new(Side::new(state, "ValidatingAdmissionPolicy")),
            mutating: Mutex::new(Side::new(state, "MutatingAdmissionPolicy")),
        }
    }

    /// As they are now; policies without bindings do nothing and are left out.
    pub fn validating(&self) -> Arc<Vec<Bound>> {
        self.validating.lock().current()
    }

    pub fn mutating(&self) -> Arc<Vec<Bound>> {
        self.mutating.lock().current()
    }
}

struct Side {
    policies: Known<Policy>,
    bindings: Known<Binding>,
    bound: Arc<Vec<Bound>>,
}

impl Side {
    fn new(state: &dyn State, kind: &str) -> Side {
        Side {
            policies: Known::new(state, kind, Policy::read),
            bindings: Known::new(state, &format!("{kind}Binding"), Binding::read),
            bound: Arc::default(),
        }
    }

    fn current(&mut self) -> Arc<Vec<Bound>> {
        let policies_changed = self.policies.refresh();
        if self.bindings.refresh() || policies_changed {
            self.bound =
                Arc::new(self.policies.items.values().filter_map(|policy| self.bind(policy)).collect());
        }
        self.bound.clone()
    }

    fn bind(&self, policy: &Arc<Policy>) -> Option<Bound> {
        let bindings: Vec<Arc<Binding>> =
            self.bindings.items.values().filter(|binding| binding.policy == policy.name).cloned().collect();
        (!bindings.is_empty()).then(|| Bound { policy: policy.clone(), bindings })
    }
}

/// The objects of one kind, read.
struct Known<T> {
    feed: Box<dyn Feed>,
    read: fn(&Value) -> T,
    items: BTreeMap<String, Arc<T>>,
}

impl<T> Known<T> {
    fn new(state: &dyn State, kind: &str, read: fn(&Value) -> T) -> Known<T> {
        Known { feed: state.open(API_VERSION, kind), read, items: BTreeMap::new() }
    }

    /// True: something changed.
    fn refresh(&mut self) -> bool {
        let changes = self.feed.drain();
        let changed = !changes.is_empty();
        for change in changes {
            match change {
                Change::Reset => self.items.clear(),
                Change::Upsert(object) => {
                    self.items.insert(name(&object), Arc::new((self.read)(&object)));
                }
                Change::Remove(object) => {
                    self.items.remove(&name(&object));
                }
            }
        }
        changed
    }
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}
