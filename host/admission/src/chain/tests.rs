use std::sync::atomic::{AtomicU64, Ordering};

use orch_client::Identity;
use orch_object::{Kind, Scope, Strategy};
use orch_plugin::calls::Interest;
use orch_plugin::calls::admission::{Condition, Delta, Description, Operation, Reading, Rule};
use orch_plugin::view::View;
use serde_json::json;

use super::*;
use crate::resident::{Change, Feed};
use crate::review::Options;

type Answer = Box<dyn Fn(&str) -> Result<Result<Admitted, Denial>, CallError> + Send + Sync>;

struct Fake {
    description: Description,
    conditions: Vec<Condition>,
    view: Arc<View>,
    instance: AtomicU64,
    synced: Mutex<Vec<Delta>>,
    answer: Answer,
}

impl AdmissionPlugin for Fake {
    fn name(&self) -> &str {
        "fake"
    }
    fn description(&self) -> &Description {
        &self.description
    }
    fn conditions(&self) -> Arc<[Condition]> {
        self.conditions.clone().into()
    }
    fn view(&self) -> Arc<View> {
        self.view.clone()
    }
    fn instance(&self) -> u64 {
        self.instance.load(Ordering::SeqCst)
    }
    fn sync(&self, deltas: &[Delta]) -> Result<(), CallError> {
        self.synced.lock().extend_from_slice(deltas);
        Ok(())
    }
    fn review(&self, request: &str) -> Result<Result<Admitted, Denial>, CallError> {
        (self.answer)(request)
    }
}

fn fake(mutates: bool, answer: Answer) -> Arc<Fake> {
    Arc::new(Fake {
        description: Description {
            rules: vec![Rule {
                operations: vec![Operation::Create],
                api_groups: vec!["*".into()],
                resources: vec!["pods".into()],
            }],
            interests: vec![Interest {
                api_version: "v1".into(),
                kind: "Namespace".into(),
                fields: vec!["status.phase".into()],
            }],
            mutates,
        },
        conditions: Vec::new(),
        view: Arc::default(),
        instance: AtomicU64::new(1),
        synced: Mutex::default(),
        answer,
    })
}

fn admitted(patch: &str) -> Result<Result<Admitted, Denial>, CallError> {
    Ok(Ok(Admitted { patch: patch.into(), warnings: vec![] }))
}

fn trapped() -> CallError {
    CallError::Trapped { plugin: "fake".into(), function: "review", trap: "unreachable".into() }
}

/// Changes to hand out, one list for each drain.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Vec<Vec<Change>>>>);

impl State for Script {
    fn namespace(&self, name: &str) -> Option<Arc<Value>> {
        let namespace = |labels| Arc::new(json!({"metadata": {"name": name, "labels": labels}}));
        Some(namespace(if name == "default" { json!({"strict": ""}) } else { json!({}) }))
    }
    fn open(&self, _: &str, _: &str) -> Box<dyn Feed> {
        Box::new(self.clone())
    }
    fn open_governed(&self, governors: &[(String, String)]) -> Box<dyn Feed> {
        assert_eq!(governors, [("v1".to_string(), "Namespace".to_string())]);
        Box::new(self.clone())
    }
}
impl Feed for Script {
    fn drain(&mut self) -> Vec<Change> {
        let mut script = self.0.lock();
        if script.is_empty() { Vec::new() } else { script.remove(0) }
    }
}

fn pods() -> Kind {
    Kind {
        group: String::new(),
        version: "v1".into(),
        kind: "Pod".into(),
        list_kind: "PodList".into(),
        plural: "pods".into(),
        singular: "pod".into(),
        scope: Scope::Namespaced,
        short_names: vec![],
        categories: vec![],
        verbs: vec![],
        subresources: vec![],
        columns: vec![],
        selectable_fields: vec![],
        schema: String::new(),
        has_generation: false,
        conversion: None,
        custom: None,
        strategy: Strategy { validate: |_, _| Vec::new(), ..Strategy::default() },
    }
}

fn review<'a>(kind: &'a Kind, identity: &'a Identity) -> Review<'a> {
    Review {
        uid: "1",
        kind,
        subresource: "",
        namespace: "default",
        name: "web",
        operation: Operation::Create,
        identity,
        old: None,
        dry_run: false,
        options: Options::None,
    }
}

