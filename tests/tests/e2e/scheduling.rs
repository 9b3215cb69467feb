//! What users do with the scheduler beside waiting for it: priorities, profiles, trials of a policy,
//! and a trace of what it decided.

use std::time::Duration;

use orch_tests::host::{Host, KubectlIn};
use orch_tests::{eventually, kubectl};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

fn object(kubectl: &KubectlIn, what: &str) -> Result<Value, String> {
    serde_json::from_str(&kubectl.ask(&format!("get {what} -o json"))?).map_err(|error| error.to_string())
}

/// A pod that is placed, if at all, and never runs: nothing has its image.
fn pod(name: &str, spec: Value) -> String {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "containers": [{ "name": "c", "image": "example.orch.dev/absent:1" }] },
    });
    for (field, value) in spec.as_object().unwrap() {
        pod["spec"][field] = value.clone();
    }
    pod.to_string()
}

fn asking(cpu: &str) -> Value {
    json!([{ "name": "c", "image": "example.orch.dev/absent:1", "resources": { "requests": { "cpu": cpu } } }])
}

fn node_of(kubectl: &KubectlIn, pod: &str) -> Result<String, String> {
    let object = object(kubectl, &format!("pod {pod}"))?;
    let node = object["spec"]["nodeName"].as_str().map(String::from);
    node.ok_or_else(|| format!("{pod} has no node: {}", object["status"]["conditions"]))
}

/// Nodes without a machine renew no Lease: they may be silent for as long as a test takes.
fn be_patient(kubectl: &KubectlIn) {
    let mut command = kubectl.command("patch plugin node --type=merge -p");
    orch_tests::run(command.arg(r#"{"spec":{"config":{"nodeMonitorGracePeriodSeconds":3600}}}"#));
}

fn hollow(kubectl: &KubectlIn, name: &str) {
    be_patient(kubectl);
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } });
    kubectl.feed("create -f -", &node.to_string()).unwrap();
    let room = r#"{"status":{"capacity":{"cpu":"4","memory":"8Gi","pods":"110"},"allocatable":{"cpu":"4","memory":"8Gi","pods":"110"},"conditions":[{"type":"Ready","status":"True"}]}}"#;
    let mut command = kubectl.command(&format!("patch node {name} --subresource=status --type=merge -p"));
    orch_tests::run(command.arg(room));
}

#[test]
fn a_more_important_pod_takes_the_room_of_a_lesser_one() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let host = Host::start_without_image(orch_tests::host::Network::new(), &[]);
    let kubectl = host.kubectl(&client);
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": { "name": "important" }, "value": 1000,
    });
    kubectl.feed("create -f -", &class.to_string()).unwrap();
    let node = object(&kubectl, "node node-a").unwrap();
    let cores: u64 = node["status"]["allocatable"]["cpu"].as_str().unwrap().parse().unwrap();
    let most = format!("{}m", cores * 600);
    let wants = |class: &str| json!({ "containers": asking(&most), "priorityClassName": class });
    kubectl.feed("create -f -", &pod("lesser", wants(""))).unwrap();
    eventually("the lesser pod to be placed", SOON, || node_of(&kubectl, "lesser"));
    kubectl.feed("create -f -", &pod("equal", wants(""))).unwrap();
    eventually("the equal one to be told", SOON, || {
        let pod = object(&kubectl, "pod equal")?;
        let message = pod["status"]["conditions"][0]["message"].as_str().unwrap_or_default().to_string();
        let expected = "1 Insufficient cpu";
        let victims = "No preemption victims found for incoming pod";
        if message.contains(expected) && message.contains(victims) { Ok(()) } else { Err(message) }
    });
    kubectl.feed("create -f -", &pod("important", wants("important"))).unwrap();
    eventually("the important pod to be placed", SOON, || node_of(&kubectl, "important"));
    assert_eq!(object(&kubectl, "pod important").unwrap()["spec"]["priority"], 1000);
    let gone = kubectl.ask("get pod lesser").unwrap_err();
    assert!(gone.contains("not found"), "{gone}");
    eventually("the event", SOON, || {
        let events = kubectl.ask("get events --field-selector reason=Preempted")?;
        if events.contains("pod/lesser") { Ok(()) } else { Err(events) }
    });
}

