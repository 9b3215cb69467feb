//! The life of an object of any kind, with everything a client can do well and badly on the way.

use serde_json::{Value, json};

use crate::kinds::{FIRST, KindUnderTest};
use crate::script::{Edit, Script, Step, Until};
use crate::spoil;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
/// The words for the second object and the third of a whole life.
const SECOND: &str = "y";
const THIRD: &str = "z";
const APPLY: &str = "application/apply-patch+yaml";

/// What every namespace needs before pods may be made in it: no controllers run.
pub fn namespace(name: &str) -> Vec<Step> {
    let account = json!({ "metadata": { "name": "default" } });
    vec![
        Step::new("its namespace", "POST", "/api/v1/namespaces")
            .json(json!({ "metadata": { "name": name } }))
            .quiet(),
        Step::new("its service account", "POST", format!("/api/v1/namespaces/{name}/serviceaccounts"))
            .json(account)
            .quiet(),
    ]
}

/// The scripts about one kind.
pub fn scripts(kind: &KindUnderTest) -> Vec<Script> {
    let mut scripts = vec![life(&kind.in_scene("life")), bad_creates(&kind.in_scene("bad"))];
    for index in 0..kind.objects.len() {
        scripts.push(spoilt_creates(&kind.in_scene(&format!("creates-{index}")), index));
        scripts.push(spoilt_updates(&kind.in_scene(&format!("updates-{index}")), index));
    }
    scripts
}

fn script(kind: &KindUnderTest, about: &str, steps: Vec<Step>) -> Script {
    Script { name: format!("{} {about}", kind.title()), first: false, steps }
}

/// Waits for what the API server itself writes into a new object, and for the next second: later writes have
/// later times then, by which managers are sorted.
fn settled(kind: &KindUnderTest, word: &str) -> Vec<Step> {
    let one = format!("{}/{}", kind.collection(), kind.called(word));
    let Some(until) = kind.settles.clone() else { return Vec::new() };
    let nothing = "/api/v1/namespaces/default/configmaps?watch=true&timeoutSeconds=2&labelSelector=never";
    vec![Step::get("wait", one).quiet().until(until), Step::get("wait for the next second", nothing).quiet()]
}

/// Waits for the end of what the API server holds.
fn gone(kind: &KindUnderTest, word: &str) -> Option<Step> {
    let one = format!("{}/{}", kind.collection(), kind.called(word));
    kind.lingers.then(|| Step::get("wait for the end", one).quiet().until(Until::Gone))
}

fn life(kind: &KindUnderTest) -> Script {
    let name = kind.name();
    let one = format!("{}/{name}", kind.collection());
    let mut steps = preparation(kind);
    steps.extend(birth(kind, &one));
    steps.extend(reads(kind, &one));
    steps.extend(lists(kind));
    steps.extend(updates(kind, &one));
    steps.extend(patches(kind, &one));
    steps.extend(applies(kind, &one));
    steps.extend(status(kind, &one));
    steps.push(watch(kind));
    steps.extend(deaths(kind, &one));
    script(kind, "life", steps)
}

fn birth(kind: &KindUnderTest, one: &str) -> Vec<Step> {
    let (collection, good) = (kind.collection(), kind.object(0, FIRST));
    let mut steps = vec![
        Step::get("get what is not there", one),
        Step::get("get what is not there as a table", one).accept(TABLE),
        Step::new("delete what is not there", "DELETE", one),
        Step::new("update what is not there", "PUT", one).json(good.clone()).path_query("dryRun=All"),
        Step::new("patch what is not there", "PATCH", one).text(MERGE_PATCH, "{}"),
        Step::new("create, dry", "POST", format!("{collection}?dryRun=All")).json(good.clone()),
        Step::new("create", "POST", &collection).json(good.clone()),
    ];
    steps.extend(settled(kind, FIRST));
    steps.extend([
        Step::new("create again", "POST", &collection).json(good.clone()),
        Step::new("create again, dry", "POST", format!("{collection}?dryRun=All")).json(good.clone()),
        Step::new("create at its own URL", "POST", one).json(good),
    ]);
    steps
}

