//! How fast the cycle is with the real components; run with
//! `cargo test --release -p orch-scheduler throughput -- --ignored --nocapture`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orch_plugin::{Artifact, Limits, PluginEngine, Source};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::core::{Core, Effect, Input};
use crate::pod::PodInfo;
use crate::queue::Delays;
use crate::resident::Resident;
use crate::settings::Settings;

const NODES: usize = 5_000;
const PODS: usize = 10_000;

/// Three zones, and every node its hostname.
fn core() -> Core {
    let second = Duration::from_secs(1);
    let mut core =
        Core::new(Delays { initial_backoff: second, max_backoff: 10 * second, flush: 300 * second });
    let (now, none) = (Instant::now(), &mut Vec::new());
    for i in 0..NODES {
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": format!("node-{i}"), "uid": format!("n{i}"), "labels": {
                "topology.kubernetes.io/zone": format!("z{}", i % 3), "kubernetes.io/hostname": format!("node-{i}"),
            } },
            "spec": {},
            "status": { "allocatable": { "cpu": "32", "memory": "64Gi", "pods": "110" } },
        });
        core.handle(Input::Node(Arc::new(node)), now, none);
    }
    core.handle(Input::Synced, now, none);
    core.handle(Input::Synced, now, none);
    core
}

pub(crate) fn artifact(engine: &PluginEngine, name: &str) -> Artifact {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/components/{name}.wasm"));
    engine.artifact(&Source::File(path)).expect("plugins/build.sh has made the components")
}

pub(crate) fn install(core: &mut Core, engine: &Arc<PluginEngine>, name: &str, artifact: &Artifact) {
    let limits = Limits { deadline: Duration::from_secs(5), ..Limits::default() };
    let plugin = engine.load_scheduler(name, artifact, &json!({}), limits).unwrap();
    let (reply, snapshot) = oneshot::channel();
    core.handle(Input::Snapshot(reply), Instant::now(), &mut Vec::new());
    let snapshot = snapshot.blocking_recv().unwrap();
    let mut resident = Resident::new(name, plugin, Settings::default());
    let started = Instant::now();
    for change in &snapshot.changes {
        resident.apply(change);
    }
    resident.flush().unwrap();
    println!("{name}: told {} changes in {:?}", snapshot.changes.len(), started.elapsed());
    let (reply, installed) = oneshot::channel();
    let started = Instant::now();
    let install = Input::Install(Box::new(resident), snapshot.lease, reply);
    core.handle(install, Instant::now(), &mut Vec::new());
    installed.blocking_recv().unwrap().unwrap();
    println!("{name}: put in place in {:?}", started.elapsed());
}

/// Pods that are equal but for their names, with this in their spec.
fn pods(count: usize, more: &Value) -> Vec<Arc<PodInfo>> {
    let pod = |i: usize| {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": format!("pod-{i}"), "namespace": "default", "uid": format!("p{i}"), "labels": { "app": "web" } },
            "spec": { "schedulerName": "default-scheduler", "containers": [
                { "name": "c", "image": "busybox", "resources": { "requests": { "cpu": "100m", "memory": "500Mi" } } },
            ] },
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            pod["spec"][field] = value.clone();
        }
        pod
    };
    (0..count).map(|i| Arc::new(PodInfo::new(Arc::new(pod(i))))).collect()
}

/// What this thread has had of a processor: other work on the machine does not count.
fn cpu_time() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(schedstat.split(' ').next().unwrap().parse().unwrap())
}

const NODE_POLICIES: [&str; 10] = [
    "priority-sort",
    "node-name",
    "node-unschedulable",
    "taint-toleration",
    "node-affinity",
    "node-ports",
    "node-resources-fit",
    "balanced-allocation",
    "image-locality",
    "default-preemption",
];
const CLUSTER_POLICIES: [&str; 2] = ["pod-topology-spread", "inter-pod-affinity"];

/// Places so many pods, one after the other.
fn measure(what: &str, policies: &[&str], count: usize, spec: &Value) {
    let engine = Arc::new(PluginEngine::new(None, &[]).unwrap());
    let mut core = core();
    policies.iter().for_each(|name| install(&mut core, &engine, name, &artifact(&engine, name)));
    for pod in pods(count, spec) {
        core.handle(Input::Pod(pod), Instant::now(), &mut Vec::new());
    }
    let (started, cpu) = (Instant::now(), cpu_time());
    let (mut bound, mut rejected) = (0, 0);
    let mut slowest = Duration::ZERO;
    let mut effects = Vec::new();
    loop {
        let cycle = Instant::now();
        if !core.step(cycle, &mut effects) {
            break;
        }
        slowest = slowest.max(cycle.elapsed());
        for effect in effects.drain(..) {
            match effect {
                Effect::Bind { .. } => bound += 1,
                Effect::Report { .. } => rejected += 1,
                Effect::Write { .. } | Effect::Preempt { .. } | Effect::Withdraw { .. } => {}
            }
        }
    }
    let (elapsed, cpu) = (started.elapsed(), cpu_time() - cpu);
    println!(
        "{what}: {bound} pods on {NODES} nodes in {elapsed:?} ({cpu:?} on a core): {:.0} pods/s, slowest cycle {slowest:?}",
        f64::from(bound) / cpu.as_secs_f64()
    );
    assert_eq!((bound as usize, rejected), (count, 0));
}

#[test]
#[ignore = "a measurement; needs the built components"]
fn five_thousand_nodes() {
    measure("pods that want nothing, judged node by node", &NODE_POLICIES, PODS, &json!({}));
}

#[test]
#[ignore = "a measurement; needs the built components"]
fn five_thousand_nodes_and_all_the_pods_on_them() {
    const ZONE: &str = "topology.kubernetes.io/zone";
    const HOSTNAME: &str = "kubernetes.io/hostname";
    let policies: Vec<&str> = NODE_POLICIES.into_iter().chain(CLUSTER_POLICIES).collect();
    let measure_of = |what: &str, count, spec: &Value| measure(what, &policies, count, spec);
    let measure = |what: &str, spec: Value| measure_of(what, PODS, &spec);
    let web = json!({ "matchLabels": { "app": "web" } });
    let spread = |key: &str, skew: u32, action: &str| {
        json!({ "topologySpreadConstraints": [
            { "topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": action, "labelSelector": web },
        ] })
    };
    let term = |key: &str| json!({ "topologyKey": key, "labelSelector": web });
    let required = |kind: &str, key: &str| json!({ "affinity": { kind: { "requiredDuringSchedulingIgnoredDuringExecution": [term(key)] } } });
    let preferred = |key: &str| json!({ "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 10, "podAffinityTerm": term(key) }] });
    measure("pods that want nothing", json!({}));
    measure("spread over three zones", spread(ZONE, 5, "DoNotSchedule"));
    measure("spread over hostnames", spread(HOSTNAME, 5, "DoNotSchedule"));
    measure("spread over three zones if possible", spread(ZONE, 5, "ScheduleAnyway"));
    measure("required affinity in a zone", required("podAffinity", ZONE));
    // No more of them fit.
    measure_of("required anti-affinity on hostnames", NODES, &required("podAntiAffinity", HOSTNAME));
    measure("preferred affinity in a zone", json!({ "affinity": { "podAffinity": preferred(ZONE) } }));
    measure(
        "preferred affinity in a zone and anti-affinity on hostnames",
        json!({ "affinity": { "podAffinity": preferred(ZONE), "podAntiAffinity": preferred(HOSTNAME) } }),
    );
}
