//! ResourceSlices: what devices a driver has.

use serde_json::Value;

use crate::names;
use crate::status::FieldError;
use crate::validation::{Errors, IMMUTABLE, Path, csi, items, metadata, text};

const ONE_PLACE: &str =
    "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
const MOST_DEVICES: usize = 128;
/// Where devices have taints or counters.
const MOST_ADVANCED_DEVICES: usize = 64;
const MOST_TAINTS: usize = 16;
const LONGEST_IDENTIFIER: usize = 32;
const LONGEST_STRING: usize = 64;

pub(crate) fn validate_slice(slice: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(slice, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &slice["spec"]);
    csi::validate_name(&spec["driver"], &path.child("driver"), &mut errors);
    validate_pool(&spec["pool"], &path.child("pool"), &mut errors);
    if let Some(old) = old.map(|old| &old["spec"]) {
        let name = path.child("pool").child("name");
        errors.immutable(&name, &spec["pool"]["name"], &old["pool"]["name"]);
        errors.immutable(&path.child("driver"), &spec["driver"], &old["driver"]);
        if spec["nodeName"] != old["nodeName"] {
            errors.shown(&path.child("nodeName"), &spec["nodeName"], IMMUTABLE);
        }
    }
    validate_place(spec, &path, &mut errors);
    if !spec["sharedCounters"].is_null() && !spec["devices"].is_null() {
        let detail = "only one of `sharedCounters` or `devices` is allowed";
        errors.invalid(&path, &"".into(), detail);
    }
    validate_devices(&spec["devices"], &path.child("devices"), &mut errors);
    errors.into_vec()
}

fn validate_pool(pool: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("name");
    match text(&pool["name"]) {
        "" => errors.required(&at, ""),
        name => {
            if name.len() > names::SUBDOMAIN_LENGTH {
                errors.too_long(&at, names::SUBDOMAIN_LENGTH);
            }
            name.split('/').for_each(|part| errors.rule(&at, part, names::dns1123_subdomain));
        }
    }
    let number = |field: &str| pool[field].as_i64().unwrap_or_default();
    if number("resourceSliceCount") <= 0 {
        let at = path.child("resourceSliceCount");
        errors.invalid(&at, &number("resourceSliceCount").into(), "must be greater than zero");
    }
    if number("generation") < 0 {
        let detail = "must be greater than or equal to zero";
        errors.invalid(&path.child("generation"), &pool["generation"], detail);
    }
}

/// The nodes that can reach the devices, said in one way.
fn validate_place(spec: &Value, path: &Path, errors: &mut Errors) {
    let mut given = Vec::new();
    if let Some(node) = spec["nodeName"].as_str() {
        let at = path.child("nodeName");
        if node.is_empty() {
            errors.invalid(&at, &spec["nodeName"], "must be either unset or set to a non-empty string");
        } else {
            given.push("`nodeName`");
            errors.rule(&at, node, names::dns1123_subdomain);
        }
    }
    if !spec["nodeSelector"].is_null() {
        given.push("`nodeSelector`");
    }
    for (field, shown) in [("allNodes", "`allNodes`"), ("perDeviceNodeSelection", "`perDeviceNodeSelection`")]
    {
        match spec[field].as_bool() {
            Some(true) => given.push(shown),
            Some(false) => {
                errors.invalid(&path.child(field), &spec[field], "must be either unset or set to true");
            }
            None => {}
        }
    }
    match given[..] {
        [] => errors.required(path, ONE_PLACE),
        [_] => {}
        _ => {
            let shown = format!("{{{}}}", given.join(", "));
            errors.invalid(path, &shown.into(), format!("{ONE_PLACE}, but multiple fields are set"));
        }
    }
}

fn validate_devices(devices: &Value, path: &Path, errors: &mut Errors) {
    let devices = items(devices);
    let advanced = |device: &Value| {
        ["taints", "consumesCounters"].iter().any(|field| !items(&device[*field]).is_empty())
    };
    let most = if devices.iter().any(advanced) { MOST_ADVANCED_DEVICES } else { MOST_DEVICES };
    if devices.len() > most {
        return errors.at_most(path, devices.len(), most);
    }
    for (index, device) in devices.iter().enumerate() {
        let (at, name) = (path.index(index), text(&device["name"]));
        validate_device(device, &at, errors);
        if devices[..index].iter().any(|other| text(&other["name"]) == name) {
            errors.duplicate(&at, name);
        }
    }
}

