//! Claims on devices and their classes (`pkg/apis/resource/validation/validation.go`). What upstream
//! declares on the types is in `data/rules.txt`.

mod slice;

use serde_json::Value;
pub(crate) use slice::validate_slice;

use super::{Errors, Path, items, metadata, same, text};
use crate::status::FieldError;
use crate::{cel, names};

const NO_REQUEST: &str =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

pub(crate) fn validate_class(class: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_generated(class, old, names::long_name, &mut errors);
    let (path, spec) = (Path::new("spec"), &class["spec"]);
    // What was stored was good once.
    let selectors = match old {
        Some(old) if same(&old["spec"]["selectors"], &spec["selectors"]) => Selectors::Stored,
        Some(_) | None => Selectors::New,
    };
    validate_selectors(&spec["selectors"], selectors, &path.child("selectors"), &mut errors);
    for (index, config) in items(&spec["config"]).iter().enumerate() {
        validate_opaque(config, &path.child("config").index(index), &mut errors);
    }
    errors.into_vec()
}

pub(crate) fn validate_claim(claim: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(claim, old, names::dns1123_subdomain, &mut errors);
    // The spec does not change; that it does not is declared.
    if old.is_none() {
        validate_spec(&claim["spec"], &Path::new("spec"), &mut errors);
    }
    errors.into_vec()
}

pub(crate) fn validate_template(template: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(template, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &template["spec"]);
    let (at, metadata) = (path.child("metadata"), &spec["metadata"]);
    metadata::validate_annotations(&metadata["annotations"], &at.child("annotations"), &mut errors);
    metadata::validate_labels(&metadata["labels"], &at.child("labels"), &mut errors);
    validate_spec(&spec["spec"], &path.child("spec"), &mut errors);
    if let Some(old) = old {
        errors.immutable(&path, spec, &old["spec"]);
    }
    errors.into_vec()
}

fn validate_spec(spec: &Value, path: &Path, errors: &mut Errors) {
    let (devices, path) = (&spec["devices"], path.child("devices"));
    for (index, request) in items(&devices["requests"]).iter().enumerate() {
        validate_request(request, &path.child("requests").index(index), errors);
    }
    for (index, constraint) in items(&devices["constraints"]).iter().enumerate() {
        let at = path.child("constraints").index(index);
        validate_references(constraint, devices, &at, errors);
        if constraint["matchAttribute"].is_null() && constraint["distinctAttribute"].is_null() {
            let detail = "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set";
            errors.required(&at, detail);
        }
    }
    for (index, config) in items(&devices["config"]).iter().enumerate() {
        let at = path.child("config").index(index);
        validate_references(config, devices, &at, errors);
        validate_opaque(config, &at, errors);
    }
}

fn validate_request(request: &Value, path: &Path, errors: &mut Errors) {
    const ONE: &str = "exactly one of `exactly` or `firstAvailable` is required";
    errors.rule(&path.child("name"), text(&request["name"]), names::dns1123_label);
    let (exactly, options) = (&request["exactly"], items(&request["firstAvailable"]));
    match (exactly.is_object(), options.is_empty()) {
        (false, true) => errors.required(path, ONE),
        (true, false) => {
            let detail = format!("{ONE}, but multiple fields are set");
            errors.push(FieldError::invalid(path.as_str(), Value::Null, detail));
        }
        (true, true) => validate_exactly(exactly, &path.child("exactly"), errors),
        (false, false) => {
            for (index, option) in options.iter().enumerate() {
                let at = path.child("firstAvailable").index(index);
                errors.rule(&at.child("name"), text(&option["name"]), names::dns1123_label);
                validate_exactly(option, &at, errors);
            }
        }
    }
}

