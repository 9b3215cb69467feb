//! The extension points after the choice of a node, preemption, profiles and versions on trial.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod fake;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use fake::{Fake, kind, until};
use orch_object::Scope as KindScope;
use orch_plugin::calls::scheduler::{
    Advice, Delta, Description, Eviction, Patch, PatchType, Permission, Plan, Points, Rejection,
    SchedulerPlugin, Verdict,
};
use orch_plugin::calls::{CallError, Interest, NodeSet};
use orch_plugin::trial::{Role, ShadowLog};
use orch_scheduler::{Options, Scheduler, Settings};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// One pod a node; takes part where it is told to, and notes every call.
struct Scripted {
    description: Description,
    /// Goes to this node alone; empty: any.
    only: String,
    state: Mutex<State>,
    calls: Mutex<Vec<String>>,
    /// Allows, prepares, reserves.
    willing: AtomicBool,
    permission: Permission,
    instance: AtomicU64,
    /// The next question ends the instance.
    traps: AtomicBool,
    /// Pods of this priority fit nowhere yet.
    not_yet: AtomicI64,
    /// A node is never full.
    roomy: bool,
    /// A node must have a pod of this priority.
    company: Option<i64>,
}

#[derive(Default)]
struct State {
    nodes: BTreeMap<u32, String>,
    pods: HashMap<String, (u32, i64)>,
    /// As often as they went.
    gone: Vec<String>,
    objects: usize,
}

fn interest(api_version: &str, kind: &str, fields: &[&str]) -> Interest {
    let fields = fields.iter().map(|field| field.to_string()).collect();
    Interest { api_version: api_version.into(), kind: kind.into(), fields }
}

impl Scripted {
    fn new(points: Points, only: &str) -> Self {
        Scripted {
            description: Description {
                points,
                pod: vec!["spec.priority".into(), "spec.labels".into()],
                interests: vec![
                    interest("v1", "Node", &["metadata.name"]),
                    interest("v1", "Pod", &["spec.priority"]),
                    interest("v1", "ConfigMap", &["data"]),
                ],
                ..Description::default()
            },
            only: only.into(),
            state: Mutex::default(),
            calls: Mutex::default(),
            willing: AtomicBool::new(true),
            permission: Permission::Wait(60_000),
            instance: AtomicU64::new(1),
            traps: AtomicBool::new(false),
            not_yet: AtomicI64::new(-1),
            roomy: false,
            company: None,
        }
    }

    fn note(&self, call: &str) {
        self.calls.lock().push(call.into());
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().clone()
    }

    fn refused(&self, function: &'static str) -> CallError {
        CallError::Refused { plugin: "scripted".into(), function, message: "not willing".into() }
    }

    fn is_willing(&self) -> bool {
        self.willing.load(Ordering::SeqCst)
    }
}

fn priority(pod: &str) -> i64 {
    serde_json::from_str::<Value>(pod).unwrap()["spec"]["priority"].as_i64().unwrap_or(0)
}