fn validate_device(device: &Value, path: &Path, errors: &mut Errors) {
    errors.rule(&path.child("name"), text(&device["name"]), names::dns1123_label);
    let at = path.child("attributes");
    for (name, attribute) in device["attributes"].as_object().into_iter().flatten() {
        validate_qualified_name(name, &at, errors);
        validate_attribute(attribute, &at.key(name), errors);
    }
    let at = path.child("capacity");
    for (name, capacity) in device["capacity"].as_object().into_iter().flatten() {
        validate_qualified_name(name, &at, errors);
        if device["allowMultipleAllocations"] != true && !capacity["requestPolicy"].is_null() {
            let detail = "request policy must not be set for single allocatable device";
            errors.forbidden(&at.key(name).child("requestPolicy"), detail);
        }
    }
    let (at, taints) = (path.child("taints"), items(&device["taints"]));
    errors.at_most(&at, taints.len(), MOST_TAINTS);
    for (index, taint) in taints.iter().enumerate() {
        errors.rule(&at.index(index).child("key"), text(&taint["key"]), names::qualified_name);
        errors.rule(&at.index(index).child("value"), text(&taint["value"]), names::label_value);
    }
}

/// `[domain/]identifier`
fn validate_qualified_name(name: &str, path: &Path, errors: &mut Errors) {
    let mut parts = name.split('/');
    match (parts.next().unwrap_or_default(), parts.next(), parts.next()) {
        (name, None, _) => validate_identifier(name, path, errors),
        (domain, Some(name), None) => {
            match domain {
                "" => errors.invalid(path, &"".into(), "the domain must not be empty"),
                domain => csi::validate_name(&domain.into(), path, errors),
            }
            match name {
                "" => errors.invalid(path, &"".into(), "the name must not be empty"),
                name => validate_identifier(name, path, errors),
            }
        }
        (_, Some(_), Some(_)) => {}
    }
}

fn validate_identifier(name: &str, path: &Path, errors: &mut Errors) {
    if name.len() > LONGEST_IDENTIFIER {
        errors.too_long(path, LONGEST_IDENTIFIER);
    }
    errors.rule(path, name, names::c_identifier);
}

fn validate_attribute(attribute: &Value, path: &Path, errors: &mut Errors) {
    for field in ["string", "version"] {
        if text(&attribute[field]).len() > LONGEST_STRING {
            errors.too_long(&path.child(field), LONGEST_STRING);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn slices_are_of_one_place_and_name_their_devices() {
        let slice = |change: Value| {
            let mut spec = json!({
                "driver": "d.example.com", "nodeName": "n",
                "pool": { "name": "p", "generation": 1, "resourceSliceCount": 1 }, "devices": [{ "name": "a" }],
            });
            for (field, value) in change.as_object().expect("fields") {
                spec[field] = value.clone();
            }
            json!({ "metadata": { "name": "s" }, "spec": spec })
        };
        let found = |change: Value| -> Vec<String> {
            validate_slice(&slice(change), None).iter().map(ToString::to_string).collect()
        };
        let cases = [
            (json!({}), vec![]),
            (json!({ "nodeName": null }), vec![format!("spec: Required value: {ONE_PLACE}")]),
            (
                json!({ "allNodes": true }),
                vec![format!(
                    "spec: Invalid value: \"{{`nodeName`, `allNodes`}}\": {ONE_PLACE}, but multiple fields are set"
                )],
            ),
            (
                json!({ "devices": [{ "name": "a" }, { "name": "a" }] }),
                vec![r#"spec.devices[1]: Duplicate value: "a""#.into()],
            ),
            (
                json!({ "pool": { "name": "p", "resourceSliceCount": 0 } }),
                vec!["spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero".into()],
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(found(change.clone()), expected, "{change}");
        }
    }
}