/// `node-resources-fit` with another strategy.
fn fit(name: &str, strategy: &str, more: Value) -> String {
    let mut plugin = json!({
        "apiVersion": "plugins.orch.dev/v1alpha1", "kind": "Plugin", "metadata": { "name": name },
        "spec": {
            "world": "orch:scheduler", "source": { "builtin": "node-resources-fit" },
            "config": { "scoringStrategy": { "type": strategy } },
        },
    });
    for (field, value) in more.as_object().unwrap() {
        plugin["spec"][field] = value.clone();
    }
    plugin.to_string()
}

fn loaded(kubectl: &KubectlIn, name: &str) -> Result<Value, String> {
    let plugin = object(kubectl, &format!("plugin {name}"))?;
    let answered = plugin["status"]["observedGeneration"] == plugin["metadata"]["generation"];
    let conditions = plugin["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let good = conditions.iter().any(|c| c["type"] == "Loaded" && c["status"] == "True");
    if answered && good { Ok(plugin) } else { Err(plugin["status"].to_string()) }
}

#[test]
fn profiles_and_trials_of_a_policy() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let mut host = Host::start_without_image(orch_tests::host::Network::new(), &[]);
    let kubectl = host.kubectl(&client);
    kubectl.run("taint node node-a real=yes:NoSchedule");
    hollow(&kubectl, "full");
    hollow(&kubectl, "empty");
    let ballast = json!([{ "name": "c", "image": "example.orch.dev/absent:1", "resources": { "requests": { "cpu": "2", "memory": "4Gi" } } }]);
    kubectl
        .feed("create -f -", &pod("ballast", json!({ "nodeName": "full", "containers": ballast })))
        .unwrap();

    // A profile of its own packs, while the default one spreads.
    let packing = json!({ "profiles": ["packing"], "replaces": "node-resources-fit" });
    kubectl.feed("apply -f -", &fit("packing-fit", "MostAllocated", packing)).unwrap();
    eventually("the profile", SOON, || loaded(&kubectl, "packing-fit"));
    let small = json!([{ "name": "c", "image": "example.orch.dev/absent:1", "resources": { "requests": { "cpu": "10m", "memory": "20Mi" } } }]);
    kubectl
        .feed("create -f -", &pod("packed", json!({ "schedulerName": "packing", "containers": small })))
        .unwrap();
    kubectl.feed("create -f -", &pod("spread", json!({ "containers": small }))).unwrap();
    assert_eq!(eventually("packed", SOON, || node_of(&kubectl, "packed")), "full");
    assert_eq!(eventually("spread", SOON, || node_of(&kubectl, "spread")), "empty");

    // A shadow decides nothing and tells what it would have done.
    let shadow = json!({ "rollout": { "strategy": "Shadow" } });
    kubectl.feed("apply -f -", &fit("node-resources-fit", "MostAllocated", shadow)).unwrap();
    let plugin = eventually("the shadow", SOON, || loaded(&kubectl, "node-resources-fit"));
    assert_eq!(plugin["status"]["trial"]["strategy"], "Shadow");
    kubectl.feed("create -f -", &pod("watched", json!({ "containers": small }))).unwrap();
    assert_eq!(eventually("watched", SOON, || node_of(&kubectl, "watched")), "empty");
    let report = eventually("its report", Duration::from_secs(90), || {
        let report = object(&kubectl, "plugin node-resources-fit")?["status"]["trial"]["report"].clone();
        if report["differing"] == 1 { Ok(report) } else { Err(report.to_string()) }
    });
    let difference = &report["differences"][0];
    assert_eq!(*difference, json!({ "subject": "default/watched", "live": "empty", "shadow": "full" }));
    let table = kubectl.run("get plugins node-resources-fit");
    assert!(table.contains("Shadow 1/1 differ"), "{table}");

    // A canary decides in the namespaces it is given.
    kubectl.run("create namespace bold");
    kubectl.run("label namespace bold policy=new");
    let canary = json!({ "rollout": {
        "strategy": "Canary",
        "canary": { "namespaceSelector": { "matchLabels": { "policy": "new" } } },
    } });
    kubectl.feed("apply -f -", &fit("node-resources-fit", "MostAllocated", canary)).unwrap();
    eventually("the canary", SOON, || {
        let plugin = loaded(&kubectl, "node-resources-fit")?;
        let strategy = &plugin["status"]["trial"]["strategy"];
        if strategy == "Canary" { Ok(()) } else { Err(strategy.to_string()) }
    });
    kubectl.feed("create -n bold -f -", &pod("tried", json!({ "containers": small }))).unwrap();
    kubectl.feed("create -f -", &pod("untried", json!({ "containers": small }))).unwrap();
    assert_eq!(eventually("tried", SOON, || node_of(&kubectl, "-n bold tried")), "full");
    assert_eq!(eventually("untried", SOON, || node_of(&kubectl, "untried")), "empty");

    // So it stays when the host is started again.
    host.stop();
    host.up();
    let kubectl = host.kubectl(&client);
    kubectl.feed("create -n bold -f -", &pod("tried-again", json!({ "containers": small }))).unwrap();
    kubectl.feed("create -f -", &pod("untried-again", json!({ "containers": small }))).unwrap();
    assert_eq!(eventually("tried again", SOON, || node_of(&kubectl, "-n bold tried-again")), "full");
    assert_eq!(eventually("untried again", SOON, || node_of(&kubectl, "untried-again")), "empty");

    // Immediate makes it the one that serves.
    kubectl.feed("apply -f -", &fit("node-resources-fit", "MostAllocated", json!({}))).unwrap();
    let plugin = eventually("the promotion", SOON, || {
        let plugin = loaded(&kubectl, "node-resources-fit")?;
        if plugin["status"]["trial"].is_null() { Ok(plugin) } else { Err(plugin["status"].to_string()) }
    });
    assert_eq!(plugin["spec"]["rollout"]["strategy"], "Immediate");
    kubectl.feed("create -f -", &pod("after", json!({ "containers": small }))).unwrap();
    assert_eq!(eventually("after", SOON, || node_of(&kubectl, "after")), "full");
}

