//! One behaviour each, on clusters small enough to check by hand.

use super::*;

fn zones(zones: &[&str]) -> Vec<(&'static str, Value)> {
    const NAMES: [&str; 6] = ["n0", "n1", "n2", "n3", "n4", "n5"];
    let labels = |(index, zone): (usize, &&str)| {
        (NAMES[index], json!({"zone": zone, "kubernetes.io/hostname": NAMES[index]}))
    };
    zones.iter().enumerate().map(labels).collect()
}

fn web() -> Value {
    json!({"app": "web"})
}

fn hard(more: Value) -> Value {
    spread("DoNotSchedule", more)
}

fn spread(action: &str, more: Value) -> Value {
    let mut constraint = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": action,
        "labelSelector": {"matchLabels": {"app": "web"}}});
    let more = more.as_object().cloned().unwrap_or_default();
    constraint.as_object_mut().unwrap().extend(more);
    constraint
}

fn spec(constraints: &[Value]) -> Value {
    json!({"topologySpreadConstraints": constraints})
}

const NONE: [&str; 0] = [];

#[test]
fn zones_ahead_of_the_emptiest_are_full() {
    let mut policy = told(&zones(&["a", "a", "b", "c"]), &[(0, web()), (1, web()), (2, web())]);
    assert_eq!(rejected(&mut policy, spec(&[hard(json!({}))]), 4), ["0", "1", "2"]);
    assert_eq!(rejected(&mut policy, spec(&[hard(json!({"maxSkew": 2}))]), 4), ["0", "1"]);
    assert_eq!(rejected(&mut policy, spec(&[hard(json!({"maxSkew": 3}))]), 4), NONE);
    upsert(&mut policy, "late", 3, web());
    assert_eq!(rejected(&mut policy, spec(&[hard(json!({}))]), 4), ["0", "1"]);
}

#[test]
fn reasons_read_as_upstreams_and_the_first_constraint_gives_it() {
    let mut nodes = zones(&["a", "b"]);
    nodes.push(("bare", json!({"kubernetes.io/hostname": "bare"})));
    let mut policy = told(&nodes, &[(0, web())]);
    let by_host = hard(json!({"topologyKey": "kubernetes.io/hostname"}));
    let reasons = |policy: &mut PodTopologySpread, constraints: &[Value]| {
        let rejections = rejections(policy, &pod(spec(constraints)), &(0..3).collect());
        let list = |rejection: Rejection| {
            (rejection.reason, rejection.nodes.iter().collect::<Vec<_>>(), rejection.unresolvable)
        };
        rejections.into_iter().map(list).collect::<Vec<_>>()
    };
    let crowded = "node(s) didn't match pod topology spread constraints".to_string();
    let unlabelled = format!("{crowded} (missing required label)");
    let expected = [(crowded.clone(), vec![0], false), (unlabelled.clone(), vec![2], true)];
    assert_eq!(reasons(&mut policy, &[hard(json!({}))]), expected);
    assert_eq!(reasons(&mut policy, &[by_host, hard(json!({}))]), expected);
}

#[test]
fn a_pod_that_does_not_count_itself_may_stand_level() {
    let mut policy = told(&zones(&["a", "b"]), &[(0, json!({"app": "db"}))]);
    let other = json!({"labelSelector": {"matchLabels": {"app": "db"}}});
    assert_eq!(rejected(&mut policy, spec(&[hard(other)]), 2), NONE);
    upsert(&mut policy, "second", 0, json!({"app": "db"}));
    let other = json!({"labelSelector": {"matchLabels": {"app": "db"}}});
    assert_eq!(rejected(&mut policy, spec(&[hard(other)]), 2), ["0"]);
}