fn reads(_: &KindUnderTest, one: &str) -> Vec<Step> {
    vec![
        Step::get("get", one),
        Step::get("get as a table", one).accept(TABLE),
        Step::get("get as a table with objects", format!("{one}?includeObject=Object")).accept(TABLE),
        Step::get("get as a table with nothing", format!("{one}?includeObject=None")).accept(TABLE),
        Step::get("get as a table with what is unknown", format!("{one}?includeObject=Some")).accept(TABLE),
        Step::get("get as metadata", one).accept(METADATA),
        Step::get("get as YAML", one).accept("application/yaml"),
        Step::get("get, pretty", format!("{one}?pretty=true")),
        Step::get("get as what is unknown", one).accept("application/xml"),
        Step::get("get at version 0", format!("{one}?resourceVersion=0")),
        Step::get("get at the version it has", format!("{one}?resourceVersion=$resourceVersion")),
        Step::get("get at a version of no number", format!("{one}?resourceVersion=abc")),
        Step::get("get a sub-resource that is not there", format!("{one}/nothing")),
        Step::get("get its status", format!("{one}/status")),
        Step::get("get its scale", format!("{one}/scale")),
        Step::new("head", "HEAD", one),
        Step::new("a method that is unknown", "TRACE", one),
    ]
}

fn lists(kind: &KindUnderTest) -> Vec<Step> {
    let all = kind.collection();
    let second = kind.object(0, SECOND);
    let list = |what: &str, query: &str| Step::get(format!("list {what}"), format!("{all}?{query}"));
    let mine = kind.selector();
    let mut steps = vec![Step::new("create a second", "POST", &all).json(second)];
    steps.extend(settled(kind, SECOND));
    steps.extend([
        list("by label", &mine),
        list("as a table", &mine).accept(TABLE),
        list("as a table with objects", &format!("{mine}&includeObject=Object")).accept(TABLE),
        list("as metadata", &mine).accept(METADATA_LIST),
        list("as metadata of one", &mine).accept(METADATA),
        list("as YAML", &mine).accept("application/yaml"),
        list("one and more", &format!("limit=1&{mine}")),
        list("what remains", &format!("limit=1&continue=$continue&{mine}")),
        list("one and more as a table", &format!("limit=1&{mine}")).accept(TABLE),
        list("with a forged token", &format!("limit=1&continue=Zm9yZ2Vk&{mine}")),
        list("with a token and a version", &format!("limit=1&continue=$continue&resourceVersion=1&{mine}")),
        list("with a limit of no number", "limit=x"),
        list("with a negative limit", &format!("limit=-1&{mine}")),
        list("by a bad label", "labelSelector=a%3D%3D%3Db!"),
        list("by labels that do not exist", "labelSelector=a+in+(b,c),!d,e!%3Df"),
        list("by its name", &format!("fieldSelector=metadata.name%3D{}&{mine}", kind.name())),
        list("by another name", &format!("fieldSelector=metadata.name!%3D{}&{mine}", kind.name())),
        list("by a field that cannot be selected", "fieldSelector=spec.nothing%3Dx"),
        list("by a bad field selector", "fieldSelector=metadata.name"),
        list("at version 0", &format!("resourceVersion=0&{mine}")),
        list(
            "of a past version, exact",
            &format!("resourceVersion=$first&resourceVersionMatch=Exact&{mine}"),
        ),
        list("not older than", &format!("resourceVersion=$first&resourceVersionMatch=NotOlderThan&{mine}")),
        list("with a match and no version", "resourceVersionMatch=Exact"),
        list("with a match that is unknown", "resourceVersion=1&resourceVersionMatch=Other"),
        list("exactly version 0", "resourceVersion=0&resourceVersionMatch=Exact"),
        list("of no number", "resourceVersion=abc"),
        list("with initial events", "sendInitialEvents=true"),
        list("with includeObject unknown", "includeObject=Some").accept(TABLE),
    ]);
    if !kind.cluster {
        let everywhere = format!("{}/{}?{mine}", kind.root(), kind.resource);
        let alone = format!("fieldSelector=metadata.namespace%3D{}", kind.namespace());
        steps.push(Step::get("list everywhere", format!("{everywhere}&{alone}")));
        let wrong = format!("{}/namespaces/nowhere/{}", kind.root(), kind.resource);
        steps.push(Step::get("list in a namespace that is not there", &wrong));
        steps.push(
            Step::new("create in a namespace that is not there", "POST", wrong).json(kind.object(0, "x")),
        );
        let bare = format!("{}/{}", kind.root(), kind.resource);
        steps.push(Step::new("create in no namespace", "POST", &bare).json(kind.object(0, "x")));
        steps.push(Step::get("get in no namespace", format!("{bare}/x")));
    }
    steps
}

