//! The same without kubectl: orch's own client commands, over the `kube` crate.

use std::time::Duration;

use orch_tests::host::Host;
use orch_tests::{eventually, workspace};

#[test]
fn apply_get_describe_logs_exec_delete() {
    let host = Host::start(&[]);
    let example = workspace().join("examples/hello.yaml");
    let orch = |words: &[&str]| host.orch(words).unwrap_or_else(|why| panic!("{why}"));
    let applied = orch(&["apply", "-f", &example.to_string_lossy()]);
    assert_eq!(applied, "deployment.apps/hello applied\nservice/hello applied\n");
    eventually("three ready pods", Duration::from_secs(30), || {
        let deployment = host.orch(&["get", "deploy/hello"])?;
        if deployment.contains("3/3") { Ok(()) } else { Err(deployment) }
    });
    let pods = orch(&["get", "pods", "-o", "wide", "-l", "app=hello"]);
    assert_eq!(pods.lines().count(), 4, "{pods}");
    assert!(pods.starts_with("NAME") && pods.contains("node-a"), "{pods}");
    let names = orch(&["get", "po", "-o", "name", "-l", "app=hello"]);
    let pod = names.lines().next().unwrap().trim_start_matches("pod/").to_string();
    assert!(orch(&["describe", "pod", &pod]).contains("Started container web"));
    assert!(orch(&["logs", &pod]).contains("serves on 8080"));
    let mut failing = host.network.command(orch_tests::orch());
    let failing = failing.args(["exec", &pod, "--data-dir"]).arg(host.data_dir.path());
    let status = failing.args(["--", "sh", "-c", "echo out; exit 7"]).output().unwrap();
    assert_eq!((status.status.code(), &*status.stdout), (Some(7), &b"out\n"[..]));
    let unknown = host.orch(&["get", "gadgets"]).unwrap_err();
    assert!(unknown.contains("doesn't have a resource type \"gadgets\""), "{unknown}");
    let missing = host.orch(&["get", "pod", "nobody"]).unwrap_err();
    assert!(missing.contains("pods \"nobody\" not found"), "{missing}");
    orch(&["delete", "-f", &example.to_string_lossy()]);
    eventually("no pods", Duration::from_secs(45), || {
        let pods = host.orch(&["get", "pods"])?;
        if pods.contains("hello") { Err(pods) } else { Ok(()) }
    });
}
