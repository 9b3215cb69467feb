//! Certificate requests, trust bundles, and pods' certificate requests (`pkg/registry/certificates`).

use serde_json::Value;

use super::{PLAIN, WITH_LONE_STATUS, default_to, drop_status, ensure, restore, restore_status};
use crate::kind::{Demand, Strategy};
use crate::validation;

/// Seconds a pod's certificate may be valid when it asks for nothing else.
const POD_CERTIFICATE_SECONDS: i64 = 86_400;
/// Conditions that only the approval writes.
const DECISIONS: [&str; 2] = ["Approved", "Denied"];

pub(crate) const REQUEST: Strategy = Strategy {
    default: |request| {
        // Absent and empty are one in upstream's type: it is always shown.
        ensure(request, "status");
    },
    prepare_create: drop_status,
    record_requester: Some(record_requester),
    demands: demand_of_request,
    prepare_update: |new, old| {
        restore(new, old, "spec");
        restore_status(new, old);
    },
    prepare_part: prepare_request_part,
    reset_by_status: &["spec", "status.conditions"],
    validate: validation::certificates::validate_request,
    validate_part: Some(validation::certificates::validate_request_part),
    ..PLAIN
};

/// A request says who made it, whatever its body claims.
fn record_requester(request: &mut Value, user: &Value) {
    let Some(Value::Object(spec)) = ensure(request, "spec") else { return };
    for field in ["username", "uid", "groups", "extra"] {
        match user.get(field) {
            Some(value) => spec.insert(field.into(), value.clone()),
            None => spec.remove(field),
        };
    }
}

/// The approval writes conditions alone; the status keeps the decisions that stand.
fn prepare_request_part(new: &mut Value, old: &Value, subresource: &str, now: &str) {
    if subresource == "approval" {
        let conditions = new.pointer_mut("/status/conditions").map(Value::take).unwrap_or_default();
        restore_status(new, old);
        if let Some(Value::Object(status)) = ensure(new, "status") {
            match conditions {
                Value::Null => drop(status.remove("conditions")),
                conditions => drop(status.insert("conditions".into(), conditions)),
            }
        }
    } else {
        for decision in DECISIONS {
            keep_decisions(new, old, decision);
        }
    }
    stamp_conditions(new, old, now);
}

/// The old conditions of a type stand where the new object has as many of it.
fn keep_decisions(new: &mut Value, old: &Value, decision: &str) {
    let old: Vec<Value> = conditions(old).iter().filter(|c| c["type"] == decision).cloned().collect();
    let Some(new) = new.pointer_mut("/status/conditions").and_then(Value::as_array_mut) else { return };
    let places: Vec<usize> = (0..new.len()).filter(|at| new[*at]["type"] == decision).collect();
    if places.len() == old.len() {
        places.into_iter().zip(old).for_each(|(at, condition)| new[at] = condition);
    }
}

fn stamp_conditions(new: &mut Value, old: &Value, now: &str) {
    let old = conditions(old).to_vec();
    for condition in new.pointer_mut("/status/conditions").and_then(Value::as_array_mut).into_iter().flatten()
    {
        default_to(condition, "lastUpdateTime", now);
        let same = old.iter().find(|o| o["type"] == condition["type"] && o["status"] == condition["status"]);
        let since = same.and_then(|same| same["lastTransitionTime"].as_str()).unwrap_or(now);
        default_to(condition, "lastTransitionTime", since);
    }
}

fn conditions(object: &Value) -> &[Value] {
    object["status"]["conditions"].as_array().map_or(&[], Vec::as_slice)
}

/// `approve` for an approval, `sign` for a certificate or its refusal.
fn demand_of_request(new: &Value, old: Option<&Value>, subresource: &str) -> Option<Demand> {
    let old = old?;
    let signer = old["spec"]["signerName"].as_str().unwrap_or_default();
    let changed = |field: &str| new["status"][field] != old["status"][field];
    match subresource {
        "approval" => {
            let refusal = format!("user not permitted to approve requests with signerName {signer:?}");
            Some(on_signer("approve", signer, refusal))
        }
        "status" if changed("certificate") || changed("conditions") => {
            let refusal = format!("user not permitted to sign requests with signerName {signer:?}");
            Some(on_signer("sign", signer, refusal))
        }
        _ => None,
    }
}

