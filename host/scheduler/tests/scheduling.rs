//! The scheduler against a scripted API and plugins written in Rust.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod fake;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fake::{Fake, until};
use orch_object::Status;
use orch_plugin::calls::scheduler::{Delta, Description, Points, Rejection, SchedulerPlugin, Verdict};
use orch_plugin::calls::{CallError, Interest, NodeSet};
use orch_scheduler::{FailurePolicy, Options, Scheduler, Settings};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Room for a fixed number of pods a node; prefers what its score function likes.
struct Slots {
    name: String,
    description: Description,
    per_node: usize,
    prefers: fn(&str) -> u8,
    state: Mutex<Resident>,
    instance: AtomicU64,
    traps: AtomicBool,
    syncs: AtomicU64,
}

#[derive(Default)]
struct Resident {
    nodes: BTreeMap<u32, String>,
    pods: HashMap<String, u32>,
}

impl Slots {
    fn new(name: &str, per_node: usize, prefers: fn(&str) -> u8) -> Arc<Self> {
        let interest = |kind: &str, fields: &[&str]| Interest {
            api_version: "v1".into(),
            kind: kind.into(),
            fields: fields.iter().map(|f| f.to_string()).collect(),
        };
        Arc::new(Slots {
            name: name.into(),
            description: Description {
                points: Points { filter: true, score: true, ..Points::default() },
                pod: vec!["spec.slots".into()],
                interests: vec![
                    interest("Node", &["spec.taints", "metadata.name"]),
                    interest("Pod", &["spec.slots"]),
                ],
                ..Description::default()
            },
            per_node,
            prefers,
            state: Mutex::default(),
            instance: AtomicU64::new(1),
            traps: AtomicBool::new(false),
            syncs: AtomicU64::new(0),
        })
    }

    fn trap<T>(&self) -> Result<T, CallError> {
        *self.state.lock() = Resident::default();
        self.instance.fetch_add(1, Ordering::SeqCst);
        Err(CallError::Trapped { plugin: self.name.clone(), function: "filter", trap: "unreachable".into() })
    }
}

impl SchedulerPlugin for Slots {
    fn name(&self) -> &str {
        &self.name
    }
    fn description(&self) -> &Description {
        &self.description
    }
    fn instance(&self) -> u64 {
        self.instance.load(Ordering::SeqCst)
    }
    fn sync(&self, deltas: &[Delta]) -> Result<(), CallError> {
        self.syncs.fetch_add(deltas.len() as u64, Ordering::SeqCst);
        let mut state = self.state.lock();
        for delta in deltas {
            match delta {
                Delta::NodeUpsert(index, node) => {
                    let node: Value = serde_json::from_str(node).unwrap();
                    state.nodes.insert(*index, node["metadata"]["name"].as_str().unwrap().into());
                }
                Delta::NodeRemove(index) => {
                    state.nodes.remove(index).expect("only known nodes go");
                    assert!(state.pods.values().all(|at| at != index), "pods go before their node");
                }
                Delta::PodUpsert(uid, index, _) => {
                    assert!(state.nodes.contains_key(index), "nodes come before their pods");
                    state.pods.insert(uid.clone(), *index);
                }
                Delta::PodRemove(uid) => {
                    state.pods.remove(uid).expect("only known pods go");
                }
                Delta::ObjectUpsert(_) | Delta::ObjectRemove(_) => panic!("it reads nodes and pods"),
            }
        }
        Ok(())
    }
    fn filter(&self, _: &str, _: &NodeSet) -> Result<Verdict, CallError> {
        if self.traps.load(Ordering::SeqCst) {
            return self.trap();
        }
        let state = self.state.lock();
        let mut nodes: NodeSet = Vec::new();
        for index in state.nodes.keys() {
            if state.pods.values().filter(|at| *at == index).count() >= self.per_node {
                nodes.resize(nodes.len().max(*index as usize / 64 + 1), 0);
                nodes[*index as usize / 64] |= 1 << (index % 64);
            }
        }
        Ok(Verdict::Nodes(vec![Rejection { reason: "Too many pods".into(), nodes, unresolvable: false }]))
    }
    fn score(&self, _: &str, nodes: &NodeSet) -> Result<Vec<u32>, CallError> {
        let state = self.state.lock();
        let asked =
            (0..nodes.len() as u32 * 64).filter(|index| nodes[*index as usize / 64] >> (index % 64) & 1 == 1);
        let score = |index: u32| state.nodes.get(&index).map_or(0, |name| (self.prefers)(name).into());
        Ok(asked.map(score).collect())
    }
}

