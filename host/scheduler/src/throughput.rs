//! How fast the cycle is with the real components; run with
//! `cargo test --release -p orch-scheduler throughput -- --ignored --nocapture`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orch_plugin::{Artifact, Limits, PluginEngine, Source};
use serde_json::json;
use tokio::sync::oneshot;

use crate::core::{Core, Effect, Input};
use crate::pod::PodInfo;
use crate::queue::Delays;
use crate::resident::Resident;
use crate::settings::Settings;

const NODES: usize = 5_000;
const PODS: usize = 10_000;

fn core() -> Core {
    let second = Duration::from_secs(1);
    let mut core =
        Core::new(Delays { initial_backoff: second, max_backoff: 10 * second, flush: 300 * second });
    let (now, none) = (Instant::now(), &mut Vec::new());
    for i in 0..NODES {
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": format!("node-{i}"), "uid": format!("n{i}"), "labels": { "zone": format!("z{}", i % 3) } },
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

fn pods() -> Vec<Arc<PodInfo>> {
    let pod = |i: usize| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": format!("pod-{i}"), "namespace": "default", "uid": format!("p{i}"), "labels": { "app": "web" } },
            "spec": { "schedulerName": "default-scheduler", "containers": [
                { "name": "c", "image": "busybox", "resources": { "requests": { "cpu": "100m", "memory": "500Mi" } } },
            ] },
        })
    };
    (0..PODS).map(|i| Arc::new(PodInfo::new(Arc::new(pod(i))))).collect()
}

/// What this thread has had of a processor: other work on the machine does not count.
fn cpu_time() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(schedstat.split(' ').next().unwrap().parse().unwrap())
}

#[test]
#[ignore = "a measurement; needs the built components"]
fn five_thousand_nodes() {
    let engine = Arc::new(PluginEngine::new(None, &[]).unwrap());
    let mut core = core();
    for name in [
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
    ] {
        install(&mut core, &engine, name, &artifact(&engine, name));
    }
    for pod in pods() {
        core.handle(Input::Pod(pod), Instant::now(), &mut Vec::new());
    }
    let (started, cpu) = (Instant::now(), cpu_time());
    let mut bound = 0;
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
                Effect::Report { failure, .. } => panic!("{}", failure.message),
                Effect::Write { .. } | Effect::Preempt { .. } | Effect::Withdraw { .. } => {}
            }
        }
    }
    let (elapsed, cpu) = (started.elapsed(), cpu_time() - cpu);
    println!(
        "{bound} pods on {NODES} nodes in {elapsed:?} ({cpu:?} on a core): {:.0} pods/s, slowest cycle {slowest:?}",
        f64::from(bound) / cpu.as_secs_f64()
    );
    assert_eq!(bound as usize, PODS);
}