fn updates(kind: &KindUnderTest, one: &str) -> Vec<Step> {
    let put = |what: &str, edits: Vec<Edit>| Step::new(format!("update {what}"), "PUT", one).last(edits);
    let set = |at: &str, value: Value| vec![Edit::set(at, value)];
    let mut steps = vec![
        Step::get("get before updates", one),
        put("to the same", vec![]),
        put("a label, dry", set("/metadata/labels/a", json!("b"))).path_query("dryRun=All"),
        put("a label", set("/metadata/labels/a", json!("b"))),
        put("with a stale version", set("/metadata/resourceVersion", json!("$first"))),
        put("with no version", vec![Edit::remove("/metadata/resourceVersion")]),
        put("with a version of no number", set("/metadata/resourceVersion", json!("abc"))),
        put("with another uid", set("/metadata/uid", json!("11111111-2222-3333-4444-555555555555"))),
        put("with another name", set("/metadata/name", json!("other"))),
        put("with no name", vec![Edit::remove("/metadata/name")]),
        put("with another namespace", set("/metadata/namespace", json!("other"))),
        put("with another kind", set("/kind", json!("Other"))),
        put("with another version", set("/apiVersion", json!("example.com/v9"))),
        put("with an unknown field, strict", set("/nothing", json!(1))).path_query("fieldValidation=Strict"),
        put("with a bad label", set("/metadata/labels", json!({ "a b": "c d" }))),
        put("with a bad annotation", set("/metadata/annotations", json!({ "a b": "c d" }))),
        put("with a creation time", set("/metadata/creationTimestamp", json!("2001-01-01T00:00:00Z"))),
        put("with a generation", set("/metadata/generation", json!(77))),
        put("with a bad finalizer", set("/metadata/finalizers", json!(["Not Valid!"]))),
        put(
            "with an owner",
            set(
                "/metadata/ownerReferences",
                json!([
                    { "apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u" }
                ]),
            ),
        ),
        put("with a bad owner", set("/metadata/ownerReferences", json!([{ "name": "o" }]))),
        put(
            "with two controllers",
            set(
                "/metadata/ownerReferences",
                json!([
                    { "apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u", "controller": true },
                    { "apiVersion": "v1", "kind": "ConfigMap", "name": "p", "uid": "v", "controller": true }
                ]),
            ),
        ),
        put("with a spare query", set("/metadata/labels/a", json!("c"))).path_query("dryRun=Some"),
        put("with a validation that is unknown", vec![]).path_query("fieldValidation=Some"),
        Step::new("update with nothing", "PUT", one).content("application/json"),
        Step::new("update the collection", "PUT", kind.collection()).json(json!({})),
    ];
    steps.push(Step::get("get after updates", one));
    steps
}

