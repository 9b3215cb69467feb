//! Policies of a fake cluster, asked about requests.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

use std::sync::Arc;

use orch_admission::{Chain, Change, Cluster, Feed, Notes, Options, Policies, Review, State};
use orch_client::Identity;
use orch_object::cel::{Decision, Question};
use orch_object::{Kind, Kinds, Status};
use orch_plugin::calls::admission::Operation;
use parking_lot::Mutex;
use serde_json::{Value, json};

/// Objects by kind, namespace and name.
#[derive(Default)]
struct World {
    objects: Mutex<Vec<(String, Arc<Value>)>>,
}

impl World {
    fn with(objects: Vec<Value>) -> Arc<World> {
        let kind = |object: &Value| object["kind"].as_str().unwrap().to_owned();
        let objects = objects.into_iter().map(|object| (kind(&object), Arc::new(object))).collect();
        Arc::new(World { objects: Mutex::new(objects) })
    }
}

fn text<'v>(object: &'v Value, field: &str) -> &'v str {
    object["metadata"][field].as_str().unwrap_or_default()
}

impl Cluster for World {
    fn kinds(&self) -> Arc<Kinds> {
        Arc::new(Kinds::builtin())
    }

    fn get(&self, kind: &Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.list(kind, namespace).into_iter().find(|object| text(object, "name") == name)
    }

    fn list(&self, kind: &Kind, namespace: &str) -> Vec<Arc<Value>> {
        let here = |object: &Value| namespace.is_empty() || text(object, "namespace") == namespace;
        let objects = self.objects.lock();
        objects
            .iter()
            .filter(|(of, object)| *of == kind.kind && here(object))
            .map(|(_, o)| o.clone())
            .collect()
    }

    fn authorize(&self, identity: &Identity, question: &Question<'_>) -> Decision {
        Decision { allowed: identity.name == "jane" && question.verb == "get", ..Decision::default() }
    }
}

/// Every object of a kind, once.
struct Once(Vec<Change>);

impl Feed for Once {
    fn drain(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.0)
    }
}

impl State for World {
    fn namespace(&self, _: &str) -> Option<Arc<Value>> {
        None
    }

    fn open(&self, _: &str, kind: &str) -> Box<dyn Feed> {
        let objects = self.objects.lock();
        let of_kind = objects.iter().filter(|(of, _)| of == kind);
        Box::new(Once(of_kind.map(|(_, object)| Change::Upsert(object.clone())).collect()))
    }

    fn open_governed(&self, _: &[(String, String)]) -> Box<dyn Feed> {
        Box::new(Once(Vec::new()))
    }
}

fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name, "env": "test" },
            "managedFields": [] } })
}

fn policy(kind: &str, spec: Value) -> Value {
    let mut policy = json!({ "kind": kind, "metadata": { "name": "p" }, "spec": spec });
    policy["spec"]["matchConstraints"] = json!({ "resourceRules": [
        { "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"] },
    ] });
    policy
}

fn validating(spec: Value) -> Value {
    policy("ValidatingAdmissionPolicy", spec)
}

fn binding(spec: Value) -> Value {
    let mut binding = json!({ "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": "b" },
        "spec": { "policyName": "p", "validationActions": ["Deny"] } });
    for (field, value) in spec.as_object().unwrap() {
        binding["spec"][field] = value.clone();
    }
    binding
}

fn deployment(replicas: i64) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "default", "labels": { "app": "web" } },
        "spec": { "replicas": replicas, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "web", "image": "i" }] } } } })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Asks about a deployment in the namespace `default`.
fn ask<T>(
    world: &Arc<World>,
    operation: Operation,
    old: Option<&Value>,
    ask: impl AsyncFnOnce(&Chain, &Review<'_>) -> T,
) -> T {
    let kinds = Kinds::builtin();
    let identity = Identity::new("jane", &["people"]);
    let review = Review {
        uid: "1",
        kind: kinds.by_kind("apps/v1", "Deployment").unwrap(),
        subresource: "",
        namespace: "default",
        name: "web",
        operation,
        identity: &identity,
        old,
        dry_run: false,
        options: Options::None,
    };
    let chain = Chain::new(world.clone());
    chain.add_stage(Arc::new(Policies::new(&**world, world.clone())));
    block_on(ask(&chain, &review))
}

fn validated(world: &Arc<World>, object: &Value) -> (Result<(), Status>, Notes) {
    let mut notes = Notes::default();
    let verdict = ask(world, Operation::Create, None, async |chain: &Chain, review: &Review<'_>| {
        chain.validate(review, object, &mut notes).await
    });
    (verdict, notes)
}

