use serde_json::{Value, json};

use super::*;
use crate::Kinds;

const NOW: &str = "2026-01-01T00:00:00Z";

fn definition(schema: Value) -> Value {
    let mut definition = json!({
        "metadata": { "name": "widgets.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"] },
            "versions": [
                { "name": "v1beta1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } },
                { "name": "v1", "served": true, "storage": false, "schema": { "openAPIV3Schema": schema },
                    "subresources": { "status": {}, "scale": {
                        "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas" } } },
                { "name": "v0", "served": false, "storage": false, "schema": { "openAPIV3Schema": schema } },
            ],
        },
    });
    let strategy = Kinds::builtin()
        .by_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        .expect("built in")
        .strategy;
    (strategy.default)(&mut definition);
    (strategy.prepare_create)(&mut definition);
    definition
}

fn spec(fields: Value) -> Value {
    json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": fields } } })
}

fn accepted(mut definition: Value) -> Value {
    definition["status"] = names::status(&definition, &[], &Kinds::builtin(), NOW);
    definition
}

fn found(schema: Value, object: Value) -> Vec<String> {
    let mut errors = Vec::new();
    validate::validate(&schema::Schema::parse(&schema), &object, "", &mut errors);
    errors.iter().map(|error| format!("{}: {}", error.field, error.body())).collect()
}

fn refused(definition: &Value) -> Vec<String> {
    let mut definition = definition.clone();
    (crate::strategy::definition::STRATEGY.default)(&mut definition);
    let errors = crate::validation::definition::validate(&definition, None);
    errors.iter().map(|error| format!("{}: {}", error.field, error.body())).collect()
}

#[test]
fn a_definition_is_rows_of_its_served_versions() {
    let made = definition(spec(json!({ "replicas": { "type": "integer" } })));
    assert_eq!(refused(&made), [""; 0]);
    assert_eq!(rows(&made).unwrap_err(), NotServed::NamesNotAccepted);
    let rows = rows(&accepted(made)).unwrap();
    let [v1, v1beta1] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(
        (v1.api_version().as_str(), v1beta1.api_version().as_str()),
        ("example.com/v1", "example.com/v1beta1")
    );
    let shown = json!({ "apiVersion": "example.com/v1", "spec": {} });
    assert_eq!(v1.to_stored(&shown), Some(json!({ "apiVersion": "example.com/v1beta1", "spec": {} })));
    assert_eq!((v1.list_kind.as_str(), v1.singular.as_str()), ("WidgetList", "widget"));
    assert_eq!((v1.has_subresource("status"), v1beta1.has_subresource("status")), (true, false));
    assert_eq!(v1.columns.len(), 2);
    let stored = json!({ "apiVersion": "example.com/v1beta1", "kind": "Widget", "spec": { "gone": 1 } });
    let expected = json!({ "apiVersion": "example.com/v1", "kind": "Widget", "spec": {} });
    assert_eq!(v1.present(&stored), Some(expected.clone()));
    assert_eq!(v1.present(&expected), None);
}

#[test]
fn names_are_given_to_the_first_who_asks() {
    let first = accepted(definition(spec(json!({}))));
    let conditions = &first["status"]["conditions"];
    assert_eq!(conditions[0]["message"], "no conflicts found");
    assert_eq!((&conditions[1]["type"], &conditions[1]["status"]), (&json!("Established"), &json!("True")));
    let mut second = definition(spec(json!({})));
    second["spec"]["names"] = json!({ "plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList", "shortNames": ["wd"] });
    let status = names::status(&second, &[&first], &Kinds::builtin(), NOW);
    let refused = names::condition(&status, "NamesAccepted").unwrap();
    assert_eq!((&refused["status"], &refused["reason"]), (&json!("False"), &json!("ShortNamesConflict")));
    assert_eq!(refused["message"], "\"wd\" is already in use");
    assert_eq!(names::condition(&status, "Established").unwrap()["reason"], "NotAccepted");
    // Asked again, nothing changes: not even a time.
    let again = names::status(&first, &[], &Kinds::builtin(), "2027-01-01T00:00:00Z");
    assert_eq!(again, first["status"]);
}