fn patches(kind: &KindUnderTest, one: &str) -> Vec<Step> {
    let patch = |what: &str, media: &str, body: Value| {
        Step::new(format!("patch: {what}"), "PATCH", one).text(media, body.to_string())
    };
    vec![
        patch(
            "json, a label",
            JSON_PATCH,
            json!([{ "op": "add", "path": "/metadata/labels/j", "value": "1" }]),
        ),
        patch(
            "json, test holds",
            JSON_PATCH,
            json!([{ "op": "test", "path": "/metadata/labels/j", "value": "1" }]),
        ),
        patch(
            "json, test fails",
            JSON_PATCH,
            json!([{ "op": "test", "path": "/metadata/labels/j", "value": "2" }]),
        ),
        patch("json, no such path", JSON_PATCH, json!([{ "op": "remove", "path": "/metadata/labels/none" }])),
        patch(
            "json, replace no such path",
            JSON_PATCH,
            json!([{ "op": "replace", "path": "/a/b", "value": 1 }]),
        ),
        patch("json, no such op", JSON_PATCH, json!([{ "op": "fly", "path": "/metadata" }])),
        patch("json, not a list", JSON_PATCH, json!({ "op": "remove" })),
        patch(
            "json, unknown field, strict",
            JSON_PATCH,
            json!([{ "op": "add", "path": "/nothing", "value": 1 }]),
        )
        .path_query("fieldValidation=Strict"),
        patch("merge, a label", MERGE_PATCH, json!({ "metadata": { "labels": { "m": "1", "j": null } } })),
        patch("merge, dry", MERGE_PATCH, json!({ "metadata": { "labels": { "m": "9" } } }))
            .path_query("dryRun=All"),
        patch("merge, no change", MERGE_PATCH, json!({})),
        patch("merge, bad label", MERGE_PATCH, json!({ "metadata": { "labels": { "m": "a b" } } })),
        patch("merge, a label of no string", MERGE_PATCH, json!({ "metadata": { "labels": { "m": 1 } } })),
        patch("merge, unknown field", MERGE_PATCH, json!({ "nothing": 1 })),
        patch("merge, unknown field, strict", MERGE_PATCH, json!({ "nothing": 1 }))
            .path_query("fieldValidation=Strict"),
        patch(
            "merge, stale",
            MERGE_PATCH,
            json!({ "metadata": { "resourceVersion": "$first", "labels": { "z": "z" } } }),
        ),
        patch("merge, another name", MERGE_PATCH, json!({ "metadata": { "name": "other" } })),
        patch("merge, another namespace", MERGE_PATCH, json!({ "metadata": { "namespace": "other" } })),
        patch("merge, another kind", MERGE_PATCH, json!({ "kind": "Other" })),
        patch("merge, another uid", MERGE_PATCH, json!({ "metadata": { "uid": "u" } })),
        patch("merge, a list", MERGE_PATCH, json!([])),
        patch("merge, a word", MERGE_PATCH, json!("word")),
        patch("strategic, a label", STRATEGIC, json!({ "metadata": { "labels": { "s": "1" } } })),
        patch("strategic, finalizers", STRATEGIC, json!({ "metadata": { "finalizers": ["example.com/a"] } })),
        patch(
            "strategic, more finalizers",
            STRATEGIC,
            json!({ "metadata": { "finalizers": ["example.com/b"] } }),
        ),
        patch(
            "strategic, fewer finalizers",
            STRATEGIC,
            json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["example.com/a", "example.com/b"] } }),
        ),
        patch("strategic, unknown field, strict", STRATEGIC, json!({ "nothing": 1 }))
            .path_query("fieldValidation=Strict"),
        patch(
            "strategic, bad directive",
            STRATEGIC,
            json!({ "metadata": { "labels": { "$patch": "fly" } } }),
        ),
        patch(
            "strategic, replaced labels",
            STRATEGIC,
            json!({ "metadata": { "annotations": { "$patch": "replace", "r": "1" } } }),
        ),
        patch("strategic, a list", STRATEGIC, json!([])),
        patch("of an unknown type", "application/json", json!({})),
        patch("of another unknown type", "text/plain", json!({})),
        Step::new("patch: not JSON", "PATCH", one).text(MERGE_PATCH, "{"),
        Step::new("patch: the collection", "PATCH", kind.collection()).text(MERGE_PATCH, "{}"),
        patch("merge with force", MERGE_PATCH, json!({})).path_query("force=true"),
        Step::get("get after patches", one),
    ]
}