/// The world with a policy, a binding and what else there is.
fn world(policy: Value, bound: Value, more: Vec<Value>) -> Arc<World> {
    World::with([vec![policy, bound, namespace("default")], more].concat())
}

/// The message without what upstream always says first.
fn denial(world: &Arc<World>, object: &Value) -> String {
    let message = validated(world, object).0.unwrap_err().message;
    let prefix = "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: ";
    message.strip_prefix(prefix).unwrap_or(&message).to_owned()
}

#[test]
fn a_denial_reads_as_upstream_writes_it() {
    let world = world(
        validating(json!({ "validations": [{ "expression": "object.spec.replicas <= 5" }] })),
        binding(json!({})),
        vec![],
    );
    validated(&world, &deployment(5)).0.unwrap();
    let status = validated(&world, &deployment(6)).0.unwrap_err();
    let message = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: object.spec.replicas <= 5";
    assert_eq!(status.message, format!("deployments.apps \"web\" is forbidden: {message}"));
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(status.details.unwrap()["causes"], json!([{ "message": message }]));
}

#[test]
fn messages_and_reasons_are_the_validations() {
    let one = |validation: Value| {
        world(validating(json!({ "validations": [validation] })), binding(json!({})), vec![])
    };
    let given = one(json!({ "expression": "false", "message": " no ", "reason": "Forbidden" }));
    assert_eq!(denial(&given, &deployment(1)), "no");
    assert_eq!(validated(&given, &deployment(1)).0.unwrap_err().code, 403);
    let computed = one(
        json!({ "expression": "false", "message": "no", "messageExpression": "'not ' + string(object.spec.replicas)" }),
    );
    assert_eq!(denial(&computed, &deployment(7)), "not 7");
    let broken =
        one(json!({ "expression": "false", "message": "no", "messageExpression": "object.missing.x" }));
    assert_eq!(denial(&broken, &deployment(7)), "no");
}

#[test]
fn what_fails_to_evaluate_denies_unless_failures_are_ignored() {
    let spec = json!({ "validations": [{ "expression": "object.spec.nothing == 1" }] });
    let fails = world(validating(spec.clone()), binding(json!({})), vec![]);
    let why = "expression 'object.spec.nothing == 1' resulted in error: no such key: nothing";
    assert_eq!(denial(&fails, &deployment(1)), why);
    let mut ignores = spec;
    ignores["failurePolicy"] = "Ignore".into();
    let ignores = world(validating(ignores), binding(json!({})), vec![]);
    validated(&ignores, &deployment(1)).0.unwrap();
}

#[test]
fn actions_warn_and_audit() {
    let spec = json!({
        "validations": [{ "expression": "false", "message": "no" }],
        "auditAnnotations": [
            { "key": "replicas", "valueExpression": "'has ' + string(object.spec.replicas)" },
            { "key": "none", "valueExpression": "null" },
        ],
    });
    let world = world(validating(spec), binding(json!({ "validationActions": ["Warn", "Audit"] })), vec![]);
    let (verdict, remarks) = validated(&world, &deployment(2));
    verdict.unwrap();
    assert_eq!(
        remarks.warnings,
        ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no"]
    );
    assert_eq!(remarks.annotations["p/replicas"], "has 2");
    let failures = &remarks.annotations["validation.policy.admission.k8s.io/validation_failure"];
    let failures: Value = serde_json::from_str(failures).unwrap();
    assert_eq!(failures[0]["message"], "no");
    assert_eq!(remarks.annotations.len(), 2);
}

