//! One behaviour each, on clusters small enough to check by hand.

use super::*;

/// Zones a, a, b and a node without one; every node has its name for `host`.
fn four() -> InterPodAffinity {
    let labels = |(index, zone): (usize, &&str)| match *zone {
        "" => json!({"host": index.to_string()}),
        zone => json!({"zone": zone, "host": index.to_string()}),
    };
    told(&["a", "a", "b", ""].iter().enumerate().map(labels).collect::<Vec<_>>())
}

fn plain(app: &str) -> Value {
    pod(app, Value::Null)
}

/// Nodes by the reason that rules them out.
fn judged(policy: &mut InterPodAffinity, pod: &Value) -> Vec<(String, Vec<usize>, bool)> {
    let list = |it: Rejection| (it.reason, it.nodes.iter().collect(), it.unresolvable);
    rejections(policy, pod, &(0..4).collect()).into_iter().map(list).collect()
}

fn ruled_out(reason: &str, nodes: &[usize], unresolvable: bool) -> Vec<(String, Vec<usize>, bool)> {
    if nodes.is_empty() { Vec::new() } else { vec![(reason.into(), nodes.to_vec(), unresolvable)] }
}

fn scores(policy: &mut InterPodAffinity, pod: &Value) -> Vec<u32> {
    super::scores(policy, pod, &(0..4).collect())
}

#[test]
fn pods_go_where_those_they_want_are() {
    let mut policy = four();
    upsert(&mut policy, "1", 0, &plain("db"));
    let by = |key: &str| pod("web", near(&[term("db", key)]));
    assert_eq!(judged(&mut policy, &by("zone")), ruled_out(NOT_NEAR, &[2, 3], true));
    assert_eq!(judged(&mut policy, &by("host")), ruled_out(NOT_NEAR, &[1, 2, 3], true));
    assert_eq!(judged(&mut policy, &by("none")), ruled_out(NOT_NEAR, &[0, 1, 2, 3], true));
    upsert(&mut policy, "1", 3, &plain("db"));
    assert_eq!(judged(&mut policy, &by("zone")), ruled_out(NOT_NEAR, &[0, 1, 2, 3], true));
    policy.sync(Delta::PodRemove { key: "1".into() }).unwrap();
    assert_eq!(judged(&mut policy, &by("host")), ruled_out(NOT_NEAR, &[0, 1, 2, 3], true));
}

#[test]
fn one_pod_must_satisfy_all_terms() {
    let mut policy = four();
    let tier = |tier: &str| json!({"labelSelector": {"matchLabels": {"tier": tier}}, "topologyKey": "host"});
    let both = pod("web", near(&[term("db", "zone"), tier("x")]));
    let mut labelled = plain("other");
    labelled["metadata"]["labels"]["tier"] = "x".into();
    upsert(&mut policy, "1", 0, &plain("db"));
    upsert(&mut policy, "2", 0, &labelled);
    assert_eq!(judged(&mut policy, &both), ruled_out(NOT_NEAR, &[0, 1, 2, 3], true));
    labelled["metadata"]["labels"]["app"] = "db".into();
    upsert(&mut policy, "3", 1, &labelled);
    assert_eq!(judged(&mut policy, &both), ruled_out(NOT_NEAR, &[0, 2, 3], true));
}

#[test]
fn the_first_of_a_group_may_begin_anywhere() {
    let mut policy = four();
    let group = pod("web", near(&[term("web", "zone")]));
    assert_eq!(judged(&mut policy, &group), ruled_out(NOT_NEAR, &[3], true));
    assert_eq!(judged(&mut policy, &pod("web", near(&[term("db", "zone")]))).len(), 1);
    // Somebody of the group who is in no zone is in nobody's way.
    upsert(&mut policy, "1", 3, &group);
    assert_eq!(judged(&mut policy, &group), ruled_out(NOT_NEAR, &[3], true));
    upsert(&mut policy, "2", 2, &group);
    assert_eq!(judged(&mut policy, &group), ruled_out(NOT_NEAR, &[0, 1, 3], true));
}

#[test]
fn nobody_is_first_when_one_of_the_group_is_in_any_of_the_domains() {
    let mut policy = four();
    node(&mut policy, 2, json!({"zone": "b"}));
    let group = pod("web", near(&[term("web", "zone"), term("web", "host")]));
    assert_eq!(judged(&mut policy, &group), ruled_out(NOT_NEAR, &[2, 3], true));
    upsert(&mut policy, "1", 2, &group);
    assert_eq!(judged(&mut policy, &group), ruled_out(NOT_NEAR, &[0, 1, 2, 3], true));
}