impl SchedulerPlugin for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }
    fn description(&self) -> &Description {
        &self.description
    }
    fn instance(&self) -> u64 {
        self.instance.load(Ordering::SeqCst)
    }
    fn sync(&self, deltas: &[Delta]) -> Result<(), CallError> {
        let mut state = self.state.lock();
        for delta in deltas {
            match delta {
                Delta::NodeUpsert(index, node) => {
                    let node: Value = serde_json::from_str(node).unwrap();
                    state.nodes.insert(*index, node["metadata"]["name"].as_str().unwrap().into());
                }
                Delta::NodeRemove(index) => drop(state.nodes.remove(index)),
                Delta::PodUpsert(uid, index, pod) => {
                    state.pods.insert(uid.clone(), (*index, priority(pod)));
                }
                Delta::PodRemove(uid) => {
                    state.pods.remove(uid);
                    state.gone.push(uid.clone());
                }
                Delta::ObjectUpsert(_) => state.objects += 1,
                Delta::ObjectRemove(_) => state.objects -= 1,
            }
        }
        Ok(())
    }
    fn filter(&self, pod: &str, _: &NodeSet) -> Result<Verdict, CallError> {
        if self.traps.swap(false, Ordering::SeqCst) {
            *self.state.lock() = State::default();
            self.instance.fetch_add(1, Ordering::SeqCst);
            let (plugin, trap) = ("scripted".into(), "unreachable".into());
            return Err(CallError::Trapped { plugin, function: "filter", trap });
        }
        if self.not_yet.load(Ordering::SeqCst) == priority(pod) {
            return Ok(Verdict::Pod("not yet".into()));
        }
        let state = self.state.lock();
        let set = |nodes: &mut dyn Iterator<Item = u32>| nodes.fold(vec![0], |set, n| vec![set[0] | 1 << n]);
        let full = set(&mut state.pods.values().filter(|_| !self.roomy).map(|(node, _)| *node));
        let other = set(&mut state
            .nodes
            .iter()
            .filter(|(_, n)| !self.only.is_empty() && **n != self.only)
            .map(|(i, _)| *i));
        let has_company = |node: u32| {
            self.company.is_none_or(|wanted| state.pods.values().any(|pod| *pod == (node, wanted)))
        };
        let lonely = set(&mut state.nodes.keys().copied().filter(|node| !has_company(*node)));
        Ok(Verdict::Nodes(vec![
            Rejection { reason: "nobody is there".into(), nodes: lonely, unresolvable: true },
            Rejection { reason: "Too many pods".into(), nodes: full, unresolvable: false },
            Rejection { reason: "another node".into(), nodes: other, unresolvable: true },
        ]))
    }
    fn rank(&self, pod: &str) -> Result<i64, CallError> {
        Ok(priority(pod))
    }
    /// Every pod of lower priority may go, the most important one is spared first.
    fn propose(&self, pod: &str, nodes: &NodeSet) -> Result<Plan, CallError> {
        let state = self.state.lock();
        let on = |node: u32| {
            let mut lower: Vec<_> =
                state.pods.iter().filter(|(_, p)| p.0 == node && p.1 < priority(pod)).collect();
            lower.sort_by_key(|(_, (_, priority))| -priority);
            Eviction { node, victims: lower.into_iter().map(|(uid, _)| uid.clone()).collect() }
        };
        Ok(Plan::Proposals((0..64).filter(|n| nodes[0] >> n & 1 == 1).map(on).collect()))
    }
    /// The one whose victims matter least.
    fn choose(&self, _: &str, candidates: &[Eviction]) -> Result<Option<usize>, CallError> {
        let state = self.state.lock();
        let cost = |candidate: &Eviction| candidate.victims.iter().map(|uid| state.pods[uid].1).max();
        Ok((0..candidates.len()).min_by_key(|index| cost(&candidates[*index])))
    }
    fn reserve(&self, _: &str, node: u32) -> Result<(), CallError> {
        self.note(&format!("reserve {node}"));
        if self.is_willing() { Ok(()) } else { Err(self.refused("reserve")) }
    }
    fn unreserve(&self, _: &str, node: u32) -> Result<(), CallError> {
        self.note(&format!("unreserve {node}"));
        Ok(())
    }
    fn permit(&self, _: &str, _: u32) -> Result<Permission, CallError> {
        self.note("permit");
        let allowed = self.is_willing() || self.state.lock().objects > 0;
        Ok(if allowed { Permission::Allow } else { self.permission.clone() })
    }
    fn pre_bind(&self, _: &str, _: u32) -> Result<Advice, CallError> {
        self.note("pre-bind");
        let ready = self.state.lock().objects > 0;
        let patch = Patch {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: "default".into(),
            name: "claim".into(),
            subresource: String::new(),
            patch_type: PatchType::Merge,
            body: json!({"data": {"node": "a"}}).to_string(),
        };
        let patches = if ready { Vec::new() } else { vec![patch] };
        Ok(Advice { patches, ready, timeout_ms: 60_000 })
    }
}

fn filter() -> Points {
    Points { filter: true, ..Points::default() }
}

struct World {
    api: Fake,
    scheduler: Scheduler,
    _stop: tokio_util::sync::DropGuard,
}

fn world() -> World {
    let stop = CancellationToken::new();
    let options = Options {
        initial_backoff: Duration::from_millis(5),
        max_backoff: Duration::from_millis(20),
        ..Options::default()
    };
    let api = Fake::with_kinds(vec![kind("", "v1", "ConfigMap", "configmaps", KindScope::Namespaced)]);
    let scheduler = Scheduler::start(Arc::new(api.clone()), options, stop.clone());
    World { api, scheduler, _stop: stop.drop_guard() }
}

