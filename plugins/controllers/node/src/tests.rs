use orch_sdk::fake::Cluster;
use orch_sdk::json;
use orch_sdk::time::rfc3339;

use super::*;

fn node(ready: &str, spec: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n" }, "spec": spec,
        "status": { "conditions": [{ "type": "Ready", "status": ready }] } })
}

/// Keys and effects of the taints after a pass.
fn taints(node: Value) -> Vec<String> {
    let cluster = Cluster::with([node]);
    Nodes::default().reconcile(&cluster, "n").unwrap();
    let node = cluster.object(Kind::NODE, "", "n");
    let taints = node.items(&["spec", "taints"]).iter();
    taints
        .map(|taint| format!("{}:{}", taint["key"].as_str().unwrap(), taint["effect"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_node_that_is_ready_takes_pods() {
    let new = json!({ "taints": [
        { "key": "own", "effect": "NoExecute" },
        { "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" },
    ] });
    assert_eq!(taints(node("True", new.clone())), ["own:NoExecute"]);
    assert_eq!(
        taints(node("False", new.clone())),
        ["own:NoExecute", "node.kubernetes.io/not-ready:NoSchedule"]
    );
    assert_eq!(taints(node("Unknown", new)), ["own:NoExecute", "node.kubernetes.io/unreachable:NoSchedule"]);
}

#[test]
fn a_cordon_is_a_taint() {
    let cordoned = node("True", json!({ "unschedulable": true }));
    assert_eq!(taints(cordoned.clone()), ["node.kubernetes.io/unschedulable:NoSchedule"]);
    let cluster = Cluster::with([cordoned]);
    Nodes::default().reconcile(&cluster, "n").unwrap();
    cluster.take_writes();
    Nodes::default().reconcile(&cluster, "n").unwrap();
    assert!(cluster.take_writes().is_empty(), "what is right is left alone");
    let mut node = cluster.object(Kind::NODE, "", "n");
    node["spec"]["unschedulable"] = false.into();
    assert_eq!(taints(node), Vec::<String>::new());
}

#[test]
fn pressure_is_a_taint() {
    let mut node = node("True", json!({}));
    let conditions = [("MemoryPressure", "True"), ("DiskPressure", "True"), ("PIDPressure", "Unknown")];
    for (name, status) in conditions {
        let all = node["status"]["conditions"].as_array_mut().unwrap();
        all.push(json!({ "type": name, "status": status }));
    }
    let keys =
        ["node.kubernetes.io/memory-pressure:NoSchedule", "node.kubernetes.io/disk-pressure:NoSchedule"];
    assert_eq!(taints(node), keys);
}

/// A cluster of nodes that were ready when they were last heard of, and its controller.
struct Watched {
    cluster: Cluster,
    controller: Nodes,
}

impl Watched {
    fn of(names: &[&str]) -> Watched {
        let cluster = Cluster::new();
        for name in names {
            cluster.put(json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name },
                "status": { "conditions": [{ "type": "Ready", "status": "True" }] } }));
        }
        let mut watched = Watched { cluster, controller: Nodes::default() };
        names.iter().for_each(|name| watched.renew(name));
        names.iter().for_each(|name| watched.told(name));
        watched.look();
        watched
    }

    /// The node renews its Lease.
    fn renew(&mut self, name: &str) {
        let lease = json!({ "apiVersion": LEASE.api_version, "kind": LEASE.kind,
            "metadata": { "name": name, "namespace": LEASES },
            "spec": { "renewTime": rfc3339(self.cluster.now_ms()) } });
        let lease = self.cluster.put(lease);
        assert!(self.controller.keys(2, Change::Modified, &lease, None).is_empty());
    }

    /// The controller hears of the node's state.
    fn told(&mut self, name: &str) {
        self.controller.reconcile(&self.cluster, name).unwrap();
    }

    fn look(&mut self) {
        let outcome = self.controller.reconcile(&self.cluster, ALL).unwrap();
        assert_eq!(outcome, Outcome::requeue_after_ms(5_000));
        for node in self.cluster.objects(Kind::NODE, "") {
            self.told(node.name());
        }
    }

    /// Time passes, in which these nodes live.
    fn pass(&mut self, seconds: u64, alive: &[&str]) {
        for _ in 0..seconds / 5 {
            self.cluster.advance_ms(5_000);
            alive.iter().for_each(|name| self.renew(name));
            self.look();
        }
    }

    fn says(&self, name: &str, ready: &str) {
        let mut node = self.cluster.object(Kind::NODE, "", name);
        node["status"]["conditions"][0] = json!({ "type": "Ready", "status": ready,
            "lastHeartbeatTime": rfc3339(self.cluster.now_ms()) });
        self.cluster.put(node);
    }

    fn ready(&self, name: &str) -> String {
        let node = self.cluster.object(Kind::NODE, "", name);
        node["status"]["conditions"][0]["status"].as_str().unwrap().into()
    }

    fn evicting(&self, name: &str) -> Option<&'static str> {
        taints::evicting(&self.cluster.object(Kind::NODE, "", name))
    }

    fn events(&self) -> Vec<String> {
        self.cluster.events().into_iter().map(|event| event.reason).collect()
    }
}

