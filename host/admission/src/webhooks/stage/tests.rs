use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use orch_client::{Identity, WriteOptions};
use orch_object::Kinds;
use orch_object::cel::{Decision, Question};
use orch_object::client_config::ClientConfig;
use orch_plugin::calls::admission::Operation;
use parking_lot::Mutex;

use super::super::hook::Hooks;
use super::*;
use crate::Cluster;
use crate::review::Options;

/// What a webhook says, made of what it is asked.
type Says = Box<dyn Fn(&Value) -> Result<Value, String> + Send + Sync>;

/// Webhooks by their URL; every call is noted.
#[derive(Default)]
struct Fake {
    mutating: Vec<Arc<Value>>,
    validating: Vec<Arc<Value>>,
    says: Vec<(String, Says)>,
    calls: Mutex<VecDeque<(String, Value)>>,
}

/// A cluster without objects, in which nobody may do anything.
struct Empty;

impl Cluster for Empty {
    fn kinds(&self) -> Arc<Kinds> {
        Arc::new(Kinds::builtin())
    }

    fn get(&self, _: &Kind, _: &str, _: &str) -> Option<Arc<Value>> {
        None
    }

    fn list(&self, _: &Kind, _: &str) -> Vec<Arc<Value>> {
        Vec::new()
    }

    fn authorize(&self, _: &orch_client::Identity, _: &Question<'_>) -> Decision {
        Decision::default()
    }
}

#[async_trait]
impl Surroundings for Fake {
    fn hooks(&self) -> Arc<Hooks> {
        Arc::new(Hooks::parse(&self.mutating, &self.validating))
    }

    fn cluster(&self) -> Arc<dyn Cluster> {
        Arc::new(Empty)
    }

    fn namespace(&self, name: &str) -> Option<Arc<Value>> {
        (name == "default").then(|| Arc::new(json!({ "metadata": { "labels": { "team": "a" } } })))
    }

    fn kinds(&self) -> Arc<Kinds> {
        Arc::new(Kinds::builtin())
    }

    async fn convert(&self, object: &Value, _: &Kind, to: &Kind) -> Result<Value, String> {
        let mut converted = object.clone();
        converted["apiVersion"] = to.api_version().into();
        Ok(converted)
    }

    async fn call(&self, whom: &ClientConfig, body: Vec<u8>, _: Duration) -> Result<Bytes, String> {
        let review: Value = serde_json::from_slice(&body).unwrap();
        let url = whom.url();
        self.calls.lock().push_back((url.clone(), review["request"].clone()));
        let (_, says) = self.says.iter().find(|(name, _)| url.contains(name)).unwrap();
        let mut response = says(&review["request"])?;
        response["uid"] = review["request"]["uid"].clone();
        let kind =
            json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
        Ok(kind.to_string().into())
    }
}

impl Fake {
    fn hook(name: &str, more: Value) -> Arc<Value> {
        let mut hook = json!({
            "name": format!("{name}.example.com"), "clientConfig": { "url": format!("https://{name}") },
            "rules": [{ "operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"] }],
            "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
        });
        for (field, value) in more.as_object().unwrap() {
            hook[field] = value.clone();
        }
        Arc::new(json!({ "metadata": { "name": name }, "webhooks": [hook] }))
    }

    fn mutating(
        mut self,
        name: &str,
        more: Value,
        says: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        self.mutating.push(Fake::hook(name, more));
        self.says.push((name.into(), Box::new(says)));
        self
    }

    fn validating(
        mut self,
        name: &str,
        more: Value,
        says: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        self.validating.push(Fake::hook(name, more));
        self.says.push((name.into(), Box::new(says)));
        self
    }

    /// Whom the last request reached, in order.
    fn asked(&self) -> Vec<String> {
        self.calls.lock().drain(..).map(|(url, _)| url["https://".len()..].to_owned()).collect()
    }
}

fn allows(_: &Value) -> Result<Value, String> {
    Ok(json!({ "allowed": true }))
}

