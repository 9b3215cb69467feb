//! Which objects belong to a controller that selects by labels: what it owns and selects it keeps,
//! what it owns and no longer selects it lets go, what nobody owns and it selects it takes.

use serde_json::{Value, json};

use crate::controller::{Api, ApiError, Error, Kind, PatchType};
use crate::object::{Object, controller_reference};
use crate::selector::Selector;

/// What is to be done about one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Keep,
    Adopt,
    Release,
    /// Another's, or nothing to us.
    Leave,
}

/// As upstream's `ClaimObject`.
pub fn decide(owner: &Value, selector: &Selector, object: &Value) -> Claim {
    let matches = selector.matches(object.at(&["metadata", "labels"]));
    match object.controller() {
        Some(controller) if controller.uid != owner.uid() => Claim::Leave,
        Some(_) if matches => Claim::Keep,
        Some(_) if owner.is_being_deleted() => Claim::Leave,
        Some(_) => Claim::Release,
        None if !matches || owner.is_being_deleted() || object.is_being_deleted() => Claim::Leave,
        None => Claim::Adopt,
    }
}

/// Claims what is `owner`'s of the candidates, writing owner references where they must change.
pub fn claim(
    api: &dyn Api,
    owner: &Value,
    selector: &Selector,
    candidates: Vec<Value>,
) -> Result<Vec<Value>, Error> {
    let mut claimed = Vec::with_capacity(candidates.len());
    let mut may_adopt = None;
    for object in candidates {
        match decide(owner, selector, &object) {
            Claim::Keep => claimed.push(object),
            Claim::Leave => {}
            Claim::Release => {
                let others = references(&object).filter(|reference| reference["uid"] != owner.uid());
                unless_gone(write_references(api, &object, others.cloned().collect()))?;
            }
            Claim::Adopt => {
                let wanted = match may_adopt {
                    Some(known) => known,
                    None => *may_adopt.insert(still_wanted(api, owner)?),
                };
                if !wanted {
                    return Err(Error::Other(format!("{} is gone or going", owner.key())));
                }
                let mut all: Vec<Value> = references(&object).cloned().collect();
                all.push(controller_reference(owner));
                claimed.extend(unless_gone(write_references(api, &object, all))?);
            }
        }
    }
    Ok(claimed)
}

/// Adopts one object that nobody owns, for an owner that selects it.
pub fn adopt(api: &dyn Api, owner: &Value, object: &Value) -> Result<(), Error> {
    if still_wanted(api, owner)? {
        let mut all: Vec<Value> = references(object).cloned().collect();
        all.push(controller_reference(owner));
        unless_gone(write_references(api, object, all))?;
    }
    Ok(())
}

fn references(object: &Value) -> impl Iterator<Item = &Value> {
    object.items(&["metadata", "ownerReferences"]).iter()
}

/// A cached owner may have been deleted, or deleted and made again, since.
fn still_wanted(api: &dyn Api, owner: &Value) -> Result<bool, Error> {
    let kind = Kind::new(owner.api_version(), owner.kind());
    let live = api.get_live(kind.object(owner.namespace(), owner.name()))?;
    Ok(live.is_some_and(|live| live.uid() == owner.uid() && !live.is_being_deleted()))
}

fn write_references(api: &dyn Api, object: &Value, references: Vec<Value>) -> Result<Value, ApiError> {
    let kind = Kind::new(object.api_version(), object.kind());
    let body = json!({"metadata": {
        "uid": object.uid(),
        "resourceVersion": object.resource_version(),
        "ownerReferences": references,
    }});
    api.patch(kind.object(object.namespace(), object.name()), PatchType::Merge, &body)
}

fn unless_gone(result: Result<Value, ApiError>) -> Result<Option<Value>, ApiError> {
    match result {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Cluster;

    const SETS: Kind = Kind::REPLICA_SET;

    fn set(name: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": "a", "uid": name}})
    }
    fn pod(name: &str, app: &str, owner: Option<&str>) -> Value {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "a", "labels": {"app": app}}});
        if let Some(owner) = owner {
            pod.set(&["metadata", "ownerReferences"], json!([controller_reference(&set(owner))]));
        }
        pod
    }
    fn selector() -> Selector {
        Selector::from_labels(&json!({"app": "web"}))
    }

    #[test]
    fn keeps_adopts_and_releases() {
        let cluster = Cluster::with([
            set("mine"),
            pod("kept", "web", Some("mine")),
            pod("orphan", "web", None),
            pod("strayed", "db", Some("mine")),
            pod("others", "web", Some("theirs")),
        ]);
        let owner = cluster.object(SETS, "a", "mine");
        let claimed = claim(&cluster, &owner, &selector(), cluster.objects(Kind::POD, "a")).unwrap();
        let names: Vec<&str> = claimed.iter().map(|pod| pod.name()).collect();
        assert_eq!(names, ["kept", "orphan"]);
        assert_eq!(cluster.object(Kind::POD, "a", "orphan").controller().unwrap().uid, "mine");
        assert!(cluster.object(Kind::POD, "a", "strayed").controller().is_none());
    }

    #[test]
    fn an_owner_on_its_way_out_takes_and_releases_nothing() {
        let mut owner = set("mine");
        owner.set(&["metadata", "deletionTimestamp"], "2026-11-21T12:00:00Z");
        assert_eq!(decide(&owner, &selector(), &pod("orphan", "web", None)), Claim::Leave);
        assert_eq!(decide(&owner, &selector(), &pod("strayed", "db", Some("mine"))), Claim::Leave);
        assert_eq!(decide(&owner, &selector(), &pod("kept", "web", Some("mine"))), Claim::Keep);
    }

    #[test]
    fn an_owner_that_is_gone_adopts_nothing() {
        let cluster = Cluster::with([pod("orphan", "web", None)]);
        let candidates = cluster.objects(Kind::POD, "a");
        assert!(claim(&cluster, &set("mine"), &selector(), candidates).is_err());
        assert!(cluster.object(Kind::POD, "a", "orphan").controller().is_none());
    }
}
