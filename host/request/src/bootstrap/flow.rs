//! The flow schemas and priority levels of every cluster
//! (`k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap`).

use orch_client::{Resource, Target};
use orch_object::Status;
use serde_json::{Value, json};

use super::ensure;
use crate::definitions;
use crate::verbs::{Api, Call};

const GROUP: &str = "flowcontrol.apiserver.k8s.io";

/// A limited level: name, shares, percent it lends, and queues with the hand dealt from them.
type Level = (&'static str, i64, i64, Option<(i64, i64)>);

const LEVELS: [Level; 7] = [
    ("catch-all", 5, 0, None),
    ("global-default", 20, 50, Some((128, 6))),
    ("leader-election", 10, 0, Some((16, 4))),
    ("node-high", 40, 25, Some((64, 6))),
    ("system", 30, 33, Some((64, 6))),
    ("workload-high", 40, 50, Some((128, 6))),
    ("workload-low", 100, 90, Some((128, 6))),
];

const QUEUE_LENGTH: i64 = 50;
const EVERYBODY: [&str; 2] = ["system:unauthenticated", "system:authenticated"];

/// Who upstream says made them.
const MANAGER: &str = "api-priority-and-fairness-config-producer-v1";

pub async fn create(api: &Api) -> Result<(), Status> {
    let call = &Call::new(definitions::call().identity.clone(), MANAGER);
    for (resource, objects) in [("prioritylevelconfigurations", levels()), ("flowschemas", schemas())] {
        let target = Target::all(&Resource::new(GROUP, "v1", resource));
        for (name, spec) in objects {
            let annotations = json!({ "apf.kubernetes.io/autoupdate-spec": "true" });
            let object = json!({ "metadata": { "name": name, "annotations": annotations }, "spec": spec });
            ensure(api, call, target.clone(), object).await?;
        }
    }
    Ok(())
}

fn levels() -> Vec<(&'static str, Value)> {
    let exempt =
        json!({ "type": "Exempt", "exempt": { "nominalConcurrencyShares": 0, "lendablePercent": 0 } });
    let limited = LEVELS.into_iter().map(|(name, shares, lent, queues)| {
        let response = match queues {
            None => json!({ "type": "Reject" }),
            Some((queues, hand)) => json!({ "type": "Queue", "queuing": {
                "queues": queues, "handSize": hand, "queueLengthLimit": QUEUE_LENGTH } }),
        };
        let limited = json!({
            "nominalConcurrencyShares": shares, "lendablePercent": lent, "limitResponse": response,
        });
        (name, json!({ "type": "Limited", "limited": limited }))
    });
    std::iter::once(("exempt", exempt)).chain(limited).collect()
}

fn schemas() -> Vec<(&'static str, Value)> {
    let account = |namespace: &str| json!({ "kind": "ServiceAccount", "serviceAccount": { "namespace": namespace, "name": "*" } });
    let leaders =
        [user("system:kube-controller-manager"), user("system:kube-scheduler"), account("kube-system")];
    let leases = |verbs: Value| json!({ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "namespaces": ["*"], "verbs": verbs });
    let nodes = json!({ "apiGroups": [""], "resources": ["nodes", "nodes/status"], "verbs": ["*"],
        "clusterScope": true, "namespaces": ["*"] });
    let health = json!({ "nonResourceURLs": ["/healthz", "/readyz", "/livez"], "verbs": ["get"] });
    let everybody = EVERYBODY.map(group);
    vec![
        ("exempt", schema("exempt", 1, "", anything(&[group("system:masters")]))),
        ("probes", schema("exempt", 2, "", json!({ "subjects": everybody, "nonResourceRules": [health] }))),
        (
            "system-leader-election",
            schema(
                "leader-election",
                100,
                "ByUser",
                json!({
                "subjects": leaders, "resourceRules": [leases(json!(["get", "create", "update"]))] }),
            ),
        ),
        (
            "system-node-high",
            schema(
                "node-high",
                400,
                "ByUser",
                json!({
                "subjects": [group("system:nodes")], "resourceRules": [nodes, leases(json!(["*"]))] }),
            ),
        ),
        ("system-nodes", schema("system", 500, "ByUser", anything(&[group("system:nodes")]))),
        (
            "kube-controller-manager",
            schema("workload-high", 800, "ByNamespace", anything(&[user("system:kube-controller-manager")])),
        ),
        (
            "kube-scheduler",
            schema("workload-high", 800, "ByNamespace", anything(&[user("system:kube-scheduler")])),
        ),
        (
            "kube-system-service-accounts",
            schema("workload-high", 900, "ByNamespace", anything(&[account("kube-system")])),
        ),
        (
            "service-accounts",
            schema("workload-low", 9000, "ByUser", anything(&[group("system:serviceaccounts")])),
        ),
        ("global-default", schema("global-default", 9900, "ByUser", anything(&everybody))),
        ("catch-all", schema("catch-all", 10000, "ByUser", anything(&everybody))),
    ]
}

fn schema(level: &str, precedence: i64, distinguisher: &str, rule: Value) -> Value {
    let mut spec = json!({
        "priorityLevelConfiguration": { "name": level }, "matchingPrecedence": precedence, "rules": [rule],
    });
    if !distinguisher.is_empty() {
        spec["distinguisherMethod"] = json!({ "type": distinguisher });
    }
    spec
}

/// A rule for whatever these subjects ask.
fn anything(subjects: &[Value]) -> Value {
    json!({
        "subjects": subjects,
        "nonResourceRules": [{ "nonResourceURLs": ["*"], "verbs": ["*"] }],
        "resourceRules": [{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"],
            "namespaces": ["*"], "clusterScope": true }],
    })
}

fn group(name: &str) -> Value {
    json!({ "kind": "Group", "group": { "name": name } })
}

fn user(name: &str) -> Value {
    json!({ "kind": "User", "user": { "name": name } })
}
