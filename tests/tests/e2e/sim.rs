//! Simulated nodes: registered, alive, their pods Running and gone when deleted, nothing left.

use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use orch_tests::eventually;
use orch_tests::host::Host;

const WEB: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":30,
  "selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{
    "nodeSelector":{"orch.dev/simulated":"true"},
    "containers":[{"name":"web","image":"example.invalid/never-pulled"}]}}}}"#;

/// Ended with the test, whatever becomes of it.
struct Simulation(Child);

impl Simulation {
    fn start(host: &Host, words: &[&str]) -> Simulation {
        let mut command = host.network.command(orch_tests::orch());
        command.args(["sim", "nodes"]).args(words).arg("--data-dir").arg(host.data_dir.path());
        Simulation(command.stdout(Stdio::null()).spawn().unwrap())
    }

    fn interrupt(mut self) {
        kill(Pid::from_raw(self.0.id() as i32), Signal::SIGINT).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn count(host: &Host, what: &[&str], wanted: usize) {
    let words = [&["get"], what].concat();
    eventually(&format!("{wanted} lines of {what:?}"), Duration::from_secs(30), || {
        let lines = host.orch(&words)?;
        let found =
            lines.lines().filter(|l| !l.starts_with("NAME") && !l.starts_with("No resources")).count();
        if found == wanted { Ok(()) } else { Err(lines) }
    });
}

fn deploy(host: &Host) {
    let file = host.data_dir.path().join("web.json");
    std::fs::write(&file, WEB).unwrap();
    host.orch(&["apply", "-f", &file.to_string_lossy()]).unwrap();
    eventually("thirty ready pods", Duration::from_secs(30), || {
        let deployment = host.orch(&["get", "deploy/web"])?;
        if deployment.contains("30/30") { Ok(()) } else { Err(deployment) }
    });
}

/// Nodes may be silent a little longer than the time between two renewals.
fn expect_soon(host: &Host) {
    let file = host.data_dir.path().join("plugin.json");
    let plugin = r#"{"apiVersion":"plugins.orch.dev/v1alpha1","kind":"Plugin","metadata":{"name":"node"},
        "spec":{"world":"orch:controller","source":{"builtin":"node"},"config":{"nodeMonitorGracePeriodSeconds":16}}}"#;
    std::fs::write(&file, plugin).unwrap();
    host.orch(&["apply", "-f", &file.to_string_lossy()]).unwrap();
}

/// So many nodes are not heard of: nothing is known of them, and they are told to give up their pods, for
/// each is the only one of its zone.
fn silent(host: &Host, wanted: usize) {
    eventually(&format!("{wanted} silent nodes"), Duration::from_secs(60), || {
        let nodes = host.orch(&["get", "nodes", "-o", "json"])?;
        let nodes: serde_json::Value = serde_json::from_str(&nodes).map_err(|e| e.to_string())?;
        let is_silent = |node: &&serde_json::Value| {
            let has = |list: &serde_json::Value, what: &dyn Fn(&serde_json::Value) -> bool| {
                list.as_array().is_some_and(|list| list.iter().any(what))
            };
            let is_unknown =
                has(&node["status"]["conditions"], &|c| c["type"] == "Ready" && c["status"] == "Unknown");
            let evicts = has(&node["spec"]["taints"], &|t| {
                t["key"] == "node.kubernetes.io/unreachable" && t["effect"] == "NoExecute"
            });
            is_unknown && evicts
        };
        let found = nodes["items"].as_array().map_or(0, |items| items.iter().filter(is_silent).count());
        if found == wanted { Ok(()) } else { Err(host.orch(&["get", "nodes"])?) }
    });
}

#[test]
fn hollow_nodes_run_pods_and_leave_nothing() {
    let host = Host::start(&[]);
    let simulation = Simulation::start(&host, &["20", "--name-prefix", "hollow", "--label", "disk=ssd"]);
    count(&host, &["nodes", "-l", "disk=ssd"], 20);
    count(&host, &["nodes", "-l", "topology.kubernetes.io/zone=zone1"], 7);
    assert!(!host.orch(&["get", "nodes"]).unwrap().contains("NotReady"));
    deploy(&host);
    let pods = host.orch(&["get", "pods", "-o", "wide"]).unwrap();
    assert!(pods.contains("100.65.") && pods.contains(" hollow-"), "{pods}");
    host.orch(&["delete", "deploy/web"]).unwrap();
    count(&host, &["pods"], 0);
    deploy(&host);
    host.orch(&["delete", "deploy/web"]).unwrap();
    simulation.interrupt();
    count(&host, &["nodes"], 1);
    count(&host, &["leases", "-n", "kube-node-lease"], 1);
    count(&host, &["pods"], 0);
}

#[test]
fn kept_nodes_are_taken_up_again_and_others_are_left_alone() {
    let host = Host::start(&[]);
    let simulation = Simulation::start(&host, &["3", "--keep"]);
    count(&host, &["leases", "-n", "kube-node-lease"], 4);
    // The Lease of the last node may be there before the simulation listens to signals.
    deploy(&host);
    expect_soon(&host);
    simulation.interrupt();
    count(&host, &["nodes"], 4);
    silent(&host, 3);
    let again = Simulation::start(&host, &["3"]);
    silent(&host, 0);
    host.orch(&["delete", "deploy/web"]).unwrap();
    count(&host, &["pods"], 0);
    again.interrupt();
    count(&host, &["nodes"], 1);

    let file = host.data_dir.path().join("node.json");
    std::fs::write(&file, r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"real-0"}}"#).unwrap();
    host.orch(&["apply", "-f", &file.to_string_lossy()]).unwrap();
    let refused = host.orch(&["sim", "nodes", "1", "--name-prefix", "real"]).unwrap_err();
    assert!(refused.contains("real-0 exists and is not a simulated one"), "{refused}");
}
