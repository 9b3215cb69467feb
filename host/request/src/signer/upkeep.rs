//! Requests that are over go (`pkg/controller/certificates/cleaner`).

use jiff::{SignedDuration, Timestamp};
use orch_store::{Change, Expect, StoreError, Write};
use serde_json::Value;

use super::{REQUESTS, has};
use crate::key;
use crate::verbs::{Api, stamp};

const ANSWERED: SignedDuration = SignedDuration::from_hours(1);
const PENDING: SignedDuration = SignedDuration::from_hours(24);

pub async fn clean(api: &Api) {
    for object in api.cache().list(&key::prefix(&REQUESTS.group, &REQUESTS.plural, None)).items {
        let request = object.value();
        if !is_over(&request, api.clock.now()) {
            continue;
        }
        let change = Change::Delete(stamp(&request));
        let write = Write::new(&*object.key, Expect::Revision(object.revision), change);
        match api.cache().store().commit(write).await {
            // Changed, or removed by somebody else.
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return tracing::warn!(%error, "cannot remove an old certificate request"),
        }
    }
}

/// An hour after an answer, a day without one.
fn is_over(request: &Value, now: Timestamp) -> bool {
    let older = |time: &Value, than: SignedDuration| {
        let at = time.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        at.is_some_and(|at| now.duration_since(at) > than)
    };
    let conditions = request["status"]["conditions"].as_array();
    let answered = conditions.into_iter().flatten().any(|condition| {
        ["Approved", "Denied", "Failed"].iter().any(|kind| condition["type"] == *kind)
            && older(&condition["lastUpdateTime"], ANSWERED)
    });
    let pending = !has(request, "Approved") && !has(request, "Denied");
    answered || (pending && older(&request["metadata"]["creationTimestamp"], PENDING))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answered_requests_go_in_an_hour_and_others_in_a_day() {
        let request = |condition: Option<&str>| {
            let conditions: Vec<Value> = condition
                .into_iter()
                .map(|kind| json!({ "type": kind, "lastUpdateTime": "2026-01-01T00:00:00Z" }))
                .collect();
            json!({ "metadata": { "creationTimestamp": "2026-01-01T00:00:00Z" }, "status": { "conditions": conditions } })
        };
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        for kind in ["Approved", "Denied", "Failed"] {
            assert!(!is_over(&request(Some(kind)), at("2026-01-01T00:59:00Z")));
            assert!(is_over(&request(Some(kind)), at("2026-01-01T01:01:00Z")));
        }
        assert!(!is_over(&request(None), at("2026-01-01T23:00:00Z")));
        assert!(is_over(&request(None), at("2026-01-02T00:01:00Z")));
    }
}
