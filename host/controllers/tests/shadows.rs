//! What a shadow is answered about objects that only its own writes made, changed or removed: the same
//! as the version that serves, whose writes are made.

#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../../scheduler/tests/fake/mod.rs"]
mod fake;

use std::sync::Arc;

use async_trait::async_trait;
use fake::{Fake, kind, until};
use orch_client::{Client, Identity};
use orch_controllers::Controllers;
use orch_object::Scope;
use orch_plugin::calls::controller::{
    ApiError, Change, ControllerApi, ControllerPlugin, Description, Keys, Outcome, PatchType, WatchOf,
};
use orch_plugin::calls::{CallError, Interest};
use orch_plugin::trial::{Role, ShadowLog};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Writes to a ConfigMap of its own for each Node, and notes the answers.
struct Writer {
    description: Description,
    api: Arc<dyn ControllerApi>,
    writes: usize,
    answers: Mutex<Vec<String>>,
}

const OWN: [&str; 2] = ["v1", "ConfigMap"];

impl Writer {
    fn new(api: Arc<dyn ControllerApi>, writes: usize) -> Arc<Self> {
        let interest = Interest { api_version: "v1".into(), kind: "Node".into(), fields: Vec::new() };
        let watches = vec![WatchOf { interest, keys: Keys::Itself }];
        let description = Description { watches, concurrency: 1 };
        Arc::new(Writer { description, api, writes, answers: Mutex::default() })
    }

    /// What is its own to see: neither versions nor uids.
    fn note<T: AsRef<str>>(&self, answer: Result<T, ApiError>) {
        let told = match answer {
            Ok(object) => {
                let object: Value = serde_json::from_str(object.as_ref()).unwrap_or_default();
                json!([object["data"], object["status"], object["metadata"]["labels"]]).to_string()
            }
            Err(error) => format!("{} {}", error.code, error.reason),
        };
        self.answers.lock().push(told);
    }

    async fn patch(&self, patch_type: PatchType, subresource: &str, body: Value) {
        let [api_version, kind] = OWN;
        let body = body.to_string();
        self.note(self.api.patch(api_version, kind, "shop", "own", subresource, patch_type, &body).await);
    }

    async fn look(&self) {
        let [api_version, kind] = OWN;
        let found = self.api.get(api_version, kind, "shop", "own", true).await;
        self.note(found.map(|found| found.unwrap_or_default()));
        let listed = self.api.list(api_version, kind, "shop", "", "").await.unwrap();
        self.answers.lock().push(format!("{} listed", listed.len()));
    }

    async fn delete(&self) {
        let [api_version, kind] = OWN;
        self.note(self.api.delete(api_version, kind, "shop", "own", "").await.map(|()| ""));
    }

    async fn write(&self) {
        let metadata = json!({"name": "own", "namespace": "shop"});
        let own = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}});
        self.note(self.api.create(&own.to_string()).await);
        self.note(self.api.create(&own.to_string()).await);
        self.patch(PatchType::Merge, "", json!({"data": {"b": "2"}, "metadata": {"labels": {"x": "y"}}}))
            .await;
        self.patch(PatchType::Merge, "", json!({"data": {"a": null}})).await;
        self.look().await;
        let found = self.api.get("v1", "ConfigMap", "shop", "own", true).await.unwrap().unwrap();
        let mut found: Value = serde_json::from_str(&found).unwrap();
        found["data"]["c"] = "3".into();
        self.note(self.api.update(&found.to_string(), "").await);
        self.delete().await;
        self.look().await;
        self.patch(PatchType::Merge, "", json!({"data": {}})).await;
        self.delete().await;
    }
}

#[async_trait]
impl ControllerPlugin for Writer {
    fn name(&self) -> &str {
        "writer"
    }
    fn description(&self) -> &Description {
        &self.description
    }
    async fn keys(&self, _: u32, _: Change, _: &str, _: Option<&str>) -> Result<Vec<String>, CallError> {
        Ok(Vec::new())
    }
    async fn reconcile(&self, _: &str) -> Result<Outcome, CallError> {
        if self.writes == 0 {
            self.write().await;
        }
        for number in 0..self.writes {
            let metadata = json!({"name": format!("own-{number}"), "namespace": "shop"});
            let own = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
            self.api.create(&own.to_string()).await.map_err(|error| CallError::Refused {
                plugin: "writer".into(),
                function: "reconcile",
                message: error.message,
            })?;
        }
        Ok(Outcome::default())
    }
}

fn world() -> (Fake, Controllers, DropGuard) {
    let api = Fake::with_kinds(vec![
        kind("", "v1", "ConfigMap", "configmaps", Scope::Namespaced),
        kind("", "v1", "Node", "nodes", Scope::Cluster),
        kind("", "v1", "Event", "events", Scope::Namespaced),
    ]);
    let (stop, clients) = (CancellationToken::new(), api.clone());
    let client = move |_: Identity| Arc::new(clients.clone()) as Arc<dyn Client>;
    (api, Controllers::start(Arc::new(client), stop.clone()), stop.drop_guard())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_own_objects_are_written_as_if_they_were_there() {
    let (api, controllers, _stop) = world();
    let serving = Writer::new(controllers.api("writer"), 0);
    let shadow = Writer::new(controllers.api("writer"), 0);
    let log = Arc::new(ShadowLog::default());
    controllers.install("writer", serving.clone(), Role::Serves).await.unwrap();
    controllers.install("writer", shadow.clone(), Role::Shadow(log.clone())).await.unwrap();
    api.node("a");
    until("both looked", || log.report().compared > 0).await;
    let expected = [
        r#"[{"a":"1"},null,null]"#,
        "409 AlreadyExists",
        r#"[{"a":"1","b":"2"},null,{"x":"y"}]"#,
        r#"[{"b":"2"},null,{"x":"y"}]"#,
        r#"[{"b":"2"},null,{"x":"y"}]"#,
        "1 listed",
        r#"[{"b":"2","c":"3"},null,{"x":"y"}]"#,
        "[null,null,null]",
        "[null,null,null]",
        "0 listed",
        "404 NotFound",
        "404 NotFound",
    ];
    assert_eq!(*serving.answers.lock(), expected);
    assert_eq!(*shadow.answers.lock(), expected);
    assert_eq!(log.report().differing, 0, "{:?}", log.report());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_may_pretend_is_bounded() {
    let (api, controllers, _stop) = world();
    let serving = Writer::new(controllers.api("writer"), 1);
    let shadow = Writer::new(controllers.api("writer"), 1001);
    let log = Arc::new(ShadowLog::default());
    controllers.install("writer", serving, Role::Serves).await.unwrap();
    controllers.install("writer", shadow, Role::Shadow(log.clone())).await.unwrap();
    api.node("a");
    until("it is told", || log.report().differing > 0).await;
    let difference = &log.report().differences[0];
    assert!(difference.shadow.contains("a shadow may make 1000 writes for one key"), "{difference:?}");
    assert_eq!(api.all("configmaps").len(), 1, "what the version that serves wrote");
}
