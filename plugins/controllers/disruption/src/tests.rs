use orch_sdk::controller::ApiError;
use orch_sdk::fake::Cluster;
use orch_sdk::json;
use orch_sdk::time::rfc3339;

use super::*;

fn budget(spec: Value) -> Value {
    let mut spec = spec;
    spec["selector"] = json!({ "matchLabels": { "app": "web" } });
    json!({ "apiVersion": BUDGET.api_version, "kind": BUDGET.kind,
        "metadata": { "name": "b", "namespace": "shop" }, "spec": spec })
}

fn pod(name: &str, ready: bool, owner: Option<(&str, &str, &str)>) -> Value {
    let mut pod = json!({ "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "shop", "labels": { "app": "web" } },
        "status": { "phase": "Running", "conditions": [
            { "type": "Ready", "status": if ready { "True" } else { "False" } }] } });
    if let Some((api_version, kind, name)) = owner {
        pod["metadata"]["ownerReferences"] = json!([{ "apiVersion": api_version, "kind": kind, "name": name,
            "uid": name, "controller": true }]);
    }
    pod
}

fn owner(api_version: &str, kind: &str, name: &str, replicas: i64) -> Value {
    json!({ "apiVersion": api_version, "kind": kind, "spec": { "replicas": replicas },
        "metadata": { "name": name, "namespace": "shop", "uid": name } })
}

const SET: Option<(&str, &str, &str)> = Some(("apps/v1", "ReplicaSet", "rs"));

fn status(cluster: &Cluster) -> Value {
    cluster.object(BUDGET, "shop", "b")["status"].clone()
}

/// `currentHealthy`, `desiredHealthy`, `expectedPods`, `disruptionsAllowed`.
fn counts(cluster: &Cluster) -> [i64; 4] {
    let status = status(cluster);
    ["currentHealthy", "desiredHealthy", "expectedPods", "disruptionsAllowed"]
        .map(|field| status[field].as_i64().unwrap())
}

fn reasons(cluster: &Cluster) -> Vec<String> {
    cluster.events().into_iter().map(|event| event.reason).collect()
}

#[test]
fn a_number_of_pods_needs_no_controller() {
    let cluster =
        Cluster::with([budget(json!({ "minAvailable": 1 })), pod("a", true, None), pod("b", true, None)]);
    Disruption.reconcile(&cluster, "shop/b").unwrap();
    assert_eq!(counts(&cluster), [2, 1, 2, 1]);
    let status = status(&cluster);
    assert_eq!((&status["observedGeneration"], &status["disruptedPods"]), (&json!(1), &Value::Null));
    let condition = &status["conditions"][0];
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("True"), &json!("SufficientPods")));
    assert_eq!((&condition["observedGeneration"], &condition["message"]), (&json!(1), &json!("")));
    cluster.take_writes();
    Disruption.reconcile(&cluster, "shop/b").unwrap();
    assert!(cluster.take_writes().is_empty(), "what is right is left alone");
    assert!(cluster.events().is_empty());
}

#[test]
fn the_pods_of_a_deployment_are_shares_of_all_it_asks_for() {
    let mut set = owner("apps/v1", "ReplicaSet", "rs", 2);
    set["metadata"]["ownerReferences"] = json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "d",
        "uid": "d", "controller": true }]);
    let mut old = set.clone();
    (old["metadata"]["name"], old["metadata"]["uid"]) = ("old".into(), "old".into());
    let objects = [
        budget(json!({ "maxUnavailable": "25%" })),
        owner("apps/v1", "Deployment", "d", 5),
        set,
        old,
        pod("a", true, SET),
        pod("b", true, Some(("apps/v1", "ReplicaSet", "old"))),
        pod("c", false, SET),
    ];
    let cluster = Cluster::with(objects);
    Disruption.reconcile(&cluster, "shop/b").unwrap();
    assert_eq!(counts(&cluster), [2, 3, 5, 0], "two may be missing: a quarter of five, rounded up");
    assert_eq!(status(&cluster)["conditions"][0]["reason"], "InsufficientPods");
}

