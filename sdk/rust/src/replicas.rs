//! As many pods of a template as an object asks for: what ReplicaSets and ReplicationControllers have
//! in common, which is all but how they write their selector.
//!
//! Decisions are pure ([`ranking`], [`status`], [`plan`]); this file reads, and carries them out. The
//! host lets a controller's reads see its own writes, so pods are simply counted: there are no
//! expectations to keep, and none to lose in a restart.

mod orphan;
mod plan;
mod pod;
mod ranking;
mod status;

use serde_json::Value;

use crate::claim;
use crate::controller::{
    Api, Change, DeleteOptions, Description, Error, Kind, Outcome, Selection, split_key,
};
use crate::object::Object;
use crate::selector::Selector;

use plan::Plan;

/// A kind whose objects keep a number of pods.
#[derive(Debug, Clone, Copy)]
pub struct Replicas {
    pub kind: Kind<'static>,
    /// Reads `spec.selector`.
    pub selector: fn(&Value) -> Result<Selector, String>,
    /// Its status has `terminatingReplicas`.
    pub counts_terminating: bool,
}

impl Replicas {
    pub const REPLICA_SETS: Replicas = Replicas {
        kind: Kind::REPLICA_SET,
        selector: Selector::from_label_selector,
        counts_terminating: true,
    };
    pub const REPLICATION_CONTROLLERS: Replicas = Replicas {
        kind: Kind::REPLICATION_CONTROLLER,
        selector: |labels| Ok(Selector::from_labels(labels)),
        counts_terminating: false,
    };

    pub fn describe(&self) -> Description {
        let of_pods = [
            "metadata.labels",
            "metadata.ownerReferences",
            "metadata.deletionTimestamp",
            "spec.nodeName",
            "status.phase",
            "status.conditions",
        ];
        Description::new()
            .concurrency(4)
            // What somebody else writes into the status is put right.
            .watches(self.kind, &["spec", "status", "metadata.generation", "metadata.deletionTimestamp"])
            .watches_owned(Kind::POD, self.kind, &of_pods)
            .watches_mapped(
                Kind::POD,
                &["metadata.labels", "metadata.ownerReferences", "metadata.deletionTimestamp"],
            )
    }

    /// Of the one custom watch: pods without an owner.
    pub fn keys(&self, change: Change, pod: &Value) -> Vec<String> {
        orphan::key(change, pod).into_iter().collect()
    }

    pub fn reconcile(&self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        if let Some(orphan) = orphan::of_key(key) {
            return orphan::find_owner(api, self, orphan);
        }
        let (namespace, name) = split_key(key);
        match api.get(self.kind.object(namespace, name))? {
            Some(set) => self.sync(api, &set),
            None => Ok(Outcome::done()),
        }
    }

    fn selector_of(&self, set: &Value) -> Result<Selector, String> {
        (self.selector)(set.at(&["spec", "selector"]))
    }

    fn sync(&self, api: &dyn Api, set: &Value) -> Result<Outcome, Error> {
        let selector = self.selector_of(set)?;
        let mine = claim::claim(api, set, &selector, candidates(api, set, &selector)?)?;
        let (active, inactive): (Vec<Value>, Vec<Value>) = mine.into_iter().partition(pod::is_active);
        let managed = if set.is_being_deleted() { Ok(()) } else { self.manage(api, set, &active) };
        let now = api.now_ms();
        let terminating = match self.counts_terminating {
            true => inactive.iter().filter(|pod| pod::is_terminating(pod)).count(),
            false => 0,
        };
        let failure = managed.as_ref().err().map(ToString::to_string);
        let after = status::calculate(set, &active, terminating, failure.as_deref(), now);
        status::write(api, self.kind, set, &after)?;
        managed?;
        Ok(match status::next_availability(set, &active, now) {
            Some(millis) => Outcome::requeue_after_ms(millis),
            None => Outcome::done(),
        })
    }

    fn manage(&self, api: &dyn Api, set: &Value, active: &[Value]) -> Result<(), Error> {
        match plan::plan(plan::wanted(set), active.len()) {
            Plan::Nothing => Ok(()),
            Plan::Create(count) => create(api, set, count),
            Plan::Delete(count) => self.delete(api, set, active, count),
        }
    }

    fn delete(&self, api: &dyn Api, set: &Value, active: &[Value], count: usize) -> Result<(), Error> {
        let related = if count < active.len() { self.related(api, set)? } else { Vec::new() };
        let mut failed = None;
        for pod in ranking::to_delete(active, &related, count, api.now_ms()) {
            let at = Kind::POD.object(pod.namespace(), pod.name());
            match api.delete(at, &DeleteOptions::uid(pod.uid())) {
                Ok(()) => {
                    api.event(set, "Normal", "SuccessfulDelete", &format!("Deleted pod: {}", pod.name()));
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => {
                    api.event(set, "Warning", "FailedDelete", &format!("Error deleting: {}", error.message));
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(Error::Other(error.message)))
    }

    /// The active pods of all sets with the same controller: of two pods on nodes with different
    /// numbers of these, the one in more company goes first.
    fn related(&self, api: &dyn Api, set: &Value) -> Result<Vec<Value>, Error> {
        let Some(controller) = set.controller() else { return Ok(Vec::new()) };
        let mut pods = Vec::new();
        for sibling in api.list(self.kind, Selection::within(set.namespace()))? {
            if sibling.controller().is_some_and(|other| other.uid == controller.uid) {
                let selector = self.selector_of(&sibling)?.to_string();
                pods.extend(api.list(Kind::POD, Selection::within(set.namespace()).labels(&selector))?);
            }
        }
        pods.retain(pod::is_active);
        Ok(pods)
    }
}

/// Pods that the set selects, and those it owns though it no longer selects them.
fn candidates(api: &dyn Api, set: &Value, selector: &Selector) -> Result<Vec<Value>, Error> {
    let labels = selector.to_string();
    let mut pods = api.list(Kind::POD, Selection::within(set.namespace()).labels(&labels))?;
    for owned in api.dependents(set.uid())? {
        let strayed = owned.kind() == "Pod" && !selector.matches(owned.at(&["metadata", "labels"]));
        if strayed {
            pods.push(owned);
        }
    }
    Ok(pods)
}

/// In batches of 1, 2, 4, …: when all creations would fail alike (a quota, say) only a few are tried.
fn create(api: &dyn Api, set: &Value, count: usize) -> Result<(), Error> {
    let pod = pod::from_template(set);
    for batch in plan::slow_start(count) {
        let mut failed = None;
        for _ in 0..batch {
            match api.create(&pod) {
                Ok(created) => {
                    let message = format!("Created pod: {}", created.name());
                    api.event(set, "Normal", "SuccessfulCreate", &message);
                }
                Err(error) if error.is_namespace_terminating() => return Ok(()),
                Err(error) => {
                    api.event(set, "Warning", "FailedCreate", &format!("Error creating: {}", error.message));
                    failed = Some(error);
                }
            }
        }
        if let Some(error) = failed {
            return Err(Error::Other(error.message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
