//! Storage drivers, what they offer on nodes, and the volumes they attach
//! (`pkg/apis/storage/validation/validation.go`).

use serde_json::Value;

use super::{
    Errors, IMMUTABLE, NOT_NEGATIVE, Path, is_empty, items, metadata, node_labels, same, selector, text,
};
use crate::names;
use crate::quantity::Quantity;
use crate::status::FieldError;

const LONGEST_NAME: usize = 63;
const LONGEST_NODE_ID: usize = 256;
const LONGEST_MESSAGE: usize = 1024;
const METADATA_SIZE: usize = 256 * 1024;
/// Seconds that a token is good for.
const SHORTEST_TOKEN: i64 = 600;
const LONGEST_TOKEN: i64 = 1 << 32;
const ONE_SOURCE: &str = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
const TOKENS_IN_SECRETS: &str = "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes";

/// Names of drivers are domains, in either case.
pub(super) fn validate_name(name: &Value, path: &Path, errors: &mut Errors) {
    let given = text(name);
    if given.is_empty() {
        return errors.required(path, "");
    }
    if given.len() > LONGEST_NAME {
        errors.too_long(path, LONGEST_NAME);
    }
    for message in names::dns1123_subdomain(&given.to_lowercase()) {
        errors.invalid(path, name, message);
    }
}

pub(crate) fn validate_driver(driver: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(driver, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &driver["spec"]);
    let policies = ["File", "None", "ReadWriteOnceWithFSType"];
    errors.given_one_of(&path.child("fsGroupPolicy"), &spec["fsGroupPolicy"], &policies);
    validate_tokens(&spec["tokenRequests"], &path.child("tokenRequests"), &mut errors);
    for mode in items(&spec["volumeLifecycleModes"]) {
        errors.listed(&path.child("volumeLifecycleModes"), mode, &["Persistent", "Ephemeral"]);
    }
    let field = "nodeAllocatableUpdatePeriodSeconds";
    if spec[field].as_i64().is_some_and(|seconds| seconds < 10) {
        errors.invalid(&path.child(field), &spec[field], "must be greater than or equal to 10 seconds");
    }
    let field = "serviceAccountTokenInSecrets";
    if !spec[field].is_null() && is_empty(&spec["tokenRequests"]) {
        let detail = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
        errors.invalid(&path.child(field), &spec[field], detail);
    }
    if let Some(old) = old {
        for (field, named) in
            [("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")]
        {
            errors.immutable(&path.child(named), &spec[field], &old["spec"][field]);
        }
    }
    errors.into_vec()
}

pub(crate) fn warn_of_driver(driver: &Value, old: Option<&Value>) -> Vec<String> {
    let tokens = &driver["spec"]["tokenRequests"];
    let changed = old.is_none_or(|old| !same(&old["spec"]["tokenRequests"], tokens));
    let unset = driver["spec"]["serviceAccountTokenInSecrets"].is_null();
    if changed && unset && !is_empty(tokens) { vec![TOKENS_IN_SECRETS.into()] } else { Vec::new() }
}

fn validate_tokens(tokens: &Value, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, token) in items(tokens).iter().enumerate() {
        let (at, audience) = (path.index(index), text(&token["audience"]));
        if seen.contains(&audience) {
            errors.duplicate(&at.child("audience"), audience);
            continue;
        }
        seen.push(audience);
        let at = at.child("expirationSeconds");
        match token["expirationSeconds"].as_i64() {
            Some(seconds) if seconds < SHORTEST_TOKEN => {
                let detail = "may not specify a duration less than 10 minutes";
                errors.invalid(&at, &seconds.into(), detail);
            }
            Some(seconds) if seconds > LONGEST_TOKEN => {
                let detail = "may not specify a duration larger than 2^32 seconds";
                errors.invalid(&at, &seconds.into(), detail);
            }
            _ => {}
        }
    }
}