/// What a request asks for.
fn validate_exactly(request: &Value, path: &Path, errors: &mut Errors) {
    let class = path.child("deviceClassName");
    match text(&request["deviceClassName"]) {
        "" => errors.required(&class, ""),
        name => errors.rule(&class, name, names::dns1123_subdomain),
    }
    validate_selectors(&request["selectors"], Selectors::New, &path.child("selectors"), errors);
    let (mode, count) = (text(&request["allocationMode"]), request["count"].as_i64().unwrap_or_default());
    let at = path.child("count");
    match mode {
        "All" if count != 0 => {
            let detail = "must not be specified when allocationMode is 'All'";
            errors.invalid(&at, &count.into(), detail);
        }
        "ExactCount" if count <= 0 => errors.invalid(&at, &count.into(), "must be greater than zero"),
        "All" | "ExactCount" => {}
        _ => errors.one_of(&path.child("allocationMode"), &request["allocationMode"], &["All", "ExactCount"]),
    }
    for (index, toleration) in items(&request["tolerations"]).iter().enumerate() {
        validate_toleration(toleration, &path.child("tolerations").index(index), errors);
    }
}

fn validate_toleration(toleration: &Value, path: &Path, errors: &mut Errors) {
    let (at, value) = (path.child("value"), &toleration["value"]);
    match text(&toleration["operator"]) {
        "Exists" if !text(value).is_empty() => {
            errors.invalid(&at, value, "must be empty for operator `Exists`");
        }
        "Equal" => errors.rule(&at, text(value), names::label_value),
        _ => {}
    }
}

/// Bytes of a selector's expression.
const LONGEST_EXPRESSION: usize = 10 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Selectors {
    New,
    Stored,
}

fn validate_selectors(selectors: &Value, given: Selectors, path: &Path, errors: &mut Errors) {
    for (index, selector) in items(selectors).iter().enumerate() {
        let at = path.index(index).child("cel");
        if !selector["cel"].is_object() {
            errors.required(&at, "");
        } else if given == Selectors::New {
            validate_expression(&selector["cel"]["expression"], &at.child("expression"), errors);
        }
    }
}

fn validate_expression(expression: &Value, path: &Path, errors: &mut Errors) {
    let source = text(expression);
    if source.len() > LONGEST_EXPRESSION {
        errors.too_long(path, LONGEST_EXPRESSION);
        return;
    }
    match cel::device::check(source) {
        Ok(()) => {}
        Err(cel::device::Refusal::Invalid(why)) => errors.invalid(path, expression, why),
        Err(cel::device::Refusal::TooCostly) => errors.forbidden(path, "too complex, exceeds cost limit"),
    }
}

/// `requests` of a constraint or a configuration name requests of the claim.
fn validate_references(user: &Value, devices: &Value, path: &Path, errors: &mut Errors) {
    for (index, reference) in items(&user["requests"]).iter().enumerate() {
        let (at, name) = (path.child("requests").index(index), text(reference));
        if name.split('/').count() > 2 {
            errors.invalid(&at, reference, NO_REQUEST);
            continue;
        }
        name.split('/').for_each(|part| errors.rule(&at, part, names::dns1123_label));
        if !is_request(devices, name) {
            errors.invalid(&at, reference, NO_REQUEST);
        }
    }
}

fn is_request(devices: &Value, name: &str) -> bool {
    let (name, option) = name.split_once('/').map_or((name, None), |(name, option)| (name, Some(option)));
    let named = |request: &Value, name: &str| text(&request["name"]) == name;
    let request = items(&devices["requests"]).iter().find(|request| named(request, name));
    request.is_some_and(|request| {
        option.is_none_or(|option| items(&request["firstAvailable"]).iter().any(|o| named(o, option)))
    })
}

