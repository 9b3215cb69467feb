//! Whatever a request brings is read or refused, never a panic: every decoder of this crate on bytes,
//! texts and values that nobody meant. `make fuzz` runs many more cases than `make test`.

use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Map, Value, json};

use crate::managed_fields::{FieldManager, record_update};
use crate::protobuf::Form;
use crate::protobuf::tests::Objects;
use crate::table::{IncludeObject, table};
use crate::{FieldSelector, Kind, Kinds, LabelSelector, Quantity, apply, custom, openapi, patch, schema};

/// Names that mean something to somebody.
const WORDS: &[&str] = &[
    "metadata",
    "name",
    "generateName",
    "labels",
    "managedFields",
    "fieldsV1",
    "operation",
    "Apply",
    "apiVersion",
    "kind",
    "spec",
    "status",
    "containers",
    "ports",
    "env",
    "template",
    "selector",
    "finalizers",
    "ownerReferences",
    "uid",
    "$patch",
    "replace",
    "delete",
    "merge",
    "$retainKeys",
    "$setElementOrder/containers",
    "$deleteFromPrimitiveList/finalizers",
    "f:metadata",
    "f:spec",
    "k:{\"name\":\"a\"}",
    "v:1",
    "i:0",
    "op",
    "add",
    "remove",
    "test",
    "move",
    "copy",
    "path",
    "/metadata/labels",
    "/spec/containers/-",
    "from",
    "value",
    "type",
    "object",
    "array",
    "string",
    "integer",
    "number",
    "boolean",
    "properties",
    "items",
    "additionalProperties",
    "required",
    "enum",
    "default",
    "nullable",
    "pattern",
    "format",
    "date-time",
    "minimum",
    "maxLength",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "x-kubernetes-validations",
    "rule",
    "message",
    "messageExpression",
    "fieldPath",
    "reason",
    "x-kubernetes-list-type",
    "map",
    "set",
    "atomic",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-map-type",
    "self == oldSelf",
    "self.all(x, x)",
    "^(a+)+$",
    "(",
    "Pod",
    "v1",
    "100m",
    "-1Ki",
    "a",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => select(WORDS).prop_map(String::from), 1 => ".{0,12}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3_i64..300).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 5, |inner| {
        let items = proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
        let fields = proptest::collection::btree_map(word(), inner, 0..6);
        prop_oneof![items, fields.prop_map(|fields| Value::Object(fields.into_iter().collect()))]
    })
}

fn objects(seed: &[u8; 32]) -> Objects {
    Objects::new(TestRng::from_seed(RngAlgorithm::ChaCha, seed))
}

/// What is done to an object that a schema accepts.
fn live(kind: &Kind, object: &Value, other: &Value) {
    let mut object = object.clone();
    kind.default(&mut object);
    kind.prepare_create(&mut object);
    let _ = kind.validate(&object, None);
    let _ = kind.validate(&object, Some(other));
    (kind.strategy.prepare_update)(&mut object, other);
    if let Some(begin) = kind.strategy.begin_delete {
        begin(&mut object, "2026-11-21T20:00:00Z");
    }
    let _ = (kind.strategy.grace_period)(&object, None);
    let stored = kind.to_stored(&object);
    let _ = kind.present(stored.as_ref().unwrap_or(&object));
    let _ = table(kind, [&object], IncludeObject::Metadata, json!({}), true);
    for field in &kind.selectable_fields {
        let _ = crate::selector::field_text(&object, field, kind.node());
    }
}

fn manager(kind: &Kind) -> (String, Timestamp) {
    (kind.api_version(), Timestamp::UNIX_EPOCH)
}

fn applier<'a>(version: &'a str, now: Timestamp) -> FieldManager<'a> {
    FieldManager { name: "fuzz", api_version: version, subresource: "", now, ignored: &["status"] }
}

fn kind(api_version: &str, name: &str) -> Arc<Kind> {
    Kinds::builtin().by_kind(api_version, name).expect("built in").clone()
}

fn definition(schema: &Value) -> Value {
    let names = json!({ "plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList" });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "foos.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": names,
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }],
        },
        "status": { "acceptedNames": names, "conditions": [{ "type": "NamesAccepted", "status": "True" }] },
    })
}

