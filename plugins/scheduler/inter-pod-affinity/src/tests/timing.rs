//! `cargo test --release -p inter-pod-affinity timing -- --ignored --nocapture`

use std::time::Instant;

use super::*;

const NODES: usize = 5_000;
const PODS: usize = 10_000;

/// `place`: where the pod of this number goes.
fn measure(what: &str, affinity: Value, place: impl Fn(usize) -> usize) {
    let mut policy = configured(json!({}));
    for index in 0..NODES {
        node(&mut policy, index, json!({"zone": format!("z{}", index % 3), "host": index.to_string()}));
    }
    let nodes: NodeSet = (0..NODES).collect();
    let pods: Vec<(String, String)> = (0..PODS)
        .map(|number| {
            let mut pod = pod("web", affinity.clone());
            pod["metadata"]["name"] = format!("pod-{number}").into();
            pod["metadata"]["uid"] = format!("uid-{number}").into();
            (format!("uid-{number}"), pod.to_string())
        })
        .collect();
    let mut spent = [0; 3];
    let mut lap = Instant::now();
    for (number, (uid, pod)) in pods.into_iter().enumerate() {
        let mut stop = |place: usize| {
            spent[place] += lap.elapsed().as_nanos();
            lap = Instant::now();
        };
        assert!(matches!(policy.filter(&pod, &nodes), Ok(Verdict::Nodes(_))));
        stop(0);
        assert!(policy.score(&pod, &nodes).is_ok());
        stop(1);
        policy.sync(Delta::PodUpsert { key: uid, node: place(number), pod }).unwrap();
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
    let everywhere = |number: usize| number % NODES;
    let one_zone = |number: usize| number * 3 % (NODES - 2);
    measure("no affinity", Value::Null, everywhere);
    measure("required affinity in one zone", near(&[term("web", "zone")]), one_zone);
    measure("required anti-affinity on hosts", apart(&[term("web", "host")]), everywhere);
    measure("preferred affinity in zones", preferring("podAffinity", 10, term("web", "zone")), one_zone);
    let mut both = preferring("podAffinity", 10, term("web", "zone"));
    let apart = preferring("podAntiAffinity", 20, term("web", "host"));
    both.as_object_mut().unwrap().extend(apart.as_object().unwrap().clone());
    measure("preferred both ways", both, everywhere);
}