fn run(chain: &Chain, object: &mut Value) -> Result<(), Status> {
    let (identity, kind) = (Identity::new("jane", &[]), pods());
    let review = review(&kind, &identity);
    let mut notes = Notes::default();
    let asked = async {
        chain.mutate(&review, object, &mut notes).await?;
        chain.validate(&review, object, &mut notes).await
    };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(asked)
}

#[test]
fn mutating_checks_come_first_and_their_patches_are_seen() {
    let chain = Chain::new(Arc::new(Script::default()));
    let sees = fake(
        false,
        Box::new(|request| {
            let request: Value = serde_json::from_str(request).unwrap();
            assert_eq!(request["object"]["spec"]["added"], true);
            admitted("")
        }),
    );
    chain.install("a-validating", Settings::default(), sees);
    let adds = fake(true, Box::new(|_| admitted(r#"[{"op":"add","path":"/spec/added","value":true}]"#)));
    chain.install("z-mutating", Settings { order: 10, ..Default::default() }, adds);
    assert_eq!(chain.names(), ["z-mutating", "a-validating"]);
    let mut object = json!({"spec": {}});
    run(&chain, &mut object).unwrap();
    assert_eq!(object, json!({"spec": {"added": true}}));
}

#[test]
fn a_denial_reads_as_upstream_writes_it() {
    let chain = Chain::new(Arc::new(Script::default()));
    let denies = fake(
        false,
        Box::new(|_| {
            Ok(Err(Denial { code: 403, reason: "Forbidden".into(), message: "namespace is gone".into() }))
        }),
    );
    chain.install("no", Settings::default(), denies);
    let status = run(&chain, &mut json!({})).unwrap_err();
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    assert_eq!(status.message, r#"pods "web" is forbidden: namespace is gone"#);
}

#[test]
fn a_denial_that_misses_something_is_about_that() {
    let chain = Chain::new(Arc::new(Script::default()));
    let message = r#"namespaces "gone" not found"#.to_string();
    let missing = Denial { code: 404, reason: "NotFound".into(), message };
    chain.install("no", Settings::default(), fake(false, Box::new(move |_| Ok(Err(missing.clone())))));
    let status = run(&chain, &mut json!({})).unwrap_err();
    assert_eq!(status.details, Some(json!({"name": "gone", "kind": "namespaces"})));
    let longer = r#"pods "a" is forbidden: serviceaccount "b" not found"#;
    assert_eq!(super::missing(longer), None);
}

#[test]
fn who_says_what_matters_is_asked_about_nothing_else() {
    let chain = Chain::new(Arc::new(Script::default()));
    let asked = |groups: &[&str], labels: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        let check = fake(false, Box::new(|_| Err(trapped())));
        let mut check = Arc::into_inner(check).unwrap();
        check.conditions = vec![Condition {
            resources: vec!["pods".into()],
            groups: owned(groups),
            namespace_labels: owned(labels),
        }];
        chain.install("picky", Settings::default(), Arc::new(check));
        run(&chain, &mut json!({})).is_err()
    };
    assert!(asked(&[], &[]) && asked(&[], &["strict"]));
    assert!(
        !asked(&["system:nodes"], &[]) && !asked(&[], &["lax"]) && !asked(&["system:nodes"], &["strict"])
    );
}

#[test]
fn who_says_what_it_reads_is_sent_nothing_else() {
    let chain = Chain::new(Arc::new(Script::default()));
    let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
    let install = |name: &str, fields: &[&str]| {
        let seen = seen.clone();
        let answer = move |request: &str| {
            seen.lock().push(serde_json::from_str(request).unwrap());
            admitted(&json!([{"op": "add", "path": "/spec/b", "value": 2}]).to_string())
        };
        let mut check = Arc::into_inner(fake(true, Box::new(answer))).unwrap();
        let fields: Vec<String> = fields.iter().map(|field| field.to_string()).collect();
        let readings = vec![Reading { resources: vec!["pods".into()], fields }];
        check.view = Arc::new(View::new(readings).unwrap());
        chain.install(name, Settings::default(), Arc::new(check));
    };
    install("1", &["object.spec.a", "namespace"]);
    install("2", &["object.spec.b", "userInfo", "oldObject", "options"]);
    let mut pod = json!({"metadata": {"name": "web"}, "spec": {"a": 1, "c": 3}});
    run(&chain, &mut pod).unwrap();
    assert_eq!(pod["spec"], json!({"a": 1, "b": 2, "c": 3}));
    let always = json!({
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
    });
    let with = |more: Value| {
        let both = [&always, &more].map(|part| part.as_object().unwrap().clone());
        Value::Object(both.into_iter().flatten().collect())
    };
    let seen = seen.lock();
    assert_eq!(seen[0], with(json!({"namespace": "default", "object": {"spec": {"a": 1}}})));
    assert_eq!(seen[1]["object"], json!({"spec": {"b": 2}}));
    assert!(seen[1]["oldObject"].is_null() && seen[1]["userInfo"]["username"].is_string());
    assert!(seen[1].get("namespace").is_none() && seen[1].get("uid").is_none());
}

#[test]
fn the_failure_policy_decides_when_there_is_no_verdict() {
    let chain = Chain::new(Arc::new(Script::default()));
    chain.install("traps", Settings::default(), fake(false, Box::new(|_| Err(trapped()))));
    assert_eq!(run(&chain, &mut json!({})).unwrap_err().code, 500);
    let ignore = Settings { failure_policy: FailurePolicy::Ignore, ..Default::default() };
    chain.install("traps", ignore, fake(false, Box::new(|_| Err(trapped()))));
    run(&chain, &mut json!({})).unwrap();
    assert!(chain.remove("traps"));
    assert!(!chain.remove("traps"));
}

fn adds(path: &'static str) -> Arc<Fake> {
    fake(true, Box::new(move |_| admitted(&json!([{"op": "add", "path": path, "value": true}]).to_string())))
}

#[test]
fn a_canary_decides_about_what_it_selects() {
    let chain = Chain::new(Arc::new(Script::default()));
    chain.install("check", Settings::default(), adds("/old"));
    let canary = |selects: bool| Settings {
        role: Role::Canary(Arc::new(move |subject| {
            assert_eq!((subject.namespace, subject.key), ("default", "web"));
            selects
        })),
        ..Settings::default()
    };
    let decided = |chain: &Chain| {
        let mut object = json!({});
        run(chain, &mut object).unwrap();
        object
    };
    chain.install("check", canary(false), adds("/new"));
    assert_eq!(decided(&chain), json!({"old": true}));
    chain.install("check", canary(true), adds("/new"));
    assert_eq!(decided(&chain), json!({"new": true}));
    assert_eq!(chain.names(), ["check"]);
    chain.remove_trial("check");
    assert_eq!(decided(&chain), json!({"old": true}));
}

#[test]
fn a_shadow_changes_nothing_and_says_where_it_differs() {
    let chain = Chain::new(Arc::new(Script::default()));
    chain.install("check", Settings::default(), adds("/old"));
    let log = Arc::new(ShadowLog::default());
    let shadow = || Settings { role: Role::Shadow(log.clone()), ..Settings::default() };
    let mut object = json!({});
    chain.install("check", shadow(), adds("/old"));
    run(&chain, &mut object).unwrap();
    chain.install("check", shadow(), adds("/new"));
    run(&chain, &mut object).unwrap();
    chain.install("check", shadow(), fake(true, Box::new(|_| Err(trapped()))));
    run(&chain, &mut object).unwrap();
    assert_eq!(object, json!({"old": true}));
    let report = log.report();
    assert_eq!((report.compared, report.differing, report.failed), (2, 1, 1));
    let difference = &report.differences[0];
    assert_eq!(difference.subject, "Pod default/web");
    assert!(difference.live.contains("/old") && difference.shadow.contains("/new"), "{difference:?}");
}

fn namespace(name: &str, phase: &str) -> Arc<Value> {
    Arc::new(json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "resourceVersion": "9"}, "status": {"phase": phase}}))
}