fn applies(kind: &KindUnderTest, one: &str) -> Vec<Step> {
    let named = |labels: Value| json!({ "apiVersion": kind.api, "kind": kind.kind, "metadata": { "name": kind.name(), "labels": labels } });
    let apply = |what: &str, query: &str, body: Value| {
        Step::new(format!("apply: {what}"), "PATCH", format!("{one}?{query}")).text(APPLY, body.to_string())
    };
    let fresh = format!("{}/{}", kind.collection(), kind.called(THIRD));
    let full = kind.object(0, THIRD);
    let mut steps = vec![
        apply("a label", "fieldManager=a", named(json!({ "p": "1" }))),
        apply("the same again", "fieldManager=a", named(json!({ "p": "1" }))),
        apply("another's label", "fieldManager=b", named(json!({ "p": "2", "q": "1" }))),
        apply("another's label by force", "fieldManager=b&force=true", named(json!({ "p": "2", "q": "1" }))),
        apply("given up", "fieldManager=b", named(json!({ "p": "2" }))),
        apply("against an update's", "fieldManager=c", named(json!({ "m": "7", "s": "7" }))),
        apply("no manager", "", named(json!({}))),
        apply("a long manager", &format!("fieldManager={}", "m".repeat(129)), named(json!({}))),
        apply("dry", "fieldManager=a&dryRun=All", named(json!({ "p": "3" }))),
        apply(
            "another name",
            "fieldManager=a",
            json!({ "apiVersion": kind.api, "kind": kind.kind, "metadata": { "name": "other" } }),
        ),
        apply(
            "no kind",
            "fieldManager=a",
            json!({ "apiVersion": kind.api, "metadata": { "name": kind.name() } }),
        ),
        apply(
            "no version",
            "fieldManager=a",
            json!({ "kind": kind.kind, "metadata": { "name": kind.name() } }),
        ),
        apply(
            "another version",
            "fieldManager=a",
            json!({ "apiVersion": "example.com/v9", "kind": kind.kind, "metadata": { "name": kind.name() } }),
        ),
        apply(
            "an unknown field",
            "fieldManager=a",
            json!({ "apiVersion": kind.api, "kind": kind.kind, "metadata": { "name": kind.name() }, "nothing": 1 }),
        ),
        apply(
            "managed fields",
            "fieldManager=a",
            json!({ "apiVersion": kind.api, "kind": kind.kind, "metadata": { "name": kind.name(), "managedFields": [{}] } }),
        ),
        apply(
            "a stale version",
            "fieldManager=a",
            json!({ "apiVersion": kind.api, "kind": kind.kind, "metadata": { "name": kind.name(), "resourceVersion": "$first" } }),
        ),
        apply(
            "with a uid of none",
            "fieldManager=a",
            json!({ "apiVersion": kind.api, "kind": kind.kind, "metadata": { "name": "nobody", "uid": "u" } }),
        ),
        Step::new("apply: not YAML", "PATCH", format!("{one}?fieldManager=a")).text(APPLY, "a: b: c"),
        Step::new(
            "apply: twice the same key",
            "PATCH",
            format!("{one}?fieldManager=a&fieldValidation=Strict"),
        )
        .text(
            APPLY,
            format!(
                "apiVersion: {}\nkind: {}\nmetadata: {{name: {}}}\nmetadata: {{}}\n",
                kind.api,
                kind.kind,
                kind.name()
            ),
        ),
        Step::new("apply: a new one", "PATCH", format!("{fresh}?fieldManager=a"))
            .text(APPLY, full.to_string()),
    ];
    steps.extend(settled(kind, THIRD));
    steps.extend([
        Step::new("apply: the new one again", "PATCH", format!("{fresh}?fieldManager=a"))
            .text(APPLY, full.to_string()),
        Step::new("apply: the new one by another", "PATCH", format!("{fresh}?fieldManager=b"))
            .text(APPLY, full.to_string()),
        // Orch may have written what it thinks of the object.
        Step::get("get again", &fresh).quiet(),
        Step::new("update: no managed fields", "PUT", &fresh)
            .last(vec![Edit::set("/metadata/managedFields", json!([{}]))]),
        Step::get("get after applies", one),
    ]);
    steps
}

