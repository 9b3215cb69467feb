//! A pod reaches the API by its well-known name, as its own service account and no more.

use std::time::Duration;

use orch_tests::host::Host;
use orch_tests::{eventually, kubectl, try_run};

#[test]
fn a_pod_reaches_the_api_with_its_own_token() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let host = Host::start(&[]);
    let kubectl = host.kubectl(&client);
    kubectl.run("apply -f examples/hello.yaml");
    kubectl.run("rollout status deployment/hello --timeout=30s");
    let pod = kubectl.run("get pods -l app=hello -o jsonpath={.items[0].metadata.name}");
    let mounted = "/var/run/secrets/kubernetes.io/serviceaccount";
    let token = kubectl.run(&format!("exec {pod} -- cat {mounted}/token"));
    assert_eq!(kubectl.run(&format!("exec {pod} -- cat {mounted}/namespace")), "default");
    let ca = host.data_dir.path().join("pod-ca.crt");
    std::fs::write(&ca, kubectl.run(&format!("exec {pod} -- cat {mounted}/ca.crt"))).unwrap();
    // The image has no TLS client: curl stands in the pod's own network namespace instead.
    let inside = |path: &str| {
        let uid = kubectl.run(&format!("get pod {pod} -o jsonpath={{.metadata.uid}}"));
        let namespace = host.pod_network(&uid);
        try_run(
            std::process::Command::new("nsenter")
                .arg(format!("--net={namespace}"))
                .args(["curl", "--silent", "--show-error", "--max-time", "5", "--cacert"])
                .arg(&ca)
                .args(["--resolve", "kubernetes.default.svc:443:10.96.0.1"])
                .args(["--header", &format!("Authorization: Bearer {}", token.trim())])
                .arg(format!("https://kubernetes.default.svc{path}")),
        )
    };
    let whoami = eventually("the API from inside a pod", Duration::from_secs(10), || {
        inside("/api/v1/namespaces/default/pods")
    });
    assert!(whoami.contains("system:serviceaccount:default:default") && whoami.contains("403"), "{whoami}");
    kubectl.run("create rolebinding see --clusterrole=view --serviceaccount=default:default");
    eventually("the role to count", Duration::from_secs(5), || {
        let pods = inside("/api/v1/namespaces/default/pods")?;
        if pods.contains("PodList") { Ok(()) } else { Err(pods) }
    });
    let resolved = kubectl.run(&format!("exec {pod} -- nslookup kubernetes.default.svc.cluster.local"));
    assert!(resolved.contains("10.96.0.1"), "{resolved}");
    let environment = kubectl.run(&format!("exec {pod} -- env"));
    assert!(environment.contains("KUBERNETES_SERVICE_HOST=10.96.0.1"), "{environment}");
}
