//! The example operators on a host: the one in Rust publishes a site, the one in Python takes over.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use orch_tests::host::{Host, KubectlIn};
use orch_tests::{eventually, kubectl, orch, run, workspace};

use crate::tutorial;

const SOON: Duration = Duration::from_secs(40);

/// The component of an example; `None`, and said so, where its language cannot be built.
fn built(language: &str) -> Option<PathBuf> {
    if let Some(missing) = tutorial::missing(language) {
        eprintln!("SKIPPED: the operator in {language}: {missing}");
        return None;
    }
    let folder = match language {
        "rust" => "rust",
        _ => "python",
    };
    let project = workspace().join("examples/operators").join(folder);
    let mut build = Command::new(orch());
    build.args(["plugin", "build"]).arg(&project).env("PATH", tutorial::path());
    run(build.env("CARGO_TARGET_DIR", workspace().join("target/projects/operators")));
    Some(project.join("website-operator.wasm"))
}

#[test]
fn an_operator_publishes_a_site_and_another_takes_over() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let Some(component) = built("rust") else { return };
    let host = Host::start(&[]);
    let kubectl = host.kubectl(&client);
    kubectl.run("apply -f examples/operators/manifests/crd.yaml");
    kubectl.run("wait --for=condition=Established crd/websites.example.orch.dev --timeout=20s");
    let manifests = workspace().join("examples/operators/manifests");
    let plugin = std::fs::read_to_string(manifests.join("plugin.yaml")).unwrap();
    let placeholder = "/var/lib/orch/plugins/website-operator.wasm";
    assert!(plugin.contains(placeholder), "{plugin}");
    let plugin = plugin.replace(placeholder, &component.to_string_lossy());
    kubectl.feed("apply -f -", &plugin).unwrap();
    kubectl.run("apply -f examples/operators/manifests/website.yaml");
    publishes(&host, &kubectl);
    puts_right(&kubectl);
    if let Some(component) = built("python") {
        host.orch(&["plugin", "swap", "website-operator", "--file", &component.to_string_lossy()]).unwrap();
    }
    scales(&kubectl);
    lets_go(&kubectl);
}

fn publishes(host: &Host, kubectl: &KubectlIn) {
    kubectl.run("wait --for=condition=Ready website/hello --timeout=60s");
    let ip = kubectl.run("get service hello -o jsonpath={.spec.clusterIP}");
    let page = eventually("the page", SOON, || host.curl(&format!("http://{ip}/")));
    assert_eq!(page.trim(), "<h1>Hello</h1>");
    let table = kubectl.run("get site");
    let row: Vec<&str> = table.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!(row[..3], ["hello", "True", "2"], "{table}");
    let listed = kubectl.run("get configmap websites -o jsonpath={.data.hello}");
    assert_eq!(listed, "http://hello.default.svc");
    let metrics = kubectl.run("get --raw /metrics");
    let ready = r#"plugin_website_ready_replicas{plugin="website-operator",stage="serving",namespace="default",website="hello"} 2.0"#;
    assert!(metrics.lines().any(|line| line == ready), "{metrics}");
    let events = kubectl.run("events --for website/hello");
    assert!(events.contains("Created") && events.contains("Deployment hello"), "{events}");
}

/// What somebody else changes becomes again what the site asks for.
fn puts_right(kubectl: &KubectlIn) {
    kubectl.run("delete configmap hello");
    kubectl.run("scale deployment/hello --replicas=5");
    eventually("the site's own objects", SOON, || {
        kubectl.ask("get configmap hello")?;
        let replicas = kubectl.ask("get deployment hello -o jsonpath={.spec.replicas}")?;
        if replicas == "2" { Ok(()) } else { Err(replicas) }
    });
}

fn scales(kubectl: &KubectlIn) {
    kubectl.run("patch website hello --type=merge -p {\"spec\":{\"replicas\":1}}");
    eventually("one replica", SOON, || {
        let status = kubectl
            .ask("get website hello -o jsonpath={.status.observedGeneration}:{.status.readyReplicas}")?;
        if status == "2:1" { Ok(()) } else { Err(status) }
    });
}

fn lets_go(kubectl: &KubectlIn) {
    kubectl.run("delete website hello --timeout=30s");
    assert_eq!(kubectl.run("get configmap websites -o jsonpath={.data.hello}"), "");
    eventually("what it owned to go", SOON, || {
        let left =
            kubectl.ask("get deployments,services,configmaps,pods -l example.orch.dev/website -o name")?;
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}