#[test]
fn values_are_judged_in_upstreams_words() {
    let schema = spec(json!({
        "replicas": { "type": "integer", "minimum": 1, "maximum": 10 },
        "size": { "type": "string", "enum": ["small", "large"] },
        "name": { "type": "string", "pattern": "^[a-z]+$", "maxLength": 5 },
        "when": { "type": "string", "format": "date-time" },
        "port": { "x-kubernetes-int-or-string": true },
        "list": { "type": "array", "maxItems": 1, "items": { "type": "object", "required": ["key"],
            "properties": { "key": { "type": "string" } } }, "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["key"] },
    }));
    let cases = [
        (
            json!({ "replicas": "x" }),
            "spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\"",
        ),
        (
            json!({ "replicas": 0 }),
            "spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1",
        ),
        (
            json!({ "replicas": 11 }),
            "spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10",
        ),
        (
            json!({ "size": "huge" }),
            "spec.size: Unsupported value: \"huge\": supported values: \"small\", \"large\"",
        ),
        (
            json!({ "name": "A" }),
            "spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'",
        ),
        (json!({ "name": "abcdef" }), "spec.name: Too long: may not be more than 5 bytes"),
        (
            json!({ "when": "now" }),
            "spec.when: Invalid value: \"now\": spec.when in body must be of type date-time: \"now\"",
        ),
        (
            json!({ "port": true }),
            "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\"",
        ),
        (json!({ "list": [{}] }), "spec.list[0].key: Required value"),
    ];
    for (object, expected) in cases {
        assert_eq!(found(schema.clone(), json!({ "spec": object })), [expected]);
    }
    let twice = found(schema, json!({ "spec": { "list": [{ "key": "a" }, { "key": "a" }] } }));
    assert_eq!(
        twice,
        [
            "spec.list: Too many: 2: must have at most 1 item",
            "spec.list[1]: Duplicate value: {\"key\":\"a\"}"
        ]
    );
}

#[test]
fn compositions_narrow() {
    let schema = json!({ "type": "object", "properties": { "a": { "type": "integer" }, "b": { "type": "integer" } },
        "oneOf": [{ "required": ["a"] }, { "required": ["b"] }], "not": { "required": ["c"] } });
    assert_eq!(found(schema.clone(), json!({ "a": 1 })), [""; 0]);
    let neither = found(schema.clone(), json!({}));
    assert!(
        neither[0].ends_with("must validate one and only one schema (oneOf). Found none valid"),
        "{neither:?}"
    );
    let both = found(schema.clone(), json!({ "a": 1, "b": 2 }));
    assert!(both[0].ends_with("Found 2 valid alternatives"), "{both:?}");
    assert!(found(schema, json!({ "a": 1, "c": 2 }))[0].ends_with("must not validate the schema (not)"));
}

#[test]
fn an_update_may_leave_what_was_wrong_before() {
    let loose = spec(json!({ "size": { "type": "string" }, "n": { "type": "integer" } }));
    let mut made = accepted(definition(loose));
    made["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        spec(json!({ "size": { "type": "string", "maxLength": 1 }, "n": { "type": "integer" } }));
    let row = &rows(&made).unwrap()[1];
    let old = json!({ "metadata": { "name": "w" }, "spec": { "size": "large" } });
    let mut new = old.clone();
    new["spec"]["n"] = 1.into();
    assert!(row.validate(&new, Some(&old)).is_empty());
    new["spec"]["size"] = "larger".into();
    assert_eq!(row.validate(&new, Some(&old)).len(), 1);
    assert_eq!(row.validate(&old, None).len(), 1);
}

#[test]
fn schemas_must_be_structural() {
    let path = "spec.validation.openAPIV3Schema";
    let cases = [
        (json!({}), format!("{path}.type: Required value: must not be empty at the root")),
        (
            spec(json!({ "x": {} })),
            format!(
                "{path}.properties[spec].properties[x].type: Required value: must not be empty for specified object fields"
            ),
        ),
        (
            spec(json!({ "x": { "type": "array" } })),
            format!("{path}.properties[spec].properties[x].items: Required value: must be specified"),
        ),
        (
            spec(json!({ "x": { "type": "string", "default": 1 } })),
            format!(
                "{path}.properties[spec].properties[x].default: Invalid value: \"integer\":  in body must be of type string: \"integer\""
            ),
        ),
        (
            json!({ "type": "object", "anyOf": [{ "type": "object" }] }),
            format!("{path}.anyOf[0].type: Forbidden: must be empty to be structural"),
        ),
    ];
    for (schema, expected) in cases {
        let mut made = definition(schema);
        made["spec"]["versions"].as_array_mut().unwrap().truncate(1);
        assert_eq!(refused(&made), [expected]);
    }
}

#[test]
fn schemas_say_what_they_may() {
    let path = "spec.validation.openAPIV3Schema";
    let x = format!("{path}.properties[spec].properties[x]");
    let cases = [
        (
            json!({ "type": "string" }),
            vec![
                format!(
                    "{path}.type: Invalid value: \"string\": only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled"
                ),
                format!("{path}.type: Invalid value: \"string\": must be object at the root"),
            ],
        ),
        (
            spec(json!({ "x": { "type": "word", "default": "a" } })),
            vec![
                format!("{x}.default: Invalid value: \"string\":  in body must be of type word: \"string\""),
                format!(
                    "{x}.type: Unsupported value: \"word\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\""
                ),
            ],
        ),
        (
            spec(
                json!({ "x": { "type": "array", "items": { "type": "object" }, "x-kubernetes-list-type": "set" } }),
            ),
            vec![format!(
                "{x}.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set"
            )],
        ),
        (
            spec(json!({ "x": { "type": "string", "$ref": "y" } })),
            vec![format!("{x}.$ref: Forbidden: $ref is not supported")],
        ),
        (
            json!({ "type": "object", "properties": { "metadata": { "type": "object", "description": "d" } } }),
            vec![format!(
                "{path}.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"
            )],
        ),
    ];
    for (schema, expected) in cases {
        let mut made = definition(schema);
        made["spec"]["versions"].as_array_mut().unwrap().truncate(1);
        made["spec"]["versions"][0]["subresources"] = json!({ "status": {} });
        assert_eq!(refused(&made), expected);
    }
}

#[test]
fn stored_versions_stay_listed() {
    let made = accepted(definition(spec(json!({}))));
    let found = |made: &Value| {
        let errors = crate::validation::definition::validate(made, Some(made));
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let mut none = made.clone();
    none["status"]["storedVersions"] = json!([]);
    assert_eq!(
        found(&none),
        ["status.storedVersions: Invalid value: null: must have at least one stored version"]
    );
    let mut gone = made.clone();
    gone["status"]["storedVersions"] = json!(["v1beta1", "v9"]);
    assert!(
        found(&gone)[0].starts_with(
            "status.storedVersions[1]: Invalid value: \"v9\": missing from spec.versions; v9 was"
        )
    );
}

#[test]
fn a_definition_is_refused_by_field() {
    let mut made = definition(spec(json!({})));
    made["metadata"]["name"] = "other".into();
    made["spec"]["versions"][1]["storage"] = true.into();
    made["spec"]["versions"][1]["additionalPrinterColumns"] =
        json!([{ "name": "A", "type": "text", "jsonPath": ".x" }]);
    made["spec"]["conversion"] = json!({ "strategy": "Webhook" });
    let errors = refused(&made);
    let fields: Vec<&str> = errors.iter().filter_map(|error| error.split(':').next()).collect();
    let expected = [
        "metadata.name",
        "spec.versions[1].additionalPrinterColumns[0].type",
        "spec.versions",
        "spec.conversion.webhookClientConfig",
        "spec.conversion.conversionReviewVersions",
        "status.storedVersions",
    ];
    assert_eq!(fields, expected, "{errors:?}");
}

#[test]
fn nulls_and_odd_shapes_do_not_panic() {
    let odd = [
        json!(null),
        json!([]),
        json!({ "spec": 1 }),
        json!({ "spec": { "versions": [1, {}], "names": [] } }),
    ];
    for definition in &odd {
        crate::validation::definition::validate(definition, Some(definition));
        let mut made = definition.clone();
        let strategy = crate::strategy::definition::STRATEGY;
        (strategy.default)(&mut made);
        (strategy.prepare_create)(&mut made);
        let _ = rows(&made);
    }
    let schema =
        schema::Schema::parse(&spec(json!({ "list": { "type": "array", "items": { "type": "object" } } })));
    for mut object in odd {
        prune::prune(&schema, &mut object);
        default::default(&schema, &mut object);
        validate::validate(&schema, &object, "", &mut Vec::new());
    }
}

fn ruled(rules: Value) -> crate::Kind {
    let schema = json!({ "type": "object", "properties": { "spec": {
        "type": "object",
        "properties": {
            "least": { "type": "integer" }, "most": { "type": "integer" }, "name": { "type": "string" },
            "since": { "type": "string", "format": "date-time" }, "load": { "type": "number" },
            "namespace": { "type": "string" },
            "list": { "type": "array", "items": { "type": "object", "properties": {
                "key": { "type": "string" }, "n": { "type": "integer" } },
                "x-kubernetes-validations": [{ "rule": "self.n >= oldSelf.n", "message": "n only grows" }] },
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"] },
        },
        "x-kubernetes-validations": rules,
    } } });
    let mut made = definition(schema);
    made["spec"]["versions"].as_array_mut().unwrap().truncate(1);
    made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["list"]["items"]
        ["required"] = json!(["key"]);
    assert_eq!(refused(&made), [""; 0]);
    rows(&accepted(made)).unwrap().remove(0)
}

fn broken(kind: &crate::Kind, new: Value, old: Option<Value>) -> Vec<String> {
    let object = |spec: Value| json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "w" }, "spec": spec });
    let errors = kind.validate(&object(new), old.map(object).as_ref());
    errors.iter().map(|error| format!("{}: {}", error.field, error.body())).collect()
}

#[test]
fn rules_say_what_is_wrong() {
    let kind = ruled(json!([
        { "rule": "!has(self.least) || self.least <= self.most", "message": "least above most", "fieldPath": ".least" },
        { "rule": "!has(self.name) || self.name.startsWith('a')", "messageExpression": "'not ' + self.name" },
        { "rule": "!has(self.load) || self.load < 1.5", "reason": "FieldValueForbidden" },
        { "rule": "!has(self.since) || self.since > timestamp('2020-01-01T00:00:00Z')" },
        { "rule": "!has(self.__namespace__) || self.__namespace__ != 'x'" },
    ]));
    assert_eq!(
        broken(&kind, json!({ "least": 1, "most": 2, "name": "a", "load": 1, "namespace": "y" }), None),
        [""; 0]
    );
    let cases = [
        (json!({ "least": 3, "most": 2 }), "spec.least: Invalid value: least above most"),
        (json!({ "name": "b" }), "spec: Invalid value: not b"),
        (json!({ "load": 2 }), "spec: Forbidden: failed rule: !has(self.load) || self.load < 1.5"),
        (
            json!({ "since": "2019-01-01T00:00:00Z" }),
            "spec: Invalid value: failed rule: !has(self.since) || self.since > timestamp('2020-01-01T00:00:00Z')",
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(broken(&kind, spec, None), [expected]);
    }
    assert_eq!(broken(&kind, json!({ "namespace": "x" }), None).len(), 1);
    // Types first: a rule that expects a number never sees a text.
    let typed = broken(&kind, json!({ "least": "x" }), None);
    assert!(typed[1].ends_with(RULES_NOT_CHECKED), "{typed:?}");
    // Untouched, what was wrong may stay.
    let wrong = json!({ "least": 3, "most": 2 });
    assert_eq!(broken(&kind, wrong.clone(), Some(wrong)), [""; 0]);
}

#[test]
fn transitions_look_at_what_was() {
    let kind = ruled(json!([
        { "rule": "self.most == oldSelf.most", "message": "most is for ever" },
        { "rule": "oldSelf.hasValue() || self.most < 5", "message": "begins small", "optionalOldSelf": true },
    ]));
    assert_eq!(broken(&kind, json!({ "most": 1 }), None), [""; 0]);
    assert_eq!(broken(&kind, json!({ "most": 7 }), None), ["spec: Invalid value: begins small"]);
    assert_eq!(
        broken(&kind, json!({ "most": 2 }), Some(json!({ "most": 1 }))),
        ["spec: Invalid value: most is for ever"]
    );
    let list = |n: i64| json!({ "most": 1, "list": [{ "key": "a", "n": n }] });
    assert_eq!(broken(&kind, list(2), Some(list(1))), [""; 0]);
    assert_eq!(broken(&kind, list(1), Some(list(2))), ["spec.list[0]: Invalid value: n only grows"]);
}

#[test]
fn rules_that_cannot_be_are_refused_with_their_definition() {
    let rule = |rule: &str| {
        let mut made =
            definition(json!({ "type": "object", "x-kubernetes-validations": [{ "rule": rule }] }));
        made["spec"]["versions"].as_array_mut().unwrap().truncate(1);
        refused(&made).join("\n")
    };
    let syntax = rule("self.");
    assert!(syntax.contains("x-kubernetes-validations[0].rule: Invalid value: {"), "{syntax}");
    assert!(syntax.contains("\"Rule\":\"self.\""), "{syntax}");
    assert!(syntax.contains("compilation failed: ERROR: <input>:1:6: Syntax error: "), "{syntax}");
    let cases = [
        ("other == 1", "undeclared reference to 'other' (in container '')"),
        ("self.z == 100", "ERROR: <input>:1:5: undefined field 'z'\n | self.z == 100\n | ....^"),
        ("self.kind", "cel expression must evaluate to a bool"),
        ("self.metadata.name.nothing()", "undeclared reference to 'nothing' (in container '')"),
        ("self.metadata.name + 1 == 'a'", "found no matching overload for '_+_' applied to '(string, int)'"),
    ];
    for (text, why) in cases {
        assert!(rule(text).contains(why), "{text}: {}", rule(text));
    }
    assert_eq!(rule("[1].all(x, x == 1) && self.metadata.name != '' && self.kind == 'Widget'"), "");
}

fn refusal_of(spec: Value) -> String {
    let mut made = definition(json!({ "type": "object", "properties": { "spec": spec } }));
    made["spec"]["versions"].as_array_mut().unwrap().truncate(1);
    refused(&made).join("\n")
}

#[test]
fn what_a_rule_may_cost_is_estimated_from_the_schema() {
    let lists = |outer: Value, inner: Value| {
        let mut spec = json!({ "type": "object", "properties": { "x": { "type": "array", "items": {
            "type": "array", "items": { "type": "string" },
            "x-kubernetes-validations": [{ "rule": "self.all(s, s == 'string constant')" }],
        } } } });
        let x = &mut spec["properties"]["x"];
        x["maxItems"] = outer;
        x["items"]["maxItems"] = inner;
        refusal_of(spec)
    };
    let unbounded = lists(Value::Null, Value::Null);
    assert!(
        unbounded.contains("estimated rule cost exceeds budget by factor of more than 100x"),
        "{unbounded}"
    );
    assert!(unbounded.contains("estimated rule cost total for entire OpenAPIv3 schema"), "{unbounded}");
    assert_eq!(lists(10.into(), 100.into()), "");
}

#[test]
fn the_old_value_must_be_known_and_asked_for() {
    let ruled = |rule: Value| {
        json!({ "type": "object", "properties": { "list": { "type": "array", "maxItems": 9,
        "items": { "type": "integer", "x-kubernetes-validations": [rule] } } } })
    };
    let unknown = refusal_of(ruled(json!({ "rule": "self >= oldSelf" })));
    assert!(
        unknown.contains("oldSelf cannot be used on the uncorrelatable portion of the schema"),
        "{unknown}"
    );
    let unused = refusal_of(ruled(json!({ "rule": "self >= 0", "optionalOldSelf": true })));
    assert!(unused.contains("may not be set if oldSelf is not used in rule"), "{unused}");
    let message = refusal_of(ruled(json!({ "rule": "self >= 0", "messageExpression": "self" })));
    assert!(message.contains("messageExpression must evaluate to a string"), "{message}");
}

#[test]
fn a_rule_that_runs_too_long_is_stopped() {
    let schema = json!({ "type": "object", "properties": { "list": { "type": "array", "items": { "type": "integer" } } },
        "x-kubernetes-validations": [{ "rule": "self.list.all(a, self.list.all(b, self.list.all(c, a + b + c >= 0 && self.list.size() > 0)))" }] });
    let object = json!({ "list": vec![1; 2000] });
    let errors = rules::evaluate(&schema::Schema::parse(&schema), &object, None);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].detail.contains("call cost exceeds limit for rule: "), "{errors:?}");
}