#[test]
fn a_trace_is_recorded_and_replayed() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let host = Host::start_without_image(orch_tests::host::Network::new(), &[]);
    let kubectl = host.kubectl(&client);
    kubectl.run("taint node node-a real=yes:NoSchedule");
    hollow(&kubectl, "full");
    hollow(&kubectl, "empty");
    let ballast = json!([{ "name": "c", "image": "example.orch.dev/absent:1", "resources": { "requests": { "cpu": "2", "memory": "4Gi" } } }]);
    kubectl
        .feed("create -f -", &pod("ballast", json!({ "nodeName": "full", "containers": ballast })))
        .unwrap();
    // Not built in: its component must go with the trace.
    let tolerance = orch_tests::workspace().join("target/components/taint-toleration.wasm");
    let upload = ["plugin", "swap", "taint-toleration", "--upload", &tolerance.to_string_lossy()];
    host.orch(&upload).unwrap();
    let trace = host.data_dir.path().join("trace.jsonl");
    let file = trace.to_string_lossy().into_owned();
    let said = std::thread::scope(|scope| {
        let recording = scope.spawn(|| host.orch(&["plugin", "record", "--output", &file, "--for", "4"]));
        eventually("the recording to begin", SOON, || {
            let written = std::fs::metadata(&trace).map_err(|error| error.to_string())?.len();
            if written > 0 { Ok(()) } else { Err("nothing written".into()) }
        });
        let small = json!([{ "name": "c", "image": "example.orch.dev/absent:1", "resources": { "requests": { "cpu": "10m", "memory": "20Mi" } } }]);
        // Again and again, so that some fall into the recording whenever its connection stands.
        let mut number = 0;
        while !recording.is_finished() {
            kubectl.feed("create -f -", &pod(&format!("p{number}"), json!({ "containers": small }))).unwrap();
            number += 1;
        }
        recording.join().unwrap()
    });
    let said = said.unwrap();
    assert!(said.contains("decisions") && said.contains("orch plugin replay"), "{said}");

    let component = orch_tests::workspace().join("target/components/node-resources-fit.wasm");
    let component = component.to_string_lossy();
    let config = json!({ "scoringStrategy": { "type": "MostAllocated" } }).to_string();
    let same = host.orch(&["plugin", "replay", &file, "--plugin", &component]).unwrap();
    assert!(same.starts_with("0 of "), "the same policy decides the same: {same}");
    let lines = std::fs::read_to_string(&trace).unwrap();
    assert_eq!(lines.lines().filter(|line| line.starts_with("{\"component\"")).count(), 1);
    let other = host.orch(&["plugin", "replay", &file, "--plugin", &component, "--config", &config]).unwrap();
    assert!(!other.starts_with("0 of ") && other.contains("empty -> full"), "{other}");
    assert!(other.contains("nodes without a pod") && other.contains("time per pod, p99"), "{other}");
    let error = host.orch(&["plugin", "replay", &file, "--plugin", "/etc/hostname"]).unwrap_err();
    assert!(error.contains("is not WebAssembly"), "{error}");
}
