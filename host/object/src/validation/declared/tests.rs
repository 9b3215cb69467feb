use serde_json::{Value, json};

use super::{extend, table};
use crate::Schemas;
use crate::status::FieldError;

fn found(definition: &str, new: Value, old: Option<Value>) -> Vec<String> {
    let mut errors = Vec::new();
    extend(&format!("io.k8s.api.{definition}"), &new, old.as_ref(), &mut errors);
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn every_field_of_the_table_is_one_of_its_schema() {
    for (name, fields) in table::all() {
        let definition = format!("io.k8s.api.{name}");
        let node = Schemas::builtin().root(&definition).unwrap_or_else(|| panic!("{definition}"));
        for field in fields {
            let step = |node: crate::schema::Node<'static>, step: &&str| node.field(step);
            assert!(field.path.iter().try_fold(node, step).is_some(), "{definition} {:?}", field.path);
            let nested = field.nested.as_ref().map(|nested| nested.name.as_str());
            assert!(nested.is_none_or(|nested| table::fields(nested).is_some()), "{definition}: {nested:?}");
        }
    }
}

#[test]
fn fields_are_what_their_type_says() {
    let address =
        |parent: Value| json!({ "metadata": { "name": "10.0.0.1" }, "spec": { "parentRef": parent } });
    let whole = json!({ "resource": "services", "name": "s" });
    let cases = [
        (address(whole.clone()), None, vec![]),
        (json!({ "spec": {} }), None, vec!["spec.parentRef: Required value"]),
        (address(json!({ "name": "s" })), None, vec!["spec.parentRef.resource: Required value"]),
        (
            address(json!({ "resource": "services", "name": "t" })),
            Some(address(whole.clone())),
            vec!["spec.parentRef: Invalid value: null: field is immutable"],
        ),
        (address(json!({})), Some(address(json!({}))), vec![]),
    ];
    for (new, old, expected) in cases {
        assert_eq!(found("networking.v1.IPAddress", new.clone(), old), expected, "{new}");
    }
}

#[test]
fn items_that_did_not_change_are_not_looked_at_again() {
    let claim = |requests: Value| json!({ "spec": { "spec": { "devices": { "requests": requests } } } });
    let bad = json!({ "name": "a", "exactly": { "allocationMode": "Some" } });
    let wrong = r#"spec.spec.devices.requests[0].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount""#;
    let definition = "resource.v1.ResourceClaimTemplate";
    assert_eq!(found(definition, claim(json!([bad])), None), [wrong]);
    let more = claim(json!([bad, { "name": "b" }]));
    assert_eq!(found(definition, more, Some(claim(json!([bad])))), [""; 0]);
    let twice = found(definition, claim(json!([{ "name": "a" }, { "name": "a" }])), None);
    assert_eq!(twice, [r#"spec.spec.devices.requests[1]: Duplicate value: {"name":"a"}"#]);
    let many: Vec<Value> = (0..33).map(|n| json!({ "name": n.to_string() })).collect();
    assert_eq!(
        found(definition, claim(many.into()), None),
        ["spec.spec.devices.requests: Too many: 33: must have at most 32 items"]
    );
}

#[test]
fn members_belong_to_their_value_and_one_of_a_union_is_given() {
    let level =
        |spec: Value| found("flowcontrol.v1.PriorityLevelConfiguration", json!({ "spec": spec }), None);
    assert_eq!(level(json!({ "type": "Limited" })), ["spec.limited: Required value"]);
    let both =
        json!({ "type": "Exempt", "exempt": {}, "limited": { "limitResponse": { "type": "Reject" } } });
    assert_eq!(level(both), ["spec.limited: Forbidden"]);
    let slice = |attribute: Value| json!({ "spec": { "devices": [{ "name": "d", "attributes": { "m": attribute } }] } });
    let attribute = |attribute: Value| found("resource.v1.ResourceSlice", slice(attribute), None).join(";");
    assert_eq!(attribute(json!({ "string": "s" })), "");
    assert!(
        attribute(json!({}))
            .starts_with(r#"spec.devices[0].attributes[m]: Invalid value: "": must specify one of: `int`"#)
    );
    let two = attribute(json!({ "string": "s", "int": 1 }));
    assert!(
        two.starts_with(
            r#"spec.devices[0].attributes[m]: Invalid value: "{int, string}": must specify exactly one of"#
        ),
        "{two}"
    );
}

#[test]
fn what_both_find_is_said_once_and_last() {
    let mut errors = vec![
        FieldError::required("spec.parentRef", "in other words"),
        FieldError::invalid("metadata.name", "x", "wrong"),
    ];
    extend("io.k8s.api.networking.v1.IPAddress", &json!({ "spec": {} }), None, &mut errors);
    let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(found, [r#"metadata.name: Invalid value: "x": wrong"#, "spec.parentRef: Required value"]);
}
