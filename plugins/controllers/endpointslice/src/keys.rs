//! A pod's change concerns the Services that select its labels: the labels are the key, so that the
//! replicas of one set share it. `?namespace/{"app":"web"}`.

use orch_sdk::Value;
use orch_sdk::controller::{Change, key_of};
use orch_sdk::object::Object;

use crate::{MANAGED_BY, MANAGER, SERVICE_NAME};

/// Labels now, and those it had.
pub fn of_pod(pod: &Value, before: Option<&Value>) -> Vec<String> {
    let key = |pod: &Value| {
        let labels = pod.at(&["metadata", "labels"]);
        labels.is_object().then(|| format!("?{}/{labels}", pod.namespace()))
    };
    let mut keys: Vec<String> = [Some(pod), before].into_iter().flatten().filter_map(key).collect();
    keys.dedup();
    keys
}

pub fn labels_of(key: &str) -> Option<(&str, Value)> {
    let (namespace, labels) = key.strip_prefix('?')?.split_once('/')?;
    Some((namespace, orch_sdk::serde_json::from_str(labels).ok()?))
}

/// A slice that somebody else changed or deleted is put right.
pub fn of_slice(change: Change, slice: &Value) -> Option<String> {
    let ours = slice.label(MANAGED_BY) == Some(MANAGER) && change != Change::Added;
    ours.then(|| slice.label(SERVICE_NAME).map(|service| key_of(slice.namespace(), service)))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    #[test]
    fn labels_go_there_and_back() {
        let pod = |app: &str| json!({"metadata": {"namespace": "shop", "labels": {"app": app, "a/b": "c"}}});
        let keys = of_pod(&pod("web"), Some(&pod("db")));
        assert_eq!(keys.len(), 2);
        assert_eq!(labels_of(&keys[1]), Some(("shop", json!({"app": "db", "a/b": "c"}))));
        assert_eq!(of_pod(&pod("web"), Some(&pod("web"))).len(), 1);
        assert_eq!(labels_of("shop/web"), None);
    }
}
