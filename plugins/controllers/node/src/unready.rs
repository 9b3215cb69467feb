//! Pods of a node that is lost are not ready: nobody sends them requests.

use orch_sdk::Value;
use orch_sdk::controller::{Api, Error, Kind, Selection};
use orch_sdk::object::Object;
use orch_sdk::time::rfc3339;

/// All of a node's pods; tries each before it fails.
pub fn mark_all(api: &dyn Api, node: &str) -> Result<(), Error> {
    let there = format!("spec.nodeName={node}");
    let mut failed = None;
    for pod in api.list(Kind::POD, Selection::within("").fields(&there))? {
        failed = mark(api, &pod).err().or(failed);
    }
    failed.map_or(Ok(()), Err)
}

pub fn mark(api: &dyn Api, pod: &Value) -> Result<(), Error> {
    let mut conditions = pod.items(&["status", "conditions"]).to_vec();
    let is_ready = |known: &&mut Value| known["type"] == "Ready" && known["status"] != "False";
    let Some(ready) = conditions.iter_mut().find(is_ready) else { return Ok(()) };
    ready["status"] = "False".into();
    ready["lastTransitionTime"] = rfc3339(api.now_ms()).into();
    let mut pod = pod.clone();
    pod.set(&["status", "conditions"], conditions);
    match api.update_status(&pod) {
        Ok(_) => {
            api.event(&pod, "Warning", "NodeNotReady", "Node is not ready");
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
