//! Certificate requests and trust bundles.

use serde_json::Value;

use super::{NONE, age, labels, list, name, or, path, str_of, text};
use crate::duration;
use crate::kind::Column;

pub(crate) fn request_columns() -> Vec<Column> {
    vec![
        name(),
        age(),
        text("SignerName", "Who is to sign.", signer),
        path("Requestor", "Who asked.", "spec.username"),
        text("RequestedDuration", "How long it shall be valid.", |request| {
            request["spec"]["expirationSeconds"].as_i64().map_or(NONE.into(), |s| duration::human(s).into())
        }),
        text("Condition", "What became of it.", condition),
    ]
}

fn signer(object: &Value) -> Value {
    or(&object["spec"]["signerName"], NONE)
}

fn condition(request: &Value) -> Value {
    let has = |wanted: &str| list(&request["status"]["conditions"]).iter().any(|c| c["type"] == wanted);
    let mut words = vec![match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    }];
    if has("Failed") {
        words.push("Failed");
    }
    if !str_of(&request["status"]["certificate"]).is_empty() {
        words.push("Issued");
    }
    words.join(",").into()
}

pub(crate) fn bundle_columns() -> Vec<Column> {
    vec![name(), text("SignerName", "Whose certificates it verifies.", signer)]
}

pub(crate) fn pod_request_columns() -> Vec<Column> {
    vec![
        name(),
        path("PodName", "The pod it is for.", "spec.podName"),
        path("ServiceAccountName", "Whom the pod runs as.", "spec.serviceAccountName"),
        path("NodeName", "Where the pod runs.", "spec.nodeName"),
        path("SignerName", "Who is to sign.", "spec.signerName"),
        text("State", "What became of it.", |request| {
            let states =
                list(&request["status"]["conditions"]).iter().map(|condition| str_of(&condition["type"]));
            let mut known = states.filter(|state| ["Issued", "Denied", "Failed"].contains(state));
            known.next_back().unwrap_or("Pending").into()
        }),
        text("UnverifiedUserAnnotations", "What the pod asks of the signer.", |request| {
            labels(&request["spec"]["unverifiedUserAnnotations"])
        }),
    ]
}
