//! Pods that nobody owns and some set selects: such a change has no owner to wake, so the pod is a
//! key of its own, and its reconciliation is to find it an owner.

use crate::claim;
use crate::controller::{Api, Change, Error, Kind, Outcome, Selection, split_key};
use crate::object::Object;
use serde_json::Value;

use super::{Replicas, pod};

/// No name begins with it.
const MARK: &str = "?";

pub fn key(change: Change, pod: &Value) -> Option<String> {
    let labelled = pod.at(&["metadata", "labels"]).as_object().is_some_and(|labels| !labels.is_empty());
    let orphan = pod.controller().is_none() && labelled && !pod.is_being_deleted();
    (change != Change::Deleted && orphan).then(|| format!("{MARK}{}", pod.key()))
}

pub fn of_key(key: &str) -> Option<&str> {
    key.strip_prefix(MARK)
}

/// The oldest set that selects the pod adopts it; the adoption wakes that set.
pub fn find_owner(api: &dyn Api, replicas: &Replicas, key: &str) -> Result<Outcome, Error> {
    let (namespace, name) = split_key(key);
    let Some(pod) = api.get(Kind::POD.object(namespace, name))? else { return Ok(Outcome::done()) };
    if pod.controller().is_some() || !pod::is_active(&pod) {
        return Ok(Outcome::done());
    }
    let mut sets = api.list(replicas.kind, Selection::within(namespace))?;
    sets.retain(|set| {
        replicas
            .selector_of(set)
            .is_ok_and(|selector| claim::decide(set, &selector, &pod) == claim::Claim::Adopt)
    });
    if let Some(set) =
        sets.iter().min_by_key(|set| (set.creation_timestamp().to_string(), set.name().to_string()))
    {
        claim::adopt(api, set, &pod)?;
    }
    Ok(Outcome::done())
}