/// A definition that validation lets through is lived with: its instances, its documents.
fn define(schema: &Value, instance: &Value) {
    let definitions = kind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    let mut definition = definition(schema);
    if let Some(node) = definitions.node()
        && !schema::decode(node, &mut definition).errors.is_empty()
    {
        return;
    }
    definitions.default(&mut definition);
    if !definitions.validate(&definition, None).is_empty() {
        return;
    }
    let Ok(rows) = custom::rows(&definition) else { return };
    for row in &rows {
        let mut object = instance.clone();
        if let Some(custom) = &row.custom {
            let _ = custom.decode(&mut object);
        }
        if object.is_object() {
            live(row, &object, instance);
        }
    }
    let _ = openapi::v2_protobuf(&openapi::v2(&Kinds::new(rows)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_become_values_or_errors(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = schema::parse_json(&bytes);
    }

    #[test]
    fn nearly_json_becomes_values_or_errors(value in value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = value.to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok((read, _)) = schema::parse_json(&text) {
            let _ = read.to_string();
        }
    }

    #[test]
    fn texts_are_read_or_refused(text in prop_oneof![".{0,40}", "[a-z0-9./=!(), -]{0,40}", "[0-9.eEkMGi+-]{0,12}"]) {
        if let Ok(labels) = text.parse::<LabelSelector>() {
            let again: LabelSelector = labels.to_string().parse().expect("what it prints");
            prop_assert_eq!(again, labels);
        }
        if let Ok(fields) = text.parse::<FieldSelector>() {
            let _ = fields.matches(&json!({ "metadata": { "name": "a" } }), None);
        }
        if let Ok(quantity) = Quantity::from_json(&Value::from(text.as_str())) {
            let again = Quantity::from_json(&Value::from(quantity.to_string())).expect("what it prints");
            prop_assert_eq!(again.to_string(), quantity.to_string());
        }
        let _ = crate::image::tag(&text);
        let _ = crate::duration::since(&Value::from(text));
    }

    #[test]
    fn any_value_is_taken_for_any_kind(value in value(), other in value(), index in any::<prop::sample::Index>()) {
        let kinds = Kinds::builtin();
        let kind = &kinds.rows()[index.index(kinds.rows().len())];
        let Some(node) = kind.node() else { return Ok(()) };
        let (mut value, mut other) = (value, other);
        let clean = schema::decode(node, &mut value).errors.is_empty();
        let _ = schema::decode(node, &mut other);
        if clean && value.is_object() && other.is_object() {
            live(kind, &value, &other);
        }
    }

    #[test]
    fn whatever_a_schema_accepts_is_lived_with(seed in any::<[u8; 32]>(), index in any::<prop::sample::Index>()) {
        let kinds = Kinds::builtin();
        let kind = &kinds.rows()[index.index(kinds.rows().len())];
        let Some(form) = Form::of(kind) else { return Ok(()) };
        let mut objects = objects(&seed);
        let (object, other) = (objects.of(form), objects.of(form));
        live(kind, &object, &other);
    }

    #[test]
    fn patches_fit_or_are_refused(seed in any::<[u8; 32]>(), change in value(), change_list in proptest::collection::vec(value(), 0..4)) {
        let kind = kind("apps/v1", "Deployment");
        let object = objects(&seed).of(Form::of(&kind).expect("built in"));
        let _ = patch::json_patch(&object, &change);
        let _ = patch::json_patch(&object, &change_list.into());
        let _ = patch::merge_patch(&object, &change);
        let _ = patch::strategic_merge_patch(&object, &change, kind.node());
        let spec = json!({ "spec": { "template": { "spec": change } } });
        let _ = patch::strategic_merge_patch(&object, &spec, kind.node());
    }

    #[test]
    fn ownership_survives_any_input(seed in any::<[u8; 32]>(), configuration in value(), fields in value()) {
        let kind = kind("apps/v1", "Deployment");
        let (version, now) = manager(&kind);
        let mut live = objects(&seed).of(Form::of(&kind).expect("built in"));
        live["metadata"]["managedFields"] = json!([fields, { "manager": "a", "operation": "Apply",
            "apiVersion": version, "fieldsType": "FieldsV1", "fieldsV1": fields }]);
        let mut configuration = configuration;
        if let Value::Object(map) = &mut configuration {
            map.insert("apiVersion".into(), version.clone().into());
        }
        for force in [false, true] {
            let _ = apply::apply(Some(&live), &configuration, kind.node(), &applier(&version, now), force);
        }
        let mut new = objects(&seed).of(Form::of(&kind).expect("built in"));
        new["metadata"]["managedFields"] = live["metadata"]["managedFields"].clone();
        record_update(Some(&live), &mut new, kind.node(), &applier(&version, now));
    }

    /// Whatever a schema accepts can be applied; then again, and nothing changes; and the applier owns it.
    #[test]
    fn applying_twice_is_applying_once_for_every_kind(seed in any::<[u8; 32]>(), index in any::<prop::sample::Index>()) {
        let kinds = Kinds::builtin();
        let kind = &kinds.rows()[index.index(kinds.rows().len())];
        let Some(form) = Form::of(kind) else { return Ok(()) };
        let (version, now) = manager(kind);
        let mut object = objects(&seed).of(form);
        object["apiVersion"] = version.clone().into();
        object["kind"] = kind.kind.clone().into();
        let metadata = json!({ "name": "a", "labels": { "a": "b" } });
        object["metadata"] = metadata;
        let applied = |live: Option<&Value>| apply::apply(live, &object, kind.node(), &applier(&version, now), false);
        // Lists whose items share a key cannot be applied.
        let Ok(once) = applied(None) else { return Ok(()) };
        prop_assert_eq!(&applied(Some(&once)).expect("no other owner"), &once);
        let owned = &once["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:labels"]["f:a"];
        prop_assert!(owned.is_object(), "{}", once);
    }

    #[test]
    fn any_schema_is_refused_or_lived_with(own in value(), instance in value()) {
        define(&own, &instance);
        let fields = Map::from_iter([("spec".to_owned(), own.clone()), ("other".to_owned(), own)]);
        define(&json!({ "type": "object", "properties": fields }), &json!({ "spec": instance, "other": instance }));
    }

    #[test]
    fn any_rule_is_refused_or_asked(
        rule in prop_oneof![".{0,30}", "(self|oldSelf|size|all|map|[a-z]|[0-9]|[ .+*/<>=!&|?:,'\"()\\[\\]{}-]){0,24}"],
        instance in value(),
    ) {
        let own = json!({
            "type": "object", "properties": { "spec": { "type": "object", "maxProperties": 5,
                "additionalProperties": { "type": "string", "maxLength": 20 },
                "x-kubernetes-validations": [{ "rule": rule, "messageExpression": rule }] } },
        });
        define(&own, &json!({ "spec": instance }));
    }
}

/// Small definitions that would grow without bound where nobody counts.
#[test]
fn definitions_that_explode_are_bounded() {
    let mut deep = json!({ "type": "string" });
    for _ in 0..100 {
        deep = json!({ "type": "object", "properties": { "a": deep } });
    }
    define(&deep, &json!({}));
    let wide: Map<String, Value> =
        (0..5_000).map(|n| (format!("f{n}"), json!({ "type": "string" }))).collect();
    define(&json!({ "type": "object", "properties": wide }), &json!({}));
    for pattern in ["(a{1000}){1000}", "((((a{100}){100}){100}){100})", "^(a+)+$"] {
        let own =
            json!({ "type": "object", "properties": { "a": { "type": "string", "pattern": pattern } } });
        define(&own, &json!({ "a": "a".repeat(100_000) + "b" }));
    }
    let list = json!({ "type": "array", "items": { "type": "array", "items": { "type": "string" } } });
    let rule = json!([{ "rule": "self.a.all(x, self.a.all(y, self.a.all(z, x == y && y == z)))" }]);
    let own = json!({ "type": "object", "properties": { "a": list }, "x-kubernetes-validations": rule });
    let many: Vec<Value> = (0..500).map(|n| json!([n.to_string()])).collect();
    define(&own, &json!({ "a": many }));
}