#[test]
fn resident_state_is_current_and_sent_once() {
    let script = Script::default();
    let chain = Chain::new(Arc::new(script.clone()));
    let check = fake(false, Box::new(|_| admitted("")));
    chain.install("keeps", Settings::default(), check.clone());
    let (a, b) = (namespace("a", "Active"), namespace("b", "Active"));
    *script.0.lock() = vec![
        vec![Change::Reset, Change::Upsert(a.clone()), Change::Upsert(b.clone())],
        vec![Change::Upsert(a.clone()), Change::Upsert(namespace("b", "Terminating"))],
        vec![Change::Reset, Change::Upsert(a.clone())],
    ];
    run(&chain, &mut json!({})).unwrap();
    assert_eq!(check.synced.lock().drain(..).count(), 2);
    run(&chain, &mut json!({})).unwrap();
    let deltas: Vec<Delta> = check.synced.lock().drain(..).collect();
    assert!(matches!(&deltas[..], [Delta::Upsert(text)] if text.contains("Terminating")), "{deltas:?}");
    run(&chain, &mut json!({})).unwrap();
    let deltas: Vec<Delta> = check.synced.lock().drain(..).collect();
    assert!(matches!(&deltas[..], [Delta::Remove(text)] if text.contains("\"b\"")), "{deltas:?}");
    // A fresh instance has nothing: it is told all there is.
    check.instance.store(2, Ordering::SeqCst);
    run(&chain, &mut json!({})).unwrap();
    let deltas: Vec<Delta> = check.synced.lock().drain(..).collect();
    assert!(matches!(&deltas[..], [Delta::Upsert(text)] if text.contains("\"a\"")), "{deltas:?}");
}