#[test]
fn every_kind_of_controller_is_asked() {
    let kinds = [
        ("apps/v1", "ReplicaSet"),
        ("apps/v1", "StatefulSet"),
        ("v1", "ReplicationController"),
        ("example.com/v1", "Widget"),
    ];
    for (api_version, kind) in kinds {
        let cluster = Cluster::with([
            budget(json!({ "minAvailable": "50%" })),
            owner(api_version, kind, "o", 3),
            pod("a", true, Some((api_version, kind, "o"))),
            pod("b", true, Some((api_version, kind, "o"))),
            pod("c", true, Some((api_version, kind, "o"))),
        ]);
        Disruption.reconcile(&cluster, "shop/b").unwrap();
        assert_eq!(counts(&cluster), [3, 2, 3, 1], "{kind}");
    }
}

#[test]
fn what_cannot_be_counted_allows_nothing_and_says_why() {
    let cluster = Cluster::with([
        budget(json!({ "maxUnavailable": 1 })),
        owner("apps/v1", "ReplicaSet", "rs", 2),
        pod("a", true, SET),
        pod("b", true, SET),
    ]);
    Disruption.reconcile(&cluster, "shop/b").unwrap();
    assert_eq!(counts(&cluster), [2, 1, 2, 1]);
    cluster.put(pod("c", true, Some(("example.com/v1", "Widget", "w"))));
    Disruption.reconcile(&cluster, "shop/b").unwrap();
    assert_eq!(counts(&cluster), [2, 1, 2, 0], "the rest stands as it was");
    let condition = status(&cluster)["conditions"][0].clone();
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("False"), &json!("SyncFailed")));
    let why = "no matches for kind \"Widget\" in version \"example.com/v1\"";
    assert_eq!(condition["message"], why);
    assert_eq!(reasons(&cluster), ["CalculateExpectedPodCountFailed"]);

    cluster.put(json!({ "apiVersion": "example.com/v1", "kind": "Widget", "spec": {},
        "metadata": { "name": "w", "namespace": "shop", "uid": "w" } }));
    Disruption.reconcile(&cluster, "shop/b").unwrap();
    let why = "widgets.example.com does not implement the scale subresource";
    assert_eq!(status(&cluster)["conditions"][0]["message"], why);

    let gone = Cluster::with([budget(json!({ "maxUnavailable": 1 })), pod("a", true, SET)]);
    Disruption.reconcile(&gone, "shop/b").unwrap();
    assert_eq!(status(&gone)["conditions"][0]["message"], "found no controllers for pod \"a\"");
}

#[test]
fn pods_without_a_controller_are_told_of() {
    let cluster = Cluster::with([budget(json!({ "maxUnavailable": 1 })), pod("a", true, None)]);
    Disruption.reconcile(&cluster, "shop/b").unwrap();
    assert_eq!(counts(&cluster), [1, 0, 0, 0]);
    assert_eq!(reasons(&cluster), ["UnmanagedPods"]);
    let none = Cluster::with([budget(json!({ "minAvailable": 1 }))]);
    Disruption.reconcile(&none, "shop/b").unwrap();
    assert_eq!(counts(&none), [0, 1, 0, 0]);
    assert_eq!(reasons(&none), ["NoPods"]);
}

#[test]
fn no_selector_selects_nothing_and_an_empty_one_all() {
    let with = |selector: Value| {
        let mut budget = budget(json!({ "minAvailable": 1 }));
        budget["spec"]["selector"] = selector;
        let cluster = Cluster::with([budget, pod("a", true, None)]);
        Disruption.reconcile(&cluster, "shop/b").unwrap();
        counts(&cluster)[2]
    };
    assert_eq!([with(Value::Null), with(json!({}))], [0, 1]);
}

