//! Controllers written in Rust over a scripted API.

#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../../scheduler/tests/fake/mod.rs"]
mod fake;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use fake::{Fake, kind, until};
use futures::FutureExt;
use orch_client::{Client, Elsewhere, Identity};
use orch_controllers::{Controllers, ControllersError};
use orch_object::{Kind, Kinds, Scope};
use orch_plugin::calls::controller::{
    ApiError, Change, ControllerApi, ControllerPlugin, Description, Keys, Outcome, WatchOf,
};
use orch_plugin::calls::{CallError, Interest};
use orch_plugin::trial::{Difference, Role, ShadowLog};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

fn watch(api_version: &str, kind: &str, fields: &[&str], keys: Keys) -> WatchOf {
    WatchOf {
        interest: Interest {
            api_version: api_version.into(),
            kind: kind.into(),
            fields: fields.iter().map(|f| f.to_string()).collect(),
        },
        keys,
    }
}

/// Keeps as many Pods as its ConfigMap says, and notes what it was asked.
struct Keeper {
    name: String,
    description: Description,
    api: Arc<dyn ControllerApi>,
    seen: Mutex<Vec<String>>,
    mapped: Mutex<Vec<(Change, Value)>>,
    failing: AtomicUsize,
    held: AtomicBool,
    release: Notify,
    creates: AtomicUsize,
    /// Beyond what the ConfigMap says.
    extra: AtomicUsize,
}

impl Keeper {
    fn new(name: &str, api: Arc<dyn ControllerApi>, watches: Vec<WatchOf>) -> Arc<Self> {
        Arc::new(Keeper {
            name: name.into(),
            description: Description { watches, concurrency: 2 },
            api,
            seen: Mutex::default(),
            mapped: Mutex::default(),
            failing: AtomicUsize::new(0),
            held: AtomicBool::new(false),
            release: Notify::new(),
            creates: AtomicUsize::new(0),
            extra: AtomicUsize::new(0),
        })
    }

    fn refused(&self, message: String) -> CallError {
        CallError::Refused { plugin: self.name.clone(), function: "reconcile", message }
    }

    async fn keep(&self, namespace: &str, name: &str) -> Result<(), String> {
        let map = self.api.get("v1", "ConfigMap", namespace, name, false).await.map_err(|e| e.message)?;
        let Some(map) = map else { return Ok(()) };
        let map: Value = serde_json::from_str(&map).unwrap();
        let wanted = map["data"]["pods"].as_str().unwrap().parse::<usize>().unwrap();
        let wanted = wanted + self.extra.load(Ordering::SeqCst);
        loop {
            let have = self
                .api
                .list("v1", "Pod", namespace, &format!("of={name}"), "")
                .await
                .map_err(|e| e.message)?;
            if have.len() >= wanted {
                return Ok(());
            }
            self.creates.fetch_add(1, Ordering::SeqCst);
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
                "generateName": format!("{name}-"), "namespace": namespace, "labels": {"of": name},
                "ownerReferences": [{"kind": "ConfigMap", "name": name, "uid": map["metadata"]["uid"], "controller": true}],
            }});
            self.api.create(&pod.to_string()).await.map_err(|e| e.message)?;
        }
    }
}

#[async_trait]
impl ControllerPlugin for Keeper {
    fn name(&self) -> &str {
        &self.name
    }
    fn description(&self) -> &Description {
        &self.description
    }
    async fn keys(
        &self,
        _: u32,
        change: Change,
        object: &str,
        _: Option<&str>,
    ) -> Result<Vec<String>, CallError> {
        let object: Value = serde_json::from_str(object).unwrap();
        let key = format!("custom/{}", object["metadata"]["name"].as_str().unwrap());
        self.mapped.lock().push((change, object));
        Ok(vec![key])
    }
    async fn reconcile(&self, key: &str) -> Result<Outcome, CallError> {
        self.seen.lock().push(key.into());
        if self.failing.load(Ordering::SeqCst) > 0 {
            self.failing.fetch_sub(1, Ordering::SeqCst);
            return Err(self.refused("not yet".into()));
        }
        if self.held.load(Ordering::SeqCst) {
            self.release.notified().await;
        }
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        self.keep(namespace, name).await.map_err(|message| self.refused(message))?;
        Ok(Outcome::default())
    }
}

