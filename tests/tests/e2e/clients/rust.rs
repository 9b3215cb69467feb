//! `kube`: verbs, typed errors, apply, a reflector, a controller, logs and exec.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use kube::api::{
    Api, AttachParams, DeleteParams, ListParams, LogParams, ObjectMeta, Patch, PatchParams, PostParams,
};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Client, Resource, ResourceExt};
use orch_tests::host::{Host, Network};
use serde_json::json;
use tokio::io::AsyncReadExt;

const NAMESPACE: &str = "rust";
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn in_rust() {
    // Of this test's own threads only: the other tests stand where they stand.
    let inside = || {
        let network = Network::new();
        network.enter();
        let host = Host::start_in(network, &[]);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(everything(&host));
    };
    std::thread::spawn(inside).join().unwrap();
}

async fn everything(host: &Host) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = kube::config::Kubeconfig::read_from(host.kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    let client = Client::try_from(config).unwrap();
    let namespace = Namespace {
        metadata: ObjectMeta { name: Some(NAMESPACE.into()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    verbs(client.clone()).await;
    a_reflector(client.clone()).await;
    a_controller(client.clone()).await;
    streams(client).await;
}

fn map(name: &str, data: &[(&str, &str)]) -> ConfigMap {
    let data = data.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() },
        data: Some(data.collect::<BTreeMap<_, _>>()),
        ..ConfigMap::default()
    }
}

async fn verbs(client: Client) {
    let maps: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let mut created = maps.create(&PostParams::default(), &map("one", &[("a", "1")])).await.unwrap();
    let stale = created.clone();
    created.data = map("one", &[("a", "2")]).data;
    maps.replace("one", &PostParams::default(), &created).await.unwrap();
    refused(maps.replace("one", &PostParams::default(), &stale).await, 409, "Conflict");
    refused(maps.create(&PostParams::default(), &map("one", &[])).await, 409, "AlreadyExists");
    refused(maps.get("none").await, 404, "NotFound");
    let merge = json!({ "data": { "merged": "1" } });
    maps.patch("one", &PatchParams::default(), &Patch::Merge(&merge)).await.unwrap();
    let apply = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": "3" } });
    let as_applier = PatchParams::apply("applier");
    refused(maps.patch("one", &as_applier, &Patch::Apply(&apply)).await, 409, "Conflict");
    let applied = maps.patch("one", &as_applier.force(), &Patch::Apply(&apply)).await.unwrap();
    assert_eq!(applied.data, map("", &[("a", "3"), ("merged", "1")]).data);
    let listed = maps.list(&ListParams::default().fields("metadata.name=one")).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    assert!(maps.delete("one", &DeleteParams::default()).await.unwrap().is_right(), "a Status");
}

fn refused<T: std::fmt::Debug>(answer: kube::Result<T>, code: u16, reason: &str) {
    match answer {
        Err(kube::Error::Api(status)) => {
            assert_eq!((status.code, status.reason.as_str()), (code, reason), "{}", status.message);
        }
        other => panic!("expected {reason}, got {other:?}"),
    }
}

/// Waits for what a store or the API shows.
async fn eventually<F: Future<Output = bool>>(what: &str, ask: impl Fn() -> F) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{what}: not in time"));
}

async fn a_reflector(client: Client) {
    let secrets: Api<Secret> = Api::namespaced(client, NAMESPACE);
    let (reader, writer) = reflector::store::<Secret>();
    let config = watcher::Config::default().streaming_lists();
    let stream = watcher(secrets.clone(), config).default_backoff().reflect(writer).applied_objects();
    let follower = tokio::spawn(stream.try_for_each(|_| async { Ok(()) }));
    tokio::time::timeout(PATIENCE, reader.wait_until_ready()).await.unwrap().unwrap();
    let secret = Secret {
        metadata: ObjectMeta { name: Some("seen".into()), ..ObjectMeta::default() },
        string_data: Some(BTreeMap::from([("a".into(), "b".into())])),
        ..Secret::default()
    };
    secrets.create(&PostParams::default(), &secret).await.unwrap();
    let seen = || reader.state().into_iter().find(|secret| secret.name_any() == "seen");
    eventually("the secret in the store", || async { seen().is_some() }).await;
    assert_eq!(seen().unwrap().data.as_ref().unwrap()["a"].0, b"b");
    secrets.delete("seen", &DeleteParams::default()).await.unwrap();
    eventually("the secret is gone from the store", || async { seen().is_none() }).await;
    follower.abort();
}

/// Keeps a Secret for each ConfigMap that asks for one.
async fn a_controller(client: Client) {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let watched = watcher::Config::default().labels("copy=yes");
    let controller = Controller::new(maps.clone(), watched)
        .owns(secrets.clone(), watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_millis(200)), Arc::new(client))
        .for_each(|_| async {});
    let running = tokio::spawn(controller);
    let mut wanted = map("copied", &[("a", "1")]);
    wanted.metadata.labels = Some(BTreeMap::from([("copy".into(), "yes".into())]));
    maps.create(&PostParams::default(), &wanted).await.unwrap();
    let copy = || async { secrets.get_opt("copied").await.unwrap() };
    let holds = |value: &'static [u8]| {
        let copy = copy();
        async move { copy.await.is_some_and(|secret| secret.data.unwrap_or_default()["a"].0 == value) }
    };
    eventually("the copy", || holds(b"1")).await;
    let change = json!({ "data": { "a": "2" } });
    maps.patch("copied", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
    eventually("the copy follows", || holds(b"2")).await;
    secrets.delete("copied", &DeleteParams::default()).await.unwrap();
    eventually("the copy comes back", || holds(b"2")).await;
    running.abort();
}

async fn reconcile(map: Arc<ConfigMap>, client: Arc<Client>) -> kube::Result<Action> {
    let secrets: Api<Secret> = Api::namespaced((*client).clone(), NAMESPACE);
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(map.name_any()),
            owner_references: map.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        string_data: map.data.clone(),
        ..Secret::default()
    };
    let params = PatchParams::apply("copier").force();
    secrets.patch(&map.name_any(), &params, &Patch::Apply(&secret)).await?;
    Ok(Action::await_change())
}

async fn streams(client: Client) {
    let pods: Api<Pod> = Api::namespaced(client, NAMESPACE);
    let pod = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" },
        "spec": { "containers": [{ "name": "web", "image": "example.orch.dev/hello:1" }] },
    }));
    pods.create(&PostParams::default(), &pod.unwrap()).await.unwrap();
    eventually("its log", || async {
        let log = pods.logs("web", &LogParams::default()).await;
        log.is_ok_and(|log| log.contains("web serves on 8080"))
    })
    .await;
    let command = ["sh", "-c", "echo said; exit 7"];
    let mut attached = pods.exec("web", command, &AttachParams::default()).await.unwrap();
    let mut said = String::new();
    attached.stdout().unwrap().read_to_string(&mut said).await.unwrap();
    let status = attached.take_status().unwrap().await.unwrap();
    assert_eq!((said.as_str(), status.reason.as_deref()), ("said\n", Some("NonZeroExitCode")));
}
