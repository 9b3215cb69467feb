//! A pod's end by force: it has failed, and is gone.

use orch_sdk::controller::{Api, DeleteOptions, Error, Kind, PatchType};
use orch_sdk::object::Object;
use orch_sdk::time::rfc3339;
use orch_sdk::{Value, json};

/// Reason and message of the condition `DisruptionTarget`.
pub const NODE_IS_GONE: (&str, &str) = ("DeletionByPodGC", "PodGC: node no longer exists");

/// `why`: for the count of such ends. `pod`: `Null`, if it is gone already.
pub fn end(api: &dyn Api, pod: &Value, why: &str, told: Option<(&str, &str)>) -> Result<(), Error> {
    if pod.is_null() {
        return Ok(());
    }
    let at = Kind::POD.object(pod.namespace(), pod.name());
    let is_over = matches!(pod.at(&["status", "phase"]).as_str(), Some("Succeeded" | "Failed"));
    let marked = match is_over {
        true => Ok(()),
        // No node is there to say so.
        false => {
            let body = failed(pod, told, &rfc3339(api.now_ms()));
            api.patch_subresource(at, "status", PatchType::Strategic, &body).map(drop)
        }
    };
    let options = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::uid(pod.uid()) };
    match marked.and_then(|()| api.delete(at, &options)) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        Err(_) => Ok(()),
        Ok(()) => {
            api.count("pods_deleted", &[("namespace", pod.namespace()), ("reason", why)], 1.0);
            Ok(())
        }
    }
}

fn failed(pod: &Value, told: Option<(&str, &str)>, now: &str) -> Value {
    let generation = pod.generation();
    let mut body = json!({ "metadata": { "uid": pod.uid() },
        "status": { "phase": "Failed", "observedGeneration": generation } });
    if let Some((reason, message)) = told {
        body["status"]["conditions"] = json!([{
            "type": "DisruptionTarget", "status": "True", "reason": reason, "message": message,
            "observedGeneration": generation, "lastTransitionTime": now,
        }]);
    }
    body
}