pub(crate) fn validate_node(node: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(node, old, names::dns1123_subdomain, &mut errors);
    let (path, drivers) = (Path::new("spec").child("drivers"), items(&node["spec"]["drivers"]));
    for (index, driver) in drivers.iter().enumerate() {
        let at = path.index(index);
        validate_node_driver(driver, &at, &mut errors);
        if drivers[..index].iter().any(|other| text(&other["name"]) == text(&driver["name"])) {
            errors.duplicate(&at.child("name"), text(&driver["name"]));
        }
        validate_topology_keys(&driver["topologyKeys"], &at, &mut errors);
    }
    for old in old.map(|old| items(&old["spec"]["drivers"])).unwrap_or_default() {
        for new in drivers.iter().filter(|new| new["name"] == old["name"]) {
            // How many volumes a node takes may change.
            let mut before = old.clone();
            before["allocatable"] = new["allocatable"].clone();
            if !same(new, &before) {
                let mut shown = new.clone();
                shown.as_object_mut().map(|fields| fields.remove("allocatable"));
                errors.invalid(&path, &shown, IMMUTABLE);
            }
        }
    }
    errors.into_vec()
}

fn validate_node_driver(driver: &Value, path: &Path, errors: &mut Errors) {
    validate_name(&driver["name"], &path.child("name"), errors);
    let (at, id) = (path.child("nodeID"), &driver["nodeID"]);
    if is_empty(id) {
        errors.required(&at, "");
    }
    if text(id).len() > LONGEST_NODE_ID {
        errors.invalid(&at, id, format!("must be {LONGEST_NODE_ID} characters or less"));
    }
    errors.not_negative(&path.child("allocatable").child("count"), &driver["allocatable"]["count"]);
}

/// What is wrong with a key is told of its driver.
fn validate_topology_keys(keys: &Value, path: &Path, errors: &mut Errors) {
    let keys: Vec<&str> = items(keys).iter().map(text).collect();
    for (index, key) in keys.iter().enumerate() {
        if key.is_empty() {
            errors.required(path, "");
        }
        if keys[..index].contains(key) {
            errors.duplicate(path, *key);
        }
        errors.rule(path, key, names::qualified_name);
    }
}

pub(crate) fn validate_capacity(capacity: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(capacity, old, names::dns1123_subdomain, &mut errors);
    selector::validate(&capacity["nodeTopology"], &Path::new("nodeTopology"), &mut errors);
    errors.rule(
        &Path::new("storageClassName"),
        text(&capacity["storageClassName"]),
        names::dns1123_subdomain,
    );
    if Quantity::from_json(&capacity["capacity"]).is_ok_and(|size| size < Quantity::ZERO) {
        errors.invalid(&Path::new("capacity"), &capacity["capacity"], NOT_NEGATIVE);
    }
    if let Some(old) = old {
        for field in ["nodeTopology", "storageClassName"] {
            if !same(&capacity[field], &old[field]) {
                errors.push(FieldError::invalid(field, capacity[field].clone(), IMMUTABLE));
            }
        }
    }
    errors.into_vec()
}

pub(crate) fn warn_of_capacity(capacity: &Value, _old: Option<&Value>) -> Vec<String> {
    node_labels::selector_warnings(&capacity["nodeTopology"], &Path::new("nodeTopology"))
}

pub(crate) fn validate_attachment(attachment: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(attachment, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &attachment["spec"]);
    validate_name(&spec["attacher"], &path.child("attacher"), &mut errors);
    let (at, source) = (path.child("source"), &spec["source"]);
    let volume = source["persistentVolumeName"].as_str();
    match (volume, source["inlineVolumeSpec"].is_null()) {
        (None, true) => errors.required(&at, ONE_SOURCE),
        (Some(_), false) => errors.forbidden(&at, ONE_SOURCE),
        (Some(""), true) => {
            errors.required(&at.child("persistentVolumeName"), "must specify non empty persistentVolumeName");
        }
        (Some(_), true) | (None, false) => {}
    }
    errors.rule(&path.child("nodeName"), text(&spec["nodeName"]), names::dns1123_subdomain);
    validate_attachment_status(&attachment["status"], &Path::new("status"), &mut errors);
    if let Some(name) = volume {
        errors.rule(&at.child("persistentVolumeName"), name, names::dns1123_subdomain);
    }
    if let Some(old) = old
        && !same(spec, &old["spec"])
    {
        errors.invalid(&path, spec, IMMUTABLE);
    }
    errors.into_vec()
}

