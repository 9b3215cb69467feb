//! Lets a PersistentVolumeClaim that is being deleted go when no pod on a node uses it any more
//! (`pkg/controller/volume/pvcprotection`).

use orch_sdk::controller::{
    Api, Change, Controller, Description, Error, Kind, Outcome, Selection, split_key,
};
use orch_sdk::finalizer;
use orch_sdk::object::Object;
use orch_sdk::{Value, volume};

const CLAIM: Kind = Kind::new("v1", "PersistentVolumeClaim");
const FINALIZER: &str = "kubernetes.io/pvc-protection";

#[derive(Default)]
pub struct ClaimProtection;

orch_sdk::export_controller!(ClaimProtection);

impl Controller for ClaimProtection {
    fn describe() -> Description {
        let of_pods = ["metadata.deletionGracePeriodSeconds", "spec.nodeName", "spec.volumes"];
        Description::new()
            .watches(CLAIM, &["metadata.deletionTimestamp", "metadata.finalizers"])
            .watches_mapped(Kind::POD, &of_pods)
    }

    /// The claims of a pod that is gone, or about to be.
    fn keys(&mut self, _: usize, change: Change, pod: &Value, _: Option<&Value>) -> Vec<String> {
        if change != Change::Deleted && !is_shut_down(pod) {
            return Vec::new();
        }
        let Ok(pod) = read(pod) else { return Vec::new() };
        pod.claims().map(|claim| pod.claim_key(&claim)).collect()
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let (namespace, name) = split_key(key);
        let at = CLAIM.object(namespace, name);
        if let Some(claim) = api.get(at)? {
            finalizer::hold_while(api, at, &claim, FINALIZER, || is_used(api, &claim))?;
        }
        Ok(Outcome::done())
    }
}

fn read(pod: &Value) -> Result<volume::Pod, String> {
    volume::Pod::parse(&pod.to_string())
}

/// Its containers are over, or nobody waits for them: only others' finalizers keep it.
fn is_shut_down(pod: &Value) -> bool {
    pod.is_being_deleted() && pod.at(&["metadata", "deletionGracePeriodSeconds"]) == 0
}

fn is_used(api: &dyn Api, claim: &Value) -> Result<bool, Error> {
    let owned: volume::Claim =
        orch_sdk::serde_json::from_value(claim.clone()).map_err(|error| error.to_string())?;
    for pod in api.list(Kind::POD, Selection::within(claim.namespace()))? {
        if uses(&pod, &owned, claim.name())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A pod that is on no node yet will not be started with a claim that is going. The claim that was made
/// for a pod goes with it, before it where it must.
fn uses(pod: &Value, claim: &volume::Claim, name: &str) -> Result<bool, Error> {
    if pod.at(&["spec", "nodeName"]).as_str().unwrap_or_default().is_empty() {
        return Ok(false);
    }
    let read = read(pod)?;
    let used = read.claims().filter(|used| used.name == name);
    Ok(used
        .into_iter()
        .any(|used| !used.ephemeral || (!is_shut_down(pod) && read.check_owner(claim).is_ok())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::Cluster;
    use orch_sdk::json;

    fn claim(name: &str, owner: &str) -> Value {
        json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": name, "namespace": "shop", "uid": name, "finalizers": [FINALIZER],
                "deletionTimestamp": "2026-01-01T00:00:00Z",
                "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": owner, "controller": true }] } })
    }

    fn pod(node: &str, volume: Value) -> Value {
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "namespace": "shop", "uid": "pu" },
            "spec": { "nodeName": node, "volumes": [volume] } })
    }

    fn is_kept(claim: Value, pod: Option<Value>) -> bool {
        let key = claim.key();
        let cluster = Cluster::with([claim].into_iter().chain(pod));
        ClaimProtection.reconcile(&cluster, &key).unwrap();
        cluster.take_writes().is_empty()
    }

    #[test]
    fn a_claim_that_a_pod_on_a_node_uses_stays() {
        let by_name = json!({ "name": "v", "persistentVolumeClaim": { "claimName": "data" } });
        assert!(is_kept(claim("data", ""), Some(pod("n", by_name.clone()))));
        assert!(!is_kept(claim("data", ""), Some(pod("", by_name.clone()))), "it waits for a node");
        assert!(!is_kept(claim("other", ""), Some(pod("n", by_name))));
        assert!(!is_kept(claim("data", ""), None));
    }

    #[test]
    fn a_pods_own_claim_stays_until_the_pod_is_over() {
        let own = json!({ "name": "scratch", "ephemeral": { "volumeClaimTemplate": {} } });
        assert!(is_kept(claim("p-scratch", "pu"), Some(pod("n", own.clone()))));
        assert!(!is_kept(claim("p-scratch", "another"), Some(pod("n", own.clone()))), "it is not the pod's");
        let mut over = pod("n", own);
        over["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        over["metadata"]["deletionGracePeriodSeconds"] = 0.into();
        assert!(!is_kept(claim("p-scratch", "pu"), Some(over)));
    }

    #[test]
    fn pods_that_go_wake_their_claims() {
        let volume = json!({ "name": "v", "persistentVolumeClaim": { "claimName": "data" } });
        let pod = pod("n", volume);
        assert_eq!(ClaimProtection.keys(1, Change::Deleted, &pod, None), ["shop/data"]);
        assert!(ClaimProtection.keys(1, Change::Modified, &pod, Some(&pod)).is_empty());
    }

    #[test]
    fn claims_that_stay_are_held() {
        let mut old = claim("data", "");
        old["metadata"] = json!({ "name": "data", "namespace": "shop", "uid": "u" });
        let cluster = Cluster::with([old]);
        ClaimProtection.reconcile(&cluster, "shop/data").unwrap();
        assert_eq!(cluster.object(CLAIM, "shop", "data")["metadata"]["finalizers"], json!([FINALIZER]));
        cluster.take_writes();
        ClaimProtection.reconcile(&cluster, "shop/data").unwrap();
        assert!(cluster.take_writes().is_empty());
    }
}
