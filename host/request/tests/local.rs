//! The API in process: `LocalClient`, two hosts on one store, a restart.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

#[path = "wire/outside.rs"]
#[allow(dead_code)] // the wire tests use more of it
mod outside;

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use orch_client::{
    Client, DeleteOptions, Identity, ListOptions, Patch, PatchType, Resource, Target, WatchEvent,
    WriteOptions, informer,
};
use orch_object::Kinds;
use orch_plugin::calls::admission::{AdmissionPlugin, Admitted, Delta, Denial, Description, Operation, Rule};
use orch_plugin::calls::{CallError, Interest};
use orch_request::{AuditConfig, Config, Rotation, Server};
use orch_store::Store;
use outside::{Outside, Reply, Seen};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const MAPS: Resource = Resource::core("configmaps");
const SERVICES: Resource = Resource::core("services");

async fn store(dir: &Path) -> Arc<dyn Store> {
    orch_store::open("sqlite", &dir.join("state.db"), orch_store::Options::default()).await.unwrap()
}

async fn server(dir: &Path, store: Arc<dyn Store>) -> Server {
    server_with(dir, store, None).await
}

async fn server_with(dir: &Path, store: Arc<dyn Store>, audit: Option<AuditConfig>) -> Server {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let advertise = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let config = Config::new((Ipv4Addr::LOCALHOST, 0).into(), advertise, dir.join("pki"));
    let config = Config { audit, ..config };
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_holds_bodies_where_the_policy_wants_them() {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("policy.yaml");
    let rules = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n\
        - {level: Request, verbs: [patch, delete], resources: [{group: '', resources: [configmaps]}]}\n\
        - {level: RequestResponse, resources: [{group: '', resources: [configmaps]}]}\n- {level: None}\n";
    std::fs::write(&policy, rules).unwrap();
    let log = dir.path().join("audit.log");
    let audit = AuditConfig { policy, log: log.clone(), rotation: Rotation::default() };
    let server = server_with(dir.path(), store(dir.path()).await, Some(audit)).await;
    let client = admin(&server);
    let one = Target::named(&MAPS, "default", "a");
    create(&client, &MAPS, map("a")).await;
    let twice = client.create(&Target::within(&MAPS, "default"), map("a"), &WriteOptions::default()).await;
    assert_eq!(twice.unwrap_err().code, 409);
    let patch = Patch { patch_type: PatchType::Merge, body: json!({ "data": { "b": "2" } }) };
    client.patch(&one, patch, &WriteOptions::default()).await.unwrap();
    client.list(&Target::within(&MAPS, "default"), &ListOptions::default()).await.unwrap();
    let watched = client.watch(&Target::within(&MAPS, "default"), &ListOptions::default()).await.unwrap();
    drop(watched);
    client.delete(&one, &DeleteOptions::default()).await.unwrap();
    let mut events: Vec<Value> = Vec::new();
    until("all is written", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        events = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        events.retain(|event: &Value| event["user"]["username"] == "test");
        events.len() == 7
    })
    .await;
    let told: Vec<String> = events
        .iter()
        .map(|event| {
            let has = |field: &str| if event[field].is_null() { "-" } else { "body" };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!(
                "{} {} {} {} {}",
                text(&event["verb"]),
                text(&event["stage"]),
                event["responseStatus"]["code"],
                has("requestObject"),
                has("responseObject")
            )
        })
        .collect();
    let expected = [
        "create ResponseComplete 201 body body",
        "create ResponseComplete 409 body body",
        "patch ResponseComplete 200 body -",
        "list ResponseComplete 200 - body",
        "watch ResponseStarted 200 - -",
        "watch ResponseComplete 200 - -",
        "delete ResponseComplete 200 body -",
    ];
    assert_eq!(told, expected);
    assert_eq!(events[0]["requestObject"]["data"], map("a")["data"]);
    assert_eq!(events[1]["responseObject"]["reason"], "AlreadyExists");
    assert_eq!(events[2]["requestObject"], json!({ "data": { "b": "2" } }));
    assert_eq!(events[3]["responseObject"]["kind"], "ConfigMapList");
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

const FLUNDERS: Resource = Resource::new("a.example", "v1", "flunders");

/// An API server that keeps flunders of one namespace, by name, unless it is ill.
async fn flunders(names: Arc<Mutex<BTreeSet<String>>>, ill: Arc<AtomicBool>) -> Outside {
    let flunder = |name: &str| json!({ "metadata": { "name": name, "namespace": "default" } });
    let answer = move |seen: &Seen| {
        if ill.load(Ordering::SeqCst) {
            return Reply::Raw(503, vec![], vec![]);
        }
        let mut names = names.lock();
        let path = seen.path.split('?').next().unwrap().to_owned();
        let name = path.rsplit('/').next().unwrap();
        match (seen.method.as_str(), path.trim_end_matches(name)) {
            (_, "/apis/a.example/") => {
                Reply::Json(json!({ "kind": "APIResourceList", "groupVersion": "a.example/v1",
                "resources": [{ "name": "flunders", "singularName": "flunder", "namespaced": true, "kind": "Flunder",
                    "verbs": ["create", "delete", "deletecollection", "get", "list"] }] }))
            }
            ("GET", "/apis/a.example/v1/namespaces/default/") => Reply::Json(json!({
                "kind": "FlunderList", "apiVersion": "a.example/v1", "metadata": { "resourceVersion": "7" },
                "items": names.iter().map(|name| flunder(name)).collect::<Vec<_>>() })),
            ("DELETE", "/apis/a.example/v1/namespaces/default/") => {
                names.clear();
                Reply::Json(json!({ "kind": "Status", "status": "Success" }))
            }
            ("POST", _) => {
                names.insert(seen.json()["metadata"]["name"].as_str().unwrap().into());
                Reply::Json(seen.json())
            }
            ("DELETE", _) if names.remove(name) => {
                Reply::Json(json!({ "kind": "Status", "status": "Success" }))
            }
            ("GET" | "PATCH", _) if names.contains(name) => Reply::Json(flunder(name)),
            _ => Reply::Raw(
                404,
                vec![],
                json!({ "kind": "Status", "reason": "NotFound", "message": "none" }).to_string().into(),
            ),
        }
    };
    Outside::start(&["api.default.svc"], answer).await
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.expect(what);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_server_keeps_is_within_reach() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), store(dir.path()).await).await;
    let client = admin(&server);
    let jane = server.client(Identity::new("jane", &["system:authenticated"]));
    let controller = server.client(Identity::service_account("kube-system", "namespace-controller"));
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tokio::spawn(server.run(stop));
    let names: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let ill = Arc::new(AtomicBool::new(false));
    let extension = flunders(names.clone(), ill.clone()).await;
    create(
        &client,
        &SERVICES,
        json!({ "metadata": { "name": "api" },
        "spec": { "type": "ExternalName", "externalName": "localhost" } }),
    )
    .await;
    let services = Resource::new("apiregistration.k8s.io", "v1", "apiservices");
    let registration = json!({ "metadata": { "name": "v1.a.example" }, "spec": { "group": "a.example",
        "version": "v1", "groupPriorityMinimum": 2000, "versionPriority": 200, "caBundle": extension.ca_bundle,
        "service": { "namespace": "default", "name": "api", "port": extension.address.port() } } });
    client.create(&Target::all(&services), registration, &WriteOptions::default()).await.unwrap();
    client.get(&Target::cluster(&services, "v1.a.example")).await.unwrap();
    until("it is discovered", || {
        let elsewhere = client.elsewhere();
        // Either nobody knows what it serves, or it is known: nothing is ever overlooked.
        let known = elsewhere.kinds.by_kind("a.example/v1", "Flunder").is_some_and(|kind| kind.namespaced());
        assert_ne!(known, elsewhere.unknown == ["a.example/v1"], "{elsewhere:?}");
        known
    })
    .await;
    let all = Target::within(&FLUNDERS, "default");
    let list = async || controller.list(&all, &ListOptions::default()).await.unwrap();
    for name in ["a", "b", "c"] {
        create(&client, &FLUNDERS, json!({ "metadata": { "name": name } })).await;
    }
    let listed = list().await;
    assert_eq!((listed.items.len(), listed.resource_version.as_str()), (3, "7"));
    assert_eq!(
        (&listed.items[0]["kind"], &listed.items[0]["apiVersion"]),
        (&json!("Flunder"), &json!("a.example/v1"))
    );
    let lists = |seen: &Seen| seen.method == "GET" && seen.path.ends_with("/flunders");
    let seen = extension.seen().into_iter().rfind(lists).unwrap();
    assert_eq!(seen.headers["x-remote-user"], "system:serviceaccount:kube-system:namespace-controller");
    let one = Target::named(&FLUNDERS, "default", "a");
    assert_eq!(client.get(&one).await.unwrap()["metadata"]["name"], "a");
    let patch = Patch { patch_type: PatchType::Merge, body: json!({}) };
    client.patch(&one, patch, &WriteOptions::default()).await.unwrap();
    let seen = extension.seen().into_iter().rfind(|seen| seen.method == "PATCH").unwrap();
    assert_eq!(seen.headers["content-type"], "application/merge-patch+json");
    assert_eq!(jane.list(&all, &ListOptions::default()).await.unwrap_err().code, 403);
    controller.delete(&one, &DeleteOptions::default()).await.unwrap();
    assert!(controller.get(&one).await.unwrap_err().is_not_found());
    controller.delete_collection(&all, &ListOptions::default(), &DeleteOptions::default()).await.unwrap();
    assert!(list().await.items.is_empty() && names.lock().is_empty());

    // Nobody takes a server that does not answer for one that serves nothing.
    ill.store(true, Ordering::SeqCst);
    let touch =
        Patch { patch_type: PatchType::Merge, body: json!({ "metadata": { "labels": { "a": "b" } } }) };
    let registration = Target::cluster(&services, "v1.a.example");
    client.patch(&registration, touch, &WriteOptions::default()).await.unwrap();
    until("that is known", || client.elsewhere().unknown == ["a.example/v1"]).await;
    assert!(client.elsewhere().kinds.rows().is_empty());
    assert_eq!(controller.list(&all, &ListOptions::default()).await.unwrap_err().code, 503);
}
