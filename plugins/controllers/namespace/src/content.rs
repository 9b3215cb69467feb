//! What is in a namespace, and its removal.

use std::collections::{BTreeMap, BTreeSet};

use orch_sdk::controller::{Api, ApiError, DeleteOptions, Kind, Propagation, Resource, Selection};
use orch_sdk::object::Object;

/// What is still there after everything was told to go.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Remaining {
    /// `pods.` or `deployments.apps`: how many.
    pub objects: BTreeMap<String, usize>,
    /// Finalizer: how many objects it holds.
    pub finalizers: BTreeMap<String, usize>,
    /// What could not be deleted or listed.
    pub errors: Vec<String>,
    /// Group versions of which nobody knows now what is in them: `example.com/v1`.
    pub undiscovered: BTreeSet<String>,
}

impl Remaining {
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

pub fn remove(api: &dyn Api, namespace: &str) -> Remaining {
    let (known, unknown): (Vec<Resource>, Vec<Resource>) =
        api.resources().into_iter().partition(Resource::is_known);
    let (pods, others): (Vec<Resource>, Vec<Resource>) =
        deletable(known).into_iter().partition(|resource| resource.as_kind() == Kind::POD);
    let undiscovered = unknown.into_iter().map(|resource| resource.api_version).collect();
    let mut remaining = Remaining { undiscovered, ..Remaining::default() };
    for resource in &pods {
        remove_kind(api, namespace, resource, &mut remaining);
    }
    if !remaining.is_empty() || !remaining.errors.is_empty() {
        return remaining;
    }
    for resource in &others {
        remove_kind(api, namespace, resource, &mut remaining);
    }
    remaining
}

/// One version of every namespaced kind that can be listed and deleted.
fn deletable(mut resources: Vec<Resource>) -> Vec<Resource> {
    let mut seen = BTreeSet::new();
    resources.retain(|resource| {
        resource.namespaced
            && resource.can("delete")
            && resource.can("list")
            && seen.insert((group(resource).to_string(), resource.kind.clone()))
    });
    resources
}

fn group(resource: &Resource) -> &str {
    resource.api_version.split_once('/').map_or("", |(group, _)| group)
}

fn remove_kind(api: &dyn Api, namespace: &str, resource: &Resource, remaining: &mut Remaining) {
    let name = format!("{}.{}", resource.plural, group(resource));
    let left = match delete_and_count(api, namespace, resource) {
        Ok(left) => left,
        Err(error) if error.code == 404 || error.code == 405 => return, // no longer served
        Err(error) => return remaining.errors.push(format!("{name}: {error}")),
    };
    if left.is_empty() {
        return;
    }
    remaining.objects.insert(name, left.len());
    for object in &left {
        for finalizer in object.finalizers() {
            *remaining.finalizers.entry(finalizer.into()).or_default() += 1;
        }
    }
}

fn delete_and_count(
    api: &dyn Api,
    namespace: &str,
    resource: &Resource,
) -> Result<Vec<orch_sdk::Value>, ApiError> {
    let kind = resource.as_kind();
    let there = api.list(kind, Selection::within(namespace))?;
    if there.is_empty() {
        return Ok(there);
    }
    let options = DeleteOptions::default().propagation(Propagation::Background);
    if resource.can("deletecollection") {
        api.delete_collection(kind, namespace, &options)?;
    } else {
        for object in there.iter().filter(|object| !object.is_being_deleted()) {
            match api.delete(kind.object(namespace, object.name()), &options) {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
    }
    api.list(kind, Selection::within(namespace))
}