#[test]
fn no_selector_and_the_empty_selector_count_no_pod() {
    let mut policy = told(&zones(&["a", "b"]), &[(0, web()), (0, web())]);
    assert_eq!(rejected(&mut policy, spec(&[hard(json!({"labelSelector": null}))]), 2), NONE);
    assert_eq!(rejected(&mut policy, spec(&[hard(json!({"labelSelector": {}}))]), 2), NONE);
    let any = json!({"labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}});
    assert_eq!(rejected(&mut policy, spec(&[hard(any)]), 2), ["0"]);
}

#[test]
fn too_few_domains_mean_an_empty_one() {
    let mut policy = told(&zones(&["a", "b"]), &[(0, web()), (1, web())]);
    assert_eq!(rejected(&mut policy, spec(&[hard(json!({"minDomains": 2}))]), 2), NONE);
    assert_eq!(rejected(&mut policy, spec(&[hard(json!({"minDomains": 3}))]), 2), ["0", "1"]);
}

#[test]
fn pods_that_end_and_pods_elsewhere_do_not_count() {
    let mut policy = told(&zones(&["a", "b"]), &[(0, web())]);
    let question = || spec(&[hard(json!({}))]);
    assert_eq!(rejected(&mut policy, question(), 2), ["0"]);
    let mut ending = json!({"metadata": {"name": "u0", "namespace": "default", "uid": "u0", "labels": web(),
        "deletionTimestamp": "2026-01-01T00:00:00Z"}});
    policy.sync(Delta::PodUpsert { key: "u0".into(), node: 0, pod: ending.to_string() }).unwrap();
    assert_eq!(rejected(&mut policy, question(), 2), NONE);
    ending["metadata"]["deletionTimestamp"] = Value::Null;
    ending["metadata"]["namespace"] = "other".into();
    policy.sync(Delta::PodUpsert { key: "u0".into(), node: 0, pod: ending.to_string() }).unwrap();
    assert_eq!(rejected(&mut policy, question(), 2), NONE);
}

#[test]
fn only_nodes_the_pod_could_go_to_are_counted_unless_told_otherwise() {
    let mut nodes = zones(&["a", "b", "c"]);
    nodes[2].1["disk"] = "hdd".into();
    nodes[0].1["disk"] = "ssd".into();
    nodes[1].1["disk"] = "ssd".into();
    let mut policy = told(&nodes, &[(0, web()), (1, web())]);
    let ask = |more: Value| {
        let mut spec = spec(&[hard(more)]);
        spec["nodeSelector"] = json!({"disk": "ssd"});
        spec
    };
    assert_eq!(rejected(&mut policy, ask(json!({})), 3), NONE);
    assert_eq!(rejected(&mut policy, ask(json!({"nodeAffinityPolicy": "Ignore"})), 3), ["0", "1"]);
    let mut by_affinity = spec(&[hard(json!({}))]);
    by_affinity["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "NotIn", "values": ["hdd"]}]}]}}});
    assert_eq!(rejected(&mut policy, by_affinity, 3), NONE);
}

#[test]
fn tainted_nodes_count_unless_taints_are_honoured() {
    let mut policy = told(&zones(&["a", "b", "c"]), &[(0, web()), (1, web())]);
    let tainted = json!({"metadata": {"name": "n2", "labels": {"zone": "c"}},
        "spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}});
    policy.sync(Delta::NodeUpsert { index: 2, node: tainted.to_string() }).unwrap();
    let honoring = || hard(json!({"nodeTaintsPolicy": "Honor"}));
    assert_eq!(rejected(&mut policy, spec(&[hard(json!({}))]), 3), ["0", "1"]);
    assert_eq!(rejected(&mut policy, spec(&[honoring()]), 3), NONE);
    let mut tolerating = spec(&[honoring()]);
    tolerating["tolerations"] = json!([{"key": "gpu", "operator": "Exists"}]);
    assert_eq!(rejected(&mut policy, tolerating, 3), ["0", "1"]);
}

#[test]
fn match_label_keys_tell_revisions_apart() {
    let old = json!({"app": "web", "rev": "1"});
    let mut policy = told(&zones(&["a", "b"]), &[(0, old.clone()), (0, old)]);
    let question = json!({"metadata": {"namespace": "default", "labels": {"app": "web", "rev": "2"}},
        "spec": spec(&[hard(json!({"matchLabelKeys": ["rev", "absent"]}))])});
    assert!(rejections(&mut policy, &question.to_string(), &(0..2).collect()).is_empty());
    assert_eq!(rejected(&mut policy, spec(&[hard(json!({"matchLabelKeys": ["absent"]}))]), 2), ["0"]);
}

#[test]
fn scores_favour_the_emptier_domain() {
    let mut policy = told(&zones(&["a", "a", "b", "c"]), &[(0, web()), (1, web()), (2, web())]);
    let question = pod(spec(&[spread("ScheduleAnyway", json!({}))]));
    // ln(3 + 2) is 1.61: burdens 3, 3, 2, 0.
    assert_eq!(scores(&mut policy, &question, &(0..4).collect()), [0, 0, 33, 100]);
    // Two zones weigh ln(4), 1.39: burdens 3 and 1; the best is as far from zero as the worst is near.
    assert_eq!(scores(&mut policy, &question, &(0..3).collect()), [33, 33, 100]);
    assert_eq!(scores(&mut policy, &pod(json!({})), &(0..4).collect()), [0, 0, 0, 0]);
    let idle =
        pod(spec(&[spread("ScheduleAnyway", json!({"labelSelector": {"matchLabels": {"app": "x"}}}))]));
    assert_eq!(scores(&mut policy, &idle, &(1..3).collect()), [100, 100]);
}

#[test]
fn hostnames_are_scored_by_node_and_unlabelled_nodes_not_at_all() {
    let mut nodes = zones(&["a", "b"]);
    nodes.push(("bare", json!({})));
    let mut policy = told(&nodes, &[(0, web()), (2, web())]);
    let by_host = spread("ScheduleAnyway", json!({"topologyKey": "kubernetes.io/hostname"}));
    assert_eq!(scores(&mut policy, &pod(spec(&[by_host])), &(0..3).collect()), [0, 100, 0]);
}

#[test]
fn services_and_controllers_give_defaults_to_pods_without_constraints() {
    let mut policy = told(&zones(&["a", "a", "b"]), &[(0, web()), (1, web())]);
    let score = |policy: &mut PodTopologySpread| scores(policy, &pod(json!({})), &(0..3).collect());
    assert_eq!(score(&mut policy), [0, 0, 0]);
    let service = |selector: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": selector}})
    };
    put(&mut policy, service(json!({"app": "db"})));
    assert_eq!(score(&mut policy), [0, 0, 0]);
    put(&mut policy, service(json!({"app": "web"})));
    // No node has upstream's zone label: all are one zone, and the hostname decides.
    assert_eq!(score(&mut policy), [50, 50, 100]);
    let identity =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"}});
    policy.sync(Delta::ObjectRemove { identity: identity.to_string() }).unwrap();
    assert_eq!(score(&mut policy), [0, 0, 0]);
}

#[test]
fn owners_of_the_kinds_upstream_knows_count() {
    let owned = |api_version: &str, kind: &str| {
        json!({"metadata": {"namespace": "default", "labels": {"app": "web"}, "ownerReferences": [
            {"apiVersion": api_version, "kind": kind, "name": "own", "controller": true}]}})
        .to_string()
    };
    for (api_version, kind, selector) in [
        ("v1", "ReplicationController", json!({"app": "web"})),
        ("apps/v1", "ReplicaSet", json!({"matchLabels": {"app": "web"}})),
        (
            "apps/v1",
            "StatefulSet",
            json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}),
        ),
    ] {
        let mut policy = told(&zones(&["a", "b"]), &[(0, web())]);
        let ask = |policy: &mut PodTopologySpread, pod: &str| scores(policy, pod, &(0..2).collect());
        assert_eq!(ask(&mut policy, &owned(api_version, kind)), [0, 0]);
        put(
            &mut policy,
            json!({"apiVersion": api_version, "kind": kind, "spec": {"selector": selector},
            "metadata": {"name": "own", "namespace": "default"}}),
        );
        assert_ne!(ask(&mut policy, &owned(api_version, kind)), [0, 0], "{kind}");
        assert_eq!(ask(&mut policy, &owned("apps/v2", kind)), [0, 0]);
        assert_eq!(ask(&mut policy, &owned("batch/v1", "Job")), [0, 0]);
    }
}

#[test]
fn listed_defaults_may_be_hard() {
    let mut policy = told(&zones(&["a", "b"]), &[(0, web())]);
    put(
        &mut policy,
        json!({"apiVersion": "v1", "kind": "Service", "spec": {"selector": {"app": "web"}},
        "metadata": {"name": "web", "namespace": "default"}}),
    );
    assert_eq!(rejected(&mut policy, json!({}), 2), NONE);
    policy
        .configure(&json!({"defaultingType": "List", "defaultConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]}))
        .unwrap();
    assert_eq!(rejected(&mut policy, json!({}), 2), ["0"]);
    let soft = spec(&[spread("ScheduleAnyway", json!({}))]);
    assert_eq!(rejected(&mut policy, soft, 2), NONE);
}

#[test]
fn nodes_that_come_change_and_go_take_their_pods_along() {
    let mut policy = told(&zones(&["a", "b"]), &[(0, web()), (5, web())]);
    let question = || spec(&[hard(json!({}))]);
    assert_eq!(rejected(&mut policy, question(), 2), ["0"]);
    let node =
        |name: &str, zone: &str| json!({"metadata": {"name": name, "labels": {"zone": zone}}}).to_string();
    policy.sync(Delta::NodeUpsert { index: 5, node: node("n5", "b") }).unwrap();
    assert_eq!(rejected(&mut policy, question(), 6), ["2!", "3!", "4!"]);
    policy.sync(Delta::NodeUpsert { index: 0, node: node("n0", "b") }).unwrap();
    assert_eq!(rejected(&mut policy, question(), 2), NONE);
    policy.sync(Delta::NodeRemove { index: 5 }).unwrap();
    policy.sync(Delta::NodeUpsert { index: 1, node: node("n1", "a") }).unwrap();
    assert_eq!(rejected(&mut policy, question(), 2), ["0"]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let mut policy = told(&zones(&["a"]), &[]);
    let mut fault =
        |constraint: Value| policy.filter(&pod(spec(&[constraint])), &(0..1).collect()).unwrap_err();
    let message =
        fault(hard(json!({"labelSelector": {"matchExpressions": [{"key": "k", "operator": "In"}]}})));
    assert!(message.contains("matchExpressions: key k: In and NotIn need values"), "{message}");
    assert!(fault(hard(json!({"whenUnsatisfiable": "Perhaps"}))).contains("unknown variant `Perhaps`"));
}

#[test]
fn more_questions_than_are_kept_are_still_answered() {
    let mut nodes = zones(&["a", "b"]);
    for number in 0..80 {
        nodes[0].1[format!("key-{number}")] = "x".into();
        nodes[1].1[format!("key-{number}")] = "y".into();
    }
    let mut policy = told(&nodes, &[(0, web()), (0, json!({"app": "db"}))]);
    for number in 0..1500 {
        let by_key = hard(json!({"topologyKey": format!("key-{}", number % 80)}));
        assert_eq!(rejected(&mut policy, spec(&[by_key]), 2), ["0"]);
        let app = json!({"labelSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": [format!("{number}")]}]}});
        assert_eq!(rejected(&mut policy, spec(&[hard(app)]), 2), ["0"]);
        assert_eq!(rejected(&mut policy, spec(&[hard(json!({}))]), 2), ["0"]);
    }
    policy.sync(Delta::PodRemove { key: "u0".into() }).unwrap();
    assert_eq!(rejected(&mut policy, spec(&[hard(json!({}))]), 2), NONE);
}