impl World {
    async fn install(&self, name: &str, plugin: &Arc<Scripted>, settings: Settings) {
        self.scheduler.install(name, plugin.clone(), settings).await.unwrap();
    }
    async fn with(points: Points) -> (Self, Arc<Scripted>) {
        let world = world();
        world.api.node("a");
        let plugin = Arc::new(Scripted::new(points, ""));
        world.install("scripted", &plugin, Settings::default()).await;
        (world, plugin)
    }
    fn pod(&self, name: &str, spec: Value) {
        let metadata = json!({ "name": name, "namespace": "default" });
        self.api
            .put("pods", json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec }));
    }
    fn nominated(&self, node: &str, priority: i64) {
        let metadata = json!({ "name": "nominated", "namespace": "default" });
        let (spec, status) = (json!({ "priority": priority }), json!({ "nominatedNodeName": node }));
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status });
        self.api.put("pods", pod);
    }
    fn read(&self, pod: &str) -> Value {
        self.api.object("pods", &format!("default/{pod}")).map_or(Value::Null, |pod| (*pod).clone())
    }
    fn node_of(&self, pod: &str) -> Option<String> {
        self.read(pod)["spec"]["nodeName"].as_str().map(String::from)
    }
    fn message(&self, pod: &str) -> String {
        let pod = self.read(pod);
        pod["status"]["conditions"][0]["message"].as_str().unwrap_or_default().into()
    }
    fn config_map(&self) {
        let metadata = json!({ "name": "claim", "namespace": "default" });
        self.api.put("configmaps", json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_reserved_is_let_go_and_tried_again() {
    let (world, plugin) = World::with(Points { reserve: true, ..filter() }).await;
    plugin.willing.store(false, Ordering::SeqCst);
    world.pod("p", json!({}));
    until("it says why", || world.message("p").contains("reserve: not willing")).await;
    assert_eq!(plugin.calls()[..2], ["reserve 0", "unreserve 0"]);
    let attempts = plugin.calls();
    assert!(attempts.chunks_exact(2).all(|attempt| attempt == ["reserve 0", "unreserve 0"]), "{attempts:?}");
    plugin.willing.store(true, Ordering::SeqCst);
    until("it is bound", || world.node_of("p").is_some()).await;
    world.pod("q", json!({}));
    until("the node is full", || world.message("q") == "0/1 nodes are available: 1 Too many pods.").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_waits_for_its_permit_until_what_the_plugin_reads_changes() {
    let (world, plugin) = World::with(Points { permit: true, ..filter() }).await;
    plugin.willing.store(false, Ordering::SeqCst);
    world.pod("p", json!({}));
    until("it is asked about", || plugin.calls() == ["permit"]).await;
    world.pod("q", json!({}));
    until("its room is taken", || world.message("q").contains("Too many pods")).await;
    assert_eq!(world.node_of("p"), None);
    world.config_map();
    until("it is bound", || world.node_of("p").is_some()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_that_never_comes_and_one_refused_send_the_pod_back() {
    let world = world();
    world.api.node("a");
    let mut plugin = Scripted::new(Points { permit: true, ..filter() }, "");
    plugin.permission = Permission::Wait(5);
    let slow = Arc::new(plugin);
    slow.willing.store(false, Ordering::SeqCst);
    world.install("slow", &slow, Settings::default()).await;
    world.pod("p", json!({}));
    until("it is sent back", || world.message("p") == "slow: the pod waited too long to be let go").await;
    let mut plugin = Scripted::new(Points { permit: true, ..filter() }, "");
    plugin.permission = Permission::Reject("the gang is not complete".into());
    let strict = Arc::new(plugin);
    strict.willing.store(false, Ordering::SeqCst);
    world.install("slow", &strict, Settings::default()).await;
    until("it is refused", || world.message("p") == "the gang is not complete").await;
    world.config_map();
    until("it is tried again and bound", || world.node_of("p").is_some()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_advises_is_written_before_the_pod_is_bound() {
    let world = world();
    world.api.node("a");
    let plugin = Arc::new(Scripted::new(Points { pre_bind: true, ..filter() }, ""));
    world.install("scripted", &plugin, Settings::default()).await;
    world.pod("p", json!({}));
    until("nobody may write", || world.message("p").contains("give it spec.permissions")).await;
    let writer = Some(Arc::new(world.api.clone()) as Arc<dyn orch_client::Client>);
    world.install("scripted", &plugin, Settings { writer, ..Settings::default() }).await;
    until("there is nothing to patch", || world.message("p").contains("not found")).await;
    assert_eq!(world.node_of("p"), None);
    world.config_map();
    until("it is bound", || world.node_of("p").is_some()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fewest_and_least_important_are_evicted() {
    let (world, plugin) = World::with(Points { queue: true, preemption: true, ..filter() }).await;
    world.api.node("b");
    world.pod("low", json!({"priority": 1}));
    until("it is bound", || world.node_of("low").is_some()).await;
    world.pod("middle", json!({"priority": 5}));
    until("it is bound", || world.node_of("middle").is_some()).await;
    let freed = world.node_of("low").unwrap();
    world.pod("equal", json!({"priority": 1}));
    until("nobody goes for it", || world.message("equal").contains("2 No preemption victims found")).await;
    world.pod("high", json!({"priority": 10}));
    until("it takes the room", || world.node_of("high").as_deref() == Some(freed.as_str())).await;
    assert!(world.read("low").is_null() && !world.read("middle").is_null());
    let events = world.api.all("events");
    assert!(events.iter().any(|event| event["reason"] == "Preempted"), "{events:?}");
    assert_eq!(world.read("high")["status"]["nominatedNodeName"], freed.as_str());
    assert!(plugin.state.lock().pods.values().all(|(_, priority)| *priority > 1));
}

/// On a large cluster it would be told of thousands of pods, for each pod that looks for room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_accepts_the_nodes_hears_of_no_eviction_that_is_only_tried() {
    let (world, _strict) = World::with(Points { queue: true, preemption: true, ..filter() }).await;
    let roomy = Arc::new(Scripted { roomy: true, ..Scripted::new(filter(), "") });
    world.install("roomy", &roomy, Settings::default()).await;
    world.api.node("b");
    for name in ["low", "lower"] {
        world.pod(name, json!({"priority": 1}));
        until("it is bound", || world.node_of(name).is_some()).await;
    }
    let uids = [uid(&world, "low"), uid(&world, "lower")];
    world.pod("high", json!({"priority": 10}));
    until("it takes the room", || world.node_of("high").is_some()).await;
    let spared = uids.iter().find(|now| [uid(&world, "low"), uid(&world, "lower")].contains(now));
    let gone = roomy.state.lock().gone.clone();
    assert!(!gone.is_empty() && !gone.contains(spared.unwrap()), "only whom it was to be: {gone:?}");
}

fn uid(world: &World, name: &str) -> String {
    world.read(name)["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

/// It accepts the node as it is, and would not without the victim.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_goes_whom_another_filter_wants_there() {
    let (world, _strict) = World::with(Points { queue: true, preemption: true, ..filter() }).await;
    world.pod("low", json!({"priority": 1}));
    until("it is bound", || world.node_of("low").is_some()).await;
    let social = Arc::new(Scripted { roomy: true, company: Some(1), ..Scripted::new(filter(), "") });
    world.install("social", &social, Settings::default()).await;
    world.pod("high", json!({"priority": 10}));
    until("nobody goes for it", || world.message("high").contains("No preemption victims found")).await;
    assert!(world.node_of("low").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_that_was_made_is_kept_from_lesser_pods() {
    let (world, _plugin) = World::with(Points { queue: true, preemption: true, ..filter() }).await;
    // Room was made for it before this scheduler began; the node is still taken.
    world.pod("holder", json!({"nodeName": "a", "priority": 20}));
    world.nominated("a", 5);
    until("it waits", || world.message("nominated").contains("Too many pods")).await;
    world.pod("lesser", json!({"priority": 1}));
    until("it waits too", || world.message("lesser").contains("Too many pods")).await;
    world.api.remove("pods", "default/holder");
    until("the first has its room", || world.node_of("nominated").is_some()).await;
    assert_eq!(world.node_of("lesser"), None);
}

/// It has lost what it was told, and the pods with it that are only expected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_instance_leaves_room_for_those_that_are_to_come() {
    let (world, plugin) = World::with(Points { queue: true, ..filter() }).await;
    plugin.not_yet.store(5, Ordering::SeqCst);
    world.nominated("a", 5);
    until("it waits", || world.message("nominated").contains("not yet")).await;
    plugin.traps.store(true, Ordering::SeqCst);
    world.pod("lesser", json!({"priority": 1}));
    until("it waits too", || world.message("lesser").contains("Too many pods")).await;
    assert_eq!((plugin.instance(), world.node_of("lesser")), (2, None));
}

/// It was not there when the others were told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_comes_later_leaves_room_for_those_that_are_to_come() {
    let (world, first) = World::with(Points { queue: true, ..filter() }).await;
    first.not_yet.store(5, Ordering::SeqCst);
    world.nominated("a", 5);
    until("it waits", || world.message("nominated").contains("not yet")).await;
    world.pod("lesser", json!({"priority": 1}));
    until("it waits too", || world.message("lesser").contains("Too many pods")).await;
    let second = Arc::new(Scripted::new(Points { queue: true, ..filter() }, ""));
    second.not_yet.store(5, Ordering::SeqCst);
    world.install("scripted", &second, Settings::default()).await;
    world.pod("another", json!({"priority": 1, "labels": "another shape"}));
    until("it waits too", || world.message("another").contains("Too many pods")).await;
    assert_eq!((world.node_of("lesser"), world.node_of("another")), (None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_has_its_own_plugin_in_place_of_another() {
    let (world, _all) = World::with(filter()).await;
    world.api.node("b");
    let settings =
        Settings { profiles: vec!["picky".into()], replaces: Some("scripted".into()), ..Settings::default() };
    world.pod("early", json!({"schedulerName": "picky"}));
    world.install("picky-one", &Arc::new(Scripted::new(filter(), "b")), settings).await;
    until("it is bound", || world.node_of("early").as_deref() == Some("b")).await;
    world.pod("plain", json!({}));
    until("it is bound", || world.node_of("plain").as_deref() == Some("a")).await;
    world.pod("nobodys", json!({"schedulerName": "nobody"}));
    world.pod("after", json!({}));
    until("the next is told", || world.message("after").contains("Too many pods")).await;
    assert_eq!((world.node_of("nobodys"), world.message("nobodys")), (None, String::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_decides_about_its_share() {
    let world = world();
    world.api.node("a");
    world.api.node("b");
    world.install("scripted", &Arc::new(Scripted::new(filter(), "a")), Settings::default()).await;
    let selects: orch_plugin::trial::Selection = Arc::new(|subject| subject.namespace == "canary");
    let settings = Settings { role: Role::Canary(selects), ..Settings::default() };
    world.install("scripted", &Arc::new(Scripted::new(filter(), "b")), settings).await;
    let put = |name: &str, namespace: &str| {
        let metadata = json!({ "name": name, "namespace": namespace });
        world.api.put("pods", json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {} }));
    };
    put("p", "default");
    put("p", "canary");
    let node = |namespace: &str| {
        let pod = world.api.object("pods", &format!("{namespace}/p"))?;
        pod["spec"]["nodeName"].as_str().map(String::from)
    };
    until("each has its node", || {
        node("default").as_deref() == Some("a") && node("canary").as_deref() == Some("b")
    })
    .await;
    assert!(world.scheduler.remove_trial("scripted").await.unwrap());
    assert!(!world.scheduler.remove_trial("scripted").await.unwrap());
    put("q", "canary");
    until("the old one decides", || {
        let pod = world.api.object("pods", "canary/q").unwrap();
        pod["status"]["conditions"][0]["message"].as_str().is_some_and(|m| m.contains("1 another node"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_decides_nothing_and_says_where_it_differs() {
    let world = world();
    world.api.node("a");
    world.api.node("b");
    world.install("scripted", &Arc::new(Scripted::new(filter(), "a")), Settings::default()).await;
    let log = Arc::new(ShadowLog::default());
    let settings = Settings { role: Role::Shadow(log.clone()), ..Settings::default() };
    world.install("scripted", &Arc::new(Scripted::new(filter(), "b")), settings).await;
    world.pod("p", json!({}));
    until("it is bound", || world.node_of("p").as_deref() == Some("a")).await;
    until("the difference is noted", || log.report().differing == 1).await;
    let difference = log.report().differences.remove(0);
    assert_eq!(
        (difference.subject.as_str(), difference.live.as_str(), difference.shadow.as_str()),
        ("default/p", "a", "b")
    );
}