fn status(kind: &KindUnderTest, one: &str) -> Vec<Step> {
    let at = format!("{one}/status");
    let fields = if kind.status.is_null() { json!({}) } else { kind.status.clone() };
    let body = json!({ "metadata": { "labels": { "of-status": "1" } }, "status": fields });
    let steps = [
        Step::new("status: patch", "PATCH", &at).text(MERGE_PATCH, body.to_string()),
        Step::get("status: get", &at),
        Step::new("status: update", "PUT", &at).last(vec![Edit::set("/status", fields.clone())]),
        Step::new("status: update, spec counts for nothing", "PUT", &at).last(vec![Edit::remove("/spec"), Edit::set("/status", fields.clone())]),
        Step::new("status: strategic patch", "PATCH", &at).text(STRATEGIC, json!({ "status": fields }).to_string()),
        Step::new("status: apply", "PATCH", format!("{at}?fieldManager=s&force=true")).text(
            APPLY,
            json!({ "apiVersion": kind.api, "kind": kind.kind, "metadata": { "name": kind.name() }, "status": fields }).to_string(),
        ),
        Step::new("status: bad patch", "PATCH", &at).text(MERGE_PATCH, json!({ "status": "word" }).to_string()),
        Step::new("status: create", "POST", &at).json(json!({})),
        Step::new("status: delete", "DELETE", &at),
        Step::new("update with a status", "PUT", one).last(vec![Edit::set("/status", json!({}))]),
        Step::get("status: get after all", one),
        Step::get("status: get as a table after all", one).accept(TABLE),
    ];
    // What a controller of the API server writes here, it writes again.
    let wait = |step: &Step| match step.name.starts_with("status: update") {
        true => settled(kind, FIRST),
        false => Vec::new(),
    };
    let followed = |step: Step| {
        let wait = wait(&step);
        std::iter::once(step).chain(wait)
    };
    steps.into_iter().flat_map(followed).collect()
}

fn watch(kind: &KindUnderTest) -> Step {
    let query = format!("watch=true&timeoutSeconds=1&resourceVersion=$first&{}", kind.selector());
    Step::get("watch from the first", format!("{}?{query}", kind.collection()))
}

fn deaths(kind: &KindUnderTest, one: &str) -> Vec<Step> {
    let all = kind.collection();
    let delete =
        |what: &str, options: Value| Step::new(format!("delete: {what}"), "DELETE", one).json(options);
    let mine = kind.selector();
    let mut steps = vec![
        delete("with another uid", json!({ "preconditions": { "uid": "u" } })),
        delete("with a stale version", json!({ "preconditions": { "resourceVersion": "1" } })),
        delete("with a bad policy", json!({ "propagationPolicy": "Fly" })),
        delete("with both policies", json!({ "propagationPolicy": "Orphan", "orphanDependents": true })),
        delete("with a negative grace", json!({ "gracePeriodSeconds": -1, "dryRun": ["All"] })),
        delete("dry by its options", json!({ "dryRun": ["All"] })),
        delete("with an unknown dry run", json!({ "dryRun": ["Some"] })),
        delete("of another kind", json!({ "apiVersion": "v1", "kind": "ConfigMap" })),
        delete(
            "of a proper kind, dry",
            json!({ "apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"] }),
        ),
        Step::new("delete: not JSON", "DELETE", one).text("application/json", "{"),
        Step::new("delete: by query, dry", "DELETE", one)
            .path_query("dryRun=All&propagationPolicy=Foreground&gracePeriodSeconds=0"),
        Step::new("delete: foreground", "DELETE", one).json(json!({ "propagationPolicy": "Foreground" })),
    ];
    steps.extend(gone(kind, FIRST));
    steps.extend([
        Step::get("get what is going", one),
        Step::new("patch: let it go", "PATCH", one)
            .text(MERGE_PATCH, json!({ "metadata": { "finalizers": null } }).to_string()),
        Step::new("delete: what went", "DELETE", one).json(json!({ "gracePeriodSeconds": 0 })),
        Step::new("delete: the collection, dry", "DELETE", format!("{all}?{mine}&dryRun=All")),
        Step::new(
            "delete: the collection by a bad label",
            "DELETE",
            format!("{all}?labelSelector=a%3D%3D%3Db!"),
        ),
        Step::new("delete: the collection", "DELETE", format!("{all}?{mine}&gracePeriodSeconds=0")),
    ]);
    steps.extend([SECOND, THIRD].into_iter().filter_map(|word| gone(kind, word)));
    steps.push(Step::get("list what is left", format!("{all}?{mine}")));
    steps
}

