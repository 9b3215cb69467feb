//! Content volumes and the environment follow their objects.

use orch_client::{Resource, Target};
use serde_json::json;

use crate::testing::Bench;

fn config_map(name: &str) -> Target {
    Target::named(&Resource::core("configmaps"), "default", name)
}

#[tokio::test(start_paused = true)]
async fn a_config_map_that_comes_late_is_waited_for_and_followed() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    let spec = json!({
        "volumes": [{"name": "v", "configMap": {"name": "late"}}],
        "containers": [{"name": "c", "image": "i:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]});
    bench.create("p", spec).await;
    bench
        .until_event(
            "p",
            "FailedMount: MountVolume.SetUp failed for volume \"v\" : configmap \"late\" not found",
        )
        .await;
    bench.client.put(&config_map("late"), json!({"data": {"k": "1"}}));
    bench.until_phase("p", "Running").await;
    let file = bench
        .runtime
        .config_of("c")
        .mounts
        .iter()
        .find(|m| m.destination.ends_with("v"))
        .unwrap()
        .source
        .join("k");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "1");
    bench.client.put(&config_map("late"), json!({"data": {"k": "2"}}));
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "2");
    bench.delete("p", None).await;
    bench.until_gone("p").await;
    bench.until_clean().await;
    assert!(!file.exists());
}

#[tokio::test(start_paused = true)]
async fn a_missing_key_is_a_configuration_error_until_it_is_there() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.client.put(&config_map("c"), json!({"data": {"other": "1"}}));
    let env = json!([{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]);
    bench.create("p", json!({"containers": [{"name": "c", "image": "i:1", "env": env}]})).await;
    let waiting = |s: &serde_json::Value| s["containerStatuses"][0]["state"]["waiting"].clone();
    let status = bench
        .until("p", "a configuration error", |s| waiting(s)["reason"] == "CreateContainerConfigError")
        .await;
    assert_eq!(waiting(&status)["message"], "couldn't find key k in ConfigMap default/c");
    bench.client.put(&config_map("c"), json!({"data": {"k": "v"}}));
    bench.until_phase("p", "Running").await;
    assert!(bench.runtime.config_of("c").env.contains(&("X".into(), "v".into())));
}

#[tokio::test(start_paused = true)]
async fn empty_dirs_sub_paths_and_managed_files() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    let spec = json!({"volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [{"name": "c", "image": "i:1", "command": ["run", "$(A)"], "env": [{"name": "A", "value": "b"}],
            "terminationMessagePath": "/dev/termination-log",
            "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": true}]}]});
    bench.create("p", spec).await;
    bench.until_phase("p", "Running").await;
    let config = bench.runtime.config_of("c");
    assert_eq!(config.command, ["run", "b"]);
    let mount = |destination: &str| {
        config.mounts.iter().find(|m| m.destination.to_str() == Some(destination)).unwrap()
    };
    assert!(mount("/v").read_only && mount("/v").source.is_dir());
    let resolver = std::fs::read_to_string(&mount("/etc/resolv.conf").source).unwrap();
    assert!(resolver.contains("nameserver 10.96.0.10"), "{resolver}");
    let hosts = std::fs::read_to_string(&mount("/etc/hosts").source).unwrap();
    assert!(hosts.contains("10.244.0.1\tp\n"), "{hosts}");
    std::fs::write(&mount("/dev/termination-log").source, "last words").unwrap();
    bench.runtime.exit("c", 4);
    let status = bench.until("p", "restarted", |s| s["containerStatuses"][0]["restartCount"] == 1).await;
    assert_eq!(status["containerStatuses"][0]["lastState"]["terminated"]["message"], "last words");
}

/// Mounts need root, which CI has.
fn may_mount() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: mounting needs root");
    }
    is_root
}

