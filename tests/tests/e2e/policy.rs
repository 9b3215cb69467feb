//! The scoring policy is swapped ten times while 500 pods are being created.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use orch_tests::host::{Host, KubectlIn};
use orch_tests::{eventually, kubectl};
use serde_json::{Value, json};

const HOLLOW: usize = 8;
const SOON: Duration = Duration::from_secs(60);

fn list(items: Vec<Value>) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

/// It asks for the same share of a hollow node's memory as of its CPU, so that balance speaks for no node.
fn pod(name: &str, cpu: &str, policy: &str) -> Value {
    let memory = if cpu == "200" { "200G" } else { "10M" };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "labels": { "policy": policy } },
        "spec": { "containers": [{
            "name": "c", "image": "example.orch.dev/hello:1",
            "resources": { "requests": { "cpu": cpu, "memory": memory } },
        }] },
    })
}

/// Nodes without a machine renew no Lease: they may be silent for as long as a test takes.
fn be_patient(kubectl: &KubectlIn) {
    let mut command = kubectl.command("patch plugin node --type=merge -p");
    orch_tests::run(command.arg(r#"{"spec":{"config":{"nodeMonitorGracePeriodSeconds":3600}}}"#));
}

/// Nodes that exist only as objects; the first is far fuller than any other will ever be.
fn hollow_nodes(kubectl: &KubectlIn) {
    be_patient(kubectl);
    let node = |i: usize| json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": format!("hollow-{i}") } });
    kubectl.feed("create -f -", &list((0..HOLLOW).map(node).collect())).unwrap();
    let room = r#"{"status":{"capacity":{"cpu":"1000","memory":"1000G","pods":"5000"},"allocatable":{"cpu":"1000","memory":"1000G","pods":"5000"},"conditions":[{"type":"Ready","status":"True"}]}}"#;
    for i in 0..HOLLOW {
        let mut command =
            kubectl.command(&format!("patch node hollow-{i} --subresource=status --type=merge -p"));
        orch_tests::run(command.arg(room));
    }
    kubectl.run("taint node node-a real=yes:NoSchedule");
    let mut ballast = pod("ballast", "200", "none");
    ballast["spec"]["nodeName"] = "hollow-0".into();
    kubectl.feed("create -f -", &list(vec![ballast])).unwrap();
}

fn bindings(kubectl: &KubectlIn, selector: &str) -> Result<BTreeMap<String, String>, String> {
    let pods: Value = serde_json::from_str(&kubectl.ask(&format!("get pods -o json {selector}"))?)
        .map_err(|e| e.to_string())?;
    let items = pods["items"].as_array().ok_or("no items")?;
    Ok(items
        .iter()
        .map(|p| {
            let word = |v: &Value| v.as_str().unwrap_or_default().to_string();
            (word(&p["metadata"]["name"]), word(&p["spec"]["nodeName"]))
        })
        .collect())
}

#[test]
fn ten_swaps_under_five_hundred_pods() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let host = Host::start(&[]);
    let kubectl = host.kubectl(&client);
    hollow_nodes(&kubectl);
    let created = AtomicUsize::new(0);
    let swapped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // A failed assertion below must not leave the other thread waiting for ever.
        let _done = Done(&swapped);
        // 500 pods in lots of 10; the last lots wait for the last swap, so that every swap falls among them.
        scope.spawn(|| {
            for lot in 0..50 {
                let pods = (0..10).map(|i| pod(&format!("load-{lot}-{i}"), "10m", "load")).collect();
                kubectl.feed("create -f -", &list(pods)).unwrap_or_else(|why| panic!("{why}"));
                created.fetch_add(10, Ordering::SeqCst);
                while lot >= 45 && !swapped.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            }
        });
        for round in 0..10 {
            let policy = if round % 2 == 0 { "MostAllocated" } else { "LeastAllocated" };
            let config = json!({ "scoringStrategy": { "type": policy } }).to_string();
            let said = host.orch(&["plugin", "swap", "node-resources-fit", "--config", &config]);
            assert!(said.as_ref().is_ok_and(|s| s.contains("swapped")), "{said:?}");
            follows(&kubectl, round, policy);
        }
        assert!(created.load(Ordering::SeqCst) < 500, "the swaps were to fall among the creations");
    });
    let bound = eventually("every pod to be bound", SOON, || {
        let bound = bindings(&kubectl, "-l policy=load")?;
        let waiting = bound.values().filter(|n| n.is_empty()).count();
        if bound.len() == 500 && waiting == 0 {
            Ok(bound)
        } else {
            Err(format!("{} pods, {waiting} wait", bound.len()))
        }
    });
    assert!(bound.values().all(|node| node.starts_with("hollow-")), "the tainted node took a pod");
    once_each(&kubectl);
    let swaps = kubectl.run("get events --field-selector reason=Serving");
    assert!(swaps.contains("node-resources-fit"), "swaps are told: {swaps}");
    assert!(!swaps.contains("taint-toleration"), "that a built-in serves from the start is no news: {swaps}");
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The next pods are placed by the policy that serves now.
fn follows(kubectl: &KubectlIn, round: usize, policy: &str) {
    let label = format!("round-{round}");
    let pods = (0..10).map(|i| pod(&format!("witness-{round}-{i}"), "10m", &label)).collect();
    kubectl.feed("create -f -", &list(pods)).unwrap_or_else(|why| panic!("{why}"));
    let bound = eventually("the witnesses to be bound", SOON, || {
        let bound = bindings(kubectl, &format!("-l policy={label}"))?;
        if bound.len() == 10 && bound.values().all(|n| !n.is_empty()) {
            Ok(bound)
        } else {
            Err(format!("{bound:?}"))
        }
    });
    let nodes: BTreeSet<&str> = bound.values().map(String::as_str).collect();
    if policy == "MostAllocated" {
        assert_eq!(nodes, BTreeSet::from(["hollow-0"]), "packing fills the fullest node");
    } else {
        // Ten pods hardly fill such nodes, so the seven empty ones have equal scores and chance decides
        // among them: ten draws of one node are one in forty million, ten of three nodes are not rare.
        assert!(
            !nodes.contains("hollow-0") && nodes.len() > 1,
            "spreading avoids the fullest node: {nodes:?}"
        );
    }
}