fn builtin() -> Vec<Kind> {
    vec![
        kind("", "v1", "ConfigMap", "configmaps", Scope::Namespaced),
        kind("", "v1", "Pod", "pods", Scope::Namespaced),
        kind("", "v1", "Node", "nodes", Scope::Cluster),
        kind("", "v1", "Event", "events", Scope::Namespaced),
    ]
}

fn world() -> (Fake, Controllers, tokio_util::sync::DropGuard) {
    let api = Fake::with_kinds(builtin());
    let stop = CancellationToken::new();
    let clients = api.clone();
    let controllers = Controllers::start(
        Arc::new(move |_: Identity| Arc::new(clients.clone()) as Arc<dyn Client>),
        stop.clone(),
    );
    (api, controllers, stop.drop_guard())
}

fn config_map(api: &Fake, name: &str, pods: usize) {
    config_map_in(api, "shop", name, pods);
}

fn config_map_in(api: &Fake, namespace: &str, name: &str, pods: usize) {
    api.put(
        "configmaps",
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace}, "data": {"pods": pods.to_string()}}),
    );
}

fn keeper_watches() -> Vec<WatchOf> {
    vec![
        watch("v1", "ConfigMap", &["data"], Keys::Itself),
        watch("v1", "Pod", &["metadata.labels"], Keys::ControllerOwner("ConfigMap".into())),
    ]
}