#[test]
fn pods_keep_apart_from_those_they_name_and_from_those_that_name_them() {
    let mut policy = four();
    let shy = pod("shy", apart(&[term("web", "zone")]));
    upsert(&mut policy, "1", 1, &plain("web"));
    assert_eq!(judged(&mut policy, &shy), ruled_out(NOT_APART, &[0, 1], false));
    assert_eq!(judged(&mut policy, &plain("web")), ruled_out(NOT_APART, &[], false));
    upsert(&mut policy, "2", 2, &shy);
    assert_eq!(judged(&mut policy, &plain("web")), ruled_out(NOT_KEPT_APART, &[2], false));
    assert_eq!(judged(&mut policy, &plain("db")), ruled_out(NOT_KEPT_APART, &[], false));
    policy.sync(Delta::PodRemove { key: "2".into() }).unwrap();
    assert_eq!(judged(&mut policy, &plain("web")), ruled_out(NOT_KEPT_APART, &[], false));
}

#[test]
fn the_first_rule_that_a_node_fails_gives_the_reason() {
    let mut policy = four();
    upsert(&mut policy, "1", 0, &plain("db"));
    upsert(&mut policy, "2", 1, &pod("shy", apart(&[term("web", "host")])));
    upsert(&mut policy, "3", 0, &pod("loud", apart(&[term("web", "host")])));
    let mut affinity = near(&[term("db", "zone")]);
    affinity.as_object_mut().unwrap().extend(apart(&[term("loud", "host")]).as_object().unwrap().clone());
    let expected = [
        ruled_out(NOT_NEAR, &[2, 3], true),
        ruled_out(NOT_APART, &[0], false),
        ruled_out(NOT_KEPT_APART, &[1], false),
    ];
    assert_eq!(judged(&mut policy, &pod("web", affinity)), expected.concat());
}

#[test]
fn namespaces_are_the_pods_own_those_named_and_those_selected() {
    let mut policy = four();
    let mut elsewhere = plain("db");
    elsewhere["metadata"]["namespace"] = "data".into();
    upsert(&mut policy, "1", 0, &elsewhere);
    let ask = |policy: &mut InterPodAffinity, more: Value| {
        let mut term = term("db", "zone");
        term.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        judged(policy, &pod("web", apart(&[term]))).len()
    };
    let selected = json!({"namespaceSelector": {"matchLabels": {"team": "data"}}});
    assert_eq!(ask(&mut policy, json!({})), 0);
    assert_eq!(ask(&mut policy, json!({"namespaces": ["data"]})), 1);
    assert_eq!(ask(&mut policy, json!({"namespaceSelector": {}})), 1);
    assert_eq!(ask(&mut policy, selected.clone()), 0);
    let mut namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "data", "labels": {"team": "data"}}});
    policy.sync(Delta::ObjectUpsert { object: namespace.to_string() }).unwrap();
    assert_eq!(ask(&mut policy, selected.clone()), 1);
    namespace["metadata"]["labels"] = json!({});
    policy.sync(Delta::ObjectUpsert { object: namespace.to_string() }).unwrap();
    assert_eq!(ask(&mut policy, selected.clone()), 0);
    let both = json!({"namespaces": ["data"], "namespaceSelector": {"matchLabels": {"team": "web"}}});
    assert_eq!(ask(&mut policy, both), 1);
    policy.sync(Delta::ObjectRemove { identity: namespace.to_string() }).unwrap();
    assert_eq!(ask(&mut policy, selected), 0);
}

#[test]
fn placed_pods_select_the_namespace_of_the_one_that_comes() {
    let mut policy = four();
    let mut wary = term("web", "zone");
    wary["namespaceSelector"] = json!({"matchLabels": {"team": "web"}});
    let mut placed = pod("shy", apart(&[wary]));
    placed["metadata"]["namespace"] = "data".into();
    upsert(&mut policy, "1", 0, &placed);
    assert!(judged(&mut policy, &plain("web")).is_empty());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"team": "web"}}});
    policy.sync(Delta::ObjectUpsert { object: namespace.to_string() }).unwrap();
    assert_eq!(judged(&mut policy, &plain("web")), ruled_out(NOT_KEPT_APART, &[0, 1], false));
}

/// What the API server writes for `matchLabelKeys` and `mismatchLabelKeys` counts, the keys do not again.
#[test]
fn label_keys_count_as_they_were_written_into_the_selector() {
    let mut policy = four();
    let revision = |revision: &str, operator: &str| {
        let mut term = term("web", "host");
        term["matchLabelKeys"] = json!(["rev"]);
        term["labelSelector"]["matchExpressions"] =
            json!([{"key": "rev", "operator": operator, "values": [revision]}]);
        let mut pod = pod("web", apart(&[term]));
        pod["metadata"]["labels"]["rev"] = "changed since".into();
        pod
    };
    let mut first = plain("web");
    first["metadata"]["labels"]["rev"] = "1".into();
    upsert(&mut policy, "1", 0, &first);
    assert_eq!(judged(&mut policy, &revision("1", "In")), ruled_out(NOT_APART, &[0], false));
    assert!(judged(&mut policy, &revision("2", "In")).is_empty());
    assert!(judged(&mut policy, &revision("1", "NotIn")).is_empty());
    assert_eq!(judged(&mut policy, &revision("2", "NotIn")), ruled_out(NOT_APART, &[0], false));
    // The other way round.
    upsert(&mut policy, "1", 1, &revision("1", "In"));
    assert_eq!(judged(&mut policy, &first), ruled_out(NOT_KEPT_APART, &[1], false));
    first["metadata"]["labels"]["rev"] = "2".into();
    assert!(judged(&mut policy, &first).is_empty());
}