/// Creates that no kind takes, and what is said of them.
fn bad_creates(kind: &KindUnderTest) -> Script {
    let all = kind.collection();
    let good = || kind.object(0, "bad");
    let dry = format!("{all}?dryRun=All");
    let strict = format!("{dry}&fieldValidation=Strict");
    let with = |what: &str, edits: Vec<Edit>| {
        let mut body = good();
        edits.iter().for_each(|edit| edit.apply(&mut body));
        Step::new(what, "POST", &dry).json(body)
    };
    let set = |what: &str, at: &str, value: Value| with(what, vec![Edit::set(at, value)]);
    let validated = |what: &str, validation: &str| {
        let mut body = good();
        Edit::set("/nothing", json!(1)).apply(&mut body);
        Edit::set("/metadata/nothing", json!({ "a": 1 })).apply(&mut body);
        Step::new(what, "POST", format!("{dry}&fieldValidation={validation}")).json(body)
    };
    let doubled = good().to_string().replacen(
        "{\"apiVersion\"",
        "{\"kind\":\"Other\",\"metadata\":{},\"apiVersion\"",
        1,
    );
    let reference = |value: Value| set("with an owner", "/metadata/ownerReferences", json!([value]));
    let mut steps = vec![
        validated("unknown fields, strict", "Strict"),
        validated("unknown fields, warn", "Warn"),
        validated("unknown fields, ignore", "Ignore"),
        validated("unknown fields, other", "Other"),
        Step::new("fields twice, strict", "POST", &strict).text("application/json", doubled.clone()),
        Step::new("fields twice, warn", "POST", &dry).text("application/json", doubled),
        with("no name", vec![Edit::remove("/metadata/name")]),
        set("an empty name", "/metadata/name", json!("")),
        set("a name in capitals", "/metadata/name", json!("Not_Valid")),
        set("a name with a slash", "/metadata/name", json!("a/b")),
        set("a name with dots", "/metadata/name", json!("a.b")),
        set("a name of digits", "/metadata/name", json!("123")),
        set("a long name", "/metadata/name", json!("x".repeat(254))),
        set("a name of 64", "/metadata/name", json!("x".repeat(64))),
        set("a name of a number", "/metadata/name", json!(7)),
        with(
            "no name but a base",
            vec![Edit::remove("/metadata/name"), Edit::set("/metadata/generateName", json!("base-"))],
        ),
        with(
            "no name but a bad base",
            vec![Edit::remove("/metadata/name"), Edit::set("/metadata/generateName", json!("Base_"))],
        ),
        set("another namespace", "/metadata/namespace", json!("other")),
        set("a kind of another group", "/apiVersion", json!("example.com/v1")),
        set("another version", "/apiVersion", json!("v9")),
        set("another kind", "/kind", json!("Other")),
        with("no kind", vec![Edit::remove("/kind")]),
        with("no version", vec![Edit::remove("/apiVersion")]),
        set("a bad label key", "/metadata/labels", json!({ "a b": "c" })),
        set("a label key of three parts", "/metadata/labels", json!({ "x/y/z": "c" })),
        set("a bad label", "/metadata/labels", json!({ "a": "-b" })),
        set("a long label", "/metadata/labels", json!({ "a": "x".repeat(64) })),
        set("a label of a number", "/metadata/labels", json!({ "a": 1 })),
        set("labels of a list", "/metadata/labels", json!([])),
        set("a bad annotation", "/metadata/annotations", json!({ "a b": "c" })),
        set("too many annotations", "/metadata/annotations", json!({ "a": "x".repeat(300_000) })),
        set("a bad finalizer", "/metadata/finalizers", json!(["a b"])),
        set("a plain finalizer", "/metadata/finalizers", json!(["plain"])),
        reference(json!({})),
        reference(json!({ "apiVersion": "v1", "kind": "Event", "name": "e", "uid": "u" })),
        reference(json!({ "apiVersion": "a/b/c", "kind": "K", "name": "e", "uid": "u" })),
        set("a resourceVersion", "/metadata/resourceVersion", json!("5")),
        set("a uid", "/metadata/uid", json!("u")),
        set("a creation time", "/metadata/creationTimestamp", json!("2001-01-01T00:00:00Z")),
        set("a bad creation time", "/metadata/creationTimestamp", json!("yesterday")),
        set("a deletion time", "/metadata/deletionTimestamp", json!("2001-01-01T00:00:00Z")),
        set("a generation", "/metadata/generation", json!(9)),
        set("managed fields", "/metadata/managedFields", json!([{ "manager": "m", "operation": "Fly" }])),
        set(
            "good managed fields",
            "/metadata/managedFields",
            json!([{ "manager": "m", "operation": "Update", "apiVersion": kind.api, "fieldsType": "FieldsV1", "fieldsV1": {} }]),
        ),
        set("metadata of a word", "/metadata", json!("word")),
        set("a null label", "/metadata/labels", json!({ "a": null })),
    ];
    steps.extend(bad_bodies(&all));
    script(kind, "bad creates", [preparation(kind), steps].concat())
}

