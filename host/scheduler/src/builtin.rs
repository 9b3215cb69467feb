//! The built-in policies together, as components: what the cycle makes of their answers. Needs what
//! `plugins/build.sh` makes.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use orch_plugin::{Artifact, PluginEngine};
use serde_json::{Value, json};

use crate::core::{Core, Effect, Input};
use crate::pod::PodInfo;
use crate::queue::Delays;
use crate::throughput::{artifact, install};

const POLICIES: [&str; 6] = [
    "priority-sort",
    "taint-toleration",
    "node-affinity",
    "node-ports",
    "node-resources-fit",
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
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name},
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
