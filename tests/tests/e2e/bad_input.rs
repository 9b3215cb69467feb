//! Bad input gets one clear message that names the thing and the remedy; the daemon goes on.

use std::process::Command;
use std::time::Duration;

use orch_tests::host::{Host, Network};
use orch_tests::{eventually, kubectl, orch, try_run};

const SOON: Duration = Duration::from_secs(30);

fn refused(command: &mut Command) -> String {
    let why = try_run(command).expect_err("this must be refused");
    assert!(!why.contains("panicked"), "{why}");
    // Without the first line: it repeats the command, its secrets too.
    why.split_once('\n').map(|(_, said)| said.to_string()).unwrap_or(why)
}

#[test]
fn orch_up_refuses_what_it_cannot_do() {
    let network = Network::new();
    let dir = tempfile::tempdir().unwrap();
    let up = |words: &[&str]| {
        let mut command = network.command(orch());
        command.args(["up", "--data-dir"]).arg(dir.path().join("data")).args(words);
        refused(&mut command)
    };
    let why = up(&["--store", "postgres://nobody:hidden@127.0.0.1:1/none"]);
    assert!(why.contains("127.0.0.1:1") && !why.contains("hidden"), "{why}");
    let why = up(&["--store", "mysql://x"]);
    assert!(why.contains("--store mysql://x"), "{why}");
    let why = up(&["--listen", "not-an-address"]);
    assert!(why.contains("--listen"), "{why}");
    let why = up(&["--config", "/nonexistent/orch.yaml"]);
    assert!(why.contains("/nonexistent/orch.yaml"), "{why}");
    let mut nobody = Command::new("setpriv");
    let copy = dir.path().join("orch");
    std::fs::copy(orch(), &copy).unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let why =
        refused(nobody.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(copy).arg("up"));
    assert!(why.contains("needs root"), "{why}");
}

#[test]
fn a_second_host_and_a_taken_port_are_named() {
    let mut host = Host::start(&[]);
    let mut second = host.network.command(orch());
    let why = refused(second.args(["up", "--data-dir"]).arg(host.data_dir.path()));
    assert!(why.contains("in use by another orch") && why.contains("orch down"), "{why}");
    let elsewhere = tempfile::tempdir().unwrap();
    let mut third = host.network.command(orch());
    let why = refused(third.args(["up", "--data-dir"]).arg(elsewhere.path().join("data")));
    assert!(why.contains("6443") && why.contains("--listen"), "{why}");
    let corrupt = elsewhere.path().join("corrupt.tar");
    std::fs::write(&corrupt, vec![7u8; 4096]).unwrap();
    let why = host.orch(&["image", "import", &corrupt.to_string_lossy()]).unwrap_err();
    assert!(why.contains("corrupt.tar"), "{why}");
    assert_eq!(host.purge(), Vec::<String>::new());
}

#[test]
fn manifests_and_images_that_cannot_be() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let host = Host::start(&[]);
    let kubectl = host.kubectl(&client);
    let feed = |manifest: &str| kubectl.feed("apply -f -", manifest).expect_err(manifest);
    let pod = |name: &str, container: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{container}]}}\n"
        )
    };
    let why = feed(&pod("unknown-field", "{name: c, image: x, imagine: y}"));
    assert!(why.contains("unknown field \"spec.containers[0].imagine\""), "{why}");
    let why = feed(&pod("wrong-type", "{name: c, image: x, ports: [{containerPort: many}]}"));
    assert!(why.contains("containerPort"), "{why}");
    let why = feed(&pod("Bad_Name", "{name: c, image: x}"));
    assert!(why.contains("metadata.name: Invalid value: \"Bad_Name\""), "{why}");
    let why = feed(&pod("no-image", "{name: c}"));
    assert!(why.contains("spec.containers[0].image: Required value"), "{why}");

    let reaches = |name: &str, wanted: &[&str]| {
        eventually(name, SOON, || {
            let pod = kubectl.ask(&format!("get pod {name} --no-headers"))?;
            if wanted.iter().any(|w| pod.contains(w)) { Ok(()) } else { Err(pod) }
        })
    };
    let good = "example.orch.dev/hello:1";
    kubectl.feed("apply -f -", &pod("no-registry", "{name: c, image: '127.0.0.1:1/none:1'}")).unwrap();
    reaches("no-registry", &["ErrImagePull", "ImagePullBackOff"]);
    kubectl.feed("apply -f -", &pod("bad-reference", "{name: c, image: 'UPPER//case::'}")).unwrap();
    reaches("bad-reference", &["InvalidImageName"]);
    kubectl
        .feed("apply -f -", &pod("no-command", &format!("{{name: c, image: '{good}', command: [/nope]}}")))
        .unwrap();
    reaches("no-command", &["RunContainerError", "CrashLoopBackOff", "StartError"]);
    let described = kubectl.run("describe pod no-command");
    assert!(described.contains("/nope") && described.contains("no such file or directory"), "{described}");
    let limited = format!(
        "{{name: c, image: '{good}', resources: {{limits: {{memory: 16Mi}}}}, command: [sh, -c, 'x=a; while true; do x=$x$x; done']}}"
    );
    kubectl.feed("apply -f -", &pod("too-much-memory", &limited)).unwrap();
    reaches("too-much-memory", &["OOMKilled", "CrashLoopBackOff"]);
    let last = kubectl.run("get pod too-much-memory -o jsonpath={.status.containerStatuses[0]}");
    assert!(last.contains("OOMKilled") && last.contains("137"), "{last}");
    let missing = format!("{{name: c, image: '{good}', envFrom: [{{configMapRef: {{name: absent}}}}]}}");
    kubectl.feed("apply -f -", &pod("no-configmap", &missing)).unwrap();
    reaches("no-configmap", &["CreateContainerConfigError"]);
    let huge = format!("{{name: c, image: '{good}', resources: {{requests: {{cpu: '10000'}}}}}}");
    kubectl.feed("apply -f -", &pod("too-big", &huge)).unwrap();
    eventually("FailedScheduling", SOON, || {
        let described = kubectl.ask("describe pod too-big")?;
        if described.contains("0/1 nodes are available: 1 Insufficient cpu") {
            Ok(())
        } else {
            Err(described)
        }
    });
    assert!(kubectl.run("get --raw /readyz").contains("ok"));
}
