//! The API in process: `LocalClient`, two hosts on one store, a restart.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use orch_client::{
    Client, DeleteOptions, Identity, ListOptions, Resource, Target, WatchEvent, WriteOptions, informer,
};
use orch_object::Kinds;
use orch_plugin::calls::admission::{AdmissionPlugin, Admitted, Delta, Denial, Description, Operation, Rule};
use orch_plugin::calls::{CallError, Interest};
use orch_request::{Config, Server};
use orch_store::Store;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const MAPS: Resource = Resource::core("configmaps");
const SERVICES: Resource = Resource::core("services");

async fn store(dir: &Path) -> Arc<dyn Store> {
    orch_store::open("sqlite", &dir.join("state.db"), orch_store::Options::default()).await.unwrap()
}

async fn server(dir: &Path, store: Arc<dyn Store>) -> Server {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let advertise = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let config = Config::new((Ipv4Addr::LOCALHOST, 0).into(), advertise, dir.join("pki"));
    Server::new(config, store, Arc::new(Kinds::builtin())).await.unwrap()
}

fn admin(server: &Server) -> Arc<dyn Client> {
    server.client(Identity::new("test", &["system:masters"]))
}

fn map(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "data": { "a": "1" } })
}

fn service(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "ports": [{ "port": 80 }] } })
}

async fn create(client: &Arc<dyn Client>, resource: &Resource, object: Value) -> Value {
    let target = Target::within(resource, "default");
    client.create(&target, object, &WriteOptions::default()).await.unwrap()
}

#[tokio::test]
async fn reads_see_every_write_before_them() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), store(dir.path()).await).await;
    let client = admin(&server);
    for index in 0..50 {
        let name = format!("m{index}");
        let created = create(&client, &MAPS, map(&name)).await;
        let read = client.get(&Target::named(&MAPS, "default", &name)).await.unwrap();
        assert_eq!(created, *read);
        let list = client.list(&Target::within(&MAPS, "default"), &ListOptions::default()).await.unwrap();
        assert_eq!(list.items.len(), index + 1);
    }
}

#[tokio::test]
async fn an_informer_follows() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), store(dir.path()).await).await;
    let client = admin(&server);
    create(&client, &MAPS, map("a")).await;
    let stop = CancellationToken::new();
    let target = Target::within(&MAPS, "default");
    let (objects, mut events) =
        informer::start(client.clone(), target.clone(), ListOptions::default(), stop.clone());
    assert!(matches!(events.recv().await, Some(informer::Event::Added(_))));
    assert!(matches!(events.recv().await, Some(informer::Event::Synced)));
    client.delete(&Target::named(&MAPS, "default", "a"), &DeleteOptions::default()).await.unwrap();
    assert!(matches!(events.recv().await, Some(informer::Event::Deleted(_))));
    assert!(objects.is_empty());
    let options = ListOptions { resource_version: Some("1".into()), ..Default::default() };
    let mut old = client.watch(&target, &options).await.unwrap();
    match old.next().await {
        Some(Err(status)) => assert!(status.is_expired(), "{status}"),
        Some(Ok(WatchEvent::Added(object))) => assert_eq!(object["metadata"]["name"], "a"),
        other => panic!("{other:?}"),
    }
    stop.cancel();
}

#[tokio::test]
async fn identities_count_in_process_too() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), store(dir.path()).await).await;
    let jane = server.client(Identity::new("jane", &["system:authenticated"]));
    let refused = jane.list(&Target::within(&MAPS, "default"), &ListOptions::default()).await.unwrap_err();
    assert_eq!(refused.code, 403);
    let node = server.client(Identity::new("system:node:n1", &["system:nodes", "system:authenticated"]));
    let nodes = Target::all(&Resource::core("nodes"));
    let created =
        node.create(&nodes, json!({ "metadata": { "name": "n1" } }), &WriteOptions::default()).await;
    assert_eq!(created.unwrap()["metadata"]["name"], "n1");
    let status = Target::cluster(&nodes.resource, "n1").subresource("status");
    let body = json!({ "metadata": { "name": "n1" }, "status": { "phase": "" } });
    node.update(&status, body.clone(), &WriteOptions::default()).await.unwrap();
    let other = server.client(Identity::new("system:node:n2", &["system:nodes", "system:authenticated"]));
    assert_eq!(other.update(&status, body, &WriteOptions::default()).await.unwrap_err().code, 403);
    let name = "deployment-controller";
    let controller = server.client(Identity::service_account("kube-system", name));
    let sets = Target::all(&Resource::new("apps", "v1", "replicasets"));
    controller.list(&sets, &ListOptions::default()).await.unwrap();
    let secrets = Target::all(&Resource::core("secrets"));
    assert_eq!(controller.list(&secrets, &ListOptions::default()).await.unwrap_err().code, 403);
}

#[tokio::test]
async fn two_hosts_never_give_one_address_twice() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let (one, two) = (server(dir.path(), store.clone()).await, server(dir.path(), store).await);
    let clients = [admin(&one), admin(&two)];
    let creates = (0..40).map(|index| {
        let client = &clients[index % 2];
        async move { create(client, &SERVICES, service(&format!("s{index}"))).await }
    });
    let created = futures::future::join_all(creates).await;
    let addresses: HashSet<&str> = created.iter().map(|s| s["spec"]["clusterIP"].as_str().unwrap()).collect();
    assert_eq!(addresses.len(), 40);
}