/// Sets a key of a ConfigMap's data.
fn sets(key: &'static str) -> impl Fn(&Value) -> Result<Value, String> {
    move |_| {
        let patch = json!([{ "op": "add", "path": format!("/data/{key}"), "value": "x" }]).to_string();
        Ok(json!({ "allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(patch) }))
    }
}

/// One request about an object: through mutation, then validation.
struct Request {
    plural: &'static str,
    subresource: &'static str,
    operation: Operation,
    dry_run: bool,
    object: Value,
}

impl Request {
    fn config_map() -> Request {
        let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": "1" },
            "metadata": { "name": "c", "namespace": "default", "labels": { "app": "web" } } });
        Request {
            plural: "configmaps",
            subresource: "",
            operation: Operation::Create,
            dry_run: false,
            object,
        }
    }

    async fn run(self, fake: &Arc<Fake>) -> (Result<Value, Status>, Notes) {
        let kinds = Kinds::builtin();
        let identity = Identity::new("jane", &[]);
        let group = if self.plural.ends_with("configurations") { "admissionregistration.k8s.io" } else { "" };
        let options = WriteOptions { dry_run: self.dry_run, ..WriteOptions::default() };
        let kind = kinds.by_plural(group, "v1", self.plural).unwrap();
        let review = Review {
            uid: "1",
            kind,
            subresource: self.subresource,
            namespace: if kind.namespaced() { "default" } else { "" },
            name: "c",
            operation: self.operation,
            identity: &identity,
            old: None,
            dry_run: self.dry_run,
            options: Options::Create(&options),
        };
        let chain = crate::Chain::new(Arc::new(Nothing));
        chain.add_stage(Arc::new(Webhooks::new(fake.clone())));
        let (mut object, mut notes) = (self.object, Notes::default());
        let verdict = async {
            chain.mutate(&review, &mut object, &mut notes).await?;
            chain.validate(&review, &object, &mut notes).await
        };
        let verdict = verdict.await;
        (verdict.map(|()| object), notes)
    }
}

struct Nothing;

impl crate::State for Nothing {
    fn namespace(&self, _: &str) -> Option<Arc<Value>> {
        None
    }
    fn open(&self, _: &str, _: &str) -> Box<dyn crate::Feed> {
        unreachable!("there are no components")
    }
    fn open_governed(&self, _: &[(String, String)]) -> Box<dyn crate::Feed> {
        unreachable!("there are no components")
    }
}

#[tokio::test]
async fn mutating_hooks_are_asked_by_name_and_see_what_came_before() {
    let fake = Fake::default()
        .mutating("b", json!({}), |request| {
            assert_eq!(request["object"]["data"]["first"], "x");
            sets("second")(request)
        })
        .mutating("a", json!({}), sets("first"))
        .validating("v", json!({}), |request| {
            assert_eq!(request["object"]["data"], json!({ "a": "1", "first": "x", "second": "x" }));
            assert_eq!(request["options"]["kind"], "CreateOptions");
            Ok(json!({ "allowed": true, "warnings": ["careful"], "auditAnnotations": { "k": "v" } }))
        });
    let fake = Arc::new(fake);
    let (verdict, notes) = Request::config_map().run(&fake).await;
    verdict.unwrap();
    assert_eq!(fake.asked(), ["a", "b", "v"]);
    assert_eq!(notes.warnings, ["careful"]);
    assert_eq!(notes.annotations["v.example.com/k"], "v");
    let mutation: Value =
        serde_json::from_str(&notes.annotations["mutation.webhook.admission.k8s.io/round_0_index_0"])
            .unwrap();
    assert_eq!(mutation, json!({ "configuration": "a", "webhook": "a.example.com", "mutated": true }));
    assert!(notes.annotations["patch.webhook.admission.k8s.io/round_0_index_1"].contains("/data/second"));
}

#[tokio::test]
async fn who_wishes_so_is_asked_again_after_a_change() {
    let fake = Fake::default()
        .mutating("a", json!({ "reinvocationPolicy": "IfNeeded" }), allows)
        .mutating("b", json!({ "reinvocationPolicy": "Never" }), allows)
        .mutating("c", json!({ "reinvocationPolicy": "IfNeeded" }), sets("late"));
    let fake = Arc::new(fake);
    Request::config_map().run(&fake).await.0.unwrap();
    // The last changed the object itself: nothing happened after it.
    assert_eq!(fake.asked(), ["a", "b", "c", "a"]);
}

#[tokio::test]
async fn a_refusal_counts_whatever_the_failure_policy() {
    let denies = |_: &Value| Ok(json!({ "allowed": false, "status": { "code": 403, "message": "no" } }));
    let fake = Arc::new(Fake::default().validating("v", json!({ "failurePolicy": "Ignore" }), denies));
    let status = Request::config_map().run(&fake).await.0.unwrap_err();
    assert_eq!(status.code, 403);
    assert_eq!(status.message, r#"admission webhook "v.example.com" denied the request: no"#);
}

#[tokio::test]
async fn the_failure_policy_judges_calls_that_fail() {
    let fails = |_: &Value| Err("boom".to_owned());
    let ignored = Fake::default().mutating("m", json!({ "failurePolicy": "Ignore" }), fails);
    let (verdict, notes) = Request::config_map().run(&Arc::new(ignored)).await;
    verdict.unwrap();
    let key = "failed-open.mutation.webhook.admission.k8s.io/round_0_index_0";
    assert_eq!(notes.annotations[key], "m.example.com");
    let counted = Arc::new(Fake::default().validating("v", json!({}), fails));
    let status = Request::config_map().run(&counted).await.0.unwrap_err();
    let why = r#"failed calling webhook "v.example.com": failed to call webhook: boom"#;
    assert_eq!(status.message, format!("Internal error occurred: {why}"));
    assert_eq!((status.code, status.details.unwrap()), (500, json!({ "causes": [{ "message": why }] })));
}

#[tokio::test]
async fn selectors_rules_and_conditions_choose() {
    let cases = [
        (json!({ "namespaceSelector": { "matchLabels": { "team": "b" } } }), false),
        (json!({ "namespaceSelector": { "matchLabels": { "team": "a" } } }), true),
        (json!({ "objectSelector": { "matchLabels": { "app": "db" } } }), false),
        (json!({ "objectSelector": { "matchLabels": { "app": "web" } } }), true),
        (
            json!({ "matchConditions": [{ "name": "n", "expression": "object.metadata.name == 'other'" }] }),
            false,
        ),
        (
            json!({ "matchConditions": [{ "name": "n", "expression": "request.operation == 'CREATE'" }] }),
            true,
        ),
        (
            json!({ "rules": [{ "operations": ["DELETE"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"] }] }),
            false,
        ),
        (
            json!({ "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v2"], "resources": ["configmaps"] }] }),
            false,
        ),
        (
            json!({ "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "scope": "Cluster" }] }),
            false,
        ),
    ];
    for (more, expected) in cases {
        let fake = Arc::new(Fake::default().validating("v", more.clone(), allows));
        Request::config_map().run(&fake).await.0.unwrap();
        assert_eq!(!fake.asked().is_empty(), expected, "{more}");
    }
    let broken = json!({ "matchConditions": [{ "name": "n", "expression": "object.absent.x == 1" }] });
    let fake = Arc::new(Fake::default().validating("v", broken, allows));
    let status = Request::config_map().run(&fake).await.0.unwrap_err();
    assert_eq!(status.code, 403);
    assert!(status.message.starts_with(
        r#"configmaps "c" is forbidden: expression 'object.absent.x == 1' resulted in error: "#
    ));
}

#[tokio::test]
async fn an_equivalent_version_is_shown_to_who_asks_for_it() {
    let rules = json!([{ "operations": ["*"], "apiGroups": ["events.k8s.io"], "apiVersions": ["v1"], "resources": ["events"] }]);
    let event = || Request {
        plural: "events",
        object: json!({ "apiVersion": "v1", "kind": "Event", "metadata": { "name": "e" } }),
        ..Request::config_map()
    };
    let seen = |request: &Value| {
        assert_eq!(request["object"]["apiVersion"], "events.k8s.io/v1");
        assert_eq!(request["resource"]["group"], "events.k8s.io");
        assert_eq!(request["requestResource"]["group"], "");
        allows(request)
    };
    let fake = Arc::new(Fake::default().mutating("m", json!({ "rules": rules }), seen));
    let object = event().run(&fake).await.0.unwrap();
    assert_eq!((fake.asked(), &object["apiVersion"]), (vec!["m".to_owned()], &json!("v1")));
    let exact =
        Arc::new(Fake::default().mutating("m", json!({ "rules": rules, "matchPolicy": "Exact" }), seen));
    event().run(&exact).await.0.unwrap();
    assert_eq!(exact.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn dry_runs_reach_only_hooks_without_side_effects() {
    let dry = || Request { dry_run: true, ..Request::config_map() };
    let quiet = Arc::new(Fake::default().validating("v", json!({ "sideEffects": "NoneOnDryRun" }), allows));
    dry().run(&quiet).await.0.unwrap();
    let loud = Arc::new(Fake::default().validating("v", json!({ "sideEffects": "Some" }), allows));
    let status = dry().run(&loud).await.0.unwrap_err();
    assert_eq!(
        (status.code, status.message.as_str()),
        (400, r#"admission webhook "v.example.com" does not support dry run"#)
    );
    assert_eq!(loud.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn configurations_are_never_reviewed() {
    let denies = |_: &Value| Ok(json!({ "allowed": false }));
    let fake = Arc::new(Fake::default().mutating("m", json!({}), denies).validating("v", json!({}), denies));
    let request = Request { plural: "validatingwebhookconfigurations", ..Request::config_map() };
    request.run(&fake).await.0.unwrap();
    assert_eq!(fake.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_patch_is_read_like_what_a_client_sends() {
    let unknown = |_: &Value| {
        let patch =
            json!([{ "op": "add", "path": "/unknown", "value": "x" }, { "op": "remove", "path": "/data/a" }]);
        Ok(json!({ "allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(patch.to_string()) }))
    };
    let fake = Arc::new(Fake::default().mutating("m", json!({}), unknown));
    let object = Request::config_map().run(&fake).await.0.unwrap();
    assert!(object.get("unknown").is_none() && object.get("data").is_none(), "{object}");
    let garbage =
        |_: &Value| Ok(json!({ "allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode("{}") }));
    let fake = Arc::new(Fake::default().mutating("m", json!({}), garbage));
    let status = Request::config_map().run(&fake).await.0.unwrap_err();
    assert!(status.message.contains("received undecodable patch in webhook response"), "{}", status.message);
    let deletes = Request { operation: Operation::Delete, object: Value::Null, ..Request::config_map() };
    let fake = Arc::new(Fake::default().mutating("m", json!({}), sets("x")));
    let status = deletes.run(&fake).await.0.unwrap_err();
    let why = r#"admission webhook "m.example.com" attempted to modify the object, which is not supported for this operation"#;
    assert_eq!(status.message, format!("Internal error occurred: {why}"));
}
