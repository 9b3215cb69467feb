//! The built-in policies together, as components: what the cycle makes of their answers. Needs what
//! `plugins/build.sh` makes.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use orch_plugin::{Artifact, Limits, PluginEngine};
use serde_json::{Value, json};

use crate::Settings;
use crate::core::{Core, Effect, Input};
use crate::pod::PodInfo;
use crate::queue::Delays;
use crate::replay::{Installed, compare, simulate};
use crate::throughput::{artifact, install};
use crate::trace::{Asked, Entry, Preemption};

const POLICIES: [&str; 7] = [
    "priority-sort",
    "taint-toleration",
    "node-affinity",
    "node-ports",
    "node-resources-fit",
    "inter-pod-affinity",
    "default-preemption",
];

/// Nodes of four CPUs, and what is on them.
fn core(nodes: &[&str], pods: &[Value], objects: &[Value]) -> Core {
    let second = Duration::from_secs(1);
    let mut core =
        Core::new(Delays { initial_backoff: second, max_backoff: 10 * second, flush: 300 * second });
    let (now, none) = (Instant::now(), &mut Vec::new());
    for name in nodes {
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name, "labels": {"kubernetes.io/hostname": name}},
            "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}},
        });
        core.handle(Input::Node(Arc::new(node)), now, none);
    }
    let pods = pods.iter().map(|pod| Input::Pod(Arc::new(PodInfo::new(Arc::new(pod.clone())))));
    pods.for_each(|pod| core.handle(pod, now, none));
    core.handle(Input::Synced, now, none);
    core.handle(Input::Synced, now, none);
    objects.iter().for_each(|object| core.handle(Input::Object(Arc::new(object.clone())), now, none));
    let (engine, artifacts) = compiled();
    artifacts.iter().for_each(|(name, artifact)| install(&mut core, engine, name, artifact));
    core
}

type Compiled = (Arc<PluginEngine>, Vec<(&'static str, Artifact)>);

/// Once for all tests of the process.
fn compiled() -> &'static Compiled {
    static COMPILED: OnceLock<Compiled> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let engine = Arc::new(PluginEngine::new(None, &[]).unwrap());
        let artifacts = POLICIES.iter().map(|name| (*name, artifact(&engine, name))).collect();
        (engine, artifacts)
    })
}

fn pod(name: &str, priority: i32, cpu: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": {"app": name}},
        "spec": {
            "schedulerName": "default-scheduler", "priority": priority,
            "containers": [{"name": "c", "image": "c", "resources": {"requests": {"cpu": cpu}}}],
        },
    })
}

fn on(node: &str, mut pod: Value) -> Value {
    pod["spec"]["nodeName"] = node.into();
    pod["status"] = json!({"phase": "Running", "startTime": "2026-11-21T12:00:00Z"});
    pod
}

/// What comes of everything that waits, in words.
fn outcome(core: &mut Core) -> Vec<String> {
    let (mut effects, mut said) = (Vec::new(), Vec::new());
    while core.step(Instant::now(), &mut effects) {}
    for effect in effects {
        said.push(match effect {
            Effect::Bind { pod, node } => format!("{} goes to {node}", pod.uid),
            Effect::Report { failure, .. } => failure.message,
            Effect::Preempt { pod, node, victims } => {
                let mut victims: Vec<&str> = victims.iter().map(|victim| victim.uid.as_ref()).collect();
                victims.sort_unstable();
                format!("{} evicts {} from {node}", pod.uid, victims.join(", "))
            }
            Effect::Withdraw { pod } => format!("{} has no node in view", pod.uid),
            Effect::Write { plugin, .. } => format!("{plugin} writes"),
        });
    }
    said.retain(|line| !line.starts_with("0/"));
    said
}

#[test]
fn as_few_and_as_unimportant_pods_as_possible_make_room() {
    let pods = [
        on("a", pod("a-dear", 50, "2")),
        on("a", pod("a-cheap", 1, "2")),
        on("b", pod("b-small", 2, "1")),
        on("b", pod("b-other", 2, "1")),
        on("b", pod("b-peer", 100, "2")),
        pod("high", 100, "2"),
    ];
    // On b two would have to go, on a the cheap one alone.
    assert_eq!(outcome(&mut core(&["a", "b"], &pods, &[])), ["high evicts a-cheap from a"]);
}

