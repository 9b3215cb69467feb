//! Scheduling policies as components: what they answer, and what happens when they misbehave.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use orch_plugin::calls::CallError;
use orch_plugin::calls::scheduler::{Delta, Permission, Rejection, SchedulerPlugin, Verdict};
use orch_plugin::worlds::SchedulerComponent;
use orch_plugin::{Breaker, Limits, Slot};
use serde_json::{Value, json};

fn hostile_with(limits: Limits) -> Arc<SchedulerComponent> {
    support::engine()
        .load_scheduler("hostile", &support::fixture("hostile-scheduler"), &json!({}), limits)
        .unwrap()
}

fn hostile() -> Arc<SchedulerComponent> {
    hostile_with(Limits { deadline: Duration::from_millis(50), ..Limits::default() })
}

fn load(name: &str, config: Value) -> Arc<SchedulerComponent> {
    support::engine().load_scheduler(name, &support::policy(name), &config, Limits::default()).unwrap()
}

fn told(name: &str) -> String {
    json!({"metadata": {"name": name}}).to_string()
}

/// What it says of the first 5,056 nodes.
fn filter(plugin: &SchedulerComponent, pod: &str) -> Result<Vec<Rejection>, CallError> {
    match plugin.filter(pod, &vec![u64::MAX; 79])? {
        Verdict::Nodes(rejections) => Ok(rejections),
        Verdict::Pod(reason) => panic!("the pod is rejected: {reason}"),
    }
}

fn nodes_known(plugin: &SchedulerComponent) -> Result<String, CallError> {
    Ok(filter(plugin, &told("count"))?.remove(0).reason)
}

fn sync_nodes(plugin: &SchedulerComponent, count: u32) {
    let deltas: Vec<Delta> = (0..count).map(|index| Delta::NodeUpsert(index, "{}".into())).collect();
    plugin.sync(&deltas).unwrap();
}

#[test]
fn a_trap_ends_the_instance_and_not_the_host() {
    let plugin = hostile();
    sync_nodes(&plugin, 3);
    assert_eq!(nodes_known(&plugin).unwrap(), "3 nodes");
    let first = plugin.instance();
    let CallError::Trapped { plugin: name, function, trap } = filter(&plugin, &told("trap")).unwrap_err()
    else {
        panic!("not a trap")
    };
    assert_eq!((name.as_str(), function), ("hostile", "filter"));
    assert!(trap.contains("told to") && trap.contains("unreachable"), "{trap}");
    assert_ne!(plugin.instance(), first);
    // The fresh instance has no state: that is what the changed number says.
    assert_eq!(nodes_known(&plugin).unwrap(), "0 nodes");
    sync_nodes(&plugin, 2);
    assert_eq!(nodes_known(&plugin).unwrap(), "2 nodes");
    let stats = plugin.stats();
    assert_eq!((stats.traps, stats.deadline_misses), (1, 0));
}

