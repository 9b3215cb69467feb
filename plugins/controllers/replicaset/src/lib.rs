//! Keeps as many pods of a template as a ReplicaSet asks for.
//!
//! Decisions are pure ([`ranking`], [`status`], [`plan`]); this file reads, and carries them out. The
//! host lets a controller's reads see its own writes, so pods are simply counted: there are no
//! expectations to keep, and none to lose in a restart.

mod orphan;
mod plan;
mod pod;
mod ranking;
mod status;

use orch_sdk::controller::{
    Api, Change, Controller, DeleteOptions, Description, Error, Kind, Outcome, Selection,
};
use orch_sdk::object::Object;
use orch_sdk::selector::Selector;
use orch_sdk::{Value, claim};

use plan::Plan;

#[derive(Default)]
pub struct ReplicaSets;

orch_sdk::export_controller!(ReplicaSets);

impl Controller for ReplicaSets {
    fn describe() -> Description {
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
            .watches(Kind::REPLICA_SET, &["spec", "metadata.generation", "metadata.deletionTimestamp"])
            .watches_owned(Kind::POD, Kind::REPLICA_SET, &of_pods)
            .watches_mapped(
                Kind::POD,
                &["metadata.labels", "metadata.ownerReferences", "metadata.deletionTimestamp"],
            )
    }

    fn keys(&mut self, _: usize, change: Change, object: &Value, _: Option<&Value>) -> Vec<String> {
        orphan::key(change, object).into_iter().collect()
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        if let Some(orphan) = orphan::of_key(key) {
            return orphan::find_owner(api, orphan);
        }
        let (namespace, name) = orch_sdk::controller::split_key(key);
        match api.get(Kind::REPLICA_SET.object(namespace, name))? {
            Some(set) => sync(api, &set),
            None => Ok(Outcome::done()),
        }
    }
}

fn sync(api: &dyn Api, set: &Value) -> Result<Outcome, Error> {
    let selector = Selector::from_label_selector(set.at(&["spec", "selector"]))?;
    let mine = claim::claim(api, set, &selector, candidates(api, set, &selector)?)?;
    let (active, inactive): (Vec<Value>, Vec<Value>) = mine.into_iter().partition(pod::is_active);
    let managed = if set.is_being_deleted() { Ok(()) } else { manage(api, set, &active) };
    let now = api.now_ms();
    let terminating = inactive.iter().filter(|pod| pod::is_terminating(pod)).count();
    let failure = managed.as_ref().err().map(ToString::to_string);
    let after = status::calculate(set, &active, terminating, failure.as_deref(), now);
    status::write(api, set, &after)?;
    managed?;
    Ok(match status::next_availability(set, &active, now) {
        Some(millis) => Outcome::requeue_after_ms(millis),
        None => Outcome::done(),
    })
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

fn manage(api: &dyn Api, set: &Value, active: &[Value]) -> Result<(), Error> {
    match plan::plan(plan::wanted(set), active.len()) {
        Plan::Nothing => Ok(()),
        Plan::Create(count) => create(api, set, count),
        Plan::Delete(count) => delete(api, set, active, count),
    }
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

fn delete(api: &dyn Api, set: &Value, active: &[Value], count: usize) -> Result<(), Error> {
    let related = if count < active.len() { related(api, set)? } else { Vec::new() };
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

/// The active pods of all sets with the same controller: of two pods on nodes with different numbers
/// of these, the one in more company goes first.
fn related(api: &dyn Api, set: &Value) -> Result<Vec<Value>, Error> {
    let Some(controller) = set.controller() else { return Ok(Vec::new()) };
    let mut pods = Vec::new();
    for sibling in api.list(Kind::REPLICA_SET, Selection::within(set.namespace()))? {
        if sibling.controller().is_some_and(|other| other.uid == controller.uid) {
            let selector = Selector::from_label_selector(sibling.at(&["spec", "selector"]))?.to_string();
            pods.extend(api.list(Kind::POD, Selection::within(set.namespace()).labels(&selector))?);
        }
    }
    pods.retain(pod::is_active);
    Ok(pods)
}

#[cfg(test)]
mod tests;
