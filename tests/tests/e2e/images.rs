//! Images from a real registry: anonymous and with a password, by tag and by digest.

use std::time::Duration;

use orch_tests::host::{Host, Network};
use orch_tests::registry::Registry;
use orch_tests::{eventually, kubectl, workspace};

const SOON: Duration = Duration::from_secs(30);

fn pod(name: &str, image: &str, extra: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  restartPolicy: Never\n  {extra}\n  containers:\n  - {{name: c, image: '{image}', imagePullPolicy: Always, command: [echo, pulled]}}\n"
    )
}

#[test]
fn pulled_by_tag_and_digest_with_and_without_a_password() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let network = Network::new();
    let archive = workspace().join("target/hello.tar");
    let open = Registry::start(&network, 5001, None);
    open.push(&network, &archive.to_string_lossy(), "team/hello:1", None);
    let login = Some(("somebody", "secret"));
    let closed = Registry::start(&network, 5002, login);
    closed.push(&network, &archive.to_string_lossy(), "team/hello:1", login);
    let host = Host::start_in(network, &["--registry-mirror", "registry.example=http://127.0.0.1:5001"]);
    let kubectl = host.kubectl(&client);

    let ends = |name: &str| {
        eventually(name, SOON, || {
            let pod = kubectl.ask(&format!("get pod {name} --no-headers"))?;
            if pod.contains("Completed") { Ok(()) } else { Err(pod) }
        });
        assert_eq!(kubectl.run(&format!("logs {name}")), "pulled\n");
    };
    kubectl.feed("apply -f -", &pod("by-tag", "127.0.0.1:5001/team/hello:1", "")).unwrap();
    ends("by-tag");
    let id = kubectl.run("get pod by-tag -o jsonpath={.status.containerStatuses[0].imageID}");
    assert!(id.contains("@sha256:"), "{id}");
    kubectl.feed("apply -f -", &pod("by-digest", &id, "")).unwrap();
    ends("by-digest");
    kubectl.feed("apply -f -", &pod("by-mirror", "registry.example/team/hello:1", "")).unwrap();
    ends("by-mirror");

    kubectl.feed("apply -f -", &pod("refused", "127.0.0.1:5002/team/hello:1", "")).unwrap();
    eventually("ErrImagePull", SOON, || {
        let pod = kubectl.ask("get pod refused --no-headers")?;
        if pod.contains("ErrImagePull") || pod.contains("ImagePullBackOff") { Ok(()) } else { Err(pod) }
    });
    kubectl.run(
        "create secret docker-registry login --docker-server=127.0.0.1:5002 --docker-username=somebody --docker-password=secret",
    );
    let manifest = pod("with-secret", "127.0.0.1:5002/team/hello:1", "imagePullSecrets: [{name: login}]");
    kubectl.feed("apply -f -", &manifest).unwrap();
    ends("with-secret");
}