#[test]
fn an_endless_loop_ends_at_its_deadline() {
    let plugin = hostile();
    let started = Instant::now();
    let error = filter(&plugin, &told("loop")).unwrap_err();
    assert!(matches!(error, CallError::Deadline { millis: 50, .. }), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert_eq!(plugin.stats().deadline_misses, 1);
    assert!(nodes_known(&plugin).is_ok());
}

#[test]
fn memory_and_stack_have_an_end() {
    let plugin = hostile_with(Limits { memory: 16 << 20, deadline: Duration::from_secs(5) });
    let error = filter(&plugin, &told("memory")).unwrap_err().to_string();
    assert!(error.contains("may have 16 MiB (spec.limits.memory)"), "{error}");
    let error = filter(&plugin, &told("recursion")).unwrap_err();
    assert!(matches!(error, CallError::Trapped { .. }), "{error}");
    assert!(nodes_known(&plugin).is_ok());
}

#[test]
fn garbage_is_refused_and_costs_the_instance_nothing() {
    let plugin = hostile();
    let instance = plugin.instance();
    let refused = |name: &str| filter(&plugin, &told(name)).unwrap_err().to_string();
    assert!(refused("garbage").contains("a reason of 0 bytes"));
    assert!(refused("many").contains("5000 rejections"));
    assert!(refused("error").ends_with("filter: told to"));
    let score = plugin.score(&told("garbage"), &vec![7]).unwrap_err().to_string();
    assert!(score.contains("score 200 for node number 0"), "{score}");
    let score = plugin.score(&told("short"), &vec![7]).unwrap_err().to_string();
    assert!(score.contains("2 scores for 3 nodes"), "{score}");
    let choice = plugin.choose(&told("any"), &[]).unwrap_err().to_string();
    assert!(choice.contains("candidate 0 chosen of 0"), "{choice}");
    assert_eq!(plugin.instance(), instance);
}

#[test]
fn a_pod_can_be_rejected_as_such_or_made_to_wait() {
    let plugin = hostile();
    assert_eq!(plugin.filter(&told("nowhere"), &vec![1]).unwrap(), Verdict::Pod("told to".into()));
    assert_eq!(plugin.permit(&told("any"), 7).unwrap(), Permission::Wait(7));
}

#[test]
fn a_flood_of_log_lines_is_cut_and_counted() {
    let plugin = hostile();
    filter(&plugin, &told("log")).unwrap();
    assert!(plugin.stats().dropped_log_lines >= 800);
}

#[test]
fn a_configuration_changes_on_the_state_as_it_is() {
    let plugin = hostile();
    sync_nodes(&plugin, 4);
    plugin.configure(&json!({"score": 42})).unwrap();
    assert_eq!(plugin.score(&told("any"), &vec![3]).unwrap(), [42, 42]);
    let error = plugin.configure(&json!({"refuse": "score: no"})).unwrap_err().to_string();
    assert!(error.ends_with("score: no"), "{error}");
    assert_eq!(nodes_known(&plugin).unwrap(), "4 nodes");
    // A fresh instance gets the last good one.
    filter(&plugin, &told("trap")).unwrap_err();
    sync_nodes(&plugin, 1);
    assert_eq!(plugin.score(&told("any"), &vec![1]).unwrap(), [42]);
}

/// Calls go on while the policy is swapped again and again: none fails, and each is answered by one
/// policy or the other, whole.
#[test]
fn swaps_under_load_fail_no_call() {
    let artifact = support::fixture("hostile-scheduler");
    let version = |score: u32| {
        let limits = Limits { deadline: Duration::from_secs(10), ..Limits::default() };
        let plugin =
            support::engine().load_scheduler("v", &artifact, &json!({"score": score}), limits).unwrap();
        sync_nodes(&plugin, 100);
        plugin
    };
    let slot = Slot::new(version(1), Breaker::default());
    let callers: [Caller; 2] = Default::default();
    std::thread::scope(|scope| {
        for caller in &callers {
            scope.spawn(|| caller.call_until(&slot, LAST));
        }
        for score in 2..=LAST {
            slot.swap(version(score));
            // Every caller has been answered by the new one before it goes again.
            while callers.iter().any(|caller| caller.seen.load(Ordering::SeqCst) < score && !caller.failed())
            {
                std::thread::yield_now();
            }
        }
    });
    assert!(callers.iter().all(|caller| !caller.failed()));
}

const LAST: u32 = 20;

#[derive(Default)]
struct Caller {
    /// The newest policy that has answered; `u32::MAX` after a failure.
    seen: AtomicU32,
}

impl Caller {
    fn failed(&self) -> bool {
        self.seen.load(Ordering::SeqCst) == u32::MAX
    }

    fn call_until(&self, slot: &Slot<SchedulerComponent>, last: u32) {
        let _failed = OnPanic(&self.seen);
        let mut seen = 0;
        while seen < last {
            let plugin = slot.load();
            let scores = plugin.score(&told("any"), &vec![u64::MAX]).unwrap();
            assert_eq!(scores, vec![scores[0]; 64]);
            assert!(scores[0] >= seen, "an older policy answered after a newer one");
            assert_eq!(filter(&plugin, &told("count")).unwrap()[0].reason, "100 nodes");
            seen = scores[0];
            self.seen.store(seen, Ordering::SeqCst);
        }
    }
}

/// Lets the one who waits for a caller that panicked go on.
struct OnPanic<'a>(&'a AtomicU32);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(u32::MAX, Ordering::SeqCst);
        }
    }
}

fn node(index: u32) -> String {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("node-{index}"), "uid": "u"},
        "spec": {"taints": if index.is_multiple_of(20) { json!([{"key": "dedicated", "value": "x", "effect": "NoSchedule"}]) } else { json!([]) }},
        "status": {"allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}},
    })
    .to_string()
}

fn pod(cpu: &str) -> String {
    json!({"spec": {"containers": [{"resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}], "tolerations": []}}).to_string()
}

/// 5,000 nodes filtered and scored by the two built-ins that look at each: under a millisecond.
#[test]
fn five_thousand_nodes_take_less_than_a_millisecond() {
    let plugins = [load("node-resources-fit", json!({})), load("taint-toleration", json!({}))];
    let nodes: Vec<Delta> = (0..5000).map(|index| Delta::NodeUpsert(index, node(index))).collect();
    for plugin in &plugins {
        nodes.chunks(100).for_each(|batch| plugin.sync(batch).unwrap());
        plugin.sync(&[Delta::PodUpsert("p".into(), 7, pod("8"))]).unwrap();
    }
    let (pod, all) = (pod("1"), vec![u64::MAX; 79]);
    let cycle = || {
        let started = Instant::now();
        for plugin in &plugins {
            filter(plugin, &pod).unwrap();
            plugin.score(&pod, &all).unwrap();
        }
        started.elapsed()
    };
    let mut times: Vec<Duration> = (0..200).map(|_| cycle()).collect();
    times.sort();
    println!("filter and score of 5,000 nodes: p50 {:?}, p99 {:?}", times[100], times[198]);
    assert!(times[100] < Duration::from_millis(1), "{:?}", times[100]);

    let rejections = filter(&plugins[0], &pod).unwrap();
    assert_eq!(rejections[0].reason, "Insufficient cpu");
    assert_eq!(rejections[0].nodes.iter().map(|word| word.count_ones()).sum::<u32>(), 1);
    let tainted = filter(&plugins[1], &pod).unwrap();
    assert_eq!(tainted[0].reason, "node(s) had untolerated taint(s)");
    assert_eq!(tainted[0].nodes.iter().map(|word| word.count_ones()).sum::<u32>(), 250);
}
