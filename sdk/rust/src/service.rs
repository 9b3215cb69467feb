//! For controllers that keep something for every Service that selects pods (its endpoints, say): which
//! Services a change concerns.
//!
//! A pod's change concerns the Services that select its labels: the labels are the key, so that the
//! replicas of one set share it. `?namespace/{"app":"web"}`. All other keys are Services' own. One worker
//! is enough, and no more is allowed: a key of pods ranges over Services that have keys of their own.

use serde_json::Value;

use crate::controller::{Api, Error, Kind, Outcome, Selection, key_of, split_key};
use crate::object::Object;
use crate::selector::Selector;

/// The keys of a pod's change: of its labels now, and of those it had.
pub fn keys_of_pod(pod: &Value, before: Option<&Value>) -> Vec<String> {
    let key = |pod: &Value| {
        let labels = pod.at(&["metadata", "labels"]);
        labels.is_object().then(|| format!("?{}", key_of(pod.namespace(), &labels.to_string())))
    };
    let mut keys: Vec<String> = [Some(pod), before].into_iter().flatten().filter_map(key).collect();
    keys.dedup();
    keys
}

fn labels_of(key: &str) -> Option<(&str, Value)> {
    let (namespace, labels) = key.strip_prefix('?')?.split_once('/')?;
    Some((namespace, serde_json::from_str(labels).ok()?))
}

/// Passes every Service that the key concerns to `sync`; of one that is gone, namespace and name to `gone`.
pub fn reconcile(
    api: &dyn Api,
    key: &str,
    mut sync: impl FnMut(&Value) -> Result<(), Error>,
    gone: impl FnOnce(&str, &str) -> Result<(), Error>,
) -> Result<Outcome, Error> {
    if let Some((namespace, labels)) = labels_of(key) {
        for service in api.list(Kind::SERVICE, Selection::within(namespace))? {
            let selector = Selector::from_labels(service.at(&["spec", "selector"]));
            if !selector.is_empty() && selector.matches(&labels) {
                sync(&service)?;
            }
        }
        return Ok(Outcome::done());
    }
    let (namespace, name) = split_key(key);
    match api.get(Kind::SERVICE.object(namespace, name))? {
        Some(service) => sync(&service)?,
        None => gone(namespace, name)?,
    }
    Ok(Outcome::done())
}

/// The Service's selector; `None`: its endpoints are somebody else's to write, or it is going.
pub fn selector(service: &Value) -> Option<Selector> {
    let selector = Selector::from_labels(service.at(&["spec", "selector"]));
    let external = service.at(&["spec", "type"]) == "ExternalName";
    (!selector.is_empty() && !external && !service.is_being_deleted()).then_some(selector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_go_there_and_back() {
        let pod = |app: &str| json!({"metadata": {"namespace": "shop", "labels": {"app": app, "a/b": "c"}}});
        let keys = keys_of_pod(&pod("web"), Some(&pod("db")));
        assert_eq!(keys.len(), 2);
        assert_eq!(labels_of(&keys[1]), Some(("shop", json!({"app": "db", "a/b": "c"}))));
        assert_eq!(keys_of_pod(&pod("web"), Some(&pod("web"))).len(), 1);
        assert_eq!(labels_of("shop/web"), None);
    }
}