/// On the signer itself, or on all of its domain.
fn on_signer(verb: &'static str, signer: &str, refusal: String) -> Demand {
    let domain = signer.split('/').next().unwrap_or_default();
    let names = vec![signer.to_string(), format!("{domain}/*")];
    Demand { verb, group: "certificates.k8s.io", resource: "signers", names, refusal }
}

pub(crate) const BUNDLE: Strategy = Strategy {
    validate: validation::certificates::validate_bundle,
    demands: |bundle, _, _| {
        let signer = bundle["spec"]["signerName"].as_str().filter(|signer| !signer.is_empty())?;
        let refusal = format!("user not permitted to attest for signerName {signer:?}");
        Some(on_signer("attest", signer, refusal))
    },
    ..PLAIN
};

pub(crate) const POD_REQUEST: Strategy = Strategy {
    default: |request| {
        ensure(request, "status");
        if let Some(spec) = ensure(request, "spec") {
            default_to(spec, "maxExpirationSeconds", POD_CERTIFICATE_SECONDS);
        }
    },
    demands: |new, old, subresource| {
        let old = old.filter(|old| subresource == "status" && new["status"] != old["status"])?;
        let signer = old["spec"]["signerName"].as_str().unwrap_or_default();
        Some(on_signer("sign", signer, format!("user is not permitted to \"sign\" for signer {signer:?}")))
    },
    validate: validation::certificates::validate_pod_request,
    validate_part: Some(validation::certificates::validate_pod_request_status),
    ..WITH_LONE_STATUS
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_names_who_made_it() {
        let mut request =
            json!({ "spec": { "username": "somebody", "extra": { "a": ["b"] }, "request": "r" } });
        record_requester(&mut request, &json!({ "username": "jane", "groups": ["g"] }));
        assert_eq!(request["spec"], json!({ "username": "jane", "groups": ["g"], "request": "r" }));
    }

    #[test]
    fn an_approval_writes_conditions_alone_and_times_them() {
        let old = json!({ "status": { "certificate": "old", "conditions": [
            { "type": "Approved", "status": "True", "lastUpdateTime": "a", "lastTransitionTime": "a" }] } });
        let mut new = json!({ "status": { "certificate": "new", "conditions": [
            { "type": "Approved", "status": "True" }, { "type": "Failed", "status": "True" }] } });
        prepare_request_part(&mut new, &old, "approval", "now");
        assert_eq!(
            new["status"],
            json!({ "certificate": "old", "conditions": [
            { "type": "Approved", "status": "True", "lastUpdateTime": "now", "lastTransitionTime": "a" },
            { "type": "Failed", "status": "True", "lastUpdateTime": "now", "lastTransitionTime": "now" }] })
        );
    }

    #[test]
    fn approving_and_signing_are_asked_for_the_signer() {
        let old = json!({ "spec": { "signerName": "e.com/s" }, "status": {} });
        let demanded = |new: &Value, subresource: &str| {
            (REQUEST.demands)(new, Some(&old), subresource).map(|demand| (demand.verb, demand.names))
        };
        let names = vec!["e.com/s".to_string(), "e.com/*".to_string()];
        assert_eq!(demanded(&old, "approval"), Some(("approve", names.clone())));
        assert_eq!(demanded(&json!({ "status": { "certificate": "c" } }), "status"), Some(("sign", names)));
        assert_eq!(demanded(&old, "status"), None);
        assert_eq!(demanded(&old, ""), None);
        assert_eq!((BUNDLE.demands)(&json!({ "spec": {} }), None, ""), None);
        assert_eq!((BUNDLE.demands)(&old, None, "").unwrap().verb, "attest");
    }

    #[test]
    fn a_status_write_keeps_the_decision_that_stands() {
        let old = json!({ "status": { "conditions": [
            { "type": "Approved", "status": "True", "reason": "Old", "lastUpdateTime": "a", "lastTransitionTime": "a" }] } });
        let mut new = json!({ "status": { "certificate": "c", "conditions": [
            { "type": "Approved", "status": "True", "reason": "New" }] } });
        prepare_request_part(&mut new, &old, "status", "now");
        assert_eq!(new["status"]["conditions"], old["status"]["conditions"]);
        assert_eq!(new["status"]["certificate"], "c");
    }
}
