//! An APIService for every group version that this server serves itself
//! (`kube-aggregator/pkg/controllers/autoregister`).

use std::collections::BTreeMap;
use std::sync::Arc;

use orch_client::{DeleteOptions, Resource, Target, WriteOptions};
use orch_object::{Kinds, Status};
use serde_json::{Value, json};

use super::{GROUP, PLURAL};
use crate::definitions::call;
use crate::follow::{self, Follower};
use crate::key;
use crate::verbs::{Api, Modification, Part};

/// Whose APIServices are kept: `onstart` for what is always there, `true` for definitions'.
const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";

/// Groups of definitions; upstream gives all of them these.
const OF_DEFINITIONS: (i64, i64) = (1000, 100);

/// Upstream's priorities: a group's among groups, and a version's within it.
const PRIORITIES: &[(&str, &str, i64, i64)] = &[
    ("", "v1", 18000, 1),
    ("admissionregistration.k8s.io", "v1", 16700, 15),
    ("apiextensions.k8s.io", "v1", 16700, 15),
    ("apps", "v1", 17800, 15),
    ("authentication.k8s.io", "v1", 17700, 15),
    ("authorization.k8s.io", "v1", 17600, 15),
    ("autoscaling", "v1", 17500, 15),
    ("autoscaling", "v2", 17500, 30),
    ("batch", "v1", 17400, 15),
    ("certificates.k8s.io", "v1", 17300, 15),
    ("coordination.k8s.io", "v1", 16500, 15),
    ("discovery.k8s.io", "v1", 16200, 15),
    ("events.k8s.io", "v1", 17750, 15),
    ("flowcontrol.apiserver.k8s.io", "v1", 16100, 21),
    ("networking.k8s.io", "v1", 17200, 15),
    ("node.k8s.io", "v1", 16300, 15),
    ("policy", "v1", 17100, 15),
    ("rbac.authorization.k8s.io", "v1", 17000, 15),
    ("resource.k8s.io", "v1", 16200, 21),
    ("scheduling.k8s.io", "v1", 16600, 15),
    ("storage.k8s.io", "v1", 16800, 15),
    ("storagemigration.k8s.io", "v1", 15800, 15),
];

/// A group's priority among groups, and a version's within it.
pub fn priorities(group: &str, version: &str) -> (i64, i64) {
    // The group of APIServices has none that tells of itself; upstream lists it first.
    if group == GROUP {
        return (i64::MAX, 1);
    }
    let known = PRIORITIES.iter().find(|(known, of, ..)| (*known, *of) == (group, version));
    known.map_or(OF_DEFINITIONS, |(_, _, group, version)| (*group, *version))
}

/// Does not return.
pub async fn keep(api: Arc<Api>) {
    let definitions = key::prefix("apiextensions.k8s.io", "customresourcedefinitions", None);
    let services = key::prefix(GROUP, PLURAL, None);
    let mut follower = Follower::new(api.cache(), &[definitions, services]);
    loop {
        let again = match settle(&api).await {
            Ok(()) => None,
            Err(status) => {
                tracing::warn!(%status, "cannot register a group version");
                follow::RETRY
            }
        };
        follower.changed(again).await;
    }
}

/// What is to be there, by name.
fn wanted(kinds: &Kinds) -> BTreeMap<String, Value> {
    let mut wanted = BTreeMap::new();
    for kind in kinds.rows().iter().filter(|kind| kind.group != GROUP) {
        let name = format!("{}.{}", kind.version, kind.group);
        wanted.entry(name.clone()).or_insert_with(|| {
            let (group_priority, version_priority) = priorities(&kind.group, &kind.version);
            let managed = if kind.custom.is_some() { "true" } else { "onstart" };
            let mut spec = json!({ "version": kind.version,
                "groupPriorityMinimum": group_priority, "versionPriority": version_priority });
            if !kind.group.is_empty() {
                spec["group"] = kind.group.clone().into();
            }
            json!({ "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
                "metadata": { "name": name, "labels": { MANAGED: managed } }, "spec": spec })
        });
    }
    wanted
}

async fn settle(api: &Api) -> Result<(), Status> {
    api.kinds.sync();
    let wanted = wanted(&api.kinds());
    let listed = api.cache().list(&key::prefix(GROUP, PLURAL, None)).items;
    let mut missing = wanted.clone();
    for object in listed {
        let object = object.value();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        missing.remove(name);
        let managed = object["metadata"]["labels"][MANAGED].as_str();
        match (managed, wanted.get(name)) {
            (Some("true"), None) => ignore_missing(delete(api, name).await)?,
            (Some(_), Some(wanted)) if object["spec"] != wanted["spec"] => {
                ignore_missing(restore(api, name, &wanted["spec"]).await)?;
            }
            // Somebody else's, or as it is to be.
            _ => {}
        }
    }
    let resource = Resource::new(GROUP, "v1", PLURAL);
    for object in missing.into_values() {
        match api.create(&call(), &Target::all(&resource), object, &WriteOptions::default()).await {
            Err(status) if !status.is_already_exists() => return Err(status),
            _ => {}
        }
    }
    Ok(())
}

async fn delete(api: &Api, name: &str) -> Result<(), Status> {
    let target = Target::cluster(&Resource::new(GROUP, "v1", PLURAL), name);
    api.delete(&call(), &target, &DeleteOptions::default()).await.map(drop)
}

async fn restore(api: &Api, name: &str, spec: &Value) -> Result<(), Status> {
    let target = Target::cluster(&Resource::new(GROUP, "v1", PLURAL), name);
    let kind = api.kind(&target.resource).await?;
    let change = |old: &Arc<Value>| {
        let mut new = (**old).clone();
        new["spec"] = spec.clone();
        if let Some(metadata) = new["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
        }
        Ok(new)
    };
    let options = WriteOptions::default();
    let modification =
        Modification { part: Part::Main, options: &options, change: &change, keeps_managed_fields: false };
    api.modify(&call(), &kind, &target, &modification).await.map(drop)
}

/// Somebody else was faster.
fn ignore_missing(answer: Result<(), Status>) -> Result<(), Status> {
    answer.or_else(|status| if status.is_not_found() { Ok(()) } else { Err(status) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_served_version_has_its_priority() {
        let wanted = wanted(&Kinds::builtin());
        assert_eq!(
            wanted["v1."]["spec"],
            json!({ "version": "v1", "groupPriorityMinimum": 18000, "versionPriority": 1 })
        );
        assert_eq!(wanted["v1.apps"]["metadata"]["labels"][MANAGED], "onstart");
        // Nobody registers who registers.
        assert!(!wanted.contains_key("v1.apiregistration.k8s.io"));
        let without: Vec<&String> = wanted
            .iter()
            .filter(|(_, service)| service["spec"]["groupPriorityMinimum"] == OF_DEFINITIONS.0)
            .map(|(name, _)| name)
            .collect();
        assert_eq!(without, ["v1alpha1.plugins.orch.dev"]);
    }
}
