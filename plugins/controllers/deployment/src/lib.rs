//! Rolls a Deployment's template out through ReplicaSets, as upstream's deployment controller does.
//!
//! [`rollout`] decides how many replicas each set gets, [`revision`] which set is the new one and what
//! its annotations say, [`status`] and [`progress`] what the Deployment tells. Acting is in [`sync`].

mod annotations;
mod orphan;
mod progress;
mod revision;
mod rollout;
mod sets;
mod status;
mod strategy;
mod sync;

use orch_sdk::Value;
use orch_sdk::controller::{Api, Change, Controller, Description, Error, Kind, Outcome, split_key};

#[derive(Default)]
pub struct Deployments;

orch_sdk::export_controller!(Deployments);

/// Places of the watches in the description.
const ORPHANS: usize = 2;

impl Controller for Deployments {
    fn describe() -> Description {
        let of_sets =
            ["metadata.labels", "metadata.annotations", "metadata.deletionTimestamp", "spec", "status"];
        Description::new()
            .concurrency(4)
            .watches(
                Kind::DEPLOYMENT,
                &["spec", "metadata.generation", "metadata.annotations", "metadata.deletionTimestamp"],
            )
            .watches_owned(Kind::REPLICA_SET, Kind::DEPLOYMENT, &of_sets)
            .watches_mapped(Kind::REPLICA_SET, &["metadata.labels", "metadata.ownerReferences"])
            .watches_mapped(Kind::POD, &["metadata.labels", "metadata.ownerReferences", "status.phase"])
    }

    fn keys(&mut self, watch: usize, change: Change, object: &Value, _: Option<&Value>) -> Vec<String> {
        let key =
            if watch == ORPHANS { orphan::key(change, object) } else { sets::key_of_pod(change, object) };
        key.into_iter().collect()
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        if let Some(orphan) = orphan::of_key(key) {
            return orphan::find_owner(api, orphan);
        }
        let (namespace, name) = split_key(key);
        match api.get(Kind::DEPLOYMENT.object(namespace, name))? {
            Some(deployment) => sync::sync(api, deployment),
            None => Ok(Outcome::done()),
        }
    }
}

#[cfg(test)]
mod tests;
