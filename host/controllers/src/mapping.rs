//! From a change to the keys it concerns.

use std::sync::Arc;

use orch_client::Object;
use orch_client::informer::{self, Event};
use orch_plugin::Cut;
use orch_plugin::calls::CallError;
use orch_plugin::calls::controller::{Change, ControllerPlugin, Keys, WatchOf};
use serde_json::Value;

/// One of a plugin's watches.
pub(crate) struct Mapping {
    pub plugin: Arc<dyn ControllerPlugin>,
    index: u32,
    pub watch: WatchOf,
    cut: Cut,
}

impl Mapping {
    pub fn new(plugin: Arc<dyn ControllerPlugin>, index: u32, watch: WatchOf) -> Self {
        let whole = watch.interest.fields.is_empty();
        // Of wildcard watches only metadata is told.
        let cut =
            if watch.interest.kind == "*" && whole { Cut::metadata() } else { Cut::of(&watch.interest) };
        Mapping { plugin, index, watch, cut }
    }

    /// The keys to reconcile; none when nothing changed that the controller reads.
    pub async fn keys(&self, event: &Event<Object>) -> Result<Vec<String>, CallError> {
        let (change, now, before) = match event {
            Event::Added(now) => (Change::Added, now.value(), None),
            Event::Modified { before, now } => (Change::Modified, now.value(), Some(before.value())),
            Event::Deleted(last) => (Change::Deleted, last.value(), None),
            Event::Synced => return Ok(Vec::new()),
        };
        if before.as_ref().is_some_and(|before| !self.cut.changed(before, &now)) {
            return Ok(Vec::new());
        }
        match &self.watch.keys {
            Keys::Itself => Ok(vec![informer::key(&now)]),
            Keys::ControllerOwner(kind) => Ok(owners(kind, &now, before.as_deref())),
            Keys::Custom => {
                let before = before.map(|before| self.cut.apply(&before));
                self.plugin.keys(self.index, change, &self.cut.apply(&now), before.as_deref()).await
            }
        }
    }
}

/// The controlling owners now and before: one that lost the object must learn of it too.
fn owners(kind: &str, now: &Value, before: Option<&Value>) -> Vec<String> {
    let mut keys: Vec<String> =
        [Some(now), before].into_iter().flatten().filter_map(|o| owner(kind, o)).collect();
    keys.dedup();
    keys
}

fn owner(kind: &str, object: &Value) -> Option<String> {
    let meta = &object["metadata"];
    let controls = |reference: &&Value| reference["controller"] == true && reference["kind"] == kind;
    let name = meta["ownerReferences"].as_array()?.iter().find(controls)?["name"].as_str()?;
    match meta["namespace"].as_str() {
        Some(namespace) if !namespace.is_empty() => Some(format!("{namespace}/{name}")),
        _ => Some(name.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_controlling_owner_of_the_kind() {
        let pod = |owner: &str, controller: bool| {
            json!({"metadata": {"namespace": "shop", "ownerReferences": [
                {"kind": "Job", "name": "j", "controller": false},
                {"kind": "ReplicaSet", "name": owner, "controller": controller},
            ]}})
        };
        assert_eq!(owners("ReplicaSet", &pod("a", true), None), ["shop/a"]);
        assert_eq!(owners("ReplicaSet", &pod("a", true), Some(&pod("a", true))), ["shop/a"]);
        assert_eq!(owners("ReplicaSet", &pod("b", true), Some(&pod("a", true))), ["shop/b", "shop/a"]);
        assert_eq!(owners("ReplicaSet", &pod("a", false), Some(&pod("a", true))), ["shop/a"]);
        assert!(owners("Job", &pod("a", true), None).is_empty());
    }
}