fn validate_opaque(config: &Value, path: &Path, errors: &mut Errors) {
    let (opaque, at) = (&config["opaque"], path.child("opaque"));
    if !opaque.is_object() {
        return errors.required(&at, "");
    }
    let parameters = at.child("parameters");
    match &opaque["parameters"] {
        Value::Null => errors.required(&parameters, ""),
        Value::Object(_) => {}
        _ => errors.invalid(&parameters, &"<value omitted>".into(), "must be a valid JSON object"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(devices: Value) -> Vec<String> {
        let claim = json!({ "metadata": { "name": "c" }, "spec": { "devices": devices } });
        validate_claim(&claim, None).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn requests_say_what_they_ask_for() {
        let exactly = |exactly: Value| json!({ "requests": [{ "name": "r", "exactly": exactly }] });
        let at = "spec.devices.requests[0]";
        let cases = [
            (exactly(json!({ "deviceClassName": "c", "allocationMode": "ExactCount", "count": 1 })), vec![]),
            (
                exactly(json!({ "deviceClassName": "c", "allocationMode": "All", "count": 1 })),
                vec![format!(
                    "{at}.exactly.count: Invalid value: 1: must not be specified when allocationMode is 'All'"
                )],
            ),
            (
                exactly(json!({ "deviceClassName": "c", "allocationMode": "All", "selectors": [{}] })),
                vec![format!("{at}.exactly.selectors[0].cel: Required value")],
            ),
            (
                json!({ "requests": [{ "name": "r" }] }),
                vec![format!(
                    "{at}: Required value: exactly one of `exactly` or `firstAvailable` is required"
                )],
            ),
        ];
        for (devices, expected) in cases {
            assert_eq!(found(devices.clone()), expected, "{devices}");
        }
    }

    #[test]
    fn classes_select_by_what_devices_have() {
        let found = |expression: &str| -> Vec<String> {
            let class = json!({ "metadata": { "name": "c" },
                "spec": { "selectors": [{ "cel": { "expression": expression } }] } });
            validate_class(&class, None).iter().map(ToString::to_string).collect()
        };
        let good = [
            "true",
            "device.driver == 'd.example.com' && device.attributes['d.example.com'].healthy",
            "device.capacity['d.example.com'].memory.compareTo(quantity('1Gi')) >= 0",
            "device.attributes['d.example.com'].version.isGreaterThan(semver('1.0.0'))",
            "'d.example.com' in device.attributes && device.allowMultipleAllocations",
            "device.attributes['d.example.com'].healthy",
            "cel.bind(own, device.attributes['d.example.com'], own.a && own.b)",
        ];
        for expression in good {
            assert_eq!(found(expression), [""; 0], "{expression}");
        }
        let at = "spec.selectors[0].cel.expression: Invalid value:";
        let undeclared = "compilation failed: ERROR: <input>:1:1: undeclared reference to 'changed' (in container '')\n | changed\n | ^";
        assert_eq!(found("changed"), [format!("{at} \"changed\": {undeclared}")]);
        assert_eq!(
            found("device.driver"),
            [format!("{at} \"device.driver\": must evaluate to bool or the unknown type, not string")]
        );
        assert_eq!(found(&"x".repeat(10_241)).len(), 1);
        let class = json!({ "metadata": { "name": "c" }, "spec": { "selectors": [{ "cel": { "expression": "old" } }] } });
        assert_eq!(validate_class(&class, Some(&class)), []);
    }

    #[test]
    fn a_changed_template_is_judged_as_a_new_one_too() {
        let template = |name: &str| {
            let request =
                json!({ "name": name, "exactly": { "deviceClassName": "c", "allocationMode": "All" } });
            json!({ "metadata": { "name": "t" }, "spec": { "spec": { "devices": { "requests": [request] } } } })
        };
        let found = validate_template(&template("Not Valid!"), Some(&template("r")));
        let fields: Vec<&str> = found.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["spec.spec.devices.requests[0].name", "spec"]);
    }

    #[test]
    fn constraints_name_requests() {
        let claim = |name: &str| {
            json!({
                "requests": [{ "name": "r", "firstAvailable": [{ "name": "o", "deviceClassName": "c", "allocationMode": "All" }] }],
                "constraints": [{ "requests": [name], "matchAttribute": "a.b/c" }],
            })
        };
        assert_eq!(found(claim("r")), [""; 0]);
        assert_eq!(found(claim("r/o")), [""; 0]);
        assert!(found(claim("r/x"))[0].ends_with(NO_REQUEST));
    }
}
