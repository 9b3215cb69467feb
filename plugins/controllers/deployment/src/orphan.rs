//! ReplicaSets that nobody owns and some Deployment selects: the set is a key of its own, and its
//! reconciliation is to find it an owner.

use orch_sdk::Value;
use orch_sdk::claim;
use orch_sdk::controller::{Api, Change, Error, Kind, Outcome, Selection, split_key};
use orch_sdk::object::Object;
use orch_sdk::selector::Selector;

/// No name begins with it.
const MARK: &str = "?";

pub fn key(change: Change, set: &Value) -> Option<String> {
    let orphan = set.controller().is_none() && change != Change::Deleted;
    orphan.then(|| format!("{MARK}{}", set.key()))
}

pub fn of_key(key: &str) -> Option<&str> {
    key.strip_prefix(MARK)
}

/// The oldest Deployment that selects the set adopts it; the adoption wakes that Deployment.
pub fn find_owner(api: &dyn Api, key: &str) -> Result<Outcome, Error> {
    let (namespace, name) = split_key(key);
    let Some(set) = api.get(Kind::REPLICA_SET.object(namespace, name))? else { return Ok(Outcome::done()) };
    let mut deployments = api.list(Kind::DEPLOYMENT, Selection::within(namespace))?;
    deployments.retain(|deployment| {
        let selector = Selector::from_label_selector(deployment.at(&["spec", "selector"]));
        selector.is_ok_and(|selector| claim::decide(deployment, &selector, &set) == claim::Claim::Adopt)
    });
    let age =
        |deployment: &&Value| (deployment.creation_timestamp().to_string(), deployment.name().to_string());
    if let Some(deployment) = deployments.iter().min_by_key(age) {
        claim::adopt(api, deployment, &set)?;
    }
    Ok(Outcome::done())
}
