//! `cargo test --release -p pod-topology-spread timing -- --ignored --nocapture`

use std::time::Instant;

use super::*;

const NODES: usize = 5_000;
const PODS: usize = 10_000;

fn cluster() -> PodTopologySpread {
    let mut policy = PodTopologySpread::default();
    policy.configure(&json!({})).unwrap();
    for index in 0..NODES {
        let name = format!("node-{index}");
        let labels =
            json!({"topology.kubernetes.io/zone": format!("z{}", index % 3), "kubernetes.io/hostname": name});
        let node = json!({"metadata": {"name": name, "labels": labels}});
        policy.sync(Delta::NodeUpsert { index, node: node.to_string() }).unwrap();
    }
    policy
}

fn measure(what: &str, constraints: Value, service: bool) {
    let mut policy = cluster();
    if service {
        put(
            &mut policy,
            json!({"apiVersion": "v1", "kind": "Service", "spec": {"selector": {"app": "web"}},
            "metadata": {"name": "web", "namespace": "default"}}),
        );
    }
    let nodes: NodeSet = (0..NODES).collect();
    let pods: Vec<String> = (0..PODS)
        .map(|number| {
            json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": format!("pod-{number}"), "namespace": "default", "uid": format!("uid-{number}"),
                    "labels": {"app": "web", "pod-template-hash": "abc"}},
                "spec": {"topologySpreadConstraints": constraints}})
            .to_string()
        })
        .collect();
    let mut spent = [0; 3];
    let started = Instant::now();
    let mut lap = started;
    for (number, pod) in pods.iter().enumerate() {
        let mut stop = |place: usize| {
            spent[place] += lap.elapsed().as_nanos();
            lap = Instant::now();
        };
        let rejected: usize =
            rejections(&mut policy, pod, &nodes).iter().map(|rejection| rejection.nodes.count()).sum();
        assert!(rejected < NODES);
        stop(0);
        assert!(policy.score(pod, &nodes).is_ok());
        stop(1);
        // Zone after zone, node after node.
        upsert(
            &mut policy,
            &format!("uid-{number}"),
            number % NODES,
            json!({"app": "web", "pod-template-hash": "abc"}),
        );
        stop(2);
    }
    let [filter, score, sync] = spent.map(|nanos| nanos as f64 / PODS as f64 / 1000.0);
    println!(
        "{what}: {:.1} µs per pod: filter {filter:.1}, score {score:.1}, sync {sync:.1}",
        filter + score + sync
    );
}

#[test]
#[ignore = "a measurement"]
fn five_thousand_nodes() {
    let constraint = |key: &str, action: &str| json!({"maxSkew": 5, "topologyKey": key, "whenUnsatisfiable": action, "labelSelector": {"matchLabels": {"app": "web"}}});
    let (zone, host) = ("topology.kubernetes.io/zone", "kubernetes.io/hostname");
    measure("no constraints", json!([]), false);
    measure("hard over 3 zones", json!([constraint(zone, "DoNotSchedule")]), false);
    measure("hard over hostnames", json!([constraint(host, "DoNotSchedule")]), false);
    measure("soft over 3 zones", json!([constraint(zone, "ScheduleAnyway")]), false);
    measure(
        "soft over zones and hostnames",
        json!([constraint(zone, "ScheduleAnyway"), constraint(host, "ScheduleAnyway")]),
        false,
    );
    measure("the system's defaults for a service", json!([]), true);
}