#[test]
fn no_selector_means_no_pod_and_the_empty_one_every_pod() {
    let mut policy = four();
    upsert(&mut policy, "1", 0, &plain("db"));
    let with = |selector: Value| json!({"labelSelector": selector, "topologyKey": "host"});
    assert!(judged(&mut policy, &pod("web", apart(&[with(Value::Null)]))).is_empty());
    assert_eq!(
        judged(&mut policy, &pod("web", apart(&[with(json!({}))]))),
        ruled_out(NOT_APART, &[0], false)
    );
    let all = ruled_out(NOT_NEAR, &[0, 1, 2, 3], true);
    assert_eq!(judged(&mut policy, &pod("web", near(&[with(Value::Null)]))), all);
}

#[test]
fn preferences_score_either_way() {
    let mut policy = four();
    upsert(&mut policy, "1", 0, &plain("db"));
    let wants = pod("web", preferring("podAffinity", 10, term("db", "zone")));
    assert_eq!(scores(&mut policy, &wants), [100, 100, 0, 0]);
    let avoids = pod("web", preferring("podAntiAffinity", 10, term("db", "zone")));
    assert_eq!(scores(&mut policy, &avoids), [0, 0, 100, 100]);
    assert_eq!(scores(&mut policy, &plain("web")), [0, 0, 0, 0]);
    upsert(&mut policy, "2", 1, &pod("x", preferring("podAffinity", 30, term("web", "host"))));
    upsert(&mut policy, "3", 2, &pod("x", preferring("podAntiAffinity", 10, term("web", "host"))));
    assert_eq!(scores(&mut policy, &plain("web")), [25, 100, 0, 25]);
    // 10, 40, -10, 0 of its own and theirs.
    assert_eq!(scores(&mut policy, &wants), [40, 100, 0, 20]);
}

#[test]
fn required_affinity_of_placed_pods_is_worth_what_is_configured() {
    let mut policy = four();
    upsert(&mut policy, "1", 0, &pod("x", near(&[term("web", "zone")])));
    upsert(&mut policy, "2", 2, &pod("x", preferring("podAffinity", 4, term("web", "zone"))));
    assert_eq!(scores(&mut policy, &plain("web")), [25, 25, 100, 0]);
    policy.configure(&json!({"hardPodAffinityWeight": 8})).unwrap();
    assert_eq!(scores(&mut policy, &plain("web")), [100, 100, 50, 0]);
    policy.configure(&json!({"hardPodAffinityWeight": 0})).unwrap();
    assert_eq!(scores(&mut policy, &plain("web")), [0, 0, 100, 0]);
}

#[test]
fn pods_without_preferences_may_be_told_nothing_of_others() {
    let mut policy = four();
    policy.configure(&json!({"ignorePreferredTermsOfExistingPods": true})).unwrap();
    upsert(&mut policy, "1", 2, &pod("x", preferring("podAffinity", 4, term("web", "zone"))));
    assert_eq!(scores(&mut policy, &plain("web")), [0, 0, 0, 0]);
    let own = pod("web", preferring("podAffinity", 1, term("none", "zone")));
    assert_eq!(scores(&mut policy, &own), [0, 0, 100, 0]);
}

#[test]
fn terms_that_cannot_be_read_are_named_and_those_of_placed_pods_ignored() {
    let mut policy = four();
    let broken = json!({"labelSelector": {"matchExpressions": [{"key": "k", "operator": "In"}]}, "topologyKey": "zone"});
    let pod = pod("web", apart(&[broken]));
    upsert(&mut policy, "1", 0, &pod);
    let Verdict::Pod(reason) = policy.filter(&pod.to_string(), &(0..4).collect()).unwrap() else { panic!() };
    assert!(reason.starts_with("parsing pod: ") && reason.contains("In and NotIn need values"), "{reason}");
    assert!(judged(&mut policy, &plain("web")).is_empty());
}

#[test]
fn terms_go_with_the_last_pod_that_has_them() {
    let mut policy = four();
    for round in 0..50 {
        let app = format!("app-{round}");
        let placed = pod(&app, apart(&[term(&app, "host")]));
        upsert(&mut policy, "1", round % 3, &placed);
        assert_eq!(judged(&mut policy, &plain(&app)), ruled_out(NOT_KEPT_APART, &[round % 3], false));
        assert!(judged(&mut policy, &plain("app-0")).len() == usize::from(round == 0));
    }
    policy.sync(Delta::PodRemove { key: "1".into() }).unwrap();
    assert!(judged(&mut policy, &plain("app-49")).is_empty());
}