#[tokio::test]
async fn what_other_servers_serve_is_there_too() {
    let (fake, controllers, _stop) = world();
    let api = controllers.api("keeper");
    let flunder = kind("a.example", "v1", "Flunder", "flunders", Scope::Namespaced);
    let kinds = Kinds::new(vec![flunder]);
    fake.serve_elsewhere(Elsewhere { kinds, unknown: vec!["b.example/v1".into()] });
    fake.put(
        "flunders",
        json!({"apiVersion": "a.example/v1", "kind": "Flunder", "metadata": {"name": "f", "namespace": "shop"}}),
    );
    let told = api.resources();
    assert!(told.iter().any(|served| served.plural == "flunders" && served.namespaced));
    let silent = told.iter().find(|served| served.api_version == "b.example/v1").unwrap();
    assert!(silent.plural.is_empty() && silent.verbs.is_empty());
    assert_eq!(api.list("a.example/v1", "Flunder", "shop", "", "").await.unwrap().len(), 1);
    api.delete_collection("a.example/v1", "Flunder", "shop", "").await.unwrap();
    assert!(fake.all("flunders").is_empty());
    // An owner there may be alive; one of a kind that nobody serves is another matter.
    let code = |answer: Result<Option<String>, _>| answer.map_err(|error: ApiError| error.code);
    assert_eq!(code(api.get("b.example/v1", "Any", "shop", "x", true).await), Err(503));
    assert_eq!(code(api.get("c.example/v1", "Any", "shop", "x", true).await), Err(404));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_what_it_wrote_and_creates_nothing_twice() {
    let (api, controllers, _stop) = world();
    let keeper = Keeper::new("keeper", controllers.api("keeper"), keeper_watches());
    for name in ["a", "b", "c"] {
        config_map(&api, name, 20);
    }
    controllers.install("keeper", keeper.clone(), Role::Serves).await.unwrap();
    until("all pods are there", || api.all("pods").len() == 60).await;
    let lost = api.all("pods")[0]["metadata"]["name"].as_str().unwrap().to_string();
    api.remove("pods", &format!("shop/{lost}"));
    until("the lost one is replaced", || keeper.creates.load(Ordering::SeqCst) == 61).await;
    until("and is there", || api.all("pods").len() == 60).await;
    assert_eq!(keeper.creates.load(Ordering::SeqCst), 61);
}

#[tokio::test]
async fn a_sub_resource_is_read_by_its_kind() {
    let (api, controllers, _stop) = world();
    config_map(&api, "plain", 0);
    api.put(
        "configmaps",
        json!({"metadata": {"name": "scaled", "namespace": "shop"}, "spec": {"replicas": 3}}),
    );
    let reader = controllers.api("reader");
    let read = async |name: &str| reader.get("v1", "ConfigMap/scale", "shop", name, false).await;
    assert!(read("scaled").await.unwrap().unwrap().contains(r#""replicas":3"#));
    assert_eq!(read("gone").await.unwrap(), None);
    assert_eq!(read("plain").await.unwrap_err().code, 404, "it has no such sub-resource");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_it_reads_wakes_it() {
    let (api, controllers, _stop) = world();
    let keeper = Keeper::new("keeper", controllers.api("keeper"), keeper_watches());
    config_map(&api, "a", 0);
    controllers.install("keeper", keeper.clone(), Role::Serves).await.unwrap();
    until("it is asked", || keeper.seen.lock().len() == 1).await;
    let touch = |field: &str| {
        let mut map = (*api.object("configmaps", "shop/a").unwrap()).clone();
        map["metadata"]["annotations"] = json!({ field: "x" });
        api.put("configmaps", map);
    };
    touch("one");
    touch("two");
    config_map(&api, "z", 0); // ordered after what must not wake it
    until("the marker is seen", || keeper.seen.lock().contains(&"shop/z".to_string())).await;
    assert_eq!(*keeper.seen.lock(), ["shop/a", "shop/z"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_key_comes_again() {
    let (api, controllers, _stop) = world();
    let keeper = Keeper::new("keeper", controllers.api("keeper"), keeper_watches());
    keeper.failing.store(3, Ordering::SeqCst);
    config_map(&api, "a", 1);
    controllers.install("keeper", keeper.clone(), Role::Serves).await.unwrap();
    until("it succeeds", || api.all("pods").len() == 1).await;
    assert!(keeper.seen.lock().len() >= 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_lets_the_old_one_finish_and_asks_the_new_one_everything() {
    let (api, controllers, _stop) = world();
    let old = Keeper::new("old", controllers.api("keeper"), keeper_watches());
    old.held.store(true, Ordering::SeqCst);
    config_map(&api, "a", 2);
    controllers.install("keeper", old.clone(), Role::Serves).await.unwrap();
    until("the old one is at it", || old.seen.lock().len() == 1).await;
    let new = Keeper::new("new", controllers.api("keeper"), keeper_watches());
    let swap = tokio::spawn({
        let (controllers, new) = (controllers.clone(), new.clone());
        async move { controllers.install("keeper", new, Role::Serves).await }
    });
    // Who holds up the question is the swap, which waits for the old one.
    until("the swap is under way", || controllers.waiting("keeper").now_or_never().is_none()).await;
    assert!(new.seen.lock().is_empty(), "not while the old one works on the same key");
    old.release.notify_one();
    swap.await.unwrap().unwrap();
    until("the new one is asked", || !new.seen.lock().is_empty()).await;
    assert_eq!(old.creates.load(Ordering::SeqCst), 2, "the old one finished");
    config_map(&api, "b", 1);
    until("the new one works", || api.all("pods").len() == 3).await;
    assert_eq!(old.seen.lock().len(), 1);
    assert!(controllers.remove("keeper").await && !controllers.remove("keeper").await);
}

fn seen(keeper: &Keeper) -> std::collections::BTreeSet<String> {
    keeper.seen.lock().iter().cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_works_on_its_own_keys_alone() {
    let (api, controllers, _stop) = world();
    let serving = Keeper::new("serving", controllers.api("keeper"), keeper_watches());
    let canary = Keeper::new("canary", controllers.api("keeper"), keeper_watches());
    config_map_in(&api, "shop", "a", 1);
    config_map_in(&api, "trial", "b", 1);
    let selects = Role::Canary(Arc::new(|subject| subject.namespace == "trial"));
    let early = controllers.install("keeper", canary.clone(), selects.clone()).await.unwrap_err();
    assert!(matches!(early, ControllersError::NothingServes { .. }));
    controllers.install("keeper", serving.clone(), Role::Serves).await.unwrap();
    until("all is in one hand", || seen(&serving).len() == 2).await;
    controllers.install("keeper", canary.clone(), selects).await.unwrap();
    serving.seen.lock().clear();
    until("the canary looks at what is its own", || !canary.seen.lock().is_empty()).await;
    config_map_in(&api, "trial", "c", 1);
    config_map_in(&api, "shop", "d", 1);
    until("both work", || api.all("pods").len() == 4).await;
    assert_eq!(seen(&canary).into_iter().collect::<Vec<_>>(), ["trial/b", "trial/c"]);
    assert!(seen(&serving).iter().all(|key| key.starts_with("shop/")), "{:?}", seen(&serving));
    controllers.remove_trial("keeper").await;
    until("all is in one hand again", || seen(&serving).contains("trial/c")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_writes_nothing_and_its_differences_are_told() {
    let (api, controllers, _stop) = world();
    let serving = Keeper::new("serving", controllers.api("keeper"), keeper_watches());
    let shadow = Keeper::new("shadow", controllers.api("keeper"), keeper_watches());
    controllers.install("keeper", serving.clone(), Role::Serves).await.unwrap();
    let log = Arc::new(ShadowLog::default());
    controllers.install("keeper", shadow.clone(), Role::Shadow(log.clone())).await.unwrap();
    config_map(&api, "a", 2);
    until("both wrote the same", || log.report().compared > 0).await;
    assert_eq!((log.report().differing, shadow.creates.load(Ordering::SeqCst)), (0, 2));
    shadow.extra.store(1, Ordering::SeqCst);
    config_map(&api, "b", 1);
    let of_b = || log.report().differences.into_iter().find(|found| found.subject == "shop/b");
    until("the shadow would write more", || of_b().is_some()).await;
    assert_eq!(api.all("pods").len(), 3, "what the version that serves wrote");
    let told = log.report().differences.into_iter().rfind(|found| found.subject == "shop/b");
    let expected = Difference {
        subject: "shop/b".into(),
        live: "nothing".into(),
        shadow: "create v1/Pod shop/b-*".into(),
    };
    assert_eq!(told, Some(expected));
    shadow.failing.store(1, Ordering::SeqCst);
    config_map(&api, "c", 0);
    until("an error is told", || {
        log.report().differences.iter().any(|found| found.shadow.contains("not yet"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wildcard_watch_tells_metadata_of_every_kind() {
    let (api, controllers, _stop) = world();
    let keeper = Keeper::new("all", controllers.api("all"), vec![watch("*", "*", &[], Keys::Custom)]);
    config_map(&api, "a", 5);
    api.node("n");
    controllers.install("all", keeper.clone(), Role::Serves).await.unwrap();
    until("both are told", || keeper.mapped.lock().len() == 2).await;
    for (change, object) in keeper.mapped.lock().iter() {
        assert_eq!(*change, Change::Added);
        let fields: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields, ["apiVersion", "kind", "metadata"]);
    }
    until("the node's key is asked", || keeper.seen.lock().contains(&"custom/n".to_string())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_goes_takes_its_objects_and_is_followed_when_it_is_back() {
    let (api, controllers, _stop) = world();
    let keeper = Keeper::new("all", controllers.api("all"), vec![watch("*", "*", &[], Keys::Custom)]);
    controllers.install("all", keeper.clone(), Role::Serves).await.unwrap();
    let told = |change: Change, name: &str| {
        keeper.mapped.lock().iter().any(|(c, object)| *c == change && object["metadata"]["name"] == name)
    };
    let widget = |name: &str| {
        api.put(
            "widgets",
            json!({"apiVersion": "example.org/v1", "kind": "Widget",
                "metadata": {"name": name, "namespace": "shop"}}),
        );
    };
    let mut with_widgets = builtin();
    with_widgets.push(kind("example.org", "v1", "Widget", "widgets", Scope::Namespaced));
    widget("early");
    api.serve(with_widgets.clone());
    until("the new kind is followed", || told(Change::Added, "early")).await;
    api.serve(builtin());
    until("its objects go with it", || told(Change::Deleted, "early")).await;
    api.serve(with_widgets);
    widget("late");
    until("it is followed again", || told(Change::Added, "late")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_is_not_served_refuses_the_controller() {
    let (_api, controllers, _stop) = world();
    let watches = vec![watch("example.org/v1", "Widget", &[], Keys::Itself)];
    let keeper = Keeper::new("x", controllers.api("x"), watches);
    let error = controllers.install("x", keeper, Role::Serves).await.unwrap_err();
    assert!(matches!(error, ControllersError::UnknownKind { .. }));
    assert_eq!(error.to_string(), "x watches Widget in example.org/v1, which is not served");
}