struct World {
    api: Fake,
    scheduler: Scheduler,
    _stop: tokio_util::sync::DropGuard,
}

fn world(api: Fake) -> World {
    let stop = CancellationToken::new();
    let options = Options {
        initial_backoff: Duration::from_millis(5),
        max_backoff: Duration::from_millis(20),
        ..Options::default()
    };
    let scheduler = Scheduler::start(Arc::new(api.clone()), options, stop.clone());
    World { api, scheduler, _stop: stop.drop_guard() }
}

fn condition(api: &Fake, pod: &str) -> Option<Value> {
    let pod = api.object("pods", &format!("default/{pod}"))?;
    pod["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == "PodScheduled").cloned()
}

fn message(api: &Fake, pod: &str) -> String {
    condition(api, pod).and_then(|c| c["message"].as_str().map(String::from)).unwrap_or_default()
}

fn node_of(api: &Fake, pod: &str) -> Option<String> {
    api.object("pods", &format!("default/{pod}"))?["spec"]["nodeName"].as_str().map(String::from)
}

const ANY: fn(&str) -> u8 = |_| 0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_on_the_preferred_node_and_says_so() {
    let world = world(Fake::default());
    for node in ["a", "b", "c"] {
        world.api.node(node);
    }
    let plugin = Slots::new("slots", 2, |name| if name == "b" { 100 } else { 10 });
    world.scheduler.install("slots", plugin, Settings::default()).await.unwrap();
    for i in 0..6 {
        world.api.pod(&format!("p{i}"));
    }
    until("all are bound", || world.api.bindings().len() == 6).await;
    // Bindings run side by side: their order says nothing, the order of the pods does.
    for first in ["p0", "p1"] {
        assert_eq!(node_of(&world.api, first).as_deref(), Some("b"), "{:?}", world.api.bindings());
    }
    until("an event tells", || {
        world
            .api
            .all("events")
            .iter()
            .any(|e| e["reason"] == "Scheduled" && e["message"] == "Successfully assigned default/p0 to b")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_without_nodes_and_without_filters() {
    let world = world(Fake::default());
    world.api.pod("p");
    until("it says why", || message(&world.api, "p").starts_with("no filter plugin is loaded")).await;
    world.scheduler.install("slots", Slots::new("slots", 1, ANY), Settings::default()).await.unwrap();
    until("it says why", || message(&world.api, "p") == "no nodes available to schedule pods").await;
    world.api.node("a");
    until("it is bound", || node_of(&world.api, "p").as_deref() == Some("a")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_node_is_tried_again_when_a_pod_leaves() {
    let world = world(Fake::default());
    world.api.node("a");
    world.scheduler.install("slots", Slots::new("slots", 1, ANY), Settings::default()).await.unwrap();
    world.api.pod("first");
    until("the first is bound", || node_of(&world.api, "first").is_some()).await;
    world.api.pod("second");
    until("the second is told", || {
        message(&world.api, "second") == "0/1 nodes are available: 1 Too many pods."
    })
    .await;
    assert_eq!(condition(&world.api, "second").unwrap()["reason"], "Unschedulable");
    world.api.remove("pods", "default/first");
    until("the second is bound", || node_of(&world.api, "second").is_some()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_never_reach_a_plugin_and_wake_nobody() {
    let world = world(Fake::default());
    world.api.node("a");
    let plugin = Slots::new("slots", 0, ANY);
    world.scheduler.install("slots", plugin.clone(), Settings::default()).await.unwrap();
    world.api.pod("p");
    until("it is told", || condition(&world.api, "p").is_some()).await;
    let (told, events) = (plugin.syncs.load(Ordering::SeqCst), world.api.all("events").len());
    for beat in 0..20 {
        world.api.put(
            "nodes",
            json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "a" }, "status": { "beat": beat } }),
        );
    }
    world.api.node("marker"); // ordered after the heartbeats
    until("the marker is seen", || plugin.syncs.load(Ordering::SeqCst) > told).await;
    assert_eq!(plugin.syncs.load(Ordering::SeqCst), told + 1);
    until("the new node led to one more try", || message(&world.api, "p").starts_with("0/2")).await;
    assert!(world.api.all("events").len() <= events + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_binding_gives_the_room_back() {
    let world = world(Fake::default());
    world.api.node("a");
    let plugin = Slots::new("slots", 1, ANY);
    world.scheduler.install("slots", plugin.clone(), Settings::default()).await.unwrap();
    world.api.fail_bindings((0..3).map(|_| Status::internal("the store is busy")));
    world.api.pod("p");
    until("it is bound in the end", || node_of(&world.api, "p").is_some()).await;
    assert_eq!(world.api.bindings().len(), 1);
    until("the plugin knows one pod", || plugin.state.lock().pods.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_goes_while_a_pod_is_assumed_on_it() {
    let world = world(Fake::default());
    world.api.node("a");
    let plugin = Slots::new("slots", 1, ANY);
    world.scheduler.install("slots", plugin.clone(), Settings::default()).await.unwrap();
    // Bindings fail while the node is there, so that the pod is assumed and forgotten over and over.
    world.api.fail_bindings((0..1000).map(|_| Status::internal("not now")));
    world.api.pod("p");
    until("it is being tried", || world.api.all("events").iter().any(|e| e["reason"] == "FailedScheduling"))
        .await;
    world.api.remove("nodes", "a");
    until("it is told", || message(&world.api, "p") == "no nodes available to schedule pods").await;
    world.api.fail_bindings([]);
    let state = || plugin.state.lock().pods.len();
    until("nothing is left of it", || state() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_sends_the_pod_back_and_the_state_again() {
    let world = world(Fake::default());
    world.api.node("a");
    let plugin = Slots::new("slots", 5, ANY);
    plugin.traps.store(true, Ordering::SeqCst);
    world.scheduler.install("slots", plugin.clone(), Settings::default()).await.unwrap();
    world.api.pod("p");
    until("it says why", || message(&world.api, "p").contains("slots trapped in filter")).await;
    assert_eq!(condition(&world.api, "p").unwrap()["reason"], "SchedulerError");
    plugin.traps.store(false, Ordering::SeqCst);
    until("it is bound", || node_of(&world.api, "p").is_some()).await;
    assert_eq!(plugin.state.lock().nodes.len(), 1, "the fresh instance was told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_may_be_ignored_stops_nobody() {
    let world = world(Fake::default());
    world.api.node("a");
    let broken = Slots::new("broken", 5, ANY);
    broken.traps.store(true, Ordering::SeqCst);
    let ignore = Settings { failure_policy: FailurePolicy::Ignore, ..Settings::default() };
    world.scheduler.install("broken", broken, ignore).await.unwrap();
    world.scheduler.install("slots", Slots::new("slots", 5, ANY), Settings::default()).await.unwrap();
    world.api.pod("p");
    until("it is bound", || node_of(&world.api, "p").is_some()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_in_mid_stream_lose_and_double_nothing() {
    const PODS: usize = 500;
    let world = world(Fake::default());
    for i in 0..20 {
        world.api.node(&format!("{}-{i}", if i % 2 == 0 { "even" } else { "odd" }));
    }
    let even: fn(&str) -> u8 = |name| if name.starts_with("even") { 100 } else { 0 };
    let odd: fn(&str) -> u8 = |name| if name.starts_with("odd") { 100 } else { 0 };
    world.scheduler.install("slots", Slots::new("slots", 1000, even), Settings::default()).await.unwrap();
    let api = world.api.clone();
    let creation = tokio::spawn(async move {
        for i in 0..PODS {
            api.pod(&format!("p{i}"));
            if i % 5 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let mut last = even;
    for swap in 0..10 {
        last = if swap % 2 == 0 { odd } else { even };
        world.scheduler.install("slots", Slots::new("slots", 1000, last), Settings::default()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    creation.await.unwrap();
    until("all are bound", || world.api.bindings().len() >= PODS).await;
    let bound: HashSet<String> = world.api.bindings().into_iter().map(|(pod, _)| pod).collect();
    assert_eq!((bound.len(), world.api.bindings().len()), (PODS, PODS), "none lost, none twice");
    world.api.pod("after");
    until("the next is bound", || node_of(&world.api, "after").is_some()).await;
    assert_eq!(last(&node_of(&world.api, "after").unwrap()), 100, "by the policy that is in force");
    assert!(world.scheduler.remove("slots").await.unwrap());
    assert!(!world.scheduler.remove("slots").await.unwrap());
}