fn bad_bodies(all: &str) -> Vec<Step> {
    let body = |what: &str, media: &str, text: &str| Step::new(what, "POST", all).text(media, text);
    vec![
        body("no body", "application/json", ""),
        body("not JSON", "application/json", "{"),
        body("a word", "application/json", "\"word\""),
        body("a list", "application/json", "[]"),
        body("null", "application/json", "null"),
        body("an empty object", "application/json", "{}"),
        body("not YAML", "application/yaml", "a: b: c"),
        body("not UTF-8 in spirit", "application/json", "{\"metadata\":{\"name\":\"\\ud800\"}}"),
        body("a type that is unknown", "text/csv", "a,b"),
        body("a type with parameters", "application/json; charset=utf-8", "{}"),
        body("a number too large", "application/json", "{\"metadata\":{\"generation\":1e999}}"),
        body("another dry run", "application/json", "{}").path_query("dryRun=Some"),
        body("a long manager", "application/json", "{}")
            .path_query(&format!("fieldManager={}", "m".repeat(129))),
        body("an unprintable manager", "application/json", "{}").path_query("fieldManager=a%07b"),
    ]
}

fn preparation(kind: &KindUnderTest) -> Vec<Step> {
    if kind.cluster { Vec::new() } else { namespace(&kind.namespace()) }
}

fn spoilt_creates(kind: &KindUnderTest, index: usize) -> Script {
    let good = kind.object(index, &format!("c{index}"));
    let url = format!("{}?dryRun=All&fieldValidation=Strict", kind.collection());
    let mut steps = preparation(kind);
    steps.push(Step::new("good", "POST", &url).json(good.clone()));
    for spoilt in spoil::each(&good, spoil::for_create) {
        let mut body = good.clone();
        spoilt.edit.apply(&mut body);
        steps.push(Step::new(spoilt.name, "POST", &url).json(body));
    }
    script(kind, &format!("spoilt creates {index}"), steps)
}

fn spoilt_updates(kind: &KindUnderTest, index: usize) -> Script {
    let word = format!("w{index}");
    let good = kind.object(index, &word);
    let one = format!("{}/{}", kind.collection(), kind.called(&word));
    let mut steps = preparation(kind);
    steps.push(Step::new("create", "POST", kind.collection()).json(good.clone()));
    steps.extend(settled(kind, &word));
    steps.push(Step::get("get", &one));
    for spoilt in spoil::each(&good, spoil::for_update) {
        // Controllers of the API server write status meanwhile.
        steps.push(Step::get("get again", &one).quiet());
        steps.push(Step::new(spoilt.name, "PUT", format!("{one}?dryRun=All")).last(vec![spoilt.edit]));
    }
    steps.push(Step::new("delete", "DELETE", format!("{one}?gracePeriodSeconds=0")));
    script(kind, &format!("spoilt updates {index}"), steps)
}