#[tokio::test(start_paused = true)]
async fn a_service_account_token_is_projected_and_renewed() {
    if !may_mount() {
        return;
    }
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    let sources = json!([{"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}}]);
    let spec = json!({"serviceAccountName": "robot", "volumes": [{"name": "v", "projected": {"sources": sources}}],
        "containers": [{"name": "c", "image": "i:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]});
    bench.create("p", spec).await;
    bench.until_phase("p", "Running").await;
    let config = bench.runtime.config_of("c");
    let volume = &config.mounts.iter().find(|m| m.destination.ends_with("v")).unwrap().source;
    assert_eq!(std::fs::read_to_string(volume.join("token")).unwrap(), "token-of-robot");
    assert_eq!(std::fs::read_to_string(volume.join("namespace")).unwrap(), "default");
    assert_eq!(bench.client.tokens(), 1);
    tokio::time::sleep(std::time::Duration::from_secs(3000)).await;
    assert_eq!(bench.client.tokens(), 2, "renewed at 80 % of its life");
    bench.delete("p", None).await;
    bench.until_gone("p").await;
    bench.until_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_waits_for_its_signer_and_anchors_for_their_bundle() {
    if !may_mount() {
        return;
    }
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    let anchor = orch_object::pem::encode("CERTIFICATE", b"anchor");
    let account = Target::named(&Resource::core("serviceaccounts"), "default", "robot");
    bench.client.put(&account, json!({}));
    let sources = json!([
        {"clusterTrustBundle": {"name": "b", "path": "anchors"}},
        {"podCertificate": {"signerName": "e.com/s", "keyType": "ECDSAP256", "credentialBundlePath": "both",
            "userAnnotations": {"e.com/a": "b"}}}]);
    let spec = json!({"serviceAccountName": "robot", "volumes": [{"name": "v", "projected": {"sources": sources}}],
        "containers": [{"name": "c", "image": "i:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]});
    bench.create("p", spec).await;
    let missing = "clustertrustbundles.certificates.k8s.io \"b\" not found";
    bench
        .until_event("p", &format!("FailedMount: MountVolume.SetUp failed for volume \"v\" : {missing}"))
        .await;
    let bundles = Resource::new("certificates.k8s.io", "v1", "clustertrustbundles");
    bench.client.put(&Target::cluster(&bundles, "b"), json!({"spec": {"trustBundle": anchor}}));
    let mut changes = bench.client.changed();
    let request = loop {
        if let Some(request) = bench.client.all("podcertificaterequests").pop() {
            break request;
        }
        changes.changed().await.unwrap();
    };
    assert_eq!(request["spec"]["podName"], "p");
    assert_eq!(request["spec"]["unverifiedUserAnnotations"], json!({"e.com/a": "b"}));
    let later =
        |seconds: i64| (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)).to_string();
    let mut issued = (*request).clone();
    issued["status"] = json!({"conditions": [{"type": "Issued", "status": "True"}], "certificateChain": anchor,
        "beginRefreshAt": later(3000), "notAfter": later(3600)});
    let requests = Resource::new("certificates.k8s.io", "v1", "podcertificaterequests");
    let name = request["metadata"]["name"].as_str().unwrap();
    bench.client.put(&Target::named(&requests, "default", name), issued);
    bench.until_phase("p", "Running").await;
    let config = bench.runtime.config_of("c");
    let volume = &config.mounts.iter().find(|m| m.destination.ends_with("v")).unwrap().source;
    assert_eq!(std::fs::read_to_string(volume.join("anchors")).unwrap(), anchor);
    let both = std::fs::read_to_string(volume.join("both")).unwrap();
    assert!(both.starts_with("-----BEGIN PRIVATE KEY-----") && both.ends_with(&anchor), "{both}");
    tokio::time::sleep(std::time::Duration::from_secs(3200)).await;
    assert_eq!(bench.client.all("podcertificaterequests").len(), 2, "a new one is asked for in time");
    bench.delete("p", None).await;
    bench.until_gone("p").await;
    bench.until_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_sub_path_is_bound_and_never_leaves_its_volume() {
    if !may_mount() {
        return;
    }
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc", outside.path().join("escape")).unwrap();
    let spec = |sub_path: &str| {
        json!({"volumes": [{"name": "v", "hostPath": {"path": outside.path()}}],
            "containers": [{"name": "c", "image": "i:1",
                "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": sub_path}]}]})
    };
    bench.create("good", spec("a/b")).await;
    bench.until_phase("good", "Running").await;
    let config = bench.runtime.config_of("c");
    let bound = &config.mounts.iter().find(|m| m.destination.ends_with("v")).unwrap().source;
    std::fs::write(bound.join("seen"), "").unwrap();
    assert!(outside.path().join("a/b/seen").exists());

    bench.create("bad", spec("escape/passwd")).await;
    let status = bench
        .until("bad", "refused", |s| {
            s["containerStatuses"][0]["state"]["waiting"]["reason"] == "CreateContainerConfigError"
        })
        .await;
    let message = status["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap();
    assert!(message.starts_with("failed to prepare subPath for volumeMount"), "{message}");
    for name in ["good", "bad"] {
        bench.delete(name, None).await;
        bench.until_gone(name).await;
    }
    bench.until_clean().await;
    assert!(outside.path().join("a/b/seen").exists(), "the user's own files stay");
}