fn validate_attachment_status(status: &Value, path: &Path, errors: &mut Errors) {
    let pairs = status["attachmentMetadata"].as_object().into_iter().flatten();
    if pairs.map(|(key, value)| key.len() + text(value).len()).sum::<usize>() > METADATA_SIZE {
        errors.too_long(&path.child("attachmentMetadata"), METADATA_SIZE);
    }
    for field in ["attachError", "detachError"] {
        let (at, error) = (path.child(field), &status[field]);
        if text(&error["message"]).len() > LONGEST_MESSAGE {
            errors.too_long(&at.child("message"), LONGEST_MESSAGE);
        }
        if error["errorCode"].as_i64().is_some_and(|code| code < 0) {
            let detail = format!("must be between 0 and {}, inclusive", i32::MAX);
            errors.invalid(&at.child("errorCode"), &error["errorCode"], detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(errors: Vec<FieldError>) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn drivers_are_upstreams() {
        let driver = |spec: Value| json!({ "metadata": { "name": "d.example.com" }, "spec": spec });
        let cases = [
            (json!({}), vec![]),
            (
                json!({ "tokenRequests": [{ "audience": "a", "expirationSeconds": 1 }] }),
                vec![
                    "spec.tokenRequests[0].expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes",
                ],
            ),
            (
                json!({ "tokenRequests": [{ "audience": "a" }, { "audience": "a" }] }),
                vec![r#"spec.tokenRequests[1].audience: Duplicate value: "a""#],
            ),
            (
                json!({ "volumeLifecycleModes": ["Some"] }),
                vec![
                    r#"spec.volumeLifecycleModes: Unsupported value: "Some": supported values: "Persistent", "Ephemeral""#,
                ],
            ),
        ];
        for (spec, expected) in cases {
            assert_eq!(told(validate_driver(&driver(spec.clone()), None)), expected, "{spec}");
        }
        let (old, new) =
            (driver(json!({ "attachRequired": true })), driver(json!({ "attachRequired": false })));
        assert_eq!(
            told(validate_driver(&new, Some(&old))),
            ["spec.attachedRequired: Invalid value: false: field is immutable"]
        );
        let tokens = driver(json!({ "tokenRequests": [{ "audience": "a" }] }));
        assert_eq!(warn_of_driver(&tokens, None), [TOKENS_IN_SECRETS]);
        assert_eq!(warn_of_driver(&tokens, Some(&tokens)), [""; 0]);
    }

    #[test]
    fn nodes_keep_their_drivers_but_for_room() {
        let node = |driver: Value| json!({ "metadata": { "name": "n" }, "spec": { "drivers": [driver] } });
        let old = node(json!({ "name": "d", "nodeID": "i", "allocatable": { "count": 1 } }));
        let more = node(json!({ "name": "d", "nodeID": "i", "allocatable": { "count": 2 } }));
        assert_eq!(told(validate_node(&more, Some(&old))), [""; 0]);
        let other = node(json!({ "name": "d", "nodeID": "j" }));
        assert!(told(validate_node(&other, Some(&old)))[0].ends_with("field is immutable"));
        let keys = node(json!({ "name": "d", "nodeID": "i", "topologyKeys": ["k", "k"] }));
        assert_eq!(told(validate_node(&keys, None)), [r#"spec.drivers[0]: Duplicate value: "k""#]);
    }

    #[test]
    fn an_attachment_is_of_one_volume() {
        let attachment = |source: Value| json!({ "metadata": { "name": "a" }, "spec": { "attacher": "d.x", "nodeName": "n", "source": source } });
        assert_eq!(
            told(validate_attachment(&attachment(json!({ "persistentVolumeName": "v" })), None)),
            [""; 0]
        );
        assert_eq!(
            told(validate_attachment(&attachment(json!({})), None)),
            [format!("spec.source: Required value: {ONE_SOURCE}")]
        );
    }
}