#[test]
fn everything_a_policy_may_ask_for_is_there() {
    let expressions = [
        "request.operation == 'CREATE' && request.userInfo.username == 'jane' && 'people' in request.userInfo.groups",
        "request.kind.kind == 'Deployment' && request.resource.resource == 'deployments' && request.namespace == 'default'",
        "namespaceObject.metadata.labels['env'] == 'test' && oldObject == null",
        "authorizer.group('apps').resource('deployments').check('get').allowed()",
        "!authorizer.serviceAccount('a', 'b').group('').resource('pods').check('get').allowed()",
        "authorizer.requestResource.check('get').allowed() && !authorizer.requestResource.check('delete').allowed()",
        "variables.double == object.spec.replicas * 2",
        "true || variables.broken == 1",
    ];
    let validations: Vec<Value> =
        expressions.iter().map(|expression| json!({ "expression": expression })).collect();
    let spec = json!({
        "variables": [
            { "name": "replicas", "expression": "object.spec.replicas" },
            { "name": "double", "expression": "variables.replicas * 2" },
            { "name": "broken", "expression": "object.nothing" },
        ],
        "validations": validations,
    });
    validated(&world(validating(spec.clone()), binding(json!({})), vec![]), &deployment(2)).0.unwrap();
    let mut broken = spec;
    broken["validations"] = json!([{ "expression": "variables.broken == 1" }]);
    let why = denial(&world(validating(broken), binding(json!({})), vec![]), &deployment(1));
    assert!(why.ends_with("composited variable \"broken\" fails to evaluate: no such key: nothing"), "{why}");
}

fn limit(name: &str, namespace: &str, most: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": namespace, "labels": { "limits": "yes" } }, "data": { "most": most } })
}

#[test]
fn params_come_by_name_and_by_label() {
    let spec = json!({
        "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" },
        "validations": [{ "expression": "params == null || object.spec.replicas <= int(params.data.most)" }],
    });
    let with = |reference: Value, objects: Vec<Value>| {
        world(validating(spec.clone()), binding(json!({ "paramRef": reference })), objects)
    };
    let objects = || vec![limit("a", "default", "3"), limit("b", "default", "5"), limit("c", "other", "1")];
    let named = with(json!({ "name": "a", "parameterNotFoundAction": "Deny" }), objects());
    validated(&named, &deployment(3)).0.unwrap();
    assert!(validated(&named, &deployment(4)).0.is_err());
    let elsewhere =
        with(json!({ "name": "c", "namespace": "other", "parameterNotFoundAction": "Deny" }), objects());
    assert!(validated(&elsewhere, &deployment(2)).0.is_err());
    // Each of those selected must be satisfied.
    let selected = with(
        json!({ "selector": { "matchLabels": { "limits": "yes" } }, "parameterNotFoundAction": "Deny" }),
        objects(),
    );
    assert!(validated(&selected, &deployment(4)).0.is_err());
    validated(&selected, &deployment(3)).0.unwrap();
    let missing = with(json!({ "name": "x", "parameterNotFoundAction": "Deny" }), objects());
    assert_eq!(
        denial(&missing, &deployment(1)),
        "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
    );
    let allowed = with(json!({ "name": "x", "parameterNotFoundAction": "Allow" }), objects());
    validated(&allowed, &deployment(99)).0.unwrap();
    validated(&world(validating(spec.clone()), binding(json!({})), vec![]), &deployment(99)).0.unwrap();
}

#[test]
fn conditions_and_selectors_choose_the_requests() {
    let spec = json!({ "matchConditions": [{ "name": "c", "expression": "object.spec.replicas > 1" }],
        "validations": [{ "expression": "false" }] });
    let conditional = world(validating(spec), binding(json!({})), vec![]);
    validated(&conditional, &deployment(1)).0.unwrap();
    assert!(validated(&conditional, &deployment(2)).0.is_err());
    let always = json!({ "validations": [{ "expression": "false" }] });
    let selecting = |selector: Value| {
        world(validating(always.clone()), binding(json!({ "matchResources": selector })), vec![])
    };
    let other = json!({ "namespaceSelector": { "matchLabels": { "env": "prod" } } });
    validated(&selecting(other), &deployment(1)).0.unwrap();
    let this = json!({ "namespaceSelector": { "matchLabels": { "env": "test" } } });
    assert!(validated(&selecting(this), &deployment(1)).0.is_err());
    let unbound = World::with(vec![validating(always.clone()), namespace("default")]);
    validated(&unbound, &deployment(1)).0.unwrap();
}