/// Adds a label in its first round.
struct Labels;

#[async_trait::async_trait]
impl Stage for Labels {
    async fn mutate(
        &self,
        _: &Review<'_>,
        object: &mut Value,
        notes: &mut Notes,
        memory: &mut Memory,
    ) -> Result<(), Status> {
        notes.warnings.push(format!("second: {}", memory.is_second_round()));
        if !memory.is_second_round() {
            object["stage"] = true.into();
            memory.changed();
        }
        Ok(())
    }

    async fn validate(&self, _: &Review<'_>, object: &Value, _: &mut Notes) -> Result<(), Status> {
        assert_eq!(object["seen"], true, "components see what a stage changed");
        Ok(())
    }
}

#[test]
fn components_are_asked_again_after_a_stage_changed_the_object() {
    let chain = Chain::new(Arc::new(Script::default()));
    let sees = fake(
        true,
        Box::new(|request| {
            let request: Value = serde_json::from_str(request).unwrap();
            match request["object"]["stage"] == true {
                true => admitted(r#"[{"op":"add","path":"/seen","value":true}]"#),
                false => admitted(""),
            }
        }),
    );
    chain.install("sees", Settings::default(), sees);
    chain.add_stage(Arc::new(Labels));
    let mut object = json!({});
    run(&chain, &mut object).unwrap();
    assert_eq!(object, json!({"stage": true, "seen": true}));
}

#[test]
fn who_counts_a_namespace_is_asked_last_and_only_there() {
    let chain = Chain::new(Arc::new(Script::default()));
    let mut counts = fake(
        false,
        Box::new(|_| Ok(Err(Denial { code: 403, reason: "Forbidden".into(), message: "full".into() }))),
    );
    let every = Interest { api_version: "*".into(), kind: "*".into(), fields: vec!["spec".into()] };
    Arc::get_mut(&mut counts).unwrap().description.interests.push(every);
    chain.install("counts", Settings::default(), counts);
    run(&chain, &mut json!({})).unwrap();
    let (identity, kind) = (Identity::new("jane", &[]), pods());
    let review = review(&kind, &identity);
    assert_eq!(chain.governors(&review), [("v1".to_string(), "Namespace".to_string())]);
    assert_eq!(chain.account(&review, &json!({})).unwrap_err().message, r#"pods "web" is forbidden: full"#);
    let deletes = Review { operation: Operation::Delete, ..review };
    assert!(chain.governors(&deletes).is_empty() && chain.account(&deletes, &Value::Null).is_ok());
}