#[test]
fn a_node_that_is_silent_is_unknown_and_its_pods_are_not_ready() {
    let mut watched = Watched::of(&["a", "b"]);
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "namespace": "shop" },
        "spec": { "nodeName": "a", "tolerations": [{ "operator": "Exists", "tolerationSeconds": 300 }] },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] } });
    watched.cluster.put(pod.clone());
    watched.pass(50, &["b"]);
    assert_eq!(watched.ready("a"), "True", "its time is not over");
    watched.pass(5, &["b"]);
    assert_eq!((watched.ready("a").as_str(), watched.ready("b").as_str()), ("Unknown", "True"));
    let node = watched.cluster.object(Kind::NODE, "", "a");
    let conditions = node.items(&["status", "conditions"]);
    assert_eq!(conditions[0]["reason"], "NodeStatusUnknown");
    assert_eq!(
        (&conditions[1]["type"], &conditions[1]["reason"]),
        (&json!("MemoryPressure"), &json!("NodeStatusNeverUpdated"))
    );
    assert_eq!(conditions.len(), 4);
    assert_eq!(watched.evicting("a"), Some(taints::UNREACHABLE));
    let ready =
        || watched.cluster.object(Kind::POD, "shop", "p")["status"]["conditions"][0]["status"].clone();
    assert_eq!(ready(), "False");
    assert_eq!(watched.events(), ["RegisteredNode", "RegisteredNode", "NodeNotReady", "NodeNotReady"]);

    // It is back.
    watched.says("a", "True");
    watched.pass(5, &["a", "b"]);
    assert_eq!((watched.ready("a").as_str(), watched.evicting("a")), ("True", None));
    let taints = watched.cluster.object(Kind::NODE, "", "a")["spec"]["taints"].clone();
    assert_eq!(taints, json!([]));
}

#[test]
fn a_heartbeat_is_as_good_as_a_lease() {
    let mut watched = Watched::of(&["a", "b"]);
    for _ in 0..3 {
        watched.pass(40, &["b"]);
        watched.says("a", "True");
    }
    assert_eq!(watched.ready("a"), "True");
}

#[test]
fn what_only_the_controller_has_not_heard_is_asked_for_first() {
    let mut watched = Watched::of(&["a", "b"]);
    watched.pass(50, &["b"]);
    let lease = watched.cluster.object(LEASE, LEASES, "a");
    let mut late = lease.clone();
    late["spec"]["renewTime"] = rfc3339(watched.cluster.now_ms()).into();
    watched.cluster.put(late); // and nobody tells
    watched.pass(50, &["b"]);
    assert_eq!(watched.ready("a"), "True");
    watched.pass(10, &["b"]);
    assert_eq!(watched.ready("a"), "Unknown");
}

#[test]
fn the_only_node_keeps_its_pods() {
    let mut watched = Watched::of(&["a"]);
    watched.pass(600, &[]);
    assert_eq!((watched.ready("a").as_str(), watched.evicting("a")), ("Unknown", None));
    watched.says("a", "True");
    watched.pass(5, &["a"]);
    assert_eq!(watched.ready("a"), "True");
}

#[test]
fn a_machine_that_slept_with_its_controller_gives_all_nodes_their_time_again() {
    let mut watched = Watched::of(&["a", "b"]);
    watched.cluster.advance_ms(3_600_000);
    watched.look();
    watched.pass(45, &["a", "b"]);
    assert_eq!((watched.ready("a").as_str(), watched.ready("b").as_str()), ("True", "True"));

    // And so does a controller that begins.
    watched.cluster.advance_ms(3_600_000);
    watched.controller = Nodes::default();
    watched.look();
    watched.pass(50, &[]);
    assert_eq!(watched.ready("a"), "True");
    watched.pass(5, &[]);
    assert_eq!(watched.ready("a"), "Unknown");
}

#[test]
fn lost_nodes_of_a_zone_are_emptied_one_after_the_other() {
    let mut watched = Watched::of(&["a", "b", "c", "d", "e", "f", "g"]);
    let alive = ["a", "b", "c", "d", "e", "f", "g"];
    for name in ["b", "c", "a"] {
        watched.pass(5, &alive);
        watched.says(name, "False");
        watched.told(name);
    }
    let emptied = |watched: &Watched| ["a", "b", "c"].map(|name| watched.evicting(name).is_some());
    assert_eq!(emptied(&watched), [false, true, false]);
    watched.pass(5, &alive);
    assert_eq!(emptied(&watched), [false, true, true], "the one that is lost longest");
    assert_eq!(watched.evicting("c"), Some(taints::NOT_READY));
    watched.says("b", "Unknown");
    watched.told("b");
    assert_eq!(watched.evicting("b"), Some(taints::UNREACHABLE), "lost in another way");

    // No node is ready any more: nobody is evicted, whoever was to be is spared.
    for name in ["d", "e", "f", "g"] {
        watched.says(name, "False");
        watched.told(name);
    }
    watched.pass(5, &alive);
    assert_eq!(emptied(&watched), [false, false, false]);
}

#[test]
fn a_pod_that_comes_to_a_lost_node_is_not_ready() {
    let mut watched = Watched::of(&["a", "b"]);
    watched.pass(60, &["b"]);
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "namespace": "shop" },
        "spec": { "nodeName": "a", "tolerations": [{ "operator": "Exists" }] },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] } });
    let pod = watched.cluster.put(pod);
    assert_eq!(watched.controller.keys(1, Change::Added, &pod, None), ["shop/p"]);
    watched.told("shop/p");
    assert_eq!(watched.cluster.object(Kind::POD, "shop", "p")["status"]["conditions"][0]["status"], "False");
}

#[test]
fn times_are_configured_in_seconds() {
    let mut watched = Watched::of(&["a", "b"]);
    watched.controller.configure(&json!({ "nodeMonitorGracePeriodSeconds": 3600 })).unwrap();
    watched.pass(600, &["b"]);
    assert_eq!(watched.ready("a"), "True");
    let refused = watched.controller.configure(&json!({ "nodeMonitorGracePeriodSeconds": 0 })).unwrap_err();
    assert!(refused.starts_with("nodeMonitorGracePeriodSeconds: Invalid value: 0"), "{refused}");
    assert!(watched.controller.configure(&json!({ "podEvictionTimeout": 1 })).is_err());
}