#[test]
fn a_delete_has_only_what_was() {
    let spec = json!({ "validations": [{ "expression": "object == null && oldObject.spec.replicas == 0", "message": "scale down first" }] });
    let world = world(validating(spec), binding(json!({})), vec![]);
    let delete = |replicas: i64| {
        let old = deployment(replicas);
        ask(&world, Operation::Delete, Some(&old), async |chain: &Chain, review: &Review<'_>| {
            chain.validate(review, &Value::Null, &mut Notes::default()).await
        })
    };
    delete(0).unwrap();
    assert!(delete(1).unwrap_err().message.ends_with("denied request: scale down first"));
}

fn mutating(name: &str, mutations: Value, more: Value) -> Vec<Value> {
    let mut made =
        policy("MutatingAdmissionPolicy", json!({ "mutations": mutations, "reinvocationPolicy": "Never" }));
    for (field, value) in more.as_object().unwrap() {
        made["spec"][field] = value.clone();
    }
    made["metadata"]["name"] = name.into();
    let bound = json!({ "kind": "MutatingAdmissionPolicyBinding", "metadata": { "name": format!("{name}-b") }, "spec": { "policyName": name } });
    vec![made, bound, namespace("default")]
}

fn configured(text: &str) -> Value {
    json!([{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": text } }])
}

fn patched(text: &str) -> Value {
    json!([{ "patchType": "JSONPatch", "jsonPatch": { "expression": text } }])
}

fn mutated(objects: Vec<Value>) -> Result<Value, Status> {
    let world = World::with(objects);
    let mut object = deployment(1);
    ask(&world, Operation::Create, None, async |chain: &Chain, review: &Review<'_>| {
        chain.mutate(review, &mut object, &mut Notes::default()).await
    })?;
    Ok(object)
}

#[test]
fn configurations_are_merged_and_patches_applied() {
    let sidecar = "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{\
                   containers: [Object.spec.template.spec.containers{name: 'sidecar', image: 's'}]}}}}";
    let object = mutated(mutating("m", configured(sidecar), json!({}))).unwrap();
    let names: Vec<&str> = object["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|container| container["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["web", "sidecar"]);
    // What a patch adds has its defaults.
    assert_eq!(
        object["spec"]["template"]["spec"]["containers"][1]["terminationMessagePath"],
        "/dev/termination-log"
    );
    let label =
        "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a.io/b'), value: 'x'}]";
    let object = mutated(mutating("m", patched(label), json!({}))).unwrap();
    assert_eq!(object["metadata"]["labels"]["a.io/b"], "x");
    let guarded = "[JSONPatch{op: 'test', path: '/spec/replicas', value: 9}, JSONPatch{op: 'remove', path: '/spec/replicas'}]";
    assert_eq!(mutated(mutating("m", patched(guarded), json!({}))).unwrap()["spec"]["replicas"], 1);
    let typed =
        "[JSONPatch{op: 'add', path: '/spec/strategy', value: Object.spec.strategy{type: 'Recreate'}}]";
    assert_eq!(
        mutated(mutating("m", patched(typed), json!({}))).unwrap()["spec"]["strategy"]["type"],
        "Recreate"
    );
}

#[test]
fn a_mutation_that_cannot_be_says_why() {
    let cases = [
        (
            configured("Object{spec: Object.wrong{replicas: 2}}"),
            "type mismatch: unexpected type name \"Object.wrong\", expected \"Object.spec\"",
        ),
        (configured("Object{spec: Object.spec{nothing: 2}}"), "field not declared in schema"),
        (
            configured(
                "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: [Object.spec.template.spec.containers{name: 'web', args: ['a']}]}}}}",
            ),
            "may not mutate atomic arrays, maps or structs: .spec.template.spec.containers[0].args",
        ),
        (patched("[JSONPatch{op: 'remove', path: '/spec/nothing'}]"), "JSON Patch: "),
        (
            patched("[JSONPatch{op: 'add', path: '/spec/nothing', value: 1}]"),
            "unknown field \"spec.nothing\"",
        ),
        (configured("object.spec.nothing ? Object{} : Object{}"), "resulted in error: no such key: nothing"),
    ];
    for (mutations, why) in cases {
        let status = mutated(mutating("m", mutations.clone(), json!({}))).unwrap_err();
        let prefix = "policy 'm' with binding 'm-b' denied request: ";
        assert!(status.message.starts_with(prefix) && status.message.contains(why), "{}", status.message);
        assert_eq!((status.code, status.reason.as_str()), (403, "Invalid"));
        let ignored = mutated(mutating("m", mutations, json!({ "failurePolicy": "Ignore" }))).unwrap();
        assert_eq!(ignored, deployment(1));
    }
}

#[test]
fn who_asks_for_it_is_asked_again_after_later_changes() {
    let count = "[JSONPatch{op: 'add', path: '/metadata/labels/count', value: string(int(object.metadata.labels[?'count'].orValue('0')) + 1)}]";
    let labels = "[JSONPatch{op: 'add', path: '/metadata/labels/late', value: 'x'}]";
    for (reinvocation, expected) in [("Never", "1"), ("IfNeeded", "2")] {
        let first = mutating("a", patched(count), json!({ "reinvocationPolicy": reinvocation }));
        let object = mutated([first, mutating("b", patched(labels), json!({}))].concat()).unwrap();
        assert_eq!(object["metadata"]["labels"]["count"], expected, "{reinvocation}");
    }
}

#[test]
fn policies_are_not_asked_about_policies() {
    let kinds = Kinds::builtin();
    let kind = kinds.by_kind("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy").unwrap();
    let everything = json!({ "resourceRules": [
        { "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"] },
    ] });
    let mut no = validating(json!({ "validations": [{ "expression": "false" }] }));
    no["spec"]["matchConstraints"] = everything;
    let world = world(no, binding(json!({})), vec![]);
    let identity = Identity::new("jane", &[]);
    let review = Review {
        uid: "1",
        kind,
        subresource: "",
        namespace: "",
        name: "p",
        operation: Operation::Create,
        identity: &identity,
        old: None,
        dry_run: false,
        options: Options::None,
    };
    let chain = Chain::new(world.clone());
    chain.add_stage(Arc::new(Policies::new(&*world, world.clone())));
    let (object, mut notes) = (json!({ "metadata": { "name": "p" } }), Notes::default());
    block_on(chain.validate(&review, &object, &mut notes)).unwrap();
}

#[test]
fn who_writes_a_policy_may_read_its_params() {
    let kinds = Kinds::builtin();
    let config_map = json!({ "apiVersion": "v1", "kind": "ConfigMap" });
    let policy = validating(json!({ "paramKind": config_map }));
    let bound = binding(json!({ "paramRef": { "selector": {} } }));
    let world = world(policy.clone(), bound.clone(), vec![]);
    let chain = Chain::new(world.clone());
    chain.add_stage(Arc::new(Policies::new(&*world, world.clone())));
    let write = |who: &Identity, object: &Value, old: Option<&Value>| {
        let kind = object["kind"].as_str().unwrap();
        let review = Review {
            uid: "1",
            kind: kinds.by_kind("admissionregistration.k8s.io/v1", kind).unwrap(),
            subresource: "",
            namespace: "",
            name: "p",
            operation: Operation::Create,
            identity: who,
            old,
            dry_run: false,
            options: Options::None,
        };
        block_on(chain.validate(&review, object, &mut Notes::default())).map_err(|status| status.message)
    };
    // The world lets jane get, and nobody list.
    write(&Identity::new("jane", &[]), &policy, None).unwrap();
    let joe = write(&Identity::new("joe", &["people"]), &policy, None).unwrap_err();
    let why = "user &{joe  [people] map[]} must have \"get\" permission on all objects of the referenced paramKind (kind=ConfigMap, apiVersion=v1)";
    assert!(joe.ends_with(&format!("spec.paramKind: Forbidden: {why}")), "{joe}");
    write(&Identity::new("joe", &[]), &policy, Some(&policy)).unwrap();
    write(&Identity::new("root", &["system:masters"]), &policy, None).unwrap();
    let listing = write(&Identity::new("jane", &[]), &bound, None).unwrap_err();
    assert!(
        listing.contains("does not have \"list\" permission on the object referenced by paramRef"),
        "{listing}"
    );
}
