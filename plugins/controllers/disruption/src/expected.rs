//! How many pods a budget counts on, and how many of them it wants healthy.

use std::collections::BTreeMap;

use orch_sdk::Value;
use orch_sdk::controller::{Api, Error, Kind, Resource};
use orch_sdk::object::{Object, Owner};

const STATEFUL_SET: Kind = Kind::new("apps/v1", "StatefulSet");

#[derive(Debug, PartialEq, Eq, Default)]
pub struct Expected {
    pub pods: i64,
    /// Of those, so many healthy.
    pub desired: i64,
    /// Some of the pods have no controller, although their number was to be asked of it.
    pub unmanaged: bool,
}

/// Numbers of pods are taken as they are, shares are shares of what the pods' controllers ask for.
pub fn of(api: &dyn Api, budget: &Value, pods: &[Value]) -> Result<Expected, Error> {
    let most_missing = budget.at(&["spec", "maxUnavailable"]);
    let least = budget.at(&["spec", "minAvailable"]);
    if !most_missing.is_null() {
        let mut expected = scale(api, pods)?;
        expected.desired = (expected.pods - amount(most_missing, expected.pods)?).max(0);
        return Ok(expected);
    }
    if let Some(desired) = least.as_i64() {
        return Ok(Expected { pods: pods.len() as i64, desired, unmanaged: false });
    }
    if least.is_null() {
        return Ok(Expected::default());
    }
    let mut expected = scale(api, pods)?;
    expected.desired = amount(least, expected.pods)?;
    Ok(expected)
}

/// A number, or a share of `total` in per cent, rounded up.
fn amount(value: &Value, total: i64) -> Result<i64, String> {
    if let Some(number) = value.as_i64() {
        return Ok(number);
    }
    let text = value.as_str().unwrap_or_default();
    let percent: Option<i64> = text.strip_suffix('%').and_then(|percent| percent.parse().ok());
    let percent = percent.ok_or_else(|| {
        format!("invalid value for IntOrString: invalid type: string is not a percentage: {value}")
    })?;
    Ok((percent * total + 99).div_euclid(100))
}

/// What the pods' controllers ask for, together.
fn scale(api: &dyn Api, pods: &[Value]) -> Result<Expected, Error> {
    let mut asked: BTreeMap<&str, Scale> = BTreeMap::new();
    let mut unmanaged = false;
    for pod in pods {
        let Some(owner) = pod.controller() else {
            unmanaged = true;
            continue;
        };
        if !asked.contains_key(owner.uid) {
            let scale = scale_of(api, &owner, pod.namespace())?
                .ok_or_else(|| format!("found no controllers for pod {:?}", pod.name()))?;
            asked.insert(owner.uid, scale);
        }
    }
    let by_controller: BTreeMap<String, i64> =
        asked.into_values().map(|scale| (scale.uid, scale.replicas)).collect();
    Ok(Expected { pods: by_controller.values().sum(), desired: 0, unmanaged })
}

/// Of the controller that has the last word: the Deployment, for pods of its ReplicaSets.
struct Scale {
    uid: String,
    replicas: i64,
}

/// `None`: there is no such controller any more.
fn scale_of(api: &dyn Api, owner: &Owner, namespace: &str) -> Result<Option<Scale>, Error> {
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    let kind = match (group, owner.kind) {
        ("", "ReplicationController") => Kind::REPLICATION_CONTROLLER,
        ("apps" | "extensions", "ReplicaSet") => Kind::REPLICA_SET,
        ("apps", "StatefulSet") => STATEFUL_SET,
        _ => return scale_of_another(api, owner, group, namespace),
    };
    let Some(set) = read(api, kind, owner, namespace)? else { return Ok(None) };
    let above = set.controller().filter(|above| kind == Kind::REPLICA_SET && above.kind == "Deployment");
    let deployment = match above {
        Some(above) => read(api, Kind::DEPLOYMENT, &above, namespace)?,
        None => None,
    };
    Ok(Some(Scale::of(deployment.as_ref().unwrap_or(&set))))
}

impl Scale {
    fn of(object: &Value) -> Self {
        Scale { uid: object.uid().into(), replicas: object.at(&["spec", "replicas"]).as_i64().unwrap_or(0) }
    }
}

fn read(api: &dyn Api, kind: Kind, owner: &Owner, namespace: &str) -> Result<Option<Value>, Error> {
    Ok(api.get(kind.object(namespace, owner.name))?.filter(|found| found.uid() == owner.uid))
}

/// Of any other kind by its sub-resource `scale`.
fn scale_of_another(
    api: &dyn Api,
    owner: &Owner,
    group: &str,
    namespace: &str,
) -> Result<Option<Scale>, Error> {
    let is_its = |known: &&Resource| known.api_version == owner.api_version && known.kind == owner.kind;
    let resources = api.resources();
    let resource = resources
        .iter()
        .find(is_its)
        .ok_or_else(|| format!("no matches for kind {:?} in version {:?}", owner.kind, owner.api_version))?;
    match api.get_subresource(resource.as_kind().object(namespace, owner.name), "scale") {
        Ok(scale) => Ok(scale.filter(|scale| scale.uid() == owner.uid).map(|scale| Scale::of(&scale))),
        Err(error) if error.is_not_found() => {
            let dot = if group.is_empty() { "" } else { "." };
            let name = format!("{}{dot}{group}", resource.plural);
            Err(format!("{name} does not implement the scale subresource").into())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    #[test]
    fn shares_are_rounded_up() {
        let of = |value: Value, total| amount(&value, total).unwrap();
        assert_eq!([of(json!("28%"), 7), of(json!("50%"), 3), of(json!("0%"), 9)], [2, 2, 0]);
        assert_eq!([of(json!("100%"), 3), of(json!(2), 9), of(json!("150%"), 2)], [3, 2, 3]);
        assert!(amount(&json!("half"), 2).is_err());
    }
}
