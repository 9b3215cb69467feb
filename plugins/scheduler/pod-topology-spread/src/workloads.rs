//! Services and controllers, for the selector of pods without constraints of their own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use orch_sdk::Value;
use orch_sdk::object::Object;
use orch_sdk::selector::{Requirement, Selector};
use orch_sdk::serde::Deserialize;
use orch_sdk::topology::Labels;

/// An item of `metadata.ownerReferences`.
#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
pub struct Owner {
    api_version: String,
    kind: String,
    name: String,
    controller: Option<bool>,
}

#[derive(Default)]
pub struct Workloads {
    namespaces: HashMap<String, Namespace>,
    changes: u64,
}

#[derive(Default)]
struct Namespace {
    services: BTreeMap<String, Labels>,
    /// The services by the first label that they select.
    by_label: HashMap<(String, String), BTreeSet<String>>,
    /// Selectors by kind and name.
    controllers: HashMap<(String, String), Selector>,
    changed: u64,
}

impl Workloads {
    pub fn upsert(&mut self, object: &Value) {
        let selector = object.at(&["spec", "selector"]);
        let namespace = self.change(object.namespace());
        let selector = match object.kind() {
            "Service" => return namespace.put_service(object.name(), labels(selector)),
            "ReplicationController" => Selector::from_labels(selector),
            // One that cannot be read selects nothing.
            _ => Selector::deserialize(selector).unwrap_or_default(),
        };
        namespace.controllers.insert((object.kind().into(), object.name().into()), selector);
    }

    pub fn remove(&mut self, identity: &Value) {
        let namespace = self.change(identity.namespace());
        if identity.kind() == "Service" {
            namespace.take_service(identity.name());
        } else {
            namespace.controllers.remove(&(identity.kind().into(), identity.name().into()));
        }
        if namespace.services.is_empty() && namespace.controllers.is_empty() {
            self.namespaces.remove(identity.namespace());
        }
    }

    fn change(&mut self, namespace: &str) -> &mut Namespace {
        self.changes += 1;
        let namespace = self.namespaces.entry(namespace.into()).or_default();
        namespace.changed = self.changes;
        namespace
    }

    /// A number that is another one after each change in the namespace.
    pub fn changed(&self, namespace: &str) -> u64 {
        self.namespaces.get(namespace).map_or(0, |namespace| namespace.changed)
    }

    /// What selects the pod together with its like: the selectors of all services that select it and
    /// that of its controller. Empty when there are none.
    pub fn selector(&self, namespace: &str, labels: &Labels, owners: &[Owner]) -> Selector {
        let Some(namespace) = self.namespaces.get(namespace) else { return Selector::default() };
        let mut wanted = namespace.services_of(labels);
        let controller = owners.iter().find(|owner| owner.controller == Some(true));
        let owning = controller.and_then(|owner| Some((owner, namespace.owned_by(owner)?)));
        let mut more = Vec::new();
        if let Some((owner, selector)) = owning {
            if owner.kind == "ReplicationController" {
                wanted.extend(
                    selector.requirements().iter().map(|own| (own.key.clone(), own.values[0].clone())),
                );
            } else {
                more.extend(selector.requirements().iter().cloned());
            }
        }
        let mut all = Selector::default();
        wanted.iter().for_each(|(key, value)| all.require(Requirement::equal(key, value)));
        more.into_iter().for_each(|requirement| all.require(requirement));
        all
    }
}

impl Namespace {
    fn put_service(&mut self, name: &str, selector: Labels) {
        self.take_service(name);
        // Without a selector a service selects nothing.
        let Some((key, value)) = selector.first_key_value() else { return };
        self.by_label.entry((key.clone(), value.clone())).or_default().insert(name.into());
        self.services.insert(name.into(), selector);
    }

    fn take_service(&mut self, name: &str) {
        let Some(selector) = self.services.remove(name) else { return };
        let Some(first) = selector.into_iter().next() else { return };
        if let Some(names) = self.by_label.get_mut(&first) {
            names.remove(name);
            if names.is_empty() {
                self.by_label.remove(&first);
            }
        }
    }

    /// The selectors of the services that select these labels, as one.
    fn services_of(&self, labels: &Labels) -> Labels {
        let names = labels.iter().filter_map(|(key, value)| self.by_label.get(&(key.clone(), value.clone())));
        let selectors = names.flatten().filter_map(|name| self.services.get(name));
        let selecting =
            |selector: &&Labels| selector.iter().all(|(key, value)| labels.get(key) == Some(value));
        selectors.filter(selecting).flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn owned_by(&self, owner: &Owner) -> Option<&Selector> {
        let group = match owner.kind.as_str() {
            "ReplicationController" => "v1",
            "ReplicaSet" | "StatefulSet" => "apps/v1",
            _ => return None,
        };
        let controller = || self.controllers.get(&(owner.kind.clone(), owner.name.clone()));
        (owner.api_version == group).then(controller).flatten()
    }
}

fn labels(map: &Value) -> Labels {
    let entries = map.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().into())).collect()
}