/// One `Scheduled` event a pod: none was bound twice.
fn once_each(kubectl: &KubectlIn) {
    let events: Value =
        serde_json::from_str(&kubectl.run("get events --field-selector reason=Scheduled -o json")).unwrap();
    let mut times: BTreeMap<String, i64> = BTreeMap::new();
    for event in events["items"].as_array().unwrap() {
        let name = event["involvedObject"]["name"].as_str().unwrap().to_string();
        *times.entry(name).or_default() += event["count"].as_i64().unwrap_or(1);
    }
    let twice: Vec<_> = times.iter().filter(|(_, n)| **n != 1).collect();
    assert!(twice.is_empty(), "bound more than once: {twice:?}");
}

#[test]
fn a_component_that_does_not_load_leaves_the_old_one_serving() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let host = Host::start(&[]);
    let kubectl = host.kubectl(&client);
    let junk = host.data_dir.path().join("junk.wasm");
    std::fs::write(&junk, "this is not Wasm").unwrap();
    let why =
        host.orch(&["plugin", "swap", "taint-toleration", "--file", &junk.to_string_lossy()]).unwrap_err();
    assert!(why.contains("the old one serves on") && why.contains("junk.wasm"), "{why}");
    let why =
        host.orch(&["plugin", "swap", "taint-toleration", "--builtin", "namespace-lifecycle"]).unwrap_err();
    assert!(why.contains("orch:admission") || why.contains("world"), "{why}");
    let why = host.orch(&[
        "plugin",
        "swap",
        "node-resources-fit",
        "--config",
        r#"{"scoringStrategy":{"type":"Sideways"}}"#,
    ]);
    let why = why.unwrap_err();
    assert!(why.contains("Sideways"), "{why}");
    kubectl.run("run one --image=example.orch.dev/hello:1");
    kubectl.run("wait pod/one --for=condition=Ready --timeout=20s");
    let plugins = kubectl.run("get plugins");
    for name in ["node-resources-fit", "deployment", "namespace-lifecycle", "routed", "garbage-collector"] {
        assert!(plugins.contains(name), "{name} in\n{plugins}");
    }
}