#[test]
fn pods_on_their_way_out_are_not_counted_as_healthy() {
    let cluster = Cluster::new();
    let mut budget = budget(json!({ "minAvailable": 1 }));
    let ago = |seconds: u64| rfc3339(cluster.now_ms() - seconds * 1000);
    budget["status"] = json!({ "disruptedPods": { "a": ago(30), "b": ago(121), "gone": ago(1) } });
    cluster.put(budget);
    let mut going = pod("c", true, None);
    going["metadata"]["deletionTimestamp"] = ago(1).into();
    for pod in [pod("a", true, None), pod("b", true, None), going] {
        cluster.put(pod);
    }
    let outcome = Disruption.reconcile(&cluster, "shop/b").unwrap();
    assert_eq!(counts(&cluster), [1, 1, 3, 0]);
    assert_eq!(status(&cluster)["disruptedPods"], json!({ "a": ago(30) }));
    assert_eq!(reasons(&cluster), ["NotDeleted"], "b was to go two minutes ago");
    assert_eq!(outcome, Outcome::requeue_after_ms(90_001));
    cluster.advance_ms(90_001);
    Disruption.reconcile(&cluster, "shop/b").unwrap();
    assert_eq!(counts(&cluster), [2, 1, 3, 1]);
    assert!(status(&cluster)["disruptedPods"].is_null());
}

#[test]
fn a_pod_wakes_the_budgets_that_select_it_or_did() {
    let cluster = Cluster::with([budget(json!({ "minAvailable": 1 })), pod("a", true, None)]);
    let mut other = pod("a", true, None);
    other["metadata"]["labels"] = json!({ "app": "db" });
    let keys = Disruption.keys(1, Change::Modified, &other, Some(&pod("a", true, None)));
    assert_eq!(keys, [r#"shop/?{"app":"db"}"#, r#"shop/?{"app":"web"}"#]);
    Disruption.reconcile(&cluster, &keys[0]).unwrap();
    assert!(cluster.object(BUDGET, "shop", "b")["status"].is_null());
    Disruption.reconcile(&cluster, &keys[1]).unwrap();
    assert_eq!(counts(&cluster), [1, 1, 1, 0]);
    let unchanged = Disruption.keys(1, Change::Modified, &other, Some(&other));
    assert_eq!(unchanged, [r#"shop/?{"app":"db"}"#]);
}

#[test]
fn what_an_eviction_spends_meanwhile_is_not_overwritten() {
    let cluster = Cluster::with([budget(json!({ "minAvailable": 1 })), pod("a", true, None)]);
    let conflict = ApiError::new(409, "Conflict", "the object has been modified");
    cluster.fail_next("update", conflict);
    assert!(Disruption.reconcile(&cluster, "shop/b").is_err(), "tried again with what is there then");
}

#[test]
fn a_promise_that_is_not_kept_is_withdrawn() {
    let promised = |cluster: &Cluster, reason: &str| {
        let mut pod = pod("a", true, None);
        let promise = json!({ "type": "DisruptionTarget", "status": "True",
            "reason": reason, "message": "m", "lastTransitionTime": rfc3339(cluster.now_ms()) });
        pod["status"]["conditions"].as_array_mut().unwrap().push(promise);
        pod
    };
    let cluster = Cluster::new();
    let pod = cluster.put(promised(&cluster, "PreemptionByScheduler"));
    let keys = Disruption.keys(1, Change::Added, &pod, None);
    assert_eq!(keys[1], "shop/!a");
    cluster.advance_ms(20_000);
    let outcome = Disruption.reconcile(&cluster, "shop/!a").unwrap();
    assert_eq!(outcome, Outcome::requeue_after_ms(100_000));
    cluster.advance_ms(100_000);
    Disruption.reconcile(&cluster, "shop/!a").unwrap();
    let pod = cluster.object(Kind::POD, "shop", "a");
    let conditions = &pod["status"]["conditions"];
    assert_eq!((&conditions[1]["status"], &conditions[1]["reason"]), (&json!("False"), &Value::Null));
    assert_eq!(conditions[0]["type"], "Ready");

    let by_node = cluster.put(promised(&cluster, "TerminationByKubelet"));
    assert_eq!(Disruption.keys(1, Change::Added, &by_node, None).len(), 1);
}