#[test]
fn budgets_are_broken_last() {
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "guard", "namespace": "default", "uid": "guard"},
        "spec": {"selector": {"matchLabels": {"app": "a-cheap"}}},
        "status": {"disruptionsAllowed": 0},
    });
    let pods = [on("a", pod("a-cheap", 1, "4")), on("b", pod("b-dear", 50, "4")), pod("high", 100, "2")];
    assert_eq!(
        outcome(&mut core(&["a", "b"], &pods, std::slice::from_ref(&budget))),
        ["high evicts b-dear from b"]
    );
    // With nothing else in reach, it goes all the same.
    assert_eq!(
        outcome(&mut core(&["a"], &[pods[0].clone(), pods[2].clone()], &[budget])),
        ["high evicts a-cheap from a"]
    );
}

#[test]
fn pods_of_higher_priority_go_first_and_nobody_is_evicted_in_vain() {
    let mut polite = pod("polite", 90, "4");
    polite["spec"]["preemptionPolicy"] = "Never".into();
    let mut elsewhere = pod("elsewhere", 80, "1");
    elsewhere["spec"]["nodeSelector"] = json!({"disk": "ssd"});
    let pods = [
        on("a", pod("resident", 10, "3")),
        pod("low", 10, "1"),
        pod("high", 20, "1"),
        // Larger than any node, without the right, for another node.
        pod("huge", 100, "5"),
        polite,
        elsewhere,
    ];
    assert_eq!(outcome(&mut core(&["a"], &pods, &[])), ["high goes to a"]);
}

#[test]
fn nothing_rests_on_a_pod_that_has_yet_to_come() {
    let mut clingy = pod("clingy", 50, "0");
    clingy["spec"]["affinity"] = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": "friend"}}, "topologyKey": "kubernetes.io/hostname"},
    ]}});
    let pods = [on("a", pod("cheap", 1, "4")), pod("friend", 100, "4"), clingy.clone()];
    // Its friend has the node in view, but is not there: it neither goes to it nor evicts anybody for it.
    assert_eq!(outcome(&mut core(&["a"], &pods, &[])), ["friend evicts cheap from a"]);
    let mut there = core(&["a"], &[on("a", pod("friend", 100, "3")), clingy], &[]);
    assert_eq!(outcome(&mut there), ["clingy goes to a"]);
}

fn installed() -> Vec<Installed> {
    let (engine, artifacts) = compiled();
    let load = |(name, artifact): &(&'static str, Artifact)| -> Installed {
        let plugin = engine.load_scheduler(name, artifact, &json!({}), Limits::default()).unwrap();
        (name.to_string(), plugin, Settings::default())
    };
    artifacts.iter().map(load).collect()
}

/// `high` is put in place of `low`, which is asked for again and stays without a node.
fn recorded_preemption() -> Vec<Entry> {
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "uid": "a"},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}},
    });
    let asked = |pod: Value, node: Option<&str>, preemption: Option<Preemption>| {
        let node = node.map(String::from);
        Entry::Asked(Asked { pod, node, message: None, preemption, nanoseconds: 1 })
    };
    let placed = |pod: Value| Entry::Pod { pod, node: "a".into() };
    let room = Preemption { node: "a".into(), victims: vec!["low".into()] };
    vec![
        Entry::Node(node),
        asked(pod("low", 1, "3"), Some("a"), None),
        placed(on("a", pod("low", 1, "3"))),
        asked(pod("high", 9, "3"), None, Some(room)),
        Entry::PodGone("low".into()),
        asked(pod("high", 9, "3"), Some("a"), None),
        placed(on("a", pod("high", 9, "3"))),
        asked(pod("again", 1, "3"), None, None),
    ]
}

#[test]
fn preemption_is_replayed() {
    let (decisions, differing) = compare(&recorded_preemption(), installed()).unwrap();
    assert_eq!((decisions, differing), (4, vec![]));
    let outcome = simulate(&recorded_preemption(), installed());
    assert_eq!((outcome.placed, outcome.evicted, outcome.waiting), (2, 1, 1));
    assert_eq!(outcome.unschedulable, 2, "high once, again once");
    assert_eq!(outcome.utilisation["cpu"], 0.75);
}

#[test]
fn a_policy_that_evicts_nobody_differs() {
    let polite = || -> Vec<Installed> {
        installed().into_iter().filter(|(name, _, _)| name != "default-preemption").collect()
    };
    let (_, differing) = compare(&recorded_preemption(), polite()).unwrap();
    let told: Vec<(&str, &str)> = differing.iter().map(|d| (d.was.as_str(), d.would_be.as_str())).collect();
    assert_eq!(told, [("evicts low from a", "0/1 nodes are available: 1 Insufficient cpu.")]);
    let outcome = simulate(&recorded_preemption(), polite());
    assert_eq!((outcome.placed, outcome.evicted, outcome.waiting), (1, 0, 2), "low stays where it is");
    assert_eq!(outcome.utilisation["cpu"], 0.75);
}