#[tokio::test]
async fn a_restart_forgets_no_address() {
    let dir = tempfile::tempdir().unwrap();
    let first = store(dir.path()).await;
    let ip = {
        let server = server(dir.path(), first.clone()).await;
        create(&admin(&server), &SERVICES, service("a")).await["spec"]["clusterIP"].clone()
    };
    first.close().await;
    drop(first);
    let server = server(dir.path(), store(dir.path()).await).await;
    let client = admin(&server);
    let mut taken = service("b");
    taken["spec"]["clusterIP"] = ip;
    let target = Target::within(&SERVICES, "default");
    let refused = client.create(&target, taken, &WriteOptions::default()).await.unwrap_err();
    assert!(refused.message.contains("provided IP is already allocated"), "{refused}");
}

/// Lets five ConfigMaps into a namespace that has a ResourceQuota, by counting those it has been told of.
struct FiveMaps {
    description: Description,
    known: parking_lot::Mutex<HashSet<String>>,
}

impl FiveMaps {
    fn new() -> Self {
        let interest = |api_version: &str, kind: &str| Interest {
            api_version: api_version.into(),
            kind: kind.into(),
            fields: vec!["metadata.name".into()],
        };
        let rule = Rule {
            operations: vec![Operation::Create],
            api_groups: vec!["*".into()],
            resources: vec!["*".into()],
        };
        let interests = vec![interest("v1", "ResourceQuota"), interest("*", "*")];
        let description = Description { rules: vec![rule], interests, mutates: false };
        FiveMaps { description, known: Default::default() }
    }
}

impl AdmissionPlugin for FiveMaps {
    fn name(&self) -> &str {
        "five-maps"
    }
    fn description(&self) -> &Description {
        &self.description
    }
    fn instance(&self) -> u64 {
        1
    }
    fn sync(&self, deltas: &[Delta]) -> Result<(), CallError> {
        for delta in deltas {
            let (Delta::Upsert(text) | Delta::Remove(text)) = delta;
            let object: Value = serde_json::from_str(text).unwrap();
            assert_eq!(object["metadata"]["namespace"], "default", "{object}");
            let name = object["metadata"]["name"].as_str().unwrap().to_string();
            match delta {
                Delta::Upsert(_) if object["kind"] == "ConfigMap" => self.known.lock().insert(name),
                Delta::Upsert(_) | Delta::Remove(_) => self.known.lock().remove(&name),
            };
        }
        Ok(())
    }
    fn review(&self, request: &str) -> Result<Result<Admitted, Denial>, CallError> {
        let request: Value = serde_json::from_str(request).unwrap();
        let full = request["resource"]["resource"] == "configmaps" && self.known.lock().len() >= 5;
        let denial = Denial { code: 403, reason: "Forbidden".into(), message: "full".into() };
        Ok(if full { Err(denial) } else { Ok(Admitted { patch: String::new(), warnings: vec![] }) })
    }
}

#[tokio::test]
async fn what_is_counted_is_never_exceeded() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), store(dir.path()).await).await;
    let client = admin(&server);
    server.admission().install("five-maps", Default::default(), Arc::new(FiveMaps::new()));
    let at_once = |count: usize, namespace: &'static str| {
        let client = client.clone();
        async move {
            let creates = (0..count).map(|_| {
                let map = json!({ "metadata": { "generateName": "m-" } });
                let client = client.clone();
                async move {
                    client.create(&Target::within(&MAPS, namespace), map, &WriteOptions::default()).await
                }
            });
            let answers = futures::future::join_all(creates).await;
            answers.into_iter().filter_map(Result::ok).collect::<Vec<_>>()
        }
    };
    assert_eq!(at_once(7, "default").await.len(), 7, "without a quota nothing is counted");
    let maps = Target::within(&MAPS, "default");
    client.delete_collection(&maps, &ListOptions::default(), &DeleteOptions::default()).await.unwrap();
    let quotas = Resource::core("resourcequotas");
    create(&client, &quotas, json!({ "metadata": { "name": "q" }, "spec": { "hard": { "pods": "1" } } }))
        .await;
    let made = at_once(20, "default").await;
    assert_eq!(made.len(), 5);
    assert_eq!(at_once(7, "kube-public").await.len(), 7, "elsewhere there is no quota");
    let name = made[0]["metadata"]["name"].as_str().unwrap();
    client.delete(&Target::named(&MAPS, "default", name), &DeleteOptions::default()).await.unwrap();
    assert_eq!(at_once(3, "default").await.len(), 1, "what is deleted makes room");
    client.delete(&Target::named(&quotas, "default", "q"), &DeleteOptions::default()).await.unwrap();
    assert_eq!(at_once(3, "default").await.len(), 3);
    create(&client, &quotas, json!({ "metadata": { "name": "q" }, "spec": { "hard": { "pods": "1" } } }))
        .await;
    assert_eq!(at_once(3, "default").await.len(), 0, "a quota counts what was there before it");
}
